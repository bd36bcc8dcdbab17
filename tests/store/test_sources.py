"""Cameras, videos, states and changes, as a page asks for them."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from found import NOON, notice, scores, trained

from oddframe.errors import StoreMissing
from oddframe.store.sources import CameraState
from oddframe.store.store import Store

LIVELY = [0, 5, 0, 0, 0, 9, 9, 0, 0, 0, 7, 0]


def test_sources_are_counted(store: Store) -> None:
    store.tell([notice(number, "closed", camera=("b", "a")[number % 2]) for number in range(5)])
    store.record_scores(trained(), scores({"02": LIVELY, "01": [0, 0]}))
    store.mark([f"{0:016x}", f"{2:016x}"], "normal", "ann")
    found = store.sources()
    assert [(one.kind, one.name, one.events, one.unreviewed) for one in found] == [
        ("camera", "a", 2, 2), ("camera", "b", 3, 1), ("video", "01", 0, 0), ("video", "02", 3, 3),
    ]  # fmt: skip
    assert [one.last_event for one in found[:3]] == [f"{3:016x}", f"{4:016x}", None]
    assert store.event(found[3].last_event or "").start_s == 10.0
    assert found[3].id == f"video:{found[3].number}" and found[0].id == "camera:a"
    assert store.source("video", found[3].number).name == "02" and store.source("camera", "a").events is None
    for kind, name in (("camera", "c"), ("video", 99)):
        with pytest.raises(StoreMissing, match=f"there is no {kind}"):
            store.source(kind, name)


def test_states_are_those_of_the_last_word(store: Store) -> None:
    store.tell_states([CameraState("a", "/watched", "running", "", NOON, NOON + 1)])
    store.tell_states(
        [CameraState("a", "/watched", "waiting", "lost rtsp://ann:secret@cam/", NOON + 5, NOON + 6),
         CameraState("b", None, "running", "", NOON, NOON)]
    )  # fmt: skip
    first, second = store.camera_states()
    assert (first.state, first.words, first.state_utc, first.seen_utc, first.folder) == (
        "waiting", "lost rtsp://***@cam/", NOON + 5, NOON + 6, "/watched",
    )  # fmt: skip
    assert (second.name, second.state, second.folder) == ("b", "running", None)


@pytest.mark.slow
def test_what_is_known_of_the_detector_of_an_event(store: Store, tmp_path: Path) -> None:
    store.record_scores(trained(), scores({"02": LIVELY}), tmp_path / "scores")
    event = store.events()[0].id
    known = store.explanation(event)
    where = Path("scores/02.npz") if store.file is not None else tmp_path / "scores" / "02.npz"
    assert known.words == {"a": "how things look"} and known.score_file == where.as_posix()
    assert known.bundle == str(Path("run").absolute())
    store.record_scores(trained(), scores({"02": LIVELY}))
    assert store.explanation(event).score_file == where.as_posix(), "what is known is not forgotten"
    assert store.score_file_of(store.event(event).video_id or 0) == where.as_posix()
    with pytest.raises(StoreMissing):
        store.explanation("nothing")


def test_events_between_two_moments(store: Store) -> None:
    store.tell([notice(number, "closed", camera=("a", "b")[number % 2]) for number in range(10)])
    store.record_scores(trained(), scores({"02": LIVELY}))
    numbers = {one.name: one.number for one in store.sources()}
    found = store.between("camera", numbers["a"], NOON + 121, NOON + 241, 10)
    assert [event.id for event in found] == [f"{number:016x}" for number in (2, 4)], "parts count as well"
    assert len(store.between("camera", numbers["a"], 0, 2 * NOON, 3)) == 3
    assert [event.start_s for event in store.between("video", numbers["02"], 2, 6, 10)] == [5.0]
    assert store.threshold_of("camera", numbers["b"]) == store.threshold_of("video", numbers["02"]) == 4.0
    assert store.threshold_of("camera", 99) is None


def test_days_are_those_of_the_place(store: Store) -> None:
    day = int(NOON // 86_400)
    store.tell([notice(0), notice(13 * 60), notice(24 * 60, camera="b")])
    assert store.days("front") == [day, day + 1] and store.days("b") == [day + 1] and store.days("c") == []
    assert store.days("front", -2 * 3600.0) == [day], "west of Greenwich it is still the day before"
    assert store.days("front", 12 * 3600.0) == [day + 1]


def test_changes_since_a_moment(store: Store) -> None:
    began = time.time()
    store.tell([notice(number) for number in range(3)])
    later = time.time()
    store.mark(f"{1:016x}", "normal", "ann")
    assert {name for name, _ in store.changed_since(began - 1)} == {f"{number:016x}" for number in range(3)}
    assert [name for name, _ in store.changed_since(later)] == [f"{1:016x}"]
    assert len(store.changed_since(0, limit=2)) == 2
    assert [event.id for event in store.events_named([f"{2:016x}", "nothing"])] == [f"{2:016x}"]
