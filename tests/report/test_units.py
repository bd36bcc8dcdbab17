"""Scores in units of the threshold: 1 is the threshold for every detector, whatever its scores look like."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oddframe.report.units import ThresholdUnits, times_text
from oddframe.scoring.calibrate import Calibration


@given(st.floats(-1e3, 1e3), st.floats(0, 1e3), st.floats(-2e3, 2e3))
def test_the_threshold_is_one_and_the_order_of_scores_stays(middle: float, spread: float, threshold: float) -> None:
    quantiles = {name: middle + share * spread for name, share in (("0.5", 0), ("0.9", 0.4), ("0.99", 0.8), ("1.0", 1))}
    given = Calibration(threshold, threshold, 2.0, 0.0, None, 0.9, 0, 60.0, 1, 40.0, quantiles)
    units = ThresholdUnits.of(given)
    assert units(threshold) == pytest.approx(1.0)
    scores = np.sort(np.array([middle, threshold, middle + spread, threshold - 1, threshold + 1]))
    assert (np.diff(units(scores)) >= 0).all()
    assert units.normal == pytest.approx(units(middle + 0.8 * spread), abs=1e-6)


def test_zero_is_the_score_zero_unless_normal_scores_are_negative(calibration: Calibration) -> None:
    plain = ThresholdUnits.of(calibration)
    assert (plain(0.0), plain(0.5), plain.words) == (0.0, 0.5, "0 is a score of 0")
    decibels = {name: value - 40 for name, value in calibration.scores.items()}
    level = ThresholdUnits.of(replace(calibration, threshold=-30.0, low=-35.0, scores=decibels))
    assert level(-39.8) == 0 and level(-30.0) == 1 and "median" in level.words
    by_hand = ThresholdUnits.of(replace(calibration, threshold=-1.0, low=-1.0))
    assert by_hand(-1.0) == 1 and by_hand(-1.0 - (1.1 - 0.2)) == pytest.approx(0.0)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1.0, "1.00"),
        (1.638, "1.64"),
        (0.996, "0.99"),
        (0.9999, "0.99"),
        (0.5, "0.50"),
        (23.44, "23.4"),
        (4321, "4,321"),
    ],
)
def test_words(value: float, text: str) -> None:
    assert times_text(value) == text
