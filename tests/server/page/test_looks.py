"""What the page looks like: contrast in both themes, narrow and wide screens, fingers, and readers of screens."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from page_checks import CONTRAST, NAMELESS, TOO_WIDE
from page_site import Open, Site, Visit, site_of
from page_world import everything

from oddframe.store.reading import EventQuery

# Fields and buttons that fingers would miss.
SMALL = """() => [...document.querySelectorAll("button, select, .bar nav a, .row a")]
  .filter((one) => one.checkVisibility() && !one.matches(".handle"))
  .map((one) => [one.getBoundingClientRect(), one]).filter(([area]) => area.height < 43.5 || area.width < 36)
  .map(([area, one]) => `${area.width.toFixed(0)} x ${area.height.toFixed(0)} ${one.outerHTML.slice(0, 60)}`)"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("looks")
    everything(folder)
    for site in site_of(folder):
        ranked = site.store.events(EventQuery(), 4)
        for event, what in zip(ranked[1:], ("normal", "abnormal", "unsure"), strict=True):
            site.store.mark(event.id, what, note="a note")
        yield site


def states(one: Visit, site: Site) -> Iterator[str]:
    """Bring the page into every state in which it has other texts."""
    page = one.page
    page.wait_for_selector(".row.open")
    page.locator(".filters summary").click()
    yield "list and event"
    for mark in ("normal", "abnormal", "unsure"):
        event = site.store.events(EventQuery(mark=mark), 1)[0]
        page.evaluate("id => { location.hash = `#/event/${id}` }", event.id)
        page.wait_for_selector(f"#event .meta .chip.{mark}")
        yield mark
    page.keyboard.press("x")
    page.locator(".bulk").wait_for()
    yield "chosen"
    page.wait_for_selector(".frame[data-position]")
    page.keyboard.press("i")
    page.locator(".zone").wait_for()
    yield "drawing"
    page.keyboard.press("Escape")
    page.route("**/api/marks", lambda route: route.abort())
    page.get_by_role("button", name="Unsure").last.click()
    page.get_by_role("alert").get_by_text("does not answer").wait_for()
    yield "wrong"
    page.get_by_role("alert").get_by_role("button").click()
    page.unroute("**/api/marks")
    one.complaints.clear()
    page.locator("#help").click()
    yield "legend"
    page.keyboard.press("Escape")
    for view in ("timeline", "cameras", "learn"):
        page.evaluate("view => { location.hash = `#/${view}` }", view)
        page.wait_for_selector(f"#view-{view} h1")
        page.wait_for_timeout(200)
        yield view


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_text_has_contrast_and_every_control_a_name(site: Site, visit: Open, theme: Any) -> None:
    one = visit(site.url, color_scheme=theme)
    for state in states(one, site):
        texts, faults = one.page.evaluate(CONTRAST)
        assert texts > 10 and not faults, (state, faults)
        assert not one.page.evaluate(NAMELESS), state


def test_the_switch_of_colours_holds_against_the_system(site: Site, visit: Open) -> None:
    one = visit(site.url, color_scheme="dark")
    ground = "getComputedStyle(document.body).backgroundColor"
    dark = one.page.evaluate(ground)
    one.page.locator("#theme").click()
    assert one.page.evaluate(ground) != dark
    one.page.reload()
    one.page.wait_for_selector(".row.open")
    assert one.page.evaluate(ground) != dark
    one.page.locator("#theme").click()
    one.page.locator("#theme").click()
    assert one.page.evaluate(ground) == dark


@pytest.mark.parametrize("width", [320, 400])
def test_fingers_on_a_narrow_screen(site: Site, visit: Open, width: int) -> None:
    one = visit(site.url, viewport={"width": width, "height": 800}, has_touch=True, is_mobile=True)
    page = one.page
    page.wait_for_selector(".rows .row")
    assert not page.evaluate(TOO_WIDE) and not page.evaluate(SMALL)
    first = site.store.events(EventQuery(), 1)[0]
    page.locator(f'.row a[href="#/event/{first.id}"]').tap()
    page.wait_for_selector(".frame[data-position]")
    assert not page.locator("#list").is_visible()
    assert not page.evaluate(TOO_WIDE) and not page.evaluate(SMALL)
    page.locator(".decide").get_by_role("button", name="Normal", exact=False).first.tap()
    one.until("id => location.hash !== `#/event/${id}`", arg=first.id)
    page.locator("#said").get_by_role("button", name="Undo").tap()
    one.until("id => location.hash === `#/event/${id}`", arg=first.id)
    page.get_by_role("button", name="Back to the list").tap()
    page.wait_for_selector("#list", state="visible")
    for view in ("timeline", "cameras", "learn"):
        page.evaluate("view => { location.hash = `#/${view}` }", view)
        page.wait_for_timeout(200)
        assert not page.evaluate(TOO_WIDE), view


def test_a_wide_screen_is_used(site: Site, visit: Open) -> None:
    one = visit(site.url, viewport={"width": 3840, "height": 2160})
    one.page.wait_for_selector(".frame[data-position]")
    stage = one.page.locator(".stage").bounding_box()
    assert stage and stage["height"] > 1000
    assert one.page.evaluate("parseFloat(getComputedStyle(document.documentElement).fontSize)") > 20
    decide, why = one.page.locator(".decide").bounding_box(), one.page.locator(".why").bounding_box()
    assert decide and why and decide["y"] + decide["height"] < 2160 and why["x"] > stage["x"] + stage["width"]


def test_clips_play_by_themselves_unless_motion_is_unwanted(site: Site, visit: Open) -> None:
    calm = visit(site.url)
    calm.page.wait_for_selector(".frame[data-position]")
    assert calm.page.evaluate("document.querySelector('video').paused")
    lively = visit(site.url, reduced_motion="no-preference")
    lively.until("!document.querySelector('video').paused")
    lively.page.keyboard.press(" ")
    lively.until("document.querySelector('video').paused")


def test_what_is_done_is_spoken(site: Site, visit: Open) -> None:
    one = visit(site.url)
    one.page.wait_for_selector(".frame[data-position]")
    one.page.keyboard.press("n")
    said = one.page.locator("#said")
    said.get_by_text("Normal:").wait_for()
    one.page.keyboard.press("z")
    said.get_by_text("Taken back").wait_for()
    strip = one.page.get_by_role("slider")
    assert "threshold" in (strip.get_attribute("aria-valuetext") or "")
