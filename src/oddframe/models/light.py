"""Light: what a change of exposure does to a picture, taken out again; and the modes of a camera.

A camera that opens its shutter, or lamps that beat, change all places by one gain and one offset:

    picture = gain * background + offset + what is there                                              (1)

`Balance.between` finds both from the places where nothing is, by least squares with trimming (Rousseeuw and Leroy, "Robust
Regression and Outlier Detection", 1987): the places that fit worse than 2.5 median residuals are left out, three times.

`find_modes` groups pictures by three numbers of the whole picture, `looks_of`: brightness, contrast and chroma, each as a
logarithm, so that a mode is as wide in the dark as in the sun. A group is split into two by k-means (Lloyd 1982) as long
as Ashman's D (Ashman, Bird and Zepf, "Detecting bimodality in astronomical datasets", 1994) of the halves is above 4:

    D = |m1 - m2| / sqrt((s1^2 + s2^2) / 2)                                                           (2)

Halves of an even spread have 3.5 and halves of a Gaussian 2.7, so dusk that passes slowly stays one mode, and only what
a gap separates is two.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

TRIM = 2.5  # median residuals
ROUNDS = 3
GAINS = 0.25, 4.0
STEADY = 4.0  # grey values squared: below this variance of the background the gain is drawn to 1

MODES = 8  # at most
SEPARATION = 4.0  # of Ashman's D
SMALLEST = 20  # pictures of a mode
SHARE = 0.02  # of all pictures, of a mode
SPREAD = 0.06  # least standard deviation of a mode: 6 % of brightness
GAP = 0.3  # least distance of two modes


@dataclass(frozen=True)
class Balance:
    """Gain and offset of equation (1), in grey values of 0..255."""

    gain: float
    offset: float

    @classmethod
    def between(cls, picture: Array, background: Array) -> Self:
        """How the light of `picture` differs from that of `background`, both (h, w) or (n,) grey values.

        The gain lies between 0.25 and 4; where the background is flat it is 1.
        """
        x, y = background.ravel(), picture.ravel()
        gain, offset = 1.0, float(np.median(y - x))
        for _ in range(ROUNDS):
            residual = np.abs(y - np.float32(gain) * x - np.float32(offset))
            fits = residual <= max(TRIM * float(np.median(residual)), 1.0)
            a, b = x[fits], y[fits]
            middle_a, middle_b = float(a.mean()), float(b.mean())
            a = a - np.float32(middle_a)
            variance, covariance = float(a @ a) / len(a), float(a @ (b - np.float32(middle_b))) / len(a)
            gain = min(max((covariance + STEADY) / (variance + STEADY), GAINS[0]), GAINS[1])
            offset = middle_b - gain * middle_a
        return cls(gain, offset)

    def undo(self, picture: Array) -> Array:
        """The picture in the light of the background."""
        return np.asarray((picture - np.float32(self.offset)) / np.float32(self.gain))


def looks_of(grey: Array, chroma: Array | None = None) -> Array:
    """ln of brightness, contrast and chroma of whole pictures.

    Args:
        grey: (N, h, w), 0..255.
        chroma: (N, h, w, 2) signed differences of colours, or None.

    Returns:
        (N, 3) float32. The added constants keep darkness and flat or grey pictures from counting as far away.
    """
    brightness, contrast = grey.mean(axis=(1, 2)), grey.std(axis=(1, 2))
    colour = np.zeros(len(grey)) if chroma is None else np.sqrt((chroma**2).sum(axis=3)).mean(axis=(1, 2))
    return np.log(np.stack([brightness + 8, contrast + 8, colour + 4], axis=1)).astype(np.float32)


@dataclass(frozen=True)
class Modes:
    """The modes of a camera: (K, 3) mean and standard deviation of `looks_of` in each; K is at least 1.

    `reach` (K,) is the largest distance at which a picture belongs to a mode.
    """

    centre: Array
    spread: Array
    reach: Array

    def distances(self, looks: Array) -> Array:
        """(N, K) largest deviation of (N, 3) looks from each mode, in its standard deviations."""
        return np.asarray(np.abs((looks[:, None] - self.centre) / self.spread).max(axis=2))

    def of(self, looks: Array) -> NDArray[np.int64]:
        """(N,) number of the mode that each of (N, 3) looks belongs to, -1 where it belongs to none."""
        distance = self.distances(looks) / self.reach
        best = distance.argmin(axis=1)
        return np.where(distance[np.arange(len(looks)), best] <= 1, best, -1)


def find_modes(looks: Array) -> tuple[Modes, NDArray[np.int64]]:
    """Modes of (N, 3) looks, N at least 1, and (N,) the mode of each. Two-means starts from the ends of the longest axis.

    The order is that of brightness.
    """
    final: list[NDArray[np.int64]] = []
    waiting = [np.arange(len(looks))]
    while waiting:
        group = waiting.pop()
        halves = _halves(looks[group], len(looks)) if len(final) + len(waiting) + 2 <= MODES else None
        if halves is None:
            final.append(group)
        else:
            waiting += [group[halves], group[~halves]]
    final.sort(key=lambda group: float(looks[group, 0].mean()))
    owner = np.zeros(len(looks), np.int64)
    for number, group in enumerate(final):
        owner[group] = number
    centre = np.stack([looks[group].mean(axis=0) for group in final])
    spread = np.stack([np.maximum(looks[group].std(axis=0), SPREAD) for group in final])
    modes = Modes(centre, spread, np.ones(len(final), np.float32))
    own = modes.distances(looks)[np.arange(len(looks)), owner]
    # What was seen belongs to its mode; half as far again is still the same light.
    reach = np.array([max(4.0, 1.5 * float(own[group].max())) for group in final], np.float32)
    return Modes(centre, spread, reach), owner


def _halves(looks: Array, total: int) -> NDArray[np.bool_] | None:
    """Which of one half each row belongs to, or None where the rows are one mode."""
    least = max(SMALLEST, SHARE * total)
    if len(looks) < 2 * least:
        return None
    axis = int(looks.std(axis=0).argmax())
    low, high = looks[looks[:, axis].argmin()], looks[looks[:, axis].argmax()]
    for _ in range(30):
        upper = ((looks - high) ** 2).sum(axis=1) < ((looks - low) ** 2).sum(axis=1)
        if not least <= upper.sum() <= len(looks) - least:
            return None
        low, high = looks[~upper].mean(axis=0), looks[upper].mean(axis=0)
    gap = high - low
    length = float(np.linalg.norm(gap))
    if length < GAP:
        return None
    along = looks @ (gap / length)
    spread = np.sqrt((max(along[upper].std(), SPREAD) ** 2 + max(along[~upper].std(), SPREAD) ** 2) / 2)
    return upper if length / spread > SEPARATION else None
