"""What is found is written once, however often it is told, and marks are never lost."""

from __future__ import annotations

from pathlib import Path

import pytest
from found import NOON, notice, renamed, scores, trained
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from oddframe.errors import StoreError, StoreRefusal
from oddframe.live.messages import Notice
from oddframe.live.sinks.store import EventStore
from oddframe.report.units import ThresholdUnits
from oddframe.scoring.words import event_text
from oddframe.store.place import store_place
from oddframe.store.reading import EventQuery
from oddframe.store.recording import RecordedScores
from oddframe.store.store import Store
from oddframe.types import CameraFault, FrameScores
from oddframe.workflow.scores import Scores

LIVELY = [0, 5, 0, 0, 0, 9, 9, 0, 0, 0, 7, 0]  # three events, with peaks of 5, 9 and 7


def test_events_of_files_are_those_of_the_scores(store: Store) -> None:
    found = scores({"01": [0, 1, 0], "street/02": LIVELY})
    assert store.record_scores(trained(), found) == RecordedScores(3, 0, 3, 0, 0)
    stored = store.events(EventQuery(order="time"))
    for mine, event in zip(stored, found.events(), strict=True):
        assert (mine.id, mine.video, mine.key, mine.bundle) == (event.id, event.video, event.key, event.bundle)
        assert (mine.start_frame, mine.peak_frame, mine.end_frame) == (
            event.start_frame, event.peak_frame, event.end_frame,
        )  # fmt: skip
        assert (mine.start_s, mine.peak_s, mine.end_s, mine.score) == (
            event.start_s, event.peak_s, event.end_s, event.score,
        )  # fmt: skip
        assert (mine.threshold, mine.above, mine.why) == (4.0, event.score - 4.0, event.why)
        assert mine.times == pytest.approx(ThresholdUnits.of(found.threshold())(event.score)), "as the report says"
        assert (mine.kind, mine.open, mine.found, mine.camera, mine.start_utc) == ("anomaly", False, True, None, None)
        assert (mine.model, mine.width, mine.height, mine.path) == (
            "toy",
            128,
            72,
            str(Path("street/02.mp4").absolute()),
        )
        assert mine.promise == found.threshold().sentence()


def test_recording_again_changes_nothing(store: Store) -> None:
    found = scores({"02": LIVELY})
    store.record_scores(trained(), found)
    before = store.events()
    store.mark(before[0].id, "normal", "ann")
    assert store.record_scores(trained(), found) == RecordedScores(3, 0, 0, 0, 0)
    after = {event.id: event for event in store.events()}
    assert len(after) == 3 and after[before[0].id].mark == "normal" and after[before[1].id] == before[1]
    assert len(store.marks(before[0].id)) == 1
    assert [event.id for event in store.events(EventQuery(mark="any"))] == [before[0].id]
    assert store.record_scores(trained(), scores({"02": LIVELY}, threshold=20.0)).kept == 1, "its mark still counts"


def test_events_below_a_new_threshold_go_unless_they_are_marked(store: Store) -> None:
    store.record_scores(trained(), scores({"02": LIVELY}))
    lowest = store.events()[-1]
    assert lowest.score == 5.0
    store.mark(lowest.id, "abnormal", "ann")
    assert store.record_scores(trained(), scores({"02": LIVELY}, threshold=8.0)) == RecordedScores(1, 0, 0, 1, 1)
    assert store.event(lowest.id).found is False and store.event(lowest.id).mark == "abnormal"
    assert [event.score for event in store.events(EventQuery(found=True))] == [9.0]
    assert store.events(EventQuery(found=True))[0].threshold == 8.0
    store.record_scores(trained(), scores({"02": LIVELY}))
    assert store.event(lowest.id).found is True and store.event(lowest.id).mark == "abnormal"


def test_an_event_whose_mark_was_undone_stays_for_its_marks(store: Store) -> None:
    store.record_scores(trained(), scores({"02": LIVELY}))
    lowest = store.events()[-1].id
    store.mark(lowest, "abnormal", "ann")
    store.mark(lowest, "undo", "ann")
    assert store.record_scores(trained(), scores({"02": LIVELY}, threshold=8.0)).kept == 1
    assert len(store.marks(lowest)) == 2


def test_other_videos_and_other_bundles_stay_as_they_are(store: Store) -> None:
    store.record_scores(trained(), scores({"02": LIVELY, "03": [0, 6, 0]}))
    other = scores({"02": LIVELY}, threshold=8.0, bundle="c1c1c1c1c1c1")
    assert store.record_scores(trained("c1c1c1c1c1c1"), other) == RecordedScores(1, 0, 1, 0, 0)
    assert store.record_scores(trained(), scores({"02": [*LIVELY]}, threshold=8.0)).removed == 2
    assert store.count(EventQuery(video="03")) == 1 and store.count(EventQuery(bundle="c1c1c1c1c1c1")) == 1


def test_a_video_is_known_by_its_content_whatever_its_name_is(store: Store) -> None:
    found = scores({"02": LIVELY})
    store.record_scores(trained(), found)
    assert store.record_scores(trained(), renamed(found, "moved/02")).new == 0
    assert {event.video for event in store.events()} == {"moved/02"} and store.count() == 3


def test_the_life_of_a_live_event(store: Store) -> None:
    name = f"{3:016x}"
    store.tell([notice(3, score=5.0)])
    event = store.event(name)
    assert event.open and (event.camera, event.start_utc, event.end_utc) == ("front", NOON + 180, NOON + 182)
    assert event.video is None and event.above == 1.0 and event.box == (1, 2, 30, 40)
    store.tell([notice(3, "updated", score=8.0, end_s=9.0, files={"thumbnail": "clips/front/3.jpg"})])
    assert store.event(name).open and store.event(name).score == 8.0
    store.mark(name, "abnormal", "ann")
    store.tell([notice(3, "closed", score=9.0), notice(3, "updated", score=1.0, files={"clip": "clips/front/3.mp4"})])
    event = store.event(name)
    assert not event.open and event.score == 9.0, "what comes late changes no number"
    assert (event.thumbnail, event.clip, event.heat) == ("clips/front/3.jpg", "clips/front/3.mp4", None)
    assert event.mark == "abnormal"
    store.tell([notice(3), notice(3, "closed", score=9.0)])  # an outbox tells everything again
    assert store.event(name) == event and store.count() == 1
    assert [one.id for one in store.events(EventQuery(mark="any"))] == [name]


def test_gaps_and_faults_of_the_camera_are_events_of_another_kind(store: Store) -> None:
    store.tell(
        [notice(1), notice(2, kind="gap", score=None, threshold=None, box=None), notice(3, kind="moved", score=None)]
    )
    assert [event.kind for event in store.events()] == ["anomaly", "gap", "moved"], "they come last"
    assert store.events(EventQuery(kind="gap"))[0].above is None


def test_faults_of_the_camera_in_files_are_written_beside_the_events(store: Store) -> None:
    fault = CameraFault("02", "moved", 2, 8, 2.0, 8.0, 1.5, "the camera was moved", "b0b0b0b0b0b0", key="x")

    class WithFault(Scores):
        def findings_of(self, one: FrameScores) -> list[CameraFault]:
            return [fault]

    found = scores({"02": LIVELY})
    assert store.record_scores(trained(), WithFault(**vars(found))) == RecordedScores(3, 1, 4, 0, 0)
    (stored,) = store.events(EventQuery(kind="moved"))
    assert (stored.id, stored.text, stored.start_frame, stored.end_s) == (fault.id, "the camera was moved", 2, 8.0)
    assert stored.above is None and store.record_scores(trained(), found).removed == 1


def test_notices_are_written_together_or_not_at_all(store: Store) -> None:
    with pytest.raises(StoreError, match="a notice without camera"):
        store.tell([notice(1), {key: value for key, value in notice(2).items() if key != "camera"}])
    assert store.count() == 0


def test_what_a_killed_watch_left_open_is_closed(store: Store) -> None:
    store.tell([notice(1), notice(2, camera="back"), notice(3, "closed")])
    assert store.close_open(["front"]) == 1
    assert [event.open for event in store.events(EventQuery(order="time"))] == [False, True, False]


def test_the_events_of_another_watch_stay_open(store: Store, url: str, tmp_path: Path) -> None:
    """Two watches with cameras of the same name share a store."""
    detectors = [(trained(), "b0b0b0b0b0b0", scores({"01": [0]}).threshold())]

    def watch(out: str, *told: int) -> None:
        sink = EventStore(store_place(url), tmp_path / out, ["front"], detectors, print)
        for number in told:
            values = {**notice(number), "start_utc": NOON, "peak_utc": NOON, "end_utc": NOON}
            sink.tell(Notice(**values))
        sink.close(30)
        assert sink.counts().queued == 0

    watch("one", 1)
    watch("two", 2)
    assert store.event(f"{1:016x}").open and store.event(f"{2:016x}").open
    watch("one")
    assert not store.event(f"{1:016x}").open and store.event(f"{2:016x}").open


def test_a_value_that_cannot_be_written_is_refused(store: Store) -> None:
    """Trying again does not help, so the notice must not wait."""
    for why in ({"a": object()}, {"a": b"1"}):
        with pytest.raises(StoreRefusal):
            store.tell([notice(1, why=why)])
    with pytest.raises(StoreRefusal):
        store.tell([notice(1, start_s={})])
    store.tell([notice(1, why={"a": float("inf"), "b": float("nan")})])
    assert store.event(f"{1:016x}").why == {"a": None, "b": None}


def everything(store: Store) -> str:
    """All that lies in a database, as text."""
    with store._database.engine.connect() as connection:
        names = [row[0] for row in connection.execute(text(TABLES[connection.dialect.name]))]
        return "\n".join(str(row) for name in names for row in connection.execute(text(f"select * from {name}")))


TABLES = {
    "sqlite": "select name from sqlite_master where type = 'table'",
    "postgresql": "select table_name from information_schema.tables where table_schema = 'public'",
}


def test_no_password_enters_the_database(store: Store) -> None:
    secret = "rtsp://admin:hunter2@10.0.0.7/stream"
    store.tell(
        [notice(1, text=f"lost {secret}", held=secret), notice(2, camera=secret), notice(2, "closed", camera=secret)]
    )
    store.close_open([secret])
    assert "10.0.0.7" in everything(store) and "hunter2" not in everything(store)
    assert "admin" not in everything(store)


@pytest.mark.parametrize(
    "address", ["postgresql://ann:hunter2@h:5433/d?password=other", "postgres://ann:hunter2@h:5433/d"]
)
def test_an_address_is_shown_without_user_and_password(address: str) -> None:
    place = store_place(address)
    assert place.shown == "postgresql://h:5433/d" and "hunter2" not in repr(place) and "hunter2" in place.url


HOSTILE = st.one_of(
    st.text(min_size=1, max_size=12),
    st.text(st.characters(), min_size=1, max_size=12),
    st.sampled_from(
        ["'; drop table events; --", '"', "%", "_", "\\", "\x00", "a\x00b", "\udcff.mp4", "\u202e", "=1+1"]
    ),
)


@pytest.mark.slow
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(camera=HOSTILE, video=HOSTILE, note=HOSTILE, number=st.integers(0, 2**60))
def test_any_name_comes_back_as_it_was(store: Store, camera: str, video: str, note: str, number: int) -> None:
    store.tell([notice(1, id=f"{number:016x}", camera=camera, text=note)])
    store.record_scores(trained(), scores({video: [0, 5, 0, number]}, path="/videos/x.mp4"))
    assert {event.camera for event in store.events(EventQuery(camera=camera))} == {camera}
    assert {event.video for event in store.events(EventQuery(video=video))} == {video}
    store.mark(f"{number:016x}", "normal", f"w{note}", note)
    last = store.marks(f"{number:016x}")[-1]
    assert (last.who, last.note, store.event(f"{number:016x}").text) == (f"w{note}", note, note)
    assert store.count(EventQuery(camera=f"{camera}x")) == 0


def test_a_name_without_letters_or_with_too_many_is_refused(store: Store) -> None:
    for name in ("", "x" * 256):
        with pytest.raises(StoreError, match=f"name has {len(name)} letters"):
            store.tell([notice(1, camera=name)])


def test_an_event_of_a_file_has_the_sentence_of_a_live_one(store: Store) -> None:
    found = scores({"01": [0, 5, 0, 0, 0, 7, 0]})
    store.record_scores(trained(), found)
    (one,) = found
    words, size = {"a": "how things look"}, (one.info.width, one.info.height)
    told = {event.id: event_text(event.why, event.box, size, words) for event in found.events_of(one)}
    assert {event.id: event.text for event in store.every()} == told and len(told) == 2
    assert event_text({"a": 3.21, "b": 1.0, "c": None}, (0, 0, 20, 20), size, words) == (
        "unusual in how things look, 3.2 standard deviations above normal, in the upper left"
    )
    assert event_text({"b": 1.0}, None, size, words) == "unusual in b, 1.0 standard deviations above normal"
    assert event_text({"b": None}, (0, 0, 20, 20), None, words) == "not like what it has learned"
