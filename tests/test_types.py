"""The value types check themselves: what is wrong, and of which video, in one line; intervals and runs of flags."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oddframe.errors import InputError
from oddframe.types import Event, FrameScores, Interval, VideoInfo, runs

SCORES = FrameScores(
    "cam",
    np.array([3, 4, 7]),
    np.array([0.1, 0.2, 0.2]),
    {"teacher": np.array([1.0, 2.0, 3.0])},
    np.array([5.0, 6.0, 7.0]),
    VideoInfo("cam", "cam.mp4", 64, 48, 10.0),
    map=np.zeros((3, 2, 2), np.float16),
)
EVENT = Event("cam", 3, 4, 7, 0.1, 0.2, 0.2, 6.0, (0, 1, 2, 3))


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"frame": np.array([3, 4, 4])}, "frame numbers must start at 0 or later and increase"),
        ({"frame": np.array([-1, 4, 5])}, "frame numbers must start at 0"),
        ({"frame": np.array([3.0, 4.0, 5.0])}, "frame must be a row of integers, not float64 of shape"),
        ({"frame": np.array([[3, 4, 5]])}, r"frame must be a row of integers, not int64 of shape \(1, 3\)"),
        ({"time": np.array([0.1, 0.2])}, r"time has shape \(2,\) for 3 frames"),
        ({"time": np.array([0.1, 0.3, 0.2])}, "time goes back at frame 7"),
        ({"time": np.array([0.1, np.nan, 0.2])}, "time is nan at frame 4"),
        ({"time": np.array([0.1, 0.2, np.inf])}, "time is inf at frame 7"),
        ({"score": np.array([0.1, np.inf, 0.2])}, "score is inf at frame 4; it must be a finite number"),
        ({"score": np.ones((3, 1))}, r"score has shape \(3, 1\) for 3 frames"),
        ({"components": {"teacher": np.ones(4)}}, r"component teacher has shape \(4,\)"),
        ({"components": {"teacher": np.array([np.nan, 1, 1])}}, "component teacher is nan at frame 3"),
        ({"map": np.zeros((2, 2, 2), np.float16)}, r"map has shape \(2, 2, 2\) for 3 frames"),
        ({"map": np.zeros((3, 4), np.float16)}, r"map has shape \(3, 4\) for 3 frames"),
    ],
)
def test_scores_that_cannot_be_used_are_refused(change: dict[str, Any], fault: str) -> None:
    with pytest.raises(InputError, match=f"^cam: these scores cannot be used: {fault}") as caught:
        replace(SCORES, **change)
    assert "\n" not in str(caught.value)


def test_scores_of_no_frames_are_scores() -> None:
    none = np.empty(0)
    assert len(FrameScores("cam", np.empty(0, np.int64), none, {"teacher": none}, none, SCORES.info).frame) == 0


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"peak_frame": 2}, "start, peak and end must follow one another, not 3, 2, 7 frames"),
        ({"end_frame": 3}, "start, peak and end must follow one another, not 3, 4, 3 frames"),
        ({"end_s": 0.15}, "start, peak and end must follow one another, not 0.1, 0.2, 0.15 seconds"),
        ({"start_s": float("nan")}, "start, peak and end must follow one another"),
        ({"end_s": float("inf")}, "start, peak and end must follow one another"),
        ({"score": float("inf")}, "its score is inf; it must be a finite number"),
        ({"box": (2, 1, 0, 3)}, r"its box must be \(left, top, right, bottom\), not \(2, 1, 0, 3\)"),
        ({"box": (0, 3, 2, 1)}, "its box must be"),
    ],
)
def test_events_that_cannot_be_are_refused(change: dict[str, Any], fault: str) -> None:
    with pytest.raises(InputError, match=f"^cam: the event at frame 3 cannot be used: {fault}"):
        replace(EVENT, **change)


def test_an_interval_begins_with_its_start_and_ends_before_its_stop() -> None:
    assert len(Interval(3, 5)) == 2 and len(Interval(0, 0)) == 0
    assert Interval(1, 9) < Interval(2, 3)


@pytest.mark.parametrize("ends", [(5, 2), (-1, 2)])
def test_what_is_no_interval_is_refused(ends: tuple[int, int]) -> None:
    with pytest.raises(InputError, match=f"frames {ends[0]} to {ends[1]} are not an interval"):
        Interval(*ends)


@given(st.lists(st.booleans(), max_size=60))
def test_runs_cover_exactly_what_is_true(flags: list[bool]) -> None:
    covered = np.zeros(len(flags), dtype=bool)
    for run in runs(flags):
        assert not covered[max(run.start - 1, 0) : run.stop].any()  # apart from the run before
        covered[run.start : run.stop] = True
    assert covered.tolist() == flags


def test_runs_take_labels_of_any_type() -> None:
    for kind in (np.int8, np.int64, np.uint8, bool):
        assert runs(np.array([1, 0, 0, 1, 1], kind)) == [Interval(0, 1), Interval(3, 5)]
    assert runs([]) == []
