"""From components to one number."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from oddframe.errors import InputError
from oddframe.scoring.combine import ScoreRule, combine, measure_levels, minmax, transformed, unusual
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
