"""The event store as a sink: no notice is lost by a database that is down, slow or refuses, nor by a kill."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from found import NOON, scores, trained
from patience import until

import oddframe
from oddframe.errors import StoreError
from oddframe.live.messages import Notice
from oddframe.live.sinks.store import EventStore
from oddframe.live.states import StateChange
from oddframe.store import engine
from oddframe.store.place import StorePlace, store_place
from oddframe.store.reading import EventQuery
from oddframe.store.sources import CameraState
from oddframe.workflow.watch_plan import WatchOptions, make_plan


def a_notice(number: int, change: str = "opened", **other: Any) -> Notice:
    start = NOON + 60 * number
    values: dict[str, Any] = {
        "change": change, "kind": "anomaly", "id": f"{number:016x}", "camera": "front", "bundle": "b0b0b0b0b0b0",
        "start_utc": start, "peak_utc": start + 1, "end_utc": start + 2, "start_s": 1.0, "peak_s": 2.0, "end_s": 3.0,
        "score": 5.0, "threshold": 4.0, "box": (1, 2, 3, 4), "why": {"a": 3.0}, "text": "something moves",
    }  # fmt: skip
    return Notice(**{**values, **other})


def a_sink(out: Path, said: list[str], place: StorePlace | None = None) -> EventStore:
    calibration = scores({"01": [0]}).threshold()
    detectors = [(trained(), "b0b0b0b0b0b0", calibration)]
    return EventStore(place or store_place("auto", out), out, ["front"], detectors, said.append)


def test_every_step_of_an_event_is_written(tmp_path: Path) -> None:
    said: list[str] = []
    sink = a_sink(tmp_path, said)
    sink.tell(a_notice(1))
    sink.tell(a_notice(2, kind="gap", score=None, threshold=None, held="", box=None))
    sink.tell(a_notice(1, "closed", score=9.0, held="zone door", files={"clip": "clips/front/1.mp4"}))
    sink.close(10)
    assert (sink.counts().sent, sink.counts().queued, said) == (3, 0, [])
    with oddframe.open_store(tmp_path) as store:
        event = store.event(f"{1:016x}")
        assert (event.score, event.open, event.held, event.clip) == (9.0, False, "zone door", "clips/front/1.mp4")
        assert event.model == "toy" and event.promise, "what watches is known by its notices"
        assert store.count() == 2


def test_paths_of_files_are_whole_where_the_store_lies_elsewhere(tmp_path: Path) -> None:
    sink = a_sink(tmp_path / "out", [], store_place(tmp_path / "elsewhere.db"))
    sink.tell(a_notice(1, files={"clip": "clips/front/1.mp4"}))
    sink.close(10)
    with oddframe.open_store(tmp_path / "elsewhere.db") as store:
        assert store.event(f"{1:016x}").clip == str(tmp_path / "out" / "clips" / "front" / "1.mp4")


def test_notices_wait_while_the_database_is_locked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "WAIT_S", 0.1)
    said: list[str] = []
    sink = a_sink(tmp_path, said)
    until(lambda: sink._closed)
    other = sqlite3.connect(tmp_path / "events.db", isolation_level=None)
    other.execute("begin immediate")
    for number in range(5):
        sink.tell(a_notice(number))
    until(lambda: bool(said))
    assert "another process has been writing" in said[0] and "wait in the outbox" in said[0]
    assert sink.counts().queued == 5 and sink.counts().sent == 0
    other.execute("rollback")
    until(lambda: sink.counts().sent == 5)
    assert said[1:] == ["store: it can be written again"], "a fault is said once, and its end"
    sink.close(10)


def test_what_waits_at_the_end_is_written_at_the_next_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "WAIT_S", 0.1)
    sink = a_sink(tmp_path, [])
    until(lambda: sink._closed)
    other = sqlite3.connect(tmp_path / "events.db", isolation_level=None)
    other.execute("begin immediate")
    sink.tell(a_notice(1))
    sink.tell(a_notice(2, "closed"))
    sink.close(1)
    assert sink.counts().queued == 2
    other.execute("rollback")
    sink = a_sink(tmp_path, [])
    sink.tell(a_notice(3))
    sink.close(10)
    with oddframe.open_store(tmp_path) as store:
        assert [event.open for event in store.events(EventQuery(order="time"))] == [False, False, True]


def test_a_notice_that_can_never_be_written_does_not_keep_the_others(tmp_path: Path) -> None:
    said: list[str] = []
    sink = a_sink(tmp_path, said)
    sink.tell(a_notice(1, camera="x" * 300))
    (tmp_path / "outbox" / "store").mkdir(parents=True, exist_ok=True)
    sink.tell(a_notice(2))
    sink.close(10)
    assert (sink.counts().failed, sink.counts().sent) == (1, 1) and "a notice cannot be written" in said[0]
    assert len(list((tmp_path / "outbox" / "store" / "failed").iterdir())) == 1
    with oddframe.open_store(tmp_path) as store:
        assert store.count() == 1


def test_a_store_that_cannot_be_opened_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no connection"):
        a_sink(tmp_path, [], store_place("postgresql://127.0.0.1:1/d"))


@pytest.mark.parametrize("way", ["deleted", "replaced", "log kept"])
def test_a_file_that_is_deleted_or_replaced_is_opened_again(tmp_path: Path, way: str) -> None:
    said: list[str] = []
    sink = a_sink(tmp_path, said)
    sink.tell(a_notice(1))
    until(lambda: sink.counts().sent == 1)
    if way == "deleted":
        for path in tmp_path.glob("events.db*"):
            path.unlink()
    else:
        with oddframe.open_store(tmp_path / "other.db") as store:
            store.tell([a_notice(7).as_json()])
        if way == "replaced":
            for path in tmp_path.glob("events.db-*"):
                path.unlink()
        (tmp_path / "other.db").replace(tmp_path / "events.db")
    for number in (2, 3):
        sink.tell(a_notice(number))
    sink.close(10)
    assert sink.counts().queued == 0 and sink.counts().sent == 3
    assert len(said) == 1 and "deleted or replaced; it was opened again" in said[0]
    there = {f"{number:016x}" for number in ((2, 3) if way == "deleted" else (2, 3, 7))}
    with oddframe.open_store(tmp_path) as store:
        assert {event.id for event in store.every()} == there
        assert store.event(f"{2:016x}").model == "toy", "what watches is known in the new file too"
    with sqlite3.connect(tmp_path / "events.db") as connection:
        assert connection.execute("pragma integrity_check").fetchone() == ("ok",)


def test_notices_wait_while_another_file_lies_in_the_place_of_the_store(tmp_path: Path) -> None:
    said: list[str] = []
    sink = a_sink(tmp_path, said)
    until(lambda: sink._closed)  # until then the sink looks at the file by itself, and would make it again
    (tmp_path / "letter").write_text("a letter, and no database")
    (tmp_path / "letter").replace(tmp_path / "events.db")
    sink.tell(a_notice(1))
    # A write that was under way says first that the file was replaced; the next try says what lies there.
    until(lambda: any("not a database of SQLite" in line for line in said))
    assert sink.counts().queued == 1
    (tmp_path / "events.db").unlink()
    until(lambda: sink.counts().sent == 1)
    sink.close(10)
    with oddframe.open_store(tmp_path) as store:
        assert store.count() == 1


def test_numbers_that_are_none_do_not_block_the_store(tmp_path: Path) -> None:
    said: list[str] = []
    sink = a_sink(tmp_path, said)
    sink.tell(a_notice(1, why={"a": float("inf"), "b": float("nan"), "c": 1.0}))
    sink.tell(a_notice(2, box=(0, 0, float("inf"), 1)))
    sink.tell(a_notice(3, why={"a": float("-inf")}))
    sink.close(10)
    assert (sink.counts().sent, sink.counts().failed, sink.counts().queued) == (2, 1, 0)
    with oddframe.open_store(tmp_path) as store:
        assert store.event(f"{1:016x}").as_json()["why"] == {"a": None, "b": None, "c": 1.0}


WATCH = """
import sys
sys.path[:0] = sys.argv[2:4]
from pathlib import Path
from test_store_sink import a_notice, a_sink
sink = a_sink(Path(sys.argv[1]), [])
number = 0
while True:
    sink.tell(a_notice(number))
    print(number, flush=True)
    number += 1
"""


@pytest.mark.slow
def test_a_kill_loses_no_notice_that_was_taken(tmp_path: Path) -> None:
    here = Path(__file__).parent
    words = [sys.executable, "-c", WATCH, str(tmp_path), str(here), str(here.parent / "store")]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    told = [int(process.stdout.readline()) for _ in range(30)]
    process.send_signal(signal.SIGKILL)
    told += [int(line) for line in process.stdout.read().splitlines()]
    process.wait()
    a_sink(tmp_path, []).close(30)
    with oddframe.open_store(tmp_path) as store:
        assert {f"{number:016x}" for number in told} <= {event.id for event in store.every()}
        assert not any(event.open for event in store.every()), "the run that was killed tells no end of them"


def test_states_of_cameras_are_written_with_signs_of_life(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("oddframe.live.sinks.store._BEAT_S", 0.1)
    sink = a_sink(tmp_path / "out", [], store_place(tmp_path / "elsewhere.db"))
    sink.state(StateChange("front", "connecting", "", NOON))
    sink.state(StateChange("front", "running", "", NOON + 1))
    with oddframe.open_store(tmp_path / "elsewhere.db") as store:
        until(lambda: bool(store.camera_states()) and store.camera_states()[0].state == "running")
        (first,) = store.camera_states()
        assert (first.name, first.state_utc, first.folder) == ("front", NOON + 1, str(tmp_path / "out"))
        until(lambda: (store.camera_states()[0].seen_utc or 0) > (first.seen_utc or 0))
        assert store.camera_states()[0].state_utc == NOON + 1, "a sign of life is no new state"
        sink.state(StateChange("front", "stopped", "the end", NOON + 9))
        sink.close(10)
        (last,) = store.camera_states()
        assert (last.state, last.words, last.state_utc) == ("stopped", "the end", NOON + 9)


def test_states_that_cannot_be_written_keep_no_notice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    sink = a_sink(tmp_path, said)

    def fail(states: object) -> None:
        raise StoreError("no connection")

    monkeypatch.setattr(sink._store, "tell_states", fail)
    sink.state(StateChange("front", "running", "", NOON))
    sink.state(StateChange("front", "waiting", "", NOON))
    sink.tell(a_notice(1))
    until(lambda: sink.counts().sent == 1)
    sink.close(10)
    assert said == ["store: no connection; the states of cameras are not written"]


def plan_with(store: str | None, out: Path | None, config: Path | None = None) -> Any:
    """A plan for a camera; no bundle is loaded."""
    from oddframe.workflow import watch_plan

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(watch_plan._Shared, "camera", lambda *_: SimpleNamespace(recording=None))
        sources = [] if config else ["test:"]
        return make_plan(None, sources, out, config, WatchOptions(store=store))


def test_the_store_of_a_plan(tmp_path: Path) -> None:
    assert plan_with(None, tmp_path).store is None
    assert plan_with("auto", tmp_path / "out").store.file == tmp_path / "out" / "events.db"
    assert plan_with(str(tmp_path / "x.db"), tmp_path / "out").store.file == tmp_path / "x.db"
    with pytest.raises(oddframe.errors.InputError, match="needs an output folder"):
        plan_with("auto", None)
    config = tmp_path / "watch.yaml"
    config.write_text("out: seen\nstore: auto\ncameras: {door: {source: 'test:'}}\n")
    assert plan_with(None, None, config).store.file == tmp_path / "seen" / "events.db"
    config.write_text("out: seen\nstore: deep.db\ncameras: {door: {source: 'test:'}}\n")
    assert plan_with(None, None, config).store.file == tmp_path / "deep.db"
    assert plan_with(str(tmp_path / "y.db"), None, config).store.file == tmp_path / "y.db", "the call comes first"


@pytest.mark.slow
def test_notices_of_the_outbox_are_what_sinks_are_told(tmp_path: Path) -> None:
    sink = a_sink(tmp_path, [])
    sink.close(10)
    sink.tell(a_notice(1, files={"clip": "c.mp4"}))
    (path,) = (tmp_path / "outbox" / "store").glob("*.json")
    assert json.loads(path.read_text()) == json.loads(json.dumps(a_notice(1, files={"clip": "c.mp4"}).as_json()))


@pytest.mark.slow
def test_watching_fills_the_store_with_what_it_tells(
    street: Path, tmp_path: Path, ask: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ODDFRAME_CACHE", str(tmp_path / "cache"))
    (tmp_path / "plain.yaml").write_text("summary: x\nmodel: frame_difference\noptions: {size: [16, 32]}\n")
    oddframe.fit(
        street / "training" / "videos", recipe=str(tmp_path / "plain.yaml"), out=tmp_path / "run",
        threshold=oddframe.ThresholdOptions(quantile=0.9), training=oddframe.TrainingOptions(workers=1),
    )  # fmt: skip
    video = next((street / "testing" / "videos").glob("*.mp4"))
    answer = ask("watch", tmp_path / "run", video, "--out", tmp_path / "out", "--store", "auto", "--name", "door")
    assert answer.status == 0, answer.err
    told = [json.loads(line) for line in (tmp_path / "out" / "events.jsonl").read_text().splitlines()]
    last = {row["id"]: row for row in told}
    listed = json.loads(ask("events", "list", "--store", tmp_path / "out", "--json").out)["events"]
    assert {row["id"] for row in listed} == set(last) and last
    for row in listed:
        notice = last[row["id"]]
        for name in (
            "kind",
            "camera",
            "bundle",
            "start_utc",
            "end_utc",
            "start_s",
            "end_s",
            "score",
            "box",
            "why",
            "held",
        ):
            assert row[name] == notice[name], name
        assert row["model"] == "frame_difference" and row["promise"] and not row["open"]
        clip = {name: row[name] for name in ("clip", "thumbnail", "heat") if row[name]}
        files = {name: path for one in told if one["id"] == row["id"] for name, path in one["files"].items()}
        assert clip == files


def test_a_state_that_comes_with_the_end_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last state comes while the one before is being written, and the sink is closed before that is done."""
    sink = a_sink(tmp_path, [])
    until(lambda: sink._closed)
    write, under_way, go_on = sink._store.tell_states, threading.Event(), threading.Event()

    def slow(states: list[CameraState]) -> None:
        under_way.set()
        assert go_on.wait(60)
        write(states)

    monkeypatch.setattr(sink._store, "tell_states", slow)
    sink.state(StateChange("front", "running", "", NOON))
    assert under_way.wait(60)
    sink.state(StateChange("front", "stopped", "", NOON + 1))
    threading.Timer(0.2, go_on.set).start()
    sink.close(30)
    with oddframe.open_store(tmp_path) as store:
        assert store.camera_states()[0].state == "stopped"
