"""Events: hysteresis, merging by time, duration, the box, and their file."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from oddframe.errors import InputError
from oddframe.scoring.events import (
    EventChange,
    EventFinder,
    SpanFinder,
    find_events,
    read_events,
    region,
    spans,
    write_events,
)
from oddframe.types import Event, FrameScores, VideoInfo
from oddframe.video.pauses import stretches

INFO = VideoInfo("cam", "cam.mp4", width=640, height=360, fps=10.0)


def runs(score: list[float], threshold: float, low: float, merge_s: float = 0.0, min_s: float = 0.0) -> list[list[int]]:
    time = np.arange(len(score)) / 10
    return spans(time, np.array(score), threshold, low, merge_s, min_s).tolist()


def test_an_event_starts_at_the_threshold_and_extends_to_the_low_one_both_ways() -> None:
    assert runs([0, 0.5, 1, 0.6, 0.5, 0.4, 0.9, 0], threshold=1, low=0.5) == [[1, 4]]


def test_what_stays_below_the_threshold_is_no_event() -> None:
    assert runs([0.9, 0.9, 0, 0.9], threshold=1, low=0.5) == []


def test_events_reach_both_ends_of_the_video() -> None:
    assert runs([1, 0, 0, 1], threshold=1, low=1) == [[0, 0], [3, 3]]


def test_gaps_merge_up_to_the_given_seconds_and_not_beyond() -> None:
    score = [1, 0, 0, 1, 0, 0, 0, 1.0]
    assert runs(score, 1, 1, merge_s=0.31) == [[0, 3], [7, 7]]
    assert runs(score, 1, 1, merge_s=0.41) == [[0, 7]]


def test_a_gap_of_just_the_given_seconds_merges() -> None:
    time = np.array([0.0, 0.5, 1.0, 1.5, 2.0])  # exact in binary, so that the gap is equal to the limit
    score = np.array([1.0, 0, 0, 0, 1.0])
    assert spans(time, score, 1, 1, merge_s=2.0).tolist() == [[0, 4]]
    assert spans(time, score, 1, 1, merge_s=1.999).tolist() == [[0, 0], [4, 4]]


def test_an_event_of_just_the_least_duration_stays() -> None:
    time = np.array([0.0, 0.5, 1.0, 1.5])
    score = np.array([1.0, 1, 0, 1])
    assert spans(time, score, 1, 1, merge_s=0.0, min_s=0.5).tolist() == [[0, 1]]
    assert spans(time, score, 1, 1, merge_s=0.0, min_s=0.501).tolist() == []


def test_short_events_are_dropped_after_merging() -> None:
    score = [1, 0, 1, 0, 0, 0, 0, 0, 1.0]
    assert runs(score, 1, 1, merge_s=0.21, min_s=0.15) == [[0, 2]]


def test_gaps_are_measured_by_time_stamps_not_by_frames() -> None:
    score = np.array([1.0, 0.0, 1.0, 0.0, 1.0])
    time = np.array([0.0, 0.1, 0.2, 5.0, 9.0])
    assert spans(time, score, 1, 1, merge_s=1.0).tolist() == [[0, 2], [4, 4]]


def test_a_low_threshold_above_the_threshold_is_refused() -> None:
    with pytest.raises(InputError, match="low threshold 2 lies above the threshold 1"):
        runs([1.0], threshold=1, low=2)


@given(
    score=arrays(np.float64, st.integers(1, 40), elements=st.floats(0, 1)),
    threshold=st.floats(0.1, 1),
    gap=st.floats(0, 1),
    merge_s=st.floats(0, 1),
)
def test_events_hold_every_frame_at_the_threshold_and_are_apart(
    score: np.ndarray, threshold: float, gap: float, merge_s: float
) -> None:
    time = np.arange(len(score)) / 10
    found = spans(time, score, threshold, threshold * gap, merge_s)
    covered = np.zeros(len(score), dtype=bool)
    for first, last in found:
        assert first <= last
        assert score[first : last + 1].max() >= threshold
        covered[first : last + 1] = True
    assert covered[score >= threshold].all()
    assert (time[found[1:, 0]] - time[found[:-1, 1]] > merge_s).all()


def make_scores(score: list[float], grid: np.ndarray | None = None) -> FrameScores:
    values = np.array(score)
    frame = np.arange(8, 8 + len(values))
    return FrameScores("cam", frame, frame / 10, {"x": values}, values, INFO, "abc", map=grid)


def test_find_events_gives_frames_seconds_and_the_peak() -> None:
    (event,) = find_events(make_scores([0, 0.6, 1, 2, 1, 0]), threshold=1, low=0.5)
    assert event == Event("cam", 9, 11, 12, 0.9, 1.1, 1.2, 2.0, None, bundle="abc")


def test_find_events_takes_the_box_from_the_map_of_the_peak() -> None:
    grid = np.zeros((3, 4, 8), dtype=np.float16)
    grid[0, 0, 0] = 9  # a brighter place in another frame
    grid[1, 1:3, 5] = 1
    (event,) = find_events(make_scores([1, 2, 0], grid), threshold=1, low=0.5)
    assert event.box == (5 * 80, 90, 6 * 80, 270)


def test_region_leaves_out_places_that_do_not_touch_the_maximum() -> None:
    grid = np.zeros((10, 10))
    grid[2:4, 2:5] = 0.8
    grid[2, 2] = 1.0
    grid[8, 8] = 0.9
    grid[4, 4] = 0.4  # touches, but is less than halfway up
    assert region(grid, INFO) == (128, 72, 320, 144)


def test_region_is_halfway_from_the_background_not_from_zero() -> None:
    grid = np.full((10, 10), 0.5)
    grid[5, 5], grid[5, 6], grid[5, 7] = 1.0, 0.8, 0.7  # halfway is 0.75
    assert region(grid, INFO) == (5 * 64, 5 * 36, 7 * 64, 6 * 36)


def test_region_covers_fractions_of_pixels_outward() -> None:
    grid = np.zeros((3, 3))
    grid[1, 1] = 1
    assert region(grid, VideoInfo("a", "a", width=100, height=50, fps=None)) == (33, 16, 67, 34)


def test_a_flat_map_has_no_region() -> None:
    assert region(np.full((4, 4), 0.3), INFO) is None


def test_events_survive_their_file(tmp_path: Path) -> None:
    events = [
        Event("street/cam 1", 1, 2, 3, 0.1234567, 0.2, 0.3, 1 / 3, (0, 1, 2, 3)),
        Event("b", 1, 2, 3, 0.1, 0.2, 0.3, 7.0),
    ]
    path = tmp_path / "out" / "events.jsonl"
    write_events(path, events)
    first, second = read_events(path)
    assert (first.start_s, first.score, first.box) == (0.123, 0.3333333, (0, 1, 2, 3))
    assert second == events[1]
    assert [file.name for file in path.parent.iterdir()] == ["events.jsonl"]


def test_a_failing_write_leaves_the_old_events(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    write_events(path, [])
    with pytest.raises(TypeError):
        write_events(path, [Event("b", 1, 2, 3, 0.1, 0.2, 0.3, 7.0), None])  # type: ignore[list-item]
    assert path.read_text() == ""
    assert list(tmp_path.iterdir()) == [path]


OLD = {"video": "b", "start_frame": 1, "peak_frame": 2, "end_frame": 3, "start_s": 0.1, "peak_s": 0.2, "end_s": 0.3,
       "score": 7.0, "box": [0, 1, 2, 3], "why": {"x": 2.5}}  # fmt: skip


def test_lines_of_older_versions_are_events_too(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_text(json.dumps(OLD) + "\n")
    wanted = Event("b", 1, 2, 3, 0.1, 0.2, 0.3, 7.0, (0, 1, 2, 3), {"x": 2.5})
    assert read_events(path) == [wanted] and wanted.bundle == ""


def test_bundle_and_id_are_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    event = Event("b", 1, 2, 3, 0.1, 0.2, 0.3, 7.0, bundle="abc", id="0123456789abcdef")
    write_events(path, [event])
    row = json.loads(path.read_text())
    assert (row["bundle"], row["id"]) == ("abc", "0123456789abcdef") and read_events(path) == [event]


IMPOSSIBLE = json.dumps({**OLD, "peak_frame": 4})


@pytest.mark.parametrize("line", ["{", '{"video": "a"}', "[1]", '{"video": "a", "box": null, "colour": 1}', IMPOSSIBLE])
def test_a_line_that_is_no_event_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "events.jsonl"
    write_events(path, [Event("b", 1, 2, 3, 0.1, 0.2, 0.3, 7.0)])
    path.write_text(path.read_text() + line + "\n")
    with pytest.raises(InputError, match="line 2: not an event"):
        read_events(path)
    with pytest.raises(InputError, match="no such file"):
        read_events(tmp_path / "none.jsonl")


# A video in pieces.


def at_once(
    time: np.ndarray, score: np.ndarray, threshold: float, low: float, merge_s: float, min_s: float
) -> list[list[int]]:
    """The rule of `SpanFinder` on whole arrays, as it reads."""
    found: list[list[int]] = []
    for part in stretches(time):
        rows = np.arange(part.start, part.stop)
        inside, first = rows[score[rows] >= low], len(found)
        for run in np.split(inside, np.flatnonzero(np.diff(inside) > 1) + 1):
            if not len(run) or score[run].max() < threshold:
                continue
            if len(found) > first and time[run[0]] - time[found[-1][1]] <= merge_s:
                found[-1][1] = int(run[-1])
            else:
                found.append([int(run[0]), int(run[-1])])
    return [[first, last] for first, last in found if time[last] - time[first] >= min_s]


levels = st.sampled_from([0.0, 0.2, 0.4, 0.5, 0.6, 0.9, 1.0, 1.5])
gaps = st.sampled_from([0.0, 0.125, 0.125, 0.125, 0.375, 2.0])  # sums of them are exact
seconds = st.sampled_from([0.0, 0.125, 0.25, 0.375, 0.5, 1.0])
videos = st.lists(st.tuples(levels, gaps), max_size=40)
cuts = st.lists(st.integers(0, 40), max_size=12)


def scored(video: list[tuple[float, float]]) -> FrameScores:
    """A video of these scores and frame intervals, whose map shows the frame's number; every third frame is missing."""
    count = len(video)
    score, time = np.array([s for s, _ in video], float), np.cumsum([g for _, g in video], dtype=float)
    frame = 7 + np.arange(count) * 3 // 2
    grid = np.zeros((count, 4, 8), np.float16)
    grid[np.arange(count), np.arange(count) % 4, np.arange(count) // 4 % 8] = 1
    return FrameScores("cam", frame, time, {"x": frame / 2}, score, INFO, "abc", grid)


def part(whole: FrameScores, rows: slice) -> FrameScores:
    assert whole.map is not None
    components = {name: values[rows] for name, values in whole.components.items()}
    return FrameScores(
        whole.video, whole.frame[rows], whole.time[rows], components, whole.score[rows], INFO, "abc", whole.map[rows]
    )


def parts(whole: FrameScores, at: list[int]) -> list[FrameScores]:
    edges = [0, *sorted(min(cut, len(whole.frame)) for cut in at), len(whole.frame)]
    return [part(whole, slice(start, stop)) for start, stop in pairwise(edges)]


def explain(components: dict[str, np.ndarray], row: int) -> dict[str, float]:
    return {"x": float(components["x"][row])}


@given(video=videos, at=cuts, low=st.sampled_from([0.2, 0.5, 1.0]), merge_s=seconds, min_s=seconds)
def test_any_cutting_gives_the_spans_of_the_whole(
    video: list[tuple[float, float]], at: list[int], low: float, merge_s: float, min_s: float
) -> None:
    whole = scored(video)
    rule = (1.0, low, merge_s, min_s)
    found = spans(whole.time, whole.score, *rule).tolist()
    assert found == at_once(whole.time, whole.score, *rule)
    finder, ended = SpanFinder(*rule), []
    for piece in parts(whole, at):
        ended += finder.push(piece.frame, piece.time, piece.score)
    ended += finder.flush()
    assert [[span.first.frame, span.last.frame] for span in ended] == whole.frame[np.array(found, int)].tolist()


@given(video=videos, at=cuts, low=st.sampled_from([0.2, 0.5, 1.0]), merge_s=seconds, min_s=seconds)
def test_any_cutting_closes_the_events_of_the_whole(
    video: list[tuple[float, float]], at: list[int], low: float, merge_s: float, min_s: float
) -> None:
    whole, rule = scored(video), (1.0, low, merge_s, min_s)
    wanted = []
    for first, last in at_once(whole.time, whole.score, *rule):
        peak = first + int(np.argmax(whole.score[first : last + 1]))
        assert whole.map is not None
        f1, f2, f3 = (int(whole.frame[row]) for row in (first, peak, last))
        t1, t2, t3 = (float(whole.time[row]) for row in (first, peak, last))
        score, box = float(whole.score[peak]), region(whole.map[peak], INFO)
        wanted.append(Event("cam", f1, f2, f3, t1, t2, t3, score, box, explain(whole.components, peak), "abc"))
    assert find_events(whole, *rule, explain) == wanted
    finder = EventFinder(*rule, explain)
    changes = [change for piece in parts(whole, at) for change in finder.push(piece)] + finder.flush()
    assert [change.event for change in changes if change.kind == "closed"] == wanted
    check_lives(changes)


def check_lives(changes: list[EventChange]) -> None:
    """One event after the other, each opened, updated and closed."""
    open_event = None
    for change in changes:
        event = change.event
        if change.kind == "opened":
            assert open_event is None
        else:
            assert open_event is not None and open_event.id == event.id
            assert open_event.start_frame == event.start_frame and open_event.score <= event.score
            assert open_event.end_frame <= event.end_frame
            assert change.kind == "closed" or open_event != event, "an update says something new"
        open_event = None if change.kind == "closed" else event
    assert open_event is None


def lives(score: list[float], **rule: float) -> list[list[tuple[str, int, int]]]:
    """Kind, peak and end of what every frame changes, and what the end of the video changes; ten frames a second."""
    finder = EventFinder(1.0, 0.5, **rule)
    whole = make_scores(score)
    steps = [finder.push(FrameScores("cam", np.array([row]), np.array([row / 10]), {}, whole.score[[row]], INFO))
             for row in range(len(score))]  # fmt: skip
    return [[(c.kind, c.event.peak_frame, c.event.end_frame) for c in step] for step in [*steps, finder.flush()]]


def test_an_event_opens_at_the_threshold_grows_and_closes_once_nothing_can_merge_with_it() -> None:
    assert lives([0.6, 1, 2, 0.7, 0, 0, 0, 0, 0], merge_s=0.25) == [
        [], [("opened", 1, 1)], [("updated", 2, 2)], [("updated", 2, 3)],
        [], [], [("closed", 2, 3)], [], [], [],
    ]  # fmt: skip


def test_the_end_of_the_video_closes_an_event() -> None:
    assert lives([0, 1], merge_s=0.25) == [[], [("opened", 1, 1)], [("closed", 1, 1)]]


def test_a_run_that_may_yet_become_an_alarm_keeps_an_event_open() -> None:
    steps = lives([1, 0, 0.6, 0.6, 0.6, 0.6, 1, 0, 0, 0], merge_s=0.25)
    assert steps[:7] == [[("opened", 0, 0)], [], [], [], [], [], [("updated", 0, 6)]]
    steps = lives([1, 0, 0.6, 0.6, 0.6, 0.6, 0.4], merge_s=0.25)
    assert steps == [[("opened", 0, 0)], [], [], [], [], [], [("closed", 0, 0)], []]


def test_an_event_closes_when_a_run_begins_too_late_to_merge() -> None:
    assert lives([1, 0, 0, 0.6, 0.6], merge_s=0.25) == [[("opened", 0, 0)], [], [], [("closed", 0, 0)], [], []]


def test_a_run_that_became_no_alarm_does_not_join_the_alarms_around_it() -> None:
    whole = make_scores([1, 0, 0.6, 0.6, 0, 0, 0, 0, 1])
    for cut in range(9):
        finder, ended = SpanFinder(1.0, 0.5, merge_s=0.25), []
        for rows in (slice(cut), slice(cut, None)):
            ended += finder.push(whole.frame[rows], whole.time[rows], whole.score[rows])
        assert [(s.first.frame, s.last.frame) for s in ended + finder.flush()] == [(8, 8), (16, 16)]


def test_a_gap_of_exactly_the_given_seconds_merges() -> None:
    time, score = np.arange(5) * 0.25, np.array([1.0, 0, 0, 1, 0])
    assert spans(time, score, 1, 1, merge_s=0.75).tolist() == [[0, 3]]
    for cut in range(5):
        finder = SpanFinder(1, 1, merge_s=0.75)
        parts = [finder.push(np.arange(5)[rows], time[rows], score[rows]) for rows in (slice(cut), slice(cut, None))]
        assert [span.last.frame for part in [*parts, finder.flush()] for span in part] == [3]


def test_a_short_event_never_opens_and_a_longer_one_opens_when_it_has_lasted() -> None:
    assert lives([1, 1, 0, 0, 1, 1, 1, 0, 0], merge_s=0.0, min_s=0.15) == [
        [], [], [], [], [], [], [("opened", 4, 6)], [("closed", 4, 6)], [], [],
    ]  # fmt: skip


def test_the_id_is_that_of_bundle_video_and_start_alone() -> None:
    event = Event("cam", 9, 11, 12, 0.9, 1.1, 1.2, 2.0, bundle="abc")
    assert event.id == Event("cam", 9, 10, 40, 0.9, 1.0, 4.0, 3.0, bundle="abc").id and len(event.id) == 16
    others = [
        Event("cam", 9, 11, 12, 0.9, 1.1, 1.2, 2.0, bundle="abd"),
        Event("cam2", 9, 11, 12, 0.9, 1.1, 1.2, 2.0, bundle="abc"),
        Event("cam", 8, 11, 12, 0.9, 1.1, 1.2, 2.0, bundle="abc"),
    ]
    assert len({event.id, *(other.id for other in others)}) == 4
    assert int(event.id, 16) and event.id == "1a737aeb639a89bf"
