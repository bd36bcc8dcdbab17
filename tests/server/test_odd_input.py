"""What a clumsy operator, a stranger's store or an unlucky machine brings: one line, and the server lives."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import quote

import pytest
from found import notice
from shown import OpenPage

import oddframe
from oddframe.store.store import Store

ONE = f"{1:016x}"
ODD_IDS = ("é💥", "a b", "50%", "a?b#c", "' or 1=1 --", "<b>", '"', "\u202eab", "x" * 64)


def test_events_with_odd_ids_are_shown_and_marked(tmp_path: Path, open_page: OpenPage) -> None:
    with oddframe.open_store(tmp_path / "events.db") as store:
        store.tell([notice(number, "closed", id=name) for number, name in enumerate((*ODD_IDS, "a/b", ".."))])
    page = open_page(tmp_path / "events.db")
    assert {row["id"] for row in page.get("events")["events"]} == {*ODD_IDS, "a/b", ".."}
    for name in ODD_IDS:
        told = page.get(f"events/{quote(name, safe='')}")
        assert told["event"]["id"] == name and told["clip"] is None
        assert page.post("marks", {"ids": [name], "what": "normal"})["events"][0]["mark"] == "normal"
    for path in ("events/a%2Fb", "events/..", "events/" + "y" * 5000, "events/%00", "events/%ff"):
        answer = page.client.get(f"/api/{path}")
        assert answer.status_code in (400, 404) and list(answer.json()) == ["error"], path
    page.post("marks", {"ids": ["z" * 65], "what": "normal"}, status=400)
    assert page.get("events", mark="normal")["count"] == len(ODD_IDS)


@pytest.mark.slow
@pytest.mark.parametrize("note", ["x" * 4000, "🐕" * 4000, "\u202eright to left", "a\0b\ud800", "\n" * 100, " "])
def test_a_note_comes_back_as_it_was_written(store: Store, url: str, open_page: OpenPage, note: str) -> None:
    store.tell([notice(1, "closed")])
    page = open_page(url)
    body = page.client.post(
        "/api/marks", headers={"X-CSRF-Token": page.csrf, "Content-Type": "application/json"},
        content=json.dumps({"ids": [ONE], "what": "unsure", "note": note}),
    )  # fmt: skip
    if "\ud800" in note:  # half a letter is none, and the standard of JSON leaves open what becomes of it
        assert body.status_code == 400 and list(body.json()) == ["error"]
        return
    assert body.status_code == 200 and page.get(f"events/{ONE}")["marks"][-1]["note"] == note


def test_a_note_that_is_too_long_is_one_line(store: Store, url: str, open_page: OpenPage) -> None:
    store.tell([notice(1, "closed")])
    error = open_page(url).post("marks", {"ids": [ONE], "what": "normal", "note": "x" * 4001}, status=400)["error"]
    assert error.startswith("note: ") and "4000" in error and store.marks(ONE) == []


def test_an_undo_takes_back_the_mark_of_its_moment_alone(store: Store, url: str, open_page: OpenPage) -> None:
    store.tell([notice(number, "closed") for number in (1, 2)])
    page, names = open_page(url), [ONE, f"{2:016x}"]
    mine = page.post("marks", {"ids": names, "what": "normal"})["events"][0]["marked_utc"]
    store.mark(names[1], "abnormal", "bert")
    undone = page.post("marks", {"ids": names, "what": "undo", "of_utc": mine})
    assert undone["marked"] == 1
    assert {row["id"]: row["mark"] for row in undone["events"]} == {names[0]: None, names[1]: "abnormal"}
    assert page.post("marks", {"ids": names, "what": "undo", "of_utc": mine})["marked"] == 0, "nor an undo of an undo"
    assert [mark.what for mark in store.marks(names[0])] == ["normal", "undo"]
    assert "is no moment" in page.post("marks", {"ids": names, "what": "undo", "of_utc": "now"}, status=400)["error"]
    assert page.post("marks", {"ids": names, "what": "undo"})["marked"] == 1, "without a moment, whichever counts"


def test_a_disk_that_is_full_takes_no_mark(tmp_path: Path, open_page: OpenPage) -> None:
    with oddframe.open_store(tmp_path / "events.db") as store:
        store.tell([notice(number, "closed") for number in range(1, 200)])
    page = open_page(tmp_path / "events.db")
    with page.library.store._database.engine.connect() as connection:
        connection.exec_driver_sql("pragma max_page_count = 1")  # of this connection, which the pool gives again
    body = {"ids": [f"{number:016x}" for number in range(1, 200)], "what": "normal", "note": "x" * 4000}
    assert "the disk is full; make room" in page.post("marks", body, status=507)["error"]
    assert page.get("events", mark="any")["count"] == 0


def test_where_nothing_can_be_kept_events_can_still_be_marked(scored: Path, open_page: OpenPage) -> None:
    """A file lies in the place of the folder for clips and pictures, as a stand-in for a folder that is read-only."""
    (scored / ".review").write_text("in the way")
    page = open_page(scored)
    name = page.get("events")["events"][0]["id"]
    error = page.get(f"events/{name}/thumb", status=503)["error"]
    assert "a part of this path is a file" in error and "fault of oddframe" not in error
    assert page.get(f"events/{name}")["event"]["id"] == name
    assert page.post("marks", {"ids": [name], "what": "normal"})["marked"] == 1
