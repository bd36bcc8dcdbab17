"""Events: hysteresis, merging by time, duration, the box, and their file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from oddframe.errors import InputError
from oddframe.scoring.events import find_events, read_events, region, spans, write_events
from oddframe.types import Event, FrameScores, VideoInfo

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
    return FrameScores("cam", frame, frame / 10, {"x": values}, values, INFO, map=grid)


def test_find_events_gives_frames_seconds_and_the_peak() -> None:
    (event,) = find_events(make_scores([0, 0.6, 1, 2, 1, 0]), threshold=1, low=0.5)
    assert event == Event("cam", 9, 11, 12, 0.9, 1.1, 1.2, 2.0, None)


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


@pytest.mark.parametrize("line", ["{", '{"video": "a"}', "[1]", '{"video": "a", "box": null, "colour": 1}'])
def test_a_line_that_is_no_event_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "events.jsonl"
    write_events(path, [Event("b", 1, 2, 3, 0.1, 0.2, 0.3, 7.0)])
    path.write_text(path.read_text() + line + "\n")
    with pytest.raises(InputError, match="line 2: not an event"):
        read_events(path)
    with pytest.raises(InputError, match="no such file"):
        read_events(tmp_path / "none.jsonl")
