"""From components to one number."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose

from oddframe.errors import InputError
from oddframe.scoring.combine import (
    Combiner,
    ScoreRule,
    ScoreStream,
    combine,
    measure_levels,
    minmax,
    transformed,
    unusual,
)
from oddframe.scoring.smooth import Smoothing, smooth
from oddframe.types import Combination

VIDEO = {"teacher": np.array([1.0, 2.0]), "student": np.array([10.0, 20.0]), "class": np.array([9.0, 9.0])}


def test_weighted_components_are_added_and_the_rest_ignored() -> None:
    assert_allclose(combine(VIDEO, Combination({"teacher": 0.5, "student": 0.1})), [1.5, 3.0])


def test_a_rule_combines_with_what_is_normal_and_smooths() -> None:
    how = Combination({"teacher": 1.0, "class": 2.0}, scale="normal")
    levels, smoothing = {"teacher": (1.0, 0.5), "class": (8.0, 4.0)}, Smoothing("causal", 3, 1.0)
    together = np.array([0 + 2 * 0.25, 2 + 2 * 0.25])
    assert_allclose(ScoreRule(how, smoothing, levels)(VIDEO), smooth(together, smoothing))
    assert_allclose(ScoreRule(how, Smoothing("none"), levels)(VIDEO), together)


def test_the_missing_component_and_those_there_are_get_named() -> None:
    with pytest.raises(InputError, match=r"asks for map_max; these scores have: difference"):
        combine({"difference": np.zeros(3)}, Combination({"map_max": 1.0}))
    with pytest.raises(InputError, match="no component at all"):
        combine({"difference": np.zeros(3)}, Combination({}))


def test_decibel_is_a_psnr_with_its_sign_turned_round() -> None:
    assert_allclose(transformed(np.array([1.0, 0.1, 1e-4]), "decibel"), [0, -10, -40])
    assert np.isfinite(transformed(np.zeros(1), "decibel")).all()


def test_transforms_keep_the_order() -> None:
    x = np.sort(np.random.default_rng(0).random(50))
    assert (np.diff(transformed(x, "decibel")) > 0).all() and (np.diff(transformed(x, "reciprocal")) > 0).all()


def test_minmax_is_per_component_and_survives_constants() -> None:
    how = Combination({"teacher": 1.0, "class": 5.0}, scale="per_video_minmax")
    assert_allclose(combine(VIDEO, how), [0.0, 1.0])
    assert_allclose(minmax(np.full(3, 7.0)), 0)


def test_normal_counts_in_deviations_of_normal_video() -> None:
    how = Combination({"student": 1.0}, {"student": "decibel"}, "normal")
    normal = [{"student": np.array([1.0, 10.0])}, {"student": np.array([100.0, 1000.0])}]
    levels = measure_levels(normal, how)
    assert levels["student"] == pytest.approx((15.0, np.std([0.0, 10, 20, 30])))
    assert_allclose(combine(VIDEO, how, levels), (10 * np.log10([10, 20]) - 15) / levels["student"][1])
    with pytest.raises(InputError, match="what is normal for student is not known; calibrate"):
        combine(VIDEO, how)


def test_a_component_without_variation_has_deviation_one() -> None:
    assert measure_levels([{"class": np.full(5, 0.25)}], Combination({"class": 1.0})) == {"class": (0.25, 1.0)}


def test_unusual_says_how_far_each_component_is_from_normal() -> None:
    how, levels = Combination({"teacher": 1.0}), {"teacher": (1.0, 0.5), "student": (20.0, 5.0), "gone": (0.0, 1.0)}
    assert unusual(VIDEO, 1, how, levels) == {"teacher": 2.0, "student": 0.0}


# A video in pieces.

RAW = arrays(np.float64, (2, 45), elements=st.floats(0, 1e6))
LEVELS = {"a": (0.3, 0.7), "b": (-2.0, 11.0)}


@pytest.mark.slow
@pytest.mark.parametrize("scale", ["none", "normal", "per_video_minmax", "dataset_minmax"])
@given(raw=RAW, length=st.integers(0, 45), at=st.lists(st.integers(0, 45), max_size=10))
def test_any_cutting_gives_the_bits_of_the_whole(scale: str, raw: np.ndarray, length: int, at: list[int]) -> None:
    how = Combination({"a": 0.5, "b": -2.0}, {"a": "decibel", "b": "reciprocal"}, scale)  # type: ignore[arg-type]
    whole = dict(zip("ab", raw[:, :length], strict=True))
    pieces = [
        dict(zip("ab", part, strict=True)) for part in np.split(raw[:, :length], sorted(min(c, length) for c in at), 1)
    ]
    combiner = Combiner(how, LEVELS)
    done = [*(combiner.push(piece) for piece in pieces), combiner.flush()]
    assert np.concatenate(done).tobytes() == combine(whole, how, LEVELS).tobytes()
    for smoothing in (Smoothing("none"), Smoothing("causal", 6, 2.0), Smoothing("held", 7, 2.0)):
        rule = ScoreRule(how, smoothing, LEVELS)
        stream = ScoreStream(rule)
        done = [*(stream.push(piece) for piece in pieces), stream.flush()]
        assert np.concatenate(done).tobytes() == rule(whole).tobytes()
        assert rule(whole).tobytes() == smooth(combine(whole, how, LEVELS), smoothing).tobytes()


def test_single_frames_have_the_bits_of_a_long_video() -> None:
    raw = 10.0 ** np.random.default_rng(0).uniform(-8, 3, 3001)
    how = Combination({"a": 1.0}, {"a": "decibel"}, "normal")
    combiner = Combiner(how, LEVELS)
    one_by_one = [combiner.push({"a": raw[row : row + 1]}) for row in range(len(raw))]
    assert np.concatenate(one_by_one).tobytes() == combine({"a": raw}, how, LEVELS).tobytes()


def test_a_scale_over_the_whole_video_waits_for_its_end() -> None:
    how = Combination({"teacher": 1.0}, scale="per_video_minmax")
    combiner = Combiner(how)
    assert not len(combiner.push({"teacher": np.array([3.0, 1.0])})) and not len(combiner.push({"teacher": np.ones(1)}))
    assert combiner.flush().tolist() == [1.0, 0.0, 0.0]
    assert ScoreRule(how, Smoothing("causal")).look_ahead is None
    assert ScoreRule(Combination({"teacher": 1.0}), Smoothing("causal")).look_ahead == 0
    assert ScoreRule(Combination({"teacher": 1.0}), Smoothing("code", 37)).look_ahead == 18


def test_a_piece_without_a_component_is_refused() -> None:
    stream = ScoreStream(ScoreRule(Combination({"teacher": 1.0}), Smoothing()))
    with pytest.raises(InputError, match=r"asks for teacher; these scores have: student"):
        stream.push({"student": np.ones(2)})
    with pytest.raises(InputError, match="no component at all"):
        ScoreStream(ScoreRule(Combination({}), Smoothing()))
