"""Thresholds for alarms rarer than the held-out video can count: peaks over threshold.

Above a high level u the peaks of independent events follow a generalised Pareto law whatever the score is (Pickands
1975; Siffer et al., Anomaly Detection in Streams with Extreme Value Theory, KDD 2017, equation 1):

    rate(z) = rate(u) (1 + shape (z - u) / scale) ^ (-1 / shape)

Shape and scale are found by probability-weighted moments (Hosking and Wallis, Technometrics 1987), which behave better
than likelihood on a few peaks. The shape is drawn towards 0.2, a tail somewhat heavier than the exponential one, as if
twenty more peaks had said so: a shape learned from twenty peaks has an error of 0.3, and what lies beyond the highest
peak hangs on it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

PRIOR_SHAPE, PRIOR_PEAKS = 0.2, 20.0
SHAPES = (-0.4, 0.5)
FEWEST, MOST = 10, 20
RESAMPLES = 1000


@dataclass(frozen=True)
class Tail:
    """A generalised Pareto tail.

    Attributes:
        level: u, in units of the score.
        rate_at_level: alarms per hour with the threshold at u.
        shape: 0 is an exponential tail, above it is heavier; below it, scores have an upper end.
        scale: positive, in units of the score.
        peaks: how many it was learned from.
    """

    level: float
    rate_at_level: float
    shape: float
    scale: float
    peaks: int

    def rate(self, threshold: float) -> float:
        """Alarms per hour with this threshold, at or above `level`."""
        return float(self.rate_at_level * _survival((threshold - self.level) / self.scale, self.shape))

    def threshold(self, rate: float) -> float:
        """The threshold that raises so many alarms per hour, at most `rate_at_level`."""
        return float(self.level + self.scale * _excess(rate / self.rate_at_level, self.shape))


def fit_tail(levels: NDArray[np.float64], hours: float) -> Tail | None:
    """The tail of the highest levels at which alarms appear.

    Args:
        levels: (K,) falling, one an alarm, from `oddframe.scoring.heldout.HeldOut.levels`.
        hours: of normal video, positive.

    Returns:
        The tail over the highest 20 levels, or all but one where there are fewer; None below ten, or where they are
        all the same.
    """
    peaks = min(len(levels) - 1, MOST)
    if peaks < FEWEST:
        return None
    excess = levels[:peaks] - levels[peaks]
    if not excess.mean() > 0:
        return None
    shape, scale = (float(value) for value in _moments(np.sort(excess)))
    return Tail(float(levels[peaks]), peaks / hours, shape, scale, peaks)


def tail_upper_rate(tail: Tail, rate: float, confidence: float = 0.95, dispersion: float = 1.0, seed: int = 0) -> float:
    """Upper bound of the true rate, alarms per hour, at `tail.threshold(rate)`: parametric bootstrap.

    In a world with this very tail, the whole choice is made anew 1,000 times: peaks are drawn, a tail is fitted to
    them, and the threshold is put where that tail says `rate`. The bound is the quantile of the rates that these
    thresholds truly have.

    Args:
        confidence: 0..1.
        dispersion: at least 1; alarms come in groups of so many, and so many peaks say as much as one.
    """
    rng = np.random.default_rng(seed)
    peaks = max(round(tail.peaks / dispersion), FEWEST // 2)
    uniform = rng.random((RESAMPLES, peaks))
    shape, scale = _moments(np.sort(tail.scale * _excess(uniform, tail.shape), axis=1))
    chosen = scale * _excess(rate / tail.rate_at_level, shape)
    at_level = tail.rate_at_level * rng.gamma((tail.peaks + 1) / dispersion, dispersion / tail.peaks, RESAMPLES)
    return float(np.quantile(at_level * _survival(chosen / tail.scale, tail.shape), confidence))


def _moments(excess: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Shape and scale of (..., n) rising excesses; the scale keeps their mean."""
    n = excess.shape[-1]
    mean = excess.mean(axis=-1)
    weighted = (excess * (np.arange(n - 1, -1, -1) / (n - 1))).mean(axis=-1)
    raw = 2 - mean / np.maximum(mean - 2 * weighted, 1e-12 * mean)
    shape = np.clip((raw * n + PRIOR_SHAPE * PRIOR_PEAKS) / (n + PRIOR_PEAKS), *SHAPES)
    return shape, mean * (1 - shape)


def _survival(excess: Any, shape: float) -> Any:
    """Share of peaks above (...) excesses in units of the scale; 0 beyond an upper end."""
    if abs(shape) < 1e-9:
        return np.exp(-excess)
    return np.maximum(1 + shape * excess, 0.0) ** (-1 / shape)


def _excess(survival: Any, shape: Any) -> Any:
    """The inverse of `_survival`, in units of the scale."""
    safe = np.where(np.abs(shape) < 1e-9, 1e-9, shape)
    return np.expm1(-safe * np.log(survival)) / safe
