"""Temporal filters: the released one against its own numbers, the other two against what they promise."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose

from oddframe.errors import InputError
from oddframe.scoring.smooth import Smoother, smooth
from oddframe.settings import Smoothing

AVENUE = Smoothing("code", 37, 11.0)
SHANGHAI = Smoothing("code", 899, 282.0)
KINDS = ("none", "code", "held", "centred", "causal")

scores = arrays(np.float64, st.integers(1, 60), elements=st.floats(-1e3, 1e3))
widths = st.builds(lambda half, sigma: (2 * half + 1, sigma), st.integers(0, 30), st.floats(0.3, 40))
cuts = st.lists(st.integers(0, 60), max_size=12)


def test_a_recipe_that_names_no_filter_gets_the_causal_one_of_the_readme() -> None:
    assert Smoothing() == Smoothing("causal", 37, 11.0)


def test_the_centre_of_short_released_filters() -> None:
    """One frame early where there is room for it: of three weights the first is the largest, of one the only one."""
    impulse = np.array([0.0, 0, 0, 1, 0, 0, 0])
    peak = 1 / (2 * np.sqrt(2 * np.pi))
    wanted = [0, 0, peak * np.exp(-0.5), peak * np.exp(-0.125), peak, 0, 0]
    assert_allclose(smooth(impulse, Smoothing("code", 3, 2.0)), wanted, atol=1e-15)
    assert_allclose(smooth(impulse, Smoothing("code", 1, 2.0)), peak * impulse, atol=1e-15)


def test_released_filter_reproduces_its_golden_values() -> None:
    # fmt: off
    filtered = smooth(0.02 + 0.01 * np.sin(0.17 * np.arange(60) + 1), AVENUE)
    first = [
        0.011508170720849652,
        0.012237574740293019,
        0.012924265179375236,
        0.013560721166101946,
        0.014140617920062956,
    ]
    middle = [0.01663836850997719, 0.016962320535886713, 0.017319741423346573, 0.017700326561548508]
    last = [0.012261057894859862, 0.01133024567656816, 0.010401240420637899,
            0.009483481693292132, 0.008585802192667953]
    # fmt: on
    assert len(filtered) == 60
    assert_allclose(filtered[:5], first, rtol=1e-9)
    assert_allclose(filtered[28:32], middle, rtol=1e-9)
    assert_allclose(filtered[-5:], last, rtol=1e-9)


def test_released_filter_lags_by_one_frame_and_loses_the_ends() -> None:
    impulse = np.zeros(101)
    impulse[50] = 1
    assert np.argmax(smooth(impulse, AVENUE)) == 51
    constant = smooth(np.ones(101), AVENUE)
    assert_allclose([constant[0], constant[50], constant[-1]], [0.444, 0.906, 0.498], atol=6e-4)


def test_released_filter_on_a_video_shorter_than_itself() -> None:
    constant = smooth(np.ones(380), SHANGHAI)
    assert len(constant) == 380
    assert_allclose([constant[0], constant[190], constant[-1]], [0.411, 0.500, 0.412], atol=6e-4)


@pytest.mark.parametrize("kind", ["centred", "causal"])
@given(width=widths, length=st.integers(1, 60), value=st.floats(-1e3, 1e3, allow_subnormal=False))
def test_normalised_filters_keep_a_constant_score(
    kind: str, width: tuple[int, float], length: int, value: float
) -> None:
    assert_allclose(smooth(np.full(length, value), Smoothing(kind, *width)), value, rtol=1e-12)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["centred", "causal"])
@given(score=scores, width=widths)
def test_normalised_filters_stay_within_the_scores(kind: str, score: np.ndarray, width: tuple[int, float]) -> None:
    filtered = smooth(score, Smoothing(kind, *width))  # type: ignore[arg-type]
    assert filtered.shape == score.shape
    assert (filtered >= score.min() - 1e-9).all() and (filtered <= score.max() + 1e-9).all()


@given(score=scores, width=widths)
def test_centred_filter_is_symmetric_in_time(score: np.ndarray, width: tuple[int, float]) -> None:
    how = Smoothing("centred", *width)
    assert_allclose(smooth(score[::-1], how), smooth(score, how)[::-1], atol=1e-9)


@given(score=scores, width=widths, cut=st.integers(1, 60))
def test_causal_filter_does_not_see_the_future(score: np.ndarray, width: tuple[int, float], cut: int) -> None:
    how = Smoothing("causal", *width)
    assert_allclose(smooth(score[:cut], how), smooth(score, how)[:cut], atol=1e-9)


def test_causal_filter_is_the_past_half_of_a_gaussian() -> None:
    impulse = np.zeros(40)
    impulse[20] = 1
    filtered = smooth(impulse, Smoothing("causal", 5, 2.0))
    weights = np.exp(-0.5 * (np.arange(5) / 2.0) ** 2)
    assert_allclose(filtered[20:25], weights / weights.sum(), rtol=1e-12)
    assert not filtered[:20].any() and not filtered[25:].any()


def test_no_smoothing_is_a_copy() -> None:
    score = np.array([1.0, 5.0, 2.0])
    same = smooth(score, Smoothing("none"))
    assert (same == score).all() and same is not score


def test_impossible_filters_are_refused() -> None:
    with pytest.raises(InputError, match="odd number of taps, not 38"):
        Smoothing("code", 38)
    with pytest.raises(InputError, match="sigma 0"):
        Smoothing("causal", 5, 0)
    with pytest.raises(InputError, match="taps >= 1"):
        Smoothing("causal", 0)
    assert Smoothing("causal", 38).causal and not Smoothing("centred", 37).causal


def test_held_is_the_filter_that_mpn_was_released_with() -> None:
    got = smooth(np.arange(40.0), Smoothing("held", 15, 2.0))
    assert_allclose(got[:7], 6.9989, atol=5e-5)
    assert_allclose(got[-8:], 31.9952, atol=5e-5)
    assert_allclose(np.diff(got[7:33]), 0.99985, atol=1e-5)
    short = np.arange(14.0)
    assert_allclose(smooth(short, Smoothing("held", 15, 2.0)), short)


def parts(score: np.ndarray, at: list[int]) -> list[np.ndarray]:
    return np.split(score, sorted(min(cut, len(score)) for cut in at))


def at_once(score: np.ndarray, how: Smoothing) -> np.ndarray:
    """The same filters over a whole array, as they are defined."""
    if how.kind == "none" or not len(score):
        return score
    place, half = np.arange(how.taps), how.taps // 2
    centre = {"causal": how.taps - 1, "code": max(half - 1, 0)}.get(how.kind, half)
    weights = np.exp(-0.5 * ((place - centre) / how.sigma) ** 2) / (how.sigma * np.sqrt(2 * np.pi))
    pad = (how.taps - 1, 0) if how.kind == "causal" else (half, half)
    if how.kind == "held":
        if len(score) < how.taps:
            return score
        return np.pad(np.correlate(score, weights, mode="valid"), pad, mode="edge")
    sums = np.correlate(np.pad(score, pad), weights, mode="valid")
    if how.kind == "code":
        return sums
    return sums / np.correlate(np.pad(np.ones(len(score)), pad), weights, mode="valid")


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@given(score=arrays(np.float64, st.integers(0, 60), elements=st.floats(-1e3, 1e3)), width=widths, at=cuts)
def test_any_cutting_gives_the_bits_of_the_whole(
    kind: str, score: np.ndarray, width: tuple[int, float], at: list[int]
) -> None:
    how = Smoothing(kind, *width)  # type: ignore[arg-type]
    whole = smooth(score, how)
    assert whole.tobytes() == at_once(score, how).tobytes()
    smoother = Smoother(how)
    pieces = [*(smoother.push(part) for part in parts(score, at)), smoother.flush()]
    assert np.concatenate(pieces).tobytes() == whole.tobytes()


@pytest.mark.parametrize("kind", KINDS)
def test_long_videos_with_the_published_widths_give_the_same_bits_frame_by_frame(kind: str) -> None:
    score = np.random.default_rng(5).normal(size=2500) * 10.0 ** np.random.default_rng(6).integers(-4, 5, 2500)
    for taps, sigma in ((37, 11.0), (899, 282.0)):
        how = Smoothing(kind, taps, sigma)  # type: ignore[arg-type]
        smoother = Smoother(how)
        pieces = [*(smoother.push(score[row : row + 1]) for row in range(len(score))), smoother.flush()]
        assert np.concatenate(pieces).tobytes() == smooth(score, how).tobytes() == at_once(score, how).tobytes()


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@given(score=arrays(np.float64, st.integers(1, 60), elements=st.floats(-1e3, 1e3)), width=widths)
def test_a_smoothed_score_is_handed_out_as_soon_as_its_look_ahead_has_arrived(
    kind: str, score: np.ndarray, width: tuple[int, float]
) -> None:
    how = Smoothing(kind, *width)  # type: ignore[arg-type]
    smoother, done = Smoother(how), 0
    for row in range(len(score)):
        done += len(smoother.push(score[row : row + 1]))
        whole = how.kind != "held" or row + 1 >= how.taps
        assert done == (max(0, row + 1 - how.look_ahead) if whole else 0)
    assert done + len(smoother.flush()) == len(score)


def test_pieces_of_nothing_are_no_frames() -> None:
    for kind in KINDS:
        smoother = Smoother(Smoothing(kind, 5, 2.0))  # type: ignore[arg-type]
        assert len(smoother.push(np.empty(0))) == len(smoother.flush()) == 0
