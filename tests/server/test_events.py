"""Lists, single events, marks and zones, as the page asks for them, on both databases."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from found import NOON, notice, scores, trained
from shown import OpenPage

from oddframe.server.alike import alike
from oddframe.store.sources import CameraState
from oddframe.store.store import Store

CURVE = [0, 5, 0, 0, 0, 9, 9, 0, 0, 0, 7, 0]
EVIL = "<img src=x onerror=alert(1)>\u2028"


@pytest.fixture
def full(store: Store) -> Store:
    """Live events of two cameras, one of them with a hostile name, and a scored video."""
    for number in range(9):
        kind = ("anomaly", "anomaly", "gap")[number % 3]
        score = None if kind == "gap" else 5.0 + number
        store.tell([notice(number, "closed", camera=("front", EVIL)[number % 2], kind=kind, score=score)])
    store.record_scores(trained(), scores({"01": CURVE}))
    return store


def test_a_list_goes_on_page_by_page_until_its_end(full: Store, url: str, open_page: OpenPage) -> None:
    page, seen, after = open_page(url), list[str](), dict[str, str]()
    while True:
        answer = page.get("events", limit=5, **after)
        assert answer["count"] == answer["unreviewed"] == 12
        seen += [row["id"] for row in answer["events"]]
        if answer["next"] is None:
            break
        assert answer["next"] == seen[-1]
        after = {"after": answer["next"]}
    assert seen == [event.id for event in full.events(limit=20)]


@pytest.mark.slow
def test_filters_find_what_the_store_finds(full: Store, url: str, open_page: OpenPage) -> None:
    page = open_page(url)
    front = page.get("events", source="camera:front", order="time")
    assert [row["camera"] for row in front["events"]] == ["front"] * 5 and front["count"] == 5
    evil = page.get("events", source=f"camera:{EVIL}")
    assert {row["source"] for row in evil["events"]} == {f"camera:{EVIL}"} and evil["count"] == 4
    (video,) = [one for one in page.get("sources") if one["kind"] == "video"]
    assert [row["score"] for row in page.get("events", source=video["source"])["events"]] == [9.0, 7.0, 5.0]
    assert page.get("events", kind="gap")["count"] == 3
    assert page.get("events", bundle="other")["events"] == []
    late = page.get("events", since="2026-12-01T12:06:00Z", until=NOON + 7 * 60)
    assert [row["id"] for row in late["events"]] == [f"{6:016x}"]


def test_marks_count_and_are_undone(full: Store, url: str, open_page: OpenPage) -> None:
    page = open_page(url)
    ids = [row["id"] for row in page.get("events", limit=3)["events"]]
    done = page.post("marks", {"ids": ids, "what": "normal", "note": EVIL})
    assert done["marked"] == 3 and {row["mark"] for row in done["events"]} == {"normal"}
    assert page.get("events")["unreviewed"] == 9 and page.get("events", mark="normal")["count"] == 3
    assert page.get("events", mark="none")["unreviewed"] == 9 and page.get("events", mark="any")["unreviewed"] == 0
    (mark,) = page.get(f"events/{ids[0]}")["marks"]
    assert (mark["what"], mark["who"], mark["note"]) == ("normal", "ann", EVIL)
    assert page.post("marks", {"ids": ids[:1], "what": "undo"})["events"][0]["mark"] is None
    assert [mark.what for mark in full.marks(ids[0])] == ["normal", "undo"]


def test_counts_are_those_of_a_second_and_of_the_last_mark(
    full: Store, url: str, open_page: OpenPage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("oddframe.server.rows.COUNTED_S", 1000.0)
    page = open_page(url)
    before = page.get("events")
    full.tell([notice(50, "closed")])
    assert page.get("events")["count"] == before["count"] == 12
    page.post("marks", {"ids": [before["events"][0]["id"]], "what": "unsure"})
    after = page.get("events")
    assert (after["count"], after["unreviewed"]) == (13, 12)


def test_a_mark_of_an_unknown_event_marks_nothing(full: Store, url: str, open_page: OpenPage) -> None:
    page = open_page(url)
    ids = [row["id"] for row in page.get("events", limit=2)["events"]]
    told = page.post("marks", {"ids": [*ids, "nothing"], "what": "normal"}, status=404)
    assert told == {"error": "there is no event 'nothing'; nothing was marked"}
    assert page.get("events", mark="any")["count"] == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("path", "params", "message"),
    [
        ("events", {"mark": "bad"}, "mark: Input should be"),
        ("events", {"limit": "0"}, "limit: Input should be greater"),
        ("events", {"limit": "many"}, "limit: "),
        ("events", {"source": "house:1"}, "is no source"),
        ("events", {"source": "video:x"}, "is no source"),
        ("events", {"since": "soon"}, "'soon' is no moment"),
        ("timeline", {"source": "video:1", "bins": "0"}, "bins: "),
        ("timeline", {"source": "video:1", "from": "5", "to": "5"}, "a timeline ends after it begins"),
    ],
)
def test_wrong_questions_are_answered_in_one_line(
    full: Store, url: str, open_page: OpenPage, path: str, params: dict[str, str], message: str
) -> None:
    told = open_page(url).get(path, 400, **params)["error"]
    assert message in told and "\n" not in told


@pytest.mark.slow
@pytest.mark.parametrize(
    "body",
    [
        {"ids": [], "what": "normal"}, {"ids": ["a"], "what": "good"}, {"ids": "a", "what": "normal"}, {}, [], None,
        {"ids": ["a"] * 10_001, "what": "normal"}, {"ids": ["a"], "what": "normal", "note": "x" * 4001},
    ],
)  # fmt: skip
def test_marks_that_are_none_are_refused(full: Store, url: str, open_page: OpenPage, body: object) -> None:
    assert "\n" not in open_page(url).post("marks", body, status=400)["error"]
    assert full.count() == full.count()


@pytest.mark.slow
@pytest.mark.parametrize("path", ["events/x", "events/x/frames", "events/x/clip", "events/x/thumb", "events/x/heat"])
def test_an_event_that_does_not_exist_is_none(full: Store, url: str, open_page: OpenPage, path: str) -> None:
    assert open_page(url).get(path, 404) == {"error": "there is no event 'x'"}
    assert open_page(url).get("timeline", 404, source="video:99")["error"].startswith("there is no video 99")


def test_zones_belong_to_the_camera_or_to_the_detector(full: Store, url: str, open_page: OpenPage) -> None:
    page = open_page(url)
    corners = [[0, 0], [0.5, 0], [0.5, 1]]
    live = page.post("zones", {"event": f"{0:016x}", "corners": corners, "note": "the tree"})["number"]
    (video,) = [one["source"] for one in page.get("sources") if one["kind"] == "video"]
    stored = page.get("events", source=video)["events"][0]["id"]
    other = page.post("zones", {"event": stored, "corners": corners})["number"]
    (mine,) = page.get("zones", source="camera:front")
    assert (mine["number"], mine["corners"], mine["who"], mine["note"]) == (live, corners, "ann", "the tree")
    assert [zone["number"] for zone in page.get("zones", source=video)] == [other]
    assert [zone["number"] for zone in page.get(f"events/{stored}")["zones"]] == [other]
    assert page.send("DELETE", f"zones/{live}") == {"number": live} and page.get("zones", source="camera:front") == []
    assert "no zone" in page.send("DELETE", f"zones/{live}", status=404)["error"]
    page.post("zones", {"event": stored, "corners": [[0, 0], [1.5, 0], [1, 1]]}, status=400)


def test_sources_have_counts_and_states(full: Store, url: str, open_page: OpenPage) -> None:
    now = time.time()
    full.mark(f"{0:016x}", "normal", "ann")
    full.tell_states([CameraState("front", None, "running", "", now - 60, now)])
    full.tell_states([CameraState(EVIL, None, "running", "", now - 90, now - 60)])
    page = open_page(url)
    told = {one["name"]: one for one in page.get("sources")}
    assert (told["front"]["events"], told["front"]["unreviewed"], told["front"]["state"]) == (5, 4, "running")
    assert told["front"]["last_event"] == f"{8:016x}"
    assert told[EVIL]["state"] == "unknown", "a watch that gives no sign of life is not believed"
    assert (told["01"]["kind"], told["01"]["events"], told["01"]["state"]) == ("video", 3, None)
    assert page.get("session")["watching"] is True


def test_why_is_told_in_words_beside_what_is_normal(scored: Path, open_page: OpenPage) -> None:
    page = open_page(scored)
    first = page.get("events")["events"][0]
    (component,) = page.get(f"events/{first['id']}")["components"]
    assert component["name"] == "look" and component["value"] == first["why"]["look"] == 26.0
    assert component["normal_text"] == "normal video has 0.5, give or take 0.25"


def test_events_look_alike_by_source_kind_reason_place_and_time(full: Store) -> None:
    def text(number: int, size: tuple[int, int] | None = (90, 90), **other: object) -> str:
        full.tell([notice(number, "closed", **other)])
        return alike(full.event(f"{number:016x}"), size)

    base = text(40, box=[0, 0, 20, 20])
    assert base == "camera:front / anomaly / a / upper left / 2026-12-01 12:00Z"
    assert text(41, box=[5, 5, 29, 29]) == base
    for other in ({"box": [60, 0, 90, 20]}, {"camera": "back"}, {"kind": "moved"}, {"why": {"b": 1.0}}):
        assert text(42, **{"box": [0, 0, 20, 20], **other}) != base
    assert text(100, box=[0, 0, 20, 20]) != base, "an hour later"
    assert text(43, size=None, box=[60, 60, 80, 80]) == "camera:front / anomaly / a / 2026-12-01 12:00Z"
    assert text(44, box=[90, 90, 300, 300]).count("lower right") == 1
    assert text(45, box=None, why={}) == "camera:front / anomaly / 2026-12-01 12:00Z"


def test_names_are_data(full: Store, url: str, open_page: OpenPage) -> None:
    answer = open_page(url).client.get("/api/sources")
    assert (
        answer.headers["content-type"] == "application/json" and answer.headers["x-content-type-options"] == "nosniff"
    )
    assert EVIL in [one["name"] for one in json.loads(answer.content)] and answer.content.isascii()
