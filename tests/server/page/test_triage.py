"""Deciding on events: by keyboard alone, many at once, back again, page after page."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from page_site import Open, Site, Visit, site_of
from page_world import everything, tell
from told import PATIENCE_S

from oddframe.store.reading import EventQuery


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("triage")
    everything(folder)
    yield from site_of(folder)


@pytest.fixture(autouse=True)
def unmarked(site: Site) -> None:
    """Every test begins with events that nobody has marked."""
    while marked := site.store.events(EventQuery(mark="any"), 500):
        site.store.mark([event.id for event in marked], "undo")


# A frame of the clip is shown, or that there is none.
SHOWS = """document.querySelector(".frame").dataset.position > 0 || !document.querySelector(".stage .still").hidden
  || !document.querySelector(".stage .nothing").hidden"""
SEEN = """[...document.querySelectorAll(".rows .row")].filter((row) => row.checkVisibility())
  .map((row) => row.querySelector("a").hash.slice(8))"""


def shown(visit: Visit) -> str:
    """The id of the event that is open, as the address has it."""
    return visit.page.evaluate("location.hash").removeprefix("#/event/")


def marks(site: Site) -> dict[str, str | None]:
    return {event.id: event.mark for event in site.store.every(EventQuery())}


def settle(site: Site, wanted: dict[str, str | None]) -> None:
    """Wait until the store has these marks and no others; what is shown comes before what is written."""
    until = time.monotonic() + PATIENCE_S
    while (found := {id: mark for id, mark in marks(site).items() if mark}) != wanted and time.monotonic() < until:
        time.sleep(0.02)
    assert found == wanted


def test_ten_events_by_keyboard_alone(site: Site, visit: Open) -> None:
    ranked = [event.id for event in site.store.events(EventQuery(), 10)]
    begin = time.monotonic()
    one = visit(site.url)
    keys = "nanunaannu"
    for id, key in zip(ranked, keys, strict=True):
        one.until_open(id)
        one.until(SHOWS)
        one.page.keyboard.press(key)
    one.until("id => location.hash !== `#/event/${id}`", arg=ranked[-1])
    took = time.monotonic() - begin
    words = {"n": "normal", "a": "abnormal", "u": "unsure"}
    settle(site, {id: words[key] for id, key in zip(ranked, keys, strict=True)})
    assert shown(one) not in ranked
    assert took < 60


def test_after_the_last_mark_nothing_is_left_to_review(site: Site, visit: Open) -> None:
    last, *others = (event.id for event in site.store.events(EventQuery(), 500))
    site.store.mark(others, "normal")
    one = visit(site.url)
    one.until_open(last)
    one.until("document.querySelector('#tally').textContent === '1 to review'")
    one.page.keyboard.press("n")
    one.page.get_by_text("Every event of this list is reviewed.").wait_for()
    assert one.page.evaluate("document.querySelector('#tally').textContent") == ""
    assert f"0 of {1 + len(others)} to review" in one.page.locator("#list").inner_text()


def test_undo_shows_the_event_again(site: Site, visit: Open) -> None:
    first, second = (event.id for event in site.store.events(EventQuery(), 2))
    one = visit(site.url)
    one.until_open(first)
    one.page.keyboard.press("a")
    one.until_open(second)
    settle(site, {first: "abnormal"})
    one.page.keyboard.press("z")
    one.until_open(first)
    settle(site, {})
    assert one.page.locator("#event .meta .chip").inner_text() == "Not reviewed"
    assert [mark.what for mark in site.store.marks(first)][-2:] == ["abnormal", "undo"]


def test_a_mark_that_is_refused_is_not_shown(site: Site, visit: Open) -> None:
    first = site.store.events(EventQuery(), 1)[0].id
    one = visit(site.url)
    one.until_open(first)
    one.page.route("**/api/marks", lambda route: route.fulfill(status=507, json={"error": "the disk is full"}))
    one.page.keyboard.press("n")
    one.page.get_by_role("alert").get_by_text("the disk is full").wait_for()
    one.until("[...document.querySelectorAll('.row .chip')].every(chip => chip.textContent === 'Not reviewed')")
    one.complaints.clear()
    settle(site, {})


def test_many_at_once_and_back(site: Site, visit: Open) -> None:
    one = visit(site.url)
    one.page.wait_for_selector(".row.open")
    ids = one.page.evaluate(SEEN)[:4]
    one.until_open(ids[0])
    for id in ids[1:]:
        one.page.locator(f'.row:has(a[href="#/event/{id}"]) input').check()
    one.page.get_by_role("group", name="Mark what is chosen").get_by_role("button", name="Normal", exact=True).click()
    settle(site, dict.fromkeys(ids[1:], "normal"))
    assert shown(one) == ids[0]
    assert one.page.locator(".bulk").is_hidden()
    one.page.locator("#said").get_by_role("button", name="Undo").click()
    settle(site, {})


def test_those_that_are_alike_are_marked_together(site: Site, visit: Open) -> None:
    front = {event.id for event in site.store.every(EventQuery(camera="front", kind="anomaly"))}
    one = visit(site.url)
    one.page.get_by_role("button", name="Show 4 more like this").click()
    group = one.page.locator(".rows > li", has_text="Hide 4 more like this")
    assert group.locator(".row").count() == 5 and group.locator(".row").last.is_visible()
    group.locator(".group input").check()
    assert one.page.locator(".bulk strong").inner_text() == "5 events chosen"
    one.page.keyboard.press("u")
    settle(site, dict.fromkeys(front, "unsure"))
    one.page.keyboard.press("z")
    settle(site, {})
    one.page.locator("#said").get_by_text("Taken back").wait_for()  # with it the first of them is opened
    lowest = min(front)
    one.page.locator(f'a[href="#/event/{lowest}"]').click()
    one.until_open(lowest)
    one.page.keyboard.press("Shift+N")
    settle(site, dict.fromkeys(front, "normal"))


def test_notes_are_written_with_the_mark_and_shown(site: Site, visit: Open) -> None:
    first = site.store.events(EventQuery(), 1)[0].id
    one = visit(site.url)
    one.until_open(first)
    one.page.keyboard.press("m")
    one.page.keyboard.type("a man and a n ew dog")  # letters that are keys elsewhere
    one.page.keyboard.press("Escape")
    one.page.keyboard.press("n")
    settle(site, {first: "normal"})
    assert site.store.event(first).note == "a man and a n ew dog"
    one.page.goto(f"{site.url}/#/event/{first}")
    assert one.page.locator(".history q").last.inner_text() == "a man and a n ew dog"
    one.page.locator("#note").fill("no dog")
    one.page.get_by_role("button", name="Write the note").click()
    one.page.locator(".history q", has_text="no dog").wait_for()
    assert site.store.event(first).note == "no dog"


def test_filters_and_order(site: Site, visit: Open) -> None:
    one = visit(site.url)
    one.page.locator(".filters summary").click()
    one.page.locator(".filters").get_by_label("Kind").select_option("gap")
    one.until("document.querySelectorAll('.rows .row').length === 1")
    one.page.locator(".rows").get_by_text("Nothing is seen").wait_for()  # the list may be read once more just then
    one.page.get_by_role("button", name="Show all").click()
    one.page.locator(".filters").get_by_label("Camera or video").select_option("camera:front")
    one.until("document.querySelectorAll('.rows .row').length === 7")
    one.page.locator(".filters").get_by_label("Order").select_option("time")
    one.until("document.querySelector('.rows a')?.hash.endsWith('1')")
    one.until(
        "() => { const times = [...document.querySelectorAll('.rows .row .what > .dim')].map(one => one.innerText);"
        " return times.length === 7 && times.join() === times.slice().sort().join(); }"
    )
    one.page.locator(".filters").get_by_label("Mark").select_option("any")
    one.page.get_by_text("No event fits").first.wait_for()


def test_what_others_do_is_shown(site: Site, visit: Open) -> None:
    one = visit(site.url)
    one.page.wait_for_selector(".row.open")
    second = one.page.evaluate(SEEN)[1]
    one.page.locator("#link.stands").wait_for()
    site.looks.wait()
    site.store.mark(second, "abnormal", who="bert")
    one.page.locator(f'.row:has(a[href="#/event/{second}"]) .chip.abnormal').wait_for()
    assert one.page.locator(".fresh").is_hidden()
    tell(site.store, [400], "front")
    one.page.locator(".fresh").click()
    one.page.locator('.row a[href="#/event/0000000000000190"]').wait_for()


def test_keys_can_be_switched_off(site: Site, visit: Open) -> None:
    one = visit(site.url)
    one.page.wait_for_selector(".row.open")
    one.page.keyboard.press("?")
    legend = one.page.get_by_role("dialog")
    assert "ignore this place" in legend.inner_text()
    legend.get_by_label("Keys are on").uncheck()
    one.page.keyboard.press("Escape")
    one.page.keyboard.press("n")
    assert one.page.locator(".row .chip").all_inner_texts() == ["Not reviewed"] * one.page.locator(".row").count()
    time.sleep(0.2)
    settle(site, {})


def test_pages_follow_while_events_are_marked(site: Site, visit: Open) -> None:
    for number in range(100, 230):
        tell(site.store, [number], "yard", why={f"part {number}": 3.0})  # none of them alike
    every = {event.id for event in site.store.every(EventQuery(camera="yard"))}
    one = visit(site.url)
    one.page.locator(".filters summary").click()
    one.page.locator(".filters").get_by_label("Camera or video").select_option("camera:yard")
    one.until("document.querySelectorAll('.rows .row').length === 50")
    # The last event of the page is marked, which puts it at the end of the list. The next page must not begin there.
    last = one.page.evaluate("[...document.querySelectorAll('.rows .row a')].at(-1).hash.slice(8)")
    one.page.locator("#link.stands").wait_for()
    site.looks.wait()
    site.store.mark(last, "normal", who="bert")
    one.page.locator(f'.row:has(a[href="#/event/{last}"]) .chip.normal').wait_for(state="attached")
    until = time.monotonic() + PATIENCE_S
    while one.page.locator(".rows .row").count() < len(every) and time.monotonic() < until:
        one.page.evaluate("document.querySelector('#list').scrollTop = 1e6")
        time.sleep(0.05)
    found = one.page.evaluate("[...document.querySelectorAll('.rows .row a')].map(link => link.hash.slice(8))")
    assert sorted(found) == sorted(every)
