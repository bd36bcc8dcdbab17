"""Which values of a mask are anomalous. Masks should hold 0 and one other value, and many do not.

    0 and one other value            the other value is anomalous
    0 and small whole numbers        numbers of objects (1 to 63): all of them are anomalous, with a note
    JPEG                             cannot hold two values: above half of white, with a note
    whole numbers up to white        soft edges: above half of white, with a note
    0 to 1                           probabilities: 0.5 and above, with a note
    anything else                    refused

All masks of a video are judged together, so that noise in a frame without an anomaly is no object.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oddframe.errors import InputError

OBJECTS = 63
"""The greatest number that is taken for the number of an object."""
LEVELS = 16
"""Masks with no more values than this are drawn with a few grey levels, not softened."""


@dataclass(frozen=True)
class MaskRule:
    """Values above `threshold` are anomalous; `note` says what the user should know, or is empty."""

    threshold: float = 0.0
    note: str = ""

    def __call__(self, values: NDArray[Any]) -> NDArray[np.bool_]:
        """The (H, W) mask of (H, W) values."""
        mask: NDArray[np.bool_] = np.asarray(values) > self.threshold
        return mask


def judge_values(masks: Iterable[NDArray[Any]], where: Path, lossy: bool = False) -> MaskRule:
    """The rule for the masks of one video, each (H, W).

    Args:
        where: file or folder of the masks, for messages.
        lossy: they come from JPEG files.

    Raises:
        InputError: the values do not say what is anomalous.
    """
    counts: Counter[float] = Counter()
    white = 1.0
    for mask in masks:
        values = np.asarray(mask)
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            raise InputError(f"{where}: masks hold values that are no numbers (NaN); write 0 and 1")
        white = max(white, 65535.0 if values.dtype.itemsize == 2 else 255.0 if values.dtype == np.uint8 else 1.0)
        found, times = np.unique(values, return_counts=True)
        counts.update(dict(zip(found.tolist(), times.tolist(), strict=True)))
    values_seen = sorted(counts)
    if not values_seen:
        return MaskRule()
    low, high = values_seen[0], values_seen[-1]
    if low < 0:
        raise InputError(f"{where}: masks hold values from {low:g} to {high:g}; write 0 and 1")
    if lossy:
        return _lossy(low, high, where)
    if len(values_seen) <= 2 and (low == 0 or low == high):
        return MaskRule()
    if all(float(value).is_integer() for value in values_seen):
        return _whole(counts, max(white, 255.0) if high > OBJECTS else white, where)
    if high <= 1:
        note = f"{where}: masks hold {low:g} to {high:g}; 0.5 and above is taken as anomalous"
        return MaskRule(float(np.nextafter(0.5, 0)), note)
    raise InputError(f"{where}: masks hold values from {low:g} to {high:g} with fractions; write 0 and 1")


def _lossy(low: float, high: float, where: Path) -> MaskRule:
    if LEVELS < high <= 127:
        raise InputError(f"{where}: JPEG masks with values up to {high:g} have no white; write 0 and 255 as PNG")
    note = f"{where}: masks are JPEG, which blurs values ({low:g} to {high:g}); above 127 is taken as anomalous"
    return MaskRule(127.0, note)


def _whole(counts: Counter[float], white: float, where: Path) -> MaskRule:
    others = sorted(value for value in counts if value > 0)
    if others[-1] <= OBJECTS and 0 in counts:
        named = ", ".join(f"{value:g}" for value in others[:3])
        return MaskRule(0.0, f"{where}: mask values {named} are taken as numbers of objects; all are anomalous")
    half = white / 2
    middle = sum(counts[value] for value in others if white / 16 < value < white * 15 / 16)
    drawn = len(counts) <= LEVELS and middle > sum(counts[value] for value in others) / 2
    if others[-1] <= half or others[-1] > white or drawn:
        named = ", ".join(f"{value:g}" for value in others[:4])
        raise InputError(f"{where}: masks hold the values {named}, neither 0 nor one other; write 0 and 255")
    note = f"{where}: masks hold {len(counts)} values from 0 to {others[-1]:g}; above {half:g} is taken as anomalous"
    return MaskRule(half, note)
