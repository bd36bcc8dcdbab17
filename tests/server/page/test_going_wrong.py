"""What goes wrong while the page is open is said in one line, and what others do is not undone."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from page_site import Open, Site, Visit, site_of
from page_world import tell
from told import PATIENCE_S

import oddframe

FIRST = f"{5:016x}"


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with oddframe.open_store(str(tmp_path / "events.db")) as store:
        tell(store, range(1, 6), "front")
    yield from site_of(tmp_path)


def chip(one: Visit, id: str, name: str) -> None:
    """Wait until a row of the list bears a mark."""
    one.page.locator(f'.row:has(a[href="#/event/{id}"]) .chip.{name}').wait_for(state="attached")


def test_a_store_that_is_deleted_and_replaced_is_told_on_the_page(site: Site, visit: Open, tmp_path: Path) -> None:
    one = visit(site.url)
    one.until_open(FIRST)
    one.page.locator("#link.stands").wait_for()
    (tmp_path / "events.db").unlink()
    alert = one.page.get_by_role("alert")
    alert.get_by_text("the file was deleted or moved away while it was in use").wait_for()
    one.page.keyboard.press("n")
    one.until("[...document.querySelectorAll('.row .chip')].every(chip => chip.textContent === 'Not reviewed')")
    alert.get_by_text("the file was deleted").wait_for()
    with oddframe.open_store(str(tmp_path / "other.db")) as other:
        tell(other, [9], "yard")
    os.replace(tmp_path / "other.db", tmp_path / "events.db")
    one.page.get_by_role("status").get_by_text("The event store was replaced").wait_for()
    one.until("document.querySelectorAll('.rows .row').length === 1")
    assert "yard" in one.page.locator(".rows").inner_text() and not alert.is_visible()
    one.complaints[:] = [told for told in one.complaints if not told.startswith(("503", "404"))]
    one.page.goto(f"{site.url}/?again")
    one.until_open(f"{9:016x}")
    one.page.keyboard.press("n")
    until = time.monotonic() + PATIENCE_S
    while site.store.event(f"{9:016x}").mark != "normal" and time.monotonic() < until:
        time.sleep(0.02)
    assert site.store.event(f"{9:016x}").mark == "normal"


def test_a_page_that_is_opened_while_the_store_is_away_shows_it_once_it_is_back(
    site: Site, visit: Open, tmp_path: Path
) -> None:
    (tmp_path / "events.db").rename(tmp_path / "moved.db")
    one = visit(site.url)
    one.page.get_by_role("alert").get_by_text("deleted or moved away").wait_for()
    one.complaints.clear()
    site.looks.wait()  # so that the server knows as well that the store is away
    (tmp_path / "moved.db").rename(tmp_path / "events.db")
    one.page.get_by_role("status").get_by_text("The event store answers again").wait_for()
    one.until("document.querySelectorAll('.rows .row').length === 5")
    one.complaints.clear()


def test_two_people_mark_one_event_and_each_takes_back_what_is_theirs(site: Site, visit: Open) -> None:
    ann, bert = visit(site.url), visit(site.url)
    for one in (ann, bert):
        one.until_open(FIRST)
        one.page.locator("#link.stands").wait_for()
    site.looks.wait()
    ann.page.keyboard.press("n")
    chip(bert, FIRST, "normal")
    bert.page.locator("#event .meta").get_by_text("Normal").wait_for()  # what is open says it as well
    bert.page.keyboard.press("a")
    chip(ann, FIRST, "abnormal")
    ann.page.keyboard.press("z")
    said = ann.page.get_by_role("status").get_by_text("marked or undone by others since, and stays as it is")
    said.wait_for()
    assert site.store.event(FIRST).mark == "abnormal"
    bert.page.keyboard.press("z")
    chip(ann, FIRST, "normal")
    assert [mark.what for mark in site.store.marks(FIRST)] == ["normal", "abnormal", "undo"]
    assert site.store.event(FIRST).mark == "normal", "that of the first counts again"


@pytest.mark.parametrize("note", ["\u202eright to left\u202c", "שלום עולם", "🐕‍🦺" * 500, "x" * 2000])
def test_notes_of_any_letters_and_length_stay_in_their_place(site: Site, visit: Open, note: str) -> None:
    site.store.mark(FIRST, "normal", who="\u202eann", note=note)
    for width in (400, 1400):
        one = visit(site.url, f"#/event/{FIRST}", viewport={"width": width, "height": 860})
        quoted = one.page.locator(".history q")
        quoted.wait_for()
        assert quoted.inner_text() == note
        assert one.page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "nothing sticks out"
        line = one.page.locator(".history li").bounding_box()
        assert line and line["x"] >= 0 and line["x"] + line["width"] <= width
        # What is written from right to left turns nothing around it: the moment stands behind the name.
        order = "[...document.querySelectorAll('.history li *')].map((one) => getComputedStyle(one).unicodeBidi)"
        assert "isolate" in one.page.evaluate(order)
