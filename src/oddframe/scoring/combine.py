"""From raw components to one number per frame: each is transformed and scaled, then all are weighted and added.

What a `Combination` leaves open is what is normal: `Levels` say where each component lies on held-out normal video.
`Combiner` and `ScoreStream` take a video in pieces; `combine` and `ScoreRule` push a whole video through them.

With several calibrations a `ScheduledStream` makes the scores: those of each frame are in units of the calibration that
holds for it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from oddframe.errors import InputError
from oddframe.scoring.calibrate import Calibration
from oddframe.scoring.schedule import CHOSEN, Schedule, constant
from oddframe.scoring.smooth import Smoother, Smoothing, first_pace
from oddframe.types import Combination, Transform
from oddframe.video.pauses import PACED, PauseFinder

Components = Mapping[str, NDArray[np.float64]]
Levels = Mapping[str, tuple[float, float]]
"""Component -> what is taken away from it after its transform, and what it is divided by: mean and standard deviation
on held-out normal video, or for the scale "dataset_minmax" the smallest value and the range over a whole test set."""

TINY = 1e-12  # an error of nothing at all is -120 dB


@dataclass(frozen=True)
class ScoreRule:
    """How a bundle makes one smoothed score of the raw components.

    Attributes:
        levels: what is normal. Only combinations of scale "normal" and "dataset_minmax" need it.
        schedule: chooses one of several calibrations for every frame; None where there is one alone.
        parts: these calibrations, as the schedule names them. Without them frames are told apart and scores are plain,
            as they are before there is any calibration.
    """

    combination: Combination
    smoothing: Smoothing
    levels: Levels = field(default_factory=dict)
    schedule: Schedule | None = None
    parts: Mapping[str, Calibration] = field(default_factory=dict)

    def __call__(self, components: Components, time: NDArray[np.floating] | None = None) -> NDArray[np.float64]:
        """The (N,) scores of one whole video of (N,) components. The errors are those of `combine`.

        Args:
            time: (N,) seconds, which tell the pauses and the frame rate; see `oddframe.scoring.smooth.smooth`.
        """
        stream = self.stream()
        return np.concatenate((stream.push(components, time), stream.flush()))

    def stream(self) -> ScoreStream | ScheduledStream:
        """What makes the scores of one video in pieces.

        Raises:
            InputError: the combination has no weights.
        """
        return ScheduledStream(self) if self.parts else ScoreStream(self)

    @property
    def look_ahead(self) -> int | None:
        """Frames after a frame whose components must be known before its score is final; None for the whole video.

        With a smoothing in seconds the first frames of a video wait longer; see `ScoreStream`.
        """
        return None if self.combination.scale == "per_video_minmax" else self.smoothing.look_ahead


class ScoreStream:
    """Makes the scores of one video whose components arrive in pieces.

    `push` and `flush` return the scores that are now final, in the order of the frames. Together they are, to the last
    bit, the same however the video was cut. Smoothing ends at a pause and begins anew after it.

    A smoothing in seconds needs the frame rate: then the scores of the first `oddframe.video.pauses.PACED` frames wait
    until all of them are there, or the video ends.

    Raises:
        InputError: the combination has no weights.
    """

    def __init__(self, rule: ScoreRule) -> None:
        self._combiner, self._how = Combiner(rule.combination, rule.levels), rule.smoothing
        frames = rule.smoothing.rate is None or rule.smoothing.kind == "none"
        self._smoother = Smoother(rule.smoothing) if frames else None
        self._first = np.zeros(0)  # the time stamps that tell the rate
        self._pauses = PauseFinder()
        self._after_pause = np.zeros(0, bool)  # of the frames that are held
        self._held = np.zeros(0)  # combined values that wait for the rate

    def push(self, components: Components, time: NDArray[np.floating] | None = None) -> NDArray[np.float64]:
        """Take the (M,) components of the next M frames; the (K,) scores that are now final.

        Args:
            time: (M,) seconds; None for a video without pauses, whose smoothing counts frames.

        Raises:
            InputError: see `combine`.
        """
        count = len(next(iter(components.values()), ()))
        after_pause = np.zeros(count, bool) if time is None else self._pauses.push_all(time)
        self._after_pause = np.concatenate((self._after_pause, after_pause))
        if self._smoother is None and time is not None:
            self._first = np.concatenate((self._first, time))[:PACED]
        return self._smoothed(self._combiner.push(components), time is None or len(self._first) == PACED)

    def flush(self) -> NDArray[np.float64]:
        """End the video: the (K,) scores of the last frames. Nothing may be pushed afterwards."""
        last = self._smoothed(self._combiner.flush(), True)
        return last if self._smoother is None else np.concatenate((last, self._smoother.flush()))

    def _smoothed(self, values: NDArray[np.float64], known: bool) -> NDArray[np.float64]:
        """The scores that are final with these combined values; `known`: no later frame changes the rate."""
        values, self._held = np.concatenate((self._held, values)), np.zeros(0)
        if self._smoother is None:
            if not known:
                self._held = values
                return np.empty(0)
            self._smoother = Smoother(self._how.at(first_pace(self._first)))
        after_pause, self._after_pause = np.split(self._after_pause, [len(values)])
        return self._smoother.push(values, after_pause)


UNDER_ONE, UNDER_HALF = float(np.nextafter(1, 0)), float(np.nextafter(0.5, 0))


class ScheduledStream:
    """Makes the scores of one video under several calibrations; `push` and `flush` are those of `ScoreStream`.

    Frames that follow one another under one calibration are scored as a video of their own, with its levels: where the
    calibration changes, smoothing ends and begins anew, as at a pause. Then scores become units of that calibration: 0
    is the median of its held-out video, 0.5 its low threshold, and 1 its threshold, exactly. So one threshold, 1,
    serves for all, and an event may go on over a change.

    Raises:
        InputError: the combination has no weights.
    """

    def __init__(self, rule: ScoreRule) -> None:
        self._parts = list(rule.parts.values())
        self._rules = [replace(rule, levels=part.levels, schedule=None, parts={}) for part in self._parts]
        self._stream, self._now = ScoreStream(self._rules[0]), -1

    def push(self, components: Components, time: NDArray[np.floating] | None = None) -> NDArray[np.float64]:
        """Take the (M,) components of the next M frames; the (K,) scores that are now final.

        Raises:
            InputError: see `combine`; or it is not known which calibration holds.
        """
        if CHOSEN not in components:
            raise InputError("nothing says which calibration holds for these frames; score the video again")
        done = [np.empty(0)]
        for rows, number in constant(components[CHOSEN]):
            if not 0 <= number < len(self._parts):
                raise InputError(
                    f"frames are said to be under calibration {number:g} of {len(self._parts)}; score the video again"
                )
            if number != self._now:
                done.append(self.flush())
                self._now, self._stream = number, ScoreStream(self._rules[number])
            own = {name: values[rows] for name, values in components.items()}
            score = self._stream.push(own, None if time is None else time[rows])
            done.append(in_units(score, self._parts[number]))
        return np.concatenate(done)

    def flush(self) -> NDArray[np.float64]:
        """End the video: the (K,) scores of the last frames."""
        return np.empty(0) if self._now < 0 else in_units(self._stream.flush(), self._parts[self._now])


def in_units(score: NDArray[np.float64], of: Calibration) -> NDArray[np.float64]:
    """(N,) scores in units of a calibration: 0 is the median of its scores, 0.5 its low threshold, 1 its threshold.

    Rounding carries no score over one of these thresholds.
    """
    zero = of.scores["0.5"]
    units = (score - zero) / (of.threshold - zero)
    units = np.where(score >= of.threshold, np.maximum(units, 1.0), np.minimum(units, UNDER_ONE))
    return np.where(score >= of.low, np.maximum(units, 0.5), np.minimum(units, UNDER_HALF))


class Combiner:
    """Combines the components of one video that arrive in pieces.

    The scale "per_video_minmax" must see the whole video before it can say anything of a frame: then `push` returns
    nothing, and `flush` returns the whole video. With every other scale the values of a frame are final at once. The
    scale "dataset_minmax" takes its bounds from `levels`, so whoever uses it must have seen the whole test set before.

    Raises:
        InputError: the combination has no weights.
    """

    def __init__(self, how: Combination, levels: Levels | None = None) -> None:
        if not how.weights:
            raise InputError("the score asks for no component at all; give at least one of them a weight")
        self._how, self._levels = how, levels or {}
        self._waiting: list[Components] = []

    def push(self, components: Components) -> NDArray[np.float64]:
        """Take the (M,) components of the next M frames; the combined values that are now final.

        Raises:
            InputError: see `combine`.
        """
        missing = [name for name in self._how.weights if name not in components]
        if missing:
            present = ", ".join(components) or "none"
            raise InputError(f"the score asks for {', '.join(missing)}; these scores have: {present}")
        if self._how.scale != "per_video_minmax":
            return self._combined(components)
        self._waiting.append({name: components[name] for name in self._how.weights})
        return np.empty(0)

    def flush(self) -> NDArray[np.float64]:
        """End the video: the combined values that had to wait for it."""
        if not self._waiting:
            return np.empty(0)
        whole = {name: np.concatenate([piece[name] for piece in self._waiting]) for name in self._how.weights}
        return self._combined(whole)

    def _combined(self, components: Components) -> NDArray[np.float64]:
        how = self._how
        total = np.zeros(len(next(iter(components.values()))))
        for name, weight in how.weights.items():
            values = transformed(components[name], how.transform.get(name))
            if how.scale == "per_video_minmax":
                values = minmax(values)
            elif how.scale != "none":
                if name not in self._levels:
                    raise InputError(f"what is normal for {name} is not known; calibrate on normal video first")
                offset, unit = self._levels[name]
                values = (values - offset) / unit
            total += weight * values
        return total


def combine(components: Components, how: Combination, levels: Levels | None = None) -> NDArray[np.float64]:
    """The combined components (N,) of one whole video as (N,) float64.

    Raises:
        InputError: there are no weights, these scores lack a component that has a weight, or there is no level for one
            where the scale is "normal" or "dataset_minmax".
    """
    combiner = Combiner(how, levels)
    return np.concatenate((combiner.push(components), combiner.flush()))


def transformed(values: NDArray[np.float64], how: Transform | None) -> NDArray[np.float64]:
    """(N,) values of a component under a transform of `Combination`, float64."""
    values = np.asarray(values, np.float64)
    if how is None:
        return values
    values = np.maximum(values, TINY)
    return 10 * np.log10(values) if how == "decibel" else -1 / values


def minmax(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """(N,) values mapped onto 0..1, or zeros where they are all the same or none at all."""
    if not len(values):
        return np.zeros_like(values)
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


def explainer(how: Combination, calibration: Calibration) -> Callable[[Components, int], dict[str, float]]:
    """`unusual` by what is normal under the calibration that holds for the frame."""

    def explain(components: Components, row: int) -> dict[str, float]:
        return unusual(components, row, how, calibration.at(components, row).levels)

    return explain


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
