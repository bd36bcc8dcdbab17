"""Pauses: the rule, the same for a file and for a stream however it is cut, and the hours that are left."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oddframe.types import Interval
from oddframe.video.pauses import RECENT, PauseFinder, durations, pace, paused, plausible_seconds, stretches


def with_pauses(rate: float, *parts: float) -> np.ndarray:
    """Time stamps at `rate`: seconds of video and of pause in turn."""
    steps = [0.0]
    for number, seconds in enumerate(parts):
        steps += [seconds] if number % 2 else [1 / rate] * (round(seconds * rate) - 1)
    return np.cumsum(steps)


def test_the_hour_of_a_pause_is_no_normal_time() -> None:
    time = np.arange(300) / 12.5 + 3600 * (np.arange(300) >= 288)
    assert plausible_seconds(time) == pytest.approx(24)
    assert plausible_seconds(time[255:]) == pytest.approx(3.6)  # the held-out part, with the pause in it
    assert durations(time).sum() == pytest.approx(24)
    assert stretches(time) == [Interval(0, 288), Interval(288, 300)]


@pytest.mark.parametrize("rate", [1.0, 5.0, 25.0, 60.0])
def test_every_one_of_several_pauses_is_left_out(rate: float) -> None:
    time = with_pauses(rate, 20, 30, 10, 4000, 5, 86_400, 7)
    assert plausible_seconds(time) == pytest.approx(42, abs=1e-6) and len(stretches(time)) == 4


@pytest.mark.parametrize("step", [0.04, 0.9, 2.0, 30.0, 60.0])
def test_an_even_pace_has_no_pause_however_slow_it_is(step: float) -> None:
    time = np.arange(50) * step
    assert not paused(time).any() and plausible_seconds(time) == pytest.approx(50 * step)


def test_seconds_without_a_pause_keep_their_bits() -> None:
    time = np.cumsum(np.random.default_rng(0).uniform(0.02, 0.06, 500))
    assert plausible_seconds(time) == float(np.diff(time).sum() + np.median(np.diff(time)))


def test_a_gap_of_a_second_is_no_pause_and_one_of_ten_usual_intervals_is_none_either() -> None:
    assert not paused(np.r_[np.arange(50) / 25, 49 / 25 + 1 + np.arange(50) / 25]).any()
    assert np.flatnonzero(paused(np.r_[np.arange(50) / 25, 49 / 25 + 1.01 + np.arange(50) / 25])).tolist() == [50]
    slow = np.arange(50) * 0.5
    assert not paused(np.r_[slow, slow[-1] + 4.9 + slow]).any()
    assert np.flatnonzero(paused(np.r_[slow, slow[-1] + 5.1 + slow])).tolist() == [50]


def test_a_first_frame_that_lies_hours_before_the_others_stands_alone() -> None:
    time = np.r_[0.0, 7200 + np.arange(100) / 10]
    assert np.flatnonzero(paused(time)).tolist() == [1] and plausible_seconds(time) == pytest.approx(10.1)


def test_a_camera_that_goes_on_at_a_slower_pace_is_followed() -> None:
    time = np.r_[np.arange(500) / 25, 100 + 60.0 * np.arange(RECENT)]
    found = paused(time)[500:]
    assert found[: RECENT // 2].all() and not found[RECENT // 2 + 2 :].any()


def test_nothing_has_no_length() -> None:
    assert plausible_seconds(np.array([7.0])) == plausible_seconds(np.array([])) == 0
    assert stretches(np.array([])) == [] and pace(np.array([1.0])) is None
    assert durations(np.array([7.0])).tolist() == [1] and durations(np.array([])).tolist() == []


@given(st.integers(0, 10_000), st.lists(st.integers(0, 120), max_size=6))
@settings(max_examples=80, deadline=None)
def test_a_stream_has_the_pauses_of_its_file(seed: int, cuts: list[int]) -> None:
    rng = np.random.default_rng(seed)
    steps = rng.choice([0.04, 0.08, 0.9, 1.2, 4.0, 70.0, 5000.0], 120, p=[0.4, 0.2, 0.1, 0.1, 0.1, 0.05, 0.05])
    time = np.cumsum(np.sort(steps) if seed % 3 == 0 else steps)
    one_by_one = PauseFinder()
    single = [one_by_one.push(stamp) for stamp in time.tolist()]
    pieces = PauseFinder()
    edges = [0, *sorted(cuts), 120]
    cut = np.concatenate([pieces.push_all(time[a:b]) for a, b in pairwise(edges)])
    assert paused(time).tolist() == single == cut.tolist()


def test_the_pace_of_a_video_is_that_of_its_frames() -> None:
    exact = np.arange(300) / 30
    rounded = np.round(exact, 3)
    lost = np.delete(exact, [5, 60, 61, 200])
    for time in (exact, rounded, lost, np.r_[exact, 9000 + exact]):
        assert pace(time) == pytest.approx(30, rel=1e-3)


def test_a_pace_of_intervals_that_are_far_apart_is_one_of_them() -> None:
    assert pace(np.array([0, 0.01, 0.5, 0.6, 2])) == pytest.approx(10), "the lower of the two middle intervals"
    assert pace(np.array([0, 0.1, 5])) == pytest.approx(10)
