"""Paired difference of the micro AUCs of two systems, with an interval over training seeds and test videos.

Both systems are trained with the same seeds and scored on the same videos, so what a seed or a video does to both of
them cancels. Two things remain uncertain: another seed, and other videos of the same kind. The variance of the mean
difference is taken as the sum of two parts: that of the differences between seeds, divided by the number of seeds, and
that of the mean over the seeds when videos are drawn anew, with replacement, the same ones for both systems. What seeds
and videos do together is in both parts, so the sum is rather too large than too small. A few seeds say little of their
own variance: the interval is that of Student's t, with the degrees of freedom of Welch and Satterthwaite
(Satterthwaite, Biometrics Bulletin 1946). Three seeds and nothing else have two, and a t of 4.3 in place of 1.96.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import t as student

from oddframe.errors import InputError
from oddframe.evaluation.auc import micro_auc
from oddframe.evaluation.bootstrap import resampled_micro_auc

Videos = Sequence[tuple[ArrayLike, ArrayLike]]
"""Labels and scores of every video of a test set, in the order of the videos."""

Verdict = Literal["agrees", "disagrees", "undecided"]


@dataclass(frozen=True)
class Difference:
    """The difference of two micro AUCs, the first minus the second.

    Attributes:
        by_seed: of each seed, in their order; nan where it is undefined.
        value: their mean.
        low, high: bounds of the interval; nan where it is undefined.
        level: of the interval, 0..1.
        frames: that the first and the second system have scores for.
    """

    by_seed: tuple[float, ...]
    value: float
    low: float
    high: float
    level: float
    frames: tuple[int, int]

    @property
    def verdict(self) -> Verdict:
        """Whether the first is the higher one: "agrees" or "disagrees" where the interval lies on one side of 0,
        "undecided" where it holds 0 or is undefined."""
        if self.low > 0:
            return "agrees"
        return "disagrees" if self.high < 0 else "undecided"


def paired_difference(
    first: Sequence[Videos], second: Sequence[Videos], resamples: int = 1000, level: float = 0.95
) -> Difference:
    """The difference of two systems.

    Args:
        first, second: for each seed, in the same order, the labels and scores of the same test videos.
        resamples: of the videos.
        level: of the interval.

    Raises:
        InputError: there are not as many seeds of both, or fewer than two videos; or labels or scores are no numbers.
    """
    if len(first) != len(second) or not first:
        raise InputError(
            f"a paired difference needs the same seeds of both systems, not {len(first)} and {len(second)}"
        )
    by_seed = np.array([micro_auc(one) - micro_auc(other) for one, other in zip(first, second, strict=True)])
    drawn = np.mean(
        [
            resampled_micro_auc(one, resamples, level) - resampled_micro_auc(other, resamples, level)
            for one, other in zip(first, second, strict=True)
        ],
        axis=0,
    )
    frames = _frames(first[0]), _frames(second[0])
    value, defined = float(by_seed.mean()), drawn[~np.isnan(drawn)]
    if np.isnan(value) or len(defined) < 2:
        return Difference(tuple(by_seed.tolist()), value, np.nan, np.nan, level, frames)
    # (variance, degrees of freedom) of what seeds and what videos contribute; one seed says nothing of others
    parts = [(float(defined.var(ddof=1)), len(first[0]) - 1)]
    if len(by_seed) > 1:
        parts.append((float(by_seed.var(ddof=1)) / len(by_seed), len(by_seed) - 1))
    variance = sum(part for part, _ in parts)
    if not variance:
        return Difference(tuple(by_seed.tolist()), value, value, value, level, frames)
    freedom = variance**2 / sum(part**2 / own for part, own in parts)
    reach = float(student.ppf((1 + level) / 2, freedom)) * variance**0.5
    return Difference(tuple(by_seed.tolist()), value, max(value - reach, -1.0), min(value + reach, 1.0), level, frames)


def _frames(videos: Videos) -> int:
    return sum(np.size(labels) for labels, _ in videos)
