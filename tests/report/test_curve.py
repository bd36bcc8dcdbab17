from __future__ import annotations

from random import Random

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from oddframe.report.curve import (
    envelope,
    gaps,
    labelled_spans,
    nice_ticks,
    pieces,
    score_range,
    score_ticks,
    time_ticks,
    with_room,
)

finite = st.floats(-1e6, 1e6)
curves = st.integers(1, 300).flatmap(
    lambda n: st.tuples(arrays(float, n, elements=st.floats(1e-3, 5.0)), arrays(float, n, elements=finite))
)


@given(curves, st.integers(2, 40).map(lambda half: 2 * half))
def test_envelope_keeps_extremes_and_invents_nothing(curve: tuple[np.ndarray, np.ndarray], points: int) -> None:
    time, score = np.cumsum(curve[0]), curve[1]
    thin_time, thin_score = envelope(time, score, points)
    assert len(thin_time) == len(thin_score) <= max(points, 2)
    positions = np.searchsorted(time, thin_time)
    assert (np.diff(positions) > 0).all()
    assert (time[positions] == thin_time).all()
    assert (score[positions] == thin_score).all()
    assert thin_score.max() == score.max()
    assert thin_score.min() == score.min()


def test_envelope_shows_a_single_frame_of_a_long_video() -> None:
    score = np.zeros(180_000)
    score[123_456] = 1.0
    time, thin = envelope(np.arange(180_000) / 25, score)
    assert len(thin) <= 2000
    assert time[thin == 1.0] == 123_456 / 25


def test_labelled_spans_are_in_seconds_of_scored_frames() -> None:
    frame, time = np.array([2, 3, 4, 5, 6, 9]), np.array([0.2, 0.3, 0.5, 0.6, 0.9, 1.4])
    labels = np.array([1, 1, 1, 0, 1, 1])  # frames 6 and 9 lie beyond the labels
    assert labelled_spans(labels, frame, time) == [(0.2, 0.2), (0.5, 0.6)]


@given(st.lists(finite, min_size=1, max_size=20).map(np.array), finite)
def test_the_axis_shows_curve_and_threshold(score: np.ndarray, threshold: float) -> None:
    low, high = score_range(score, threshold)
    assert low < min(score.min(), threshold)
    assert high > max(score.max(), threshold)


@given(finite, st.floats(1e-3, 1e6), st.integers(2, 8))
def test_nice_ticks_lie_within_and_are_evenly_spaced(low: float, extent: float, count: int) -> None:
    ticks = nice_ticks(low, low + extent, count)
    slack = 1e-6 * max(extent, abs(low))
    assert 1 <= len(ticks) <= 1.5 * count + 1
    assert all(low - slack <= tick <= low + extent + slack for tick in ticks)
    assert np.allclose(np.diff(ticks, 2), 0, atol=slack)


def test_nice_ticks_are_round() -> None:
    assert np.allclose(nice_ticks(0.13, 0.97, 4), [0.2, 0.4, 0.6, 0.8])
    assert nice_ticks(3, 24, 4) == [5, 10, 15, 20]
    assert nice_ticks(-40, 5000, 4) == [0, 1000, 2000, 3000, 4000, 5000]
    assert str(nice_ticks(-0.5, 50, 5)[0]) == "0.0", "no tick is called -0"


@given(st.floats(1e-9, 1e7))
def test_time_ticks_are_few_and_start_at_zero(seconds: float) -> None:
    ticks = time_ticks(seconds)
    assert ticks[0] == 0
    assert ticks[-1] <= seconds * 1.001 + 1e-5
    assert len(ticks) <= 10


def test_time_ticks_are_round() -> None:
    assert time_ticks(18) == [0, 5, 10, 15]
    assert time_ticks(7200) == [0, 900, 1800, 2700, 3600, 4500, 5400, 6300, 7200]


def test_a_curve_is_cut_where_the_video_pauses() -> None:
    time = np.r_[np.arange(50), np.arange(50) + 100, [400.0]] / 10
    score = np.arange(101.0)
    parts = pieces(time, score)
    assert [len(part[0]) for part in parts] == [50, 50, 1]
    assert np.array_equal(np.concatenate([part[1] for part in parts]), score)
    assert gaps(time) == [(4.9, 10.0), (14.9, 40.0)]
    assert gaps(time, least=10) == [(14.9, 40.0)]
    assert gaps(np.arange(100) / 25) == []


@given(st.floats(1.1, 1e4))
def test_the_axis_begins_at_zero_and_names_the_threshold_where_there_is_room(top: float) -> None:
    apart = 0.1 * top
    ticks = score_ticks(top, apart)
    assert ticks[0] == 0 and ticks[-1] <= top * (1 + 1e-6)
    assert (np.diff(ticks) >= apart * (1 - 1e-9)).all()
    assert 1.0 in ticks or min(abs(tick - 1.0) for tick in ticks) < apart


@given(st.lists(st.floats(0, 100), max_size=100), st.randoms(), st.floats(0.1, 10))
def test_labels_never_touch_and_none_is_left_out_that_had_room(
    places: list[float], random: Random, apart: float
) -> None:
    ranked = list(range(len(places)))
    random.shuffle(ranked)
    narrow = with_room(places, ranked, 3 * apart)
    wide = with_room(places, ranked, apart, narrow)
    shown = [*narrow, *wide]
    assert len(set(shown)) == len(shown)
    assert all(abs(places[a] - places[b]) >= apart for a in shown for b in shown if a != b)
    assert all(any(abs(places[k] - places[s]) < apart for s in shown) for k in ranked if k not in shown)
    assert not ranked or ranked[0] in narrow
