"""A threshold from held-out normal video alone: what is an alarm there is a false one, and those can be counted.

The threshold goes down from the highest held-out score for as long as no more events appear than were allowed, but not
below the 95 % quantile: an alarm that is on for a twentieth of normal time is none. The low threshold of the hysteresis
lies halfway between the threshold and the median of the held-out scores.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field

import numpy as np
from numpy.typing import NDArray

from oddframe.errors import CalibrationError, InputError
from oddframe.scoring.events import spans

DEFAULT_RATE = 1.0  # alarms per hour
LOWEST_QUANTILE = 0.95
SUMMARY = (0.5, 0.9, 0.99, 0.999, 1.0)

ScoreCurve = tuple[NDArray[np.float64], NDArray[np.float64]]


@dataclass(frozen=True)
class Calibration:
    """Thresholds, and what they rest on.

    Attributes:
        threshold: an event reaches this smoothed score.
        low: an event lasts while the score is at least this.
        merge_s, min_s: seconds, the rest of the rule by which events were counted; see `oddframe.scoring.events.spans`.
        rate: alarms per hour of normal video promised, or None where a quantile was asked for.
        quantile: of the held-out scores, or None.
        events: alarms on the held-out video with these thresholds.
        seconds: how much held-out normal video there was.
        videos: in how many pieces.
        lowest_rate: alarms per hour that so much video can support at the least: one in all of it.
        scores: quantiles of the held-out scores, "0.5" to "1.0".
        levels: where each component lies on normal video; see `oddframe.scoring.combine.Levels`.
        note: what the user should know and did not ask for, else empty.
    """

    threshold: float
    low: float
    merge_s: float
    min_s: float
    rate: float | None
    quantile: float | None
    events: int
    seconds: float
    videos: int
    lowest_rate: float
    scores: dict[str, float]
    levels: dict[str, tuple[float, float]] = field(default_factory=dict)
    note: str = ""

    def to_json(self) -> str:
        """JSON text from which `from_json` makes the same value."""
        return json.dumps(asdict(self), indent=2, allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> Calibration:
        """The value that `to_json` wrote.

        Raises:
            InputError: the text is not a calibration.
        """
        try:
            row = json.loads(text)
            levels = {name: (mean, deviation) for name, (mean, deviation) in row.pop("levels", {}).items()}
            return cls(**row, levels=levels)
        except (ValueError, TypeError, AttributeError) as error:
            raise InputError(f"not a calibration ({error}); calibrate again") from error


class _HeldOut:
    """All held-out pieces as one curve, kept apart by a score of minus infinity and a pause too long to merge."""

    def __init__(self, pieces: Sequence[ScoreCurve], merge_s: float, min_s: float) -> None:
        self.values = np.concatenate([score for _, score in pieces])
        self.median = float(np.median(self.values))
        times, scores, end = [], [], 0.0
        for time, score in pieces:
            shifted = time - time[0] + end
            times.append(np.append(shifted, shifted[-1] + 1))
            scores.append(np.append(score, -np.inf))
            end = shifted[-1] + merge_s + 2
        self._time, self._score = np.concatenate(times), np.concatenate(scores)
        self._rule = (merge_s, min_s)

    def low(self, threshold: float) -> float:
        return min(threshold, (threshold + self.median) / 2)

    def events(self, threshold: float) -> int:
        return len(spans(self._time, self._score, threshold, self.low(threshold), *self._rule))

    def lowest_threshold(self, events: int) -> float:
        """The lowest threshold at which, and above which, there are at most so many events."""
        floor = _above(float(np.quantile(self.values, LOWEST_QUANTILE, method="higher")))
        # Going down, a new event can only begin where the threshold falls to a local maximum.
        rising = np.append(True, self._score[1:] >= self._score[:-1])
        falling = np.append(self._score[:-1] >= self._score[1:], True)
        peaks = np.unique(self._score[rising & falling])[::-1]
        best = _above(float(peaks[0]))
        for threshold in [*(_above(float(peak)) for peak in peaks if peak >= floor), floor]:
            if self.events(threshold) > events:
                break
            best = threshold
        return best


def calibrate(
    scores: Sequence[ScoreCurve],
    *,
    alarms_per_hour: float | None = None,
    quantile: float | None = None,
    merge_s: float = 2.0,
    min_s: float = 0.0,
) -> Calibration:
    """Choose the thresholds on held-out normal video.

    Args:
        scores: (time (N,) in seconds, smoothed score (N,)) of every held-out video or contiguous block of one.
        alarms_per_hour: false alarms that the user will bear, or None: one per hour, or where the held-out video cannot
            support that, the lowest rate that it can (`note` says so).
        quantile: instead, the threshold is this quantile (0..1) of all held-out scores.
        merge_s, min_s: seconds; the rule by which events are counted.

    Raises:
        CalibrationError: there is too little held-out video for what was asked for, or none.
        InputError: values out of range, both rate and quantile given, or scores that are not numbers.
    """
    pieces = [(time, score) for time, score in scores if len(score)]
    if alarms_per_hour is not None and quantile is not None:
        raise InputError("give either alarms per hour or a quantile, not both")
    if any(not np.isfinite(score).all() for _, score in pieces):
        raise InputError("held-out scores contain values that are not finite numbers; train again before calibrating")
    seconds = sum(_seconds(time) for time, _ in pieces)
    lowest_rate = _lowest_rate(seconds)
    held_out = _HeldOut(pieces, merge_s, min_s)
    rate, note = None, ""
    if quantile is not None:
        threshold = _quantile_threshold(held_out.values, quantile)
    else:
        rate, note = supported_rate(alarms_per_hour, seconds)
        threshold = held_out.lowest_threshold(math.floor(rate / lowest_rate + 1e-9))
    return Calibration(
        threshold=threshold,
        low=held_out.low(threshold),
        merge_s=merge_s,
        min_s=min_s,
        rate=rate,
        quantile=quantile,
        events=held_out.events(threshold),
        seconds=seconds,
        videos=len(pieces),
        lowest_rate=lowest_rate,
        scores={str(q): float(np.quantile(held_out.values, q)) for q in SUMMARY},
        note=note,
    )


def supported_rate(alarms_per_hour: float | None, seconds: float) -> tuple[float, str]:
    """The rate that `calibrate` will promise on so many seconds of held-out video, and its note; see there.

    Raises:
        CalibrationError: so much video cannot support the rate that was asked for.
        InputError: the rate is not positive.
    """
    target_rate = DEFAULT_RATE if alarms_per_hour is None else alarms_per_hour
    if not target_rate > 0:
        raise InputError(f"alarms per hour must be more than 0, not {target_rate:g}")
    lowest = _lowest_rate(seconds)
    if target_rate >= lowest * (1 - 1e-9):
        return target_rate, ""
    plural = "" if target_rate == 1 else "s"
    problem = (
        f"{_duration(seconds)} of normal video cannot support {target_rate:g} alarm{plural} per hour; "
        f"the lowest rate it supports is {_round_up(lowest)} per hour"
    )
    if alarms_per_hour is None:
        return lowest, f"{problem}, which was taken instead: hold out more normal video for fewer alarms"
    raise CalibrationError(f"{problem}: hold out more normal video or pass --alarms-per-hour {_round_up(lowest)}")


def _lowest_rate(seconds: float) -> float:
    if not seconds > 0:
        raise CalibrationError("there is no held-out normal video to find a threshold on: hold out more normal video")
    return 3600 / seconds


def _quantile_threshold(score: NDArray[np.float64], quantile: float) -> float:
    if not 0 < quantile < 1:
        raise InputError(f"a quantile lies between 0 and 1, not at {quantile:g}")
    highest = 1 - 1 / len(score)
    if quantile > highest:
        raise CalibrationError(
            f"{len(score)} held-out frames cannot support the quantile {quantile:g}; "
            f"the highest they support is {math.floor(highest * 1e6) / 1e6:g}: hold out more normal video"
        )
    return float(np.quantile(score, quantile))


def _above(value: float) -> float:
    return float(np.nextafter(value, np.inf))


def _seconds(time: NDArray[np.float64]) -> float:
    """Length of a piece: first to last frame, and the last frame's own typical duration."""
    return float(time[-1] - time[0] + np.median(np.diff(time))) if len(time) > 1 else 0.0


def _duration(seconds: float) -> str:
    for unit, length in (("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.3g} {unit}"
    return f"{seconds:.3g} seconds"


def _round_up(rate: float) -> str:
    """A rate to two significant digits, never below the true one, so that passing it on works."""
    scale = 10.0 ** (1 - math.floor(math.log10(rate)))
    return f"{math.ceil(rate * scale - 1e-9) / scale:g}"
