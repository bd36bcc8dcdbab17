"""From raw components to one number per frame: each transformed and scaled, then weighted and added.

What a `Combination` leaves open is what is normal: `Levels` say where each component lies on held-out normal video.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from oddframe.errors import InputError
from oddframe.scoring.smooth import Smoothing, smooth
from oddframe.types import Combination, Transform

Components = Mapping[str, NDArray[np.float64]]
Levels = Mapping[str, tuple[float, float]]
"""Component -> what is taken away from it after its transform, and what it is divided by: mean and standard deviation
on held-out normal video, or for the scale "dataset_minmax" the smallest value and the range over a whole test set."""

TINY = 1e-12  # an error of nothing at all is -120 dB


@dataclass(frozen=True)
class ScoreRule:
    """How a bundle makes one smoothed score of the raw components.

    Attributes:
        levels: what is normal; needed by combinations of scale "normal" alone.
    """

    combination: Combination
    smoothing: Smoothing
    levels: Levels = field(default_factory=dict)

    def __call__(self, components: Components) -> NDArray[np.float64]:
        return smooth(combine(components, self.combination, self.levels), self.smoothing)


def combine(components: Components, how: Combination, levels: Levels | None = None) -> NDArray[np.float64]:
    """The combined components (N,) of one whole video as (N,) float64.

    Raises:
        InputError: no weights, a weight for a component that these scores do not have, or no level for one where the
            scale is "normal" or "dataset_minmax".
    """
    missing = [name for name in how.weights if name not in components]
    if missing or not how.weights:
        wanted = ", ".join(missing) if missing else "no component at all"
        raise InputError(f"the score asks for {wanted}; these scores have: {', '.join(components) or 'none'}")
    total = np.zeros(len(next(iter(components.values()))))
    for name, weight in how.weights.items():
        values = transformed(components[name], how.transform.get(name))
        if how.scale == "per_video_minmax":
            values = minmax(values)
        elif how.scale != "none":
            if levels is None or name not in levels:
                raise InputError(f"what is normal for {name} is not known; calibrate on normal video first")
            offset, unit = levels[name]
            values = (values - offset) / unit
        total += weight * values
    return total


def transformed(values: NDArray[np.float64], how: Transform | None) -> NDArray[np.float64]:
    """(N,) values of a component under a transform of `Combination`, float64."""
    values = np.asarray(values, np.float64)
    if how is None:
        return values
    values = np.maximum(values, TINY)
    return 10 * np.log10(values) if how == "decibel" else -1 / values


def minmax(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """(N,) values mapped onto 0..1, or zeros where they are all the same."""
    low, high = values.min(), values.max()
    return (values - low) / (high - low) if high > low else np.zeros_like(values)


def measure_levels(videos: Sequence[Components], how: Combination) -> dict[str, tuple[float, float]]:
    """Mean and standard deviation of every component over normal videos, after its transform.

    A component that never changes there gets a deviation of 1.
    """
    levels = {}
    for name in videos[0]:
        values = transformed(np.concatenate([video[name] for video in videos]), how.transform.get(name))
        deviation = float(values.std())
        levels[name] = (float(values.mean()), deviation if deviation > 0 else 1.0)
    return levels


def unusual(components: Components, row: int, how: Combination, levels: Levels) -> dict[str, float]:
    """How far each component of one frame lies above its mean on normal video, in standard deviations."""
    found = {}
    for name, (mean, deviation) in levels.items():
        if name in components:
            value = transformed(components[name][row : row + 1], how.transform.get(name))[0]
            found[name] = float((value - mean) / deviation)
    return found


def measure_bounds(videos: Sequence[Components], how: Combination) -> dict[str, tuple[float, float]]:
    """Smallest value and range of every weighted component over the videos of a test set, after its transform.

    For the scale "dataset_minmax". A component that never changes there gets a range of 1.

    Raises:
        InputError: a video does not have one of the components.
    """
    bounds = {}
    for name in how.weights:
        if not all(name in video for video in videos):
            raise InputError(f"the score asks for {name}; these scores have: {', '.join(videos[0]) or 'none'}")
        values = transformed(np.concatenate([video[name] for video in videos]), how.transform.get(name))
        low, high = float(values.min()), float(values.max())
        bounds[name] = (low, high - low if high > low else 1.0)
    return bounds
