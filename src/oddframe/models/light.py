"""Light: what a change of exposure does to a picture, taken out again; and the modes of a camera.

A camera that opens its shutter, or lamps that beat, change all places by one gain and one offset:

    picture = gain * background + offset + what is there                                              (1)

`Balance.between` finds both from the places where nothing is, by least squares with trimming (Rousseeuw and Leroy,
"Robust Regression and Outlier Detection", 1987): the places that fit worse than 2.5 median residuals are left out,
three times.

`find_modes` groups pictures by three numbers of the whole picture, `looks_of`: brightness, contrast and chroma, each
as a logarithm, so that a mode is as wide in the dark as in the sun. Eight groups are made by k-means (Lloyd 1982).
The two with the smallest Ashman's D ("Detecting bimodality in astronomical datasets", Ashman, Bird and Zepf 1994) are
made one, until all pairs have D above 4, a distance of at least 0.3 (a third brighter, say) and at least 2 % of all
pictures each:

    D = |m1 - m2| / sqrt((s1^2 + s2^2) / 2)                                                           (2)

Halves of an even spread have D = 3.5 and halves of a Gaussian 2.7. So dusk that passes slowly stays one mode, and only
what a gap separates is two.
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


def middle(values: Array) -> Array:
    """Median along the first axis, the upper one of two; `np.median` spends more time on checks than on this."""
    half = len(values) // 2
    return np.asarray(np.partition(values, half, axis=0)[half])


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
        gain, offset = 1.0, float(middle(y - x))
        for _ in range(ROUNDS):
            residual = np.abs(y - np.float32(gain) * x - np.float32(offset))
            fits = residual <= max(TRIM * float(middle(residual)), 1.0)
            a, b = x[fits], y[fits]
            middle_a, middle_b = float(a.sum()) / len(a), float(b.sum()) / len(b)
            a = a - np.float32(middle_a)
            variance, covariance = float(a @ a) / len(a), float(a @ (b - np.float32(middle_b))) / len(a)
            gain = min(max((covariance + STEADY) / (variance + STEADY), GAINS[0]), GAINS[1])
            offset = middle_b - gain * middle_a
        return cls(gain, offset)

    def undo(self, picture: Array) -> Array:
        """The picture in the light of the background."""
        return np.asarray((picture - np.float32(self.offset)) / np.float32(self.gain))


def looks_of(grey: Array, chroma: Array | None = None) -> Array:
    """ln of brightness (median), contrast (range of the middle half) and chroma (median) of whole pictures.

    Medians, so that something large in the picture is not a change of light.

    Args:
        grey: (N, h, w), 0..255.
        chroma: (N, h, w, 2) signed differences of colours, or None.

    Returns:
        (N, 3) float32. The added constants keep darkness and flat or grey pictures from counting as far away.
    """
    cells = grey.reshape(len(grey), -1)
    quarter = cells.shape[1] // 4
    low, brightness, high = np.partition(cells, (quarter, 2 * quarter, 3 * quarter), axis=1)[:, quarter::quarter].T[:3]
    if chroma is None:
        colour = np.zeros(len(grey), np.float32)
    else:
        colour = middle(np.sqrt(np.einsum("nhwc,nhwc->nhw", chroma, chroma)).reshape(len(grey), -1).T)
    looks: Array = np.log(np.stack([brightness + 8, high - low + 8, colour + 4], axis=1)).astype(np.float32)
    return looks


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
    """Modes of (N, 3) looks, N at least 1, and (N,) the mode of each, in order of brightness.

    Deterministic: k-means starts from rows that lie far apart, the first of them nearest the mean.
    """
    owner = _k_means(looks, MODES)
    least = min(max(SMALLEST, SHARE * len(looks)), len(looks))
    while owner.max() > 0:
        groups = [looks[owner == group] for group in range(int(owner.max()) + 1)]
        pairs = [(a, b) for b in range(len(groups)) for a in range(b)]
        apart = [_separation(groups[a], groups[b], least) for a, b in pairs]
        closest = int(np.argmin(apart))
        if apart[closest] > SEPARATION:
            break
        a, b = pairs[closest]
        owner[owner == b] = a
        owner[owner > b] -= 1
    count = int(owner.max()) + 1
    order = np.argsort([looks[owner == group, 0].mean() for group in range(count)])
    owner = np.argsort(order)[owner]
    centre = np.stack([looks[owner == mode].mean(axis=0) for mode in range(count)])
    spread = np.stack([np.maximum(looks[owner == mode].std(axis=0), SPREAD) for mode in range(count)])
    modes = Modes(centre, spread, np.ones(count, np.float32))
    own = modes.distances(looks)[np.arange(len(looks)), owner]
    # What was seen belongs to its mode; half as far again is still the same light.
    reach = [max(4.0, 1.5 * float(own[owner == mode].max())) for mode in range(count)]
    return Modes(centre, spread, np.array(reach, np.float32)), owner


def _k_means(looks: Array, count: int) -> NDArray[np.int64]:
    """(N,) group of each row, at most `count` of them, none empty (Lloyd 1982)."""
    centres = looks[[int(((looks - looks.mean(axis=0)) ** 2).sum(axis=1).argmin())]]
    for _ in range(count - 1):
        gap = ((looks[:, None] - centres) ** 2).sum(axis=2).min(axis=1)
        if gap.max() == 0:
            break
        centres = np.concatenate([centres, looks[[int(gap.argmax())]]])
    for _ in range(30):
        owner = ((looks[:, None] - centres) ** 2).sum(axis=2).argmin(axis=1)
        _, owner = np.unique(owner, return_inverse=True)
        centres = np.stack([looks[owner == group].mean(axis=0) for group in range(int(owner.max()) + 1)])
    return np.asarray(owner, np.int64)


def _separation(one: Array, other: Array, least: float) -> float:
    """Ashman's D of two groups along the line between their means; less than 0 where they must not stay apart."""
    gap = other.mean(axis=0) - one.mean(axis=0)
    length = float(np.linalg.norm(gap))
    if length < GAP or min(len(one), len(other)) < least:
        return -1 / (1 + length)  # the closest pair first
    a, b = (max(float((group @ (gap / length)).std()), SPREAD) for group in (one, other))
    return length / float(np.sqrt((a * a + b * b) / 2))
