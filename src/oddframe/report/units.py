"""Scores in units of the threshold: 1 is the threshold, whatever the detector's own scores look like.

Scores of different detectors have nothing in common but their threshold. In its units 1.64 is 64 % above the threshold
for all of them, and two runs can stand on one axis.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import overload

import numpy as np
from numpy.typing import NDArray

from oddframe.scoring.calibrate import Calibration

MOST_NORMAL = "0.99"  # of the held-out normal frames lie in the range that is called normal


@dataclass(frozen=True)
class ThresholdUnits:
    """Turns scores into units of a threshold.

    Attributes:
        zero: the score that becomes 0.
        one: the score that becomes 1, the threshold; above `zero`.
        words: what 0 stands for.
        normal: the end of the normal range in these units; None where it is not known.
    """

    zero: float
    one: float
    words: str = "0 is a score of 0"
    normal: float | None = None

    @classmethod
    def of(cls, calibration: Calibration) -> ThresholdUnits:
        """Those of a calibration.

        0 is the score 0. Where the score of normal video is negative, as a level in decibels is, 0 is its median. Where
        a threshold that was set by hand lies at or below that, 0 lies as far below it as normal scores are spread. The
        scores of several calibrations are in units of their own already.
        """
        middle, highest = calibration.scores["0.5"], calibration.scores["1.0"]
        zero, words = 0.0, "0 is a score of 0"
        if calibration.parts:
            words = "0 is the median score of normal video, both of the calibration that holds for the frame"
        elif middle < 0:
            zero, words = middle, "0 is the median score of normal video"
        one = calibration.threshold
        spread = max(highest - middle, 1e-3 * abs(one), 1e-9)
        if not one - zero > 1e-6 * spread:
            zero = one - spread
            words = "0 lies as far below the threshold as the scores of normal video are spread above their median"
        found = cls(zero, one, words)
        return cls(zero, one, words, float(found(calibration.scores[MOST_NORMAL])))

    @overload
    def __call__(self, score: float) -> float: ...
    @overload
    def __call__(self, score: NDArray[np.float64]) -> NDArray[np.float64]: ...
    def __call__(self, score: float | NDArray[np.float64]) -> float | NDArray[np.float64]:
        """Scores, one or (N,), in units of the threshold."""
        return (score - self.zero) / (self.one - self.zero)


def times_text(value: float) -> str:
    """A score in units of the threshold, for people: "1.64", "23.4", "512". What is below the threshold is never
    rounded up to it."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    if abs(value) >= 10:
        return f"{value:.1f}"
    return "0.99" if 0.99 <= value < 1 else f"{value:.2f}"
