"""Names, notes and reasons are texts, whatever they look like."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from page_site import Open, Site, site_of
from page_world import FILM, film, record, tell
from told import PATIENCE_S

import oddframe
from oddframe.store.reading import EventQuery

PAYLOADS = (
    "<img src=x onerror=window.hit=1>",
    '"><script>window.hit=1</script>',
    "'><svg onload=window.hit=1>",
    "javascript:window.hit=1",
    "</textarea><iframe srcdoc='<script>parent.hit=1</script>'>",
    "{{constructor.constructor('window.hit=1')()}}",
    "\u202eright to left",
)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("hostile")
    with oddframe.open_store(str(folder / "events.db")) as store:
        record(store, folder / "scores", [film(folder / "film.mp4", FILM)], ["<img src=x onerror=window.hit=1>"])
        for number, payload in enumerate(PAYLOADS):
            tell(store, [number + 1], payload, text=payload, held=payload, why={payload: 3.0}, reasons=[payload])
            event = store.events(EventQuery(camera=payload), 1)[0]
            store.mark(event.id, "unsure", who=payload, note=payload)
            store.mark(event.id, "undo", who=payload, note=payload)
            store.mark(event.id, "normal", who=payload, note=payload)
    yield from site_of(folder)


def test_nothing_in_data_is_run(site: Site, visit: Open) -> None:
    one = visit(site.url)
    page = one.page
    page.wait_for_selector(".row.open")
    for event in site.store.every(EventQuery()):
        page.evaluate("id => { location.hash = `#/event/${id}` }", event.id)
        one.until("id => [...document.querySelectorAll('.facts dd')].some(one => one.textContent === id)", arg=event.id)
        if event.camera is not None:
            assert event.camera in page.locator("#event .meta").inner_text()
            assert event.note in page.locator(".history").inner_text().replace("\n", " ") or "\n" in (event.note or "")
    page.locator(".filters summary").click()
    for name in ("timeline", "cameras", "learn", "events"):
        page.evaluate("name => { location.hash = `#/${name}` }", name)
        page.locator(f"#view-{name}").wait_for()
        page.wait_for_timeout(150)
    for payload in PAYLOADS:
        with page.expect_response("**/api/timeline?*"):
            page.evaluate(
                "source => { location.hash = `#/timeline?source=${encodeURIComponent(source)}` }", f"camera:{payload}"
            )
        page.wait_for_timeout(50)
    assert page.evaluate("window.hit") is None
    assert page.locator("main img[src=x], main script, main iframe, main svg[onload]").count() == 0


def test_an_address_that_names_something_else_does_no_harm(site: Site, visit: Open) -> None:
    for hash in ("#/event/<img src=x onerror=window.hit=1>", "#/constructor", "#//evil.example/"):
        one = visit(site.url, hash)
        one.page.wait_for_selector(".rows .row")
        assert one.page.evaluate("window.hit") is None
        one.complaints[:] = [told for told in one.complaints if not told.startswith("404 ")]  # there is no such event


def test_scripts_and_styles_in_the_page_are_refused(site: Site, visit: Open) -> None:
    """The policy of the server stands behind the care of the page."""
    one = visit(site.url)
    with one.page.expect_response("**/x"):  # the picture that is not there, whose handler would run now
        one.page.evaluate(
            """() => {
      const image = document.createElement("div");
      image.innerHTML = "<img src=x onerror='window.hit=1'><p style='color: rgb(1, 2, 3)'>text</p>";
      document.body.append(image);
    }"""
        )
    until = time.monotonic() + PATIENCE_S
    while not any("Content Security Policy" in told for told in one.complaints) and time.monotonic() < until:
        one.page.wait_for_timeout(20)
    assert one.page.evaluate("window.hit") is None
    assert any("Content Security Policy" in told for told in one.complaints)
    one.complaints.clear()
