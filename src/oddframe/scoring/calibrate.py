"""A threshold from held-out normal video alone: what is an alarm there is a false one, and those can be counted.

`oddframe.scoring.promise` chooses the threshold for a rate of alarms and says how sure that rate is. The low threshold
of the hysteresis lies halfway between the threshold and the median of the held-out scores.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field

import numpy as np
from numpy.typing import NDArray

from oddframe.errors import CalibrationError, InputError
from oddframe.scoring.heldout import HeldOut, ScoreCurve
from oddframe.scoring.promise import (
    CONFIDENCE,
    FARTHEST,
    MEDIAN,
    Method,
    Promise,
    alarms_text,
    bound_text,
    choose_threshold,
    hours_text,
    round_up,
    upper_rate,
)

DEFAULT_RATE = 1.0  # alarms per hour
SUMMARY = (0.5, 0.9, 0.99, 0.999, 1.0)


@dataclass(frozen=True)
class Calibration:
    """Thresholds, and what they rest on.

    Attributes:
        threshold: an event reaches this smoothed score.
        low: an event lasts while the score is at least this.
        merge_s, min_s: seconds, the rest of the rule by which events were counted; see `oddframe.scoring.events.spans`.
        rate: alarms per hour of normal video promised, or None where a quantile was asked for.
        quantile: of the held-out scores, or None.
        events: alarms on the held-out video with these thresholds; one that lasts counts once for every five minutes.
        seconds: how much held-out normal video there was, pauses not counted.
        videos: in how many pieces.
        lowest_rate: alarms per hour that so much video can support by counting: two thirds of one in all of it.
        scores: quantiles of the held-out scores, "0.5" to "1.0".
        levels: where each component lies on normal video; see `oddframe.scoring.combine.Levels`.
        note: what the user should know and did not ask for, else empty.
        upper_rate: alarms per hour; the true rate lies below at 95 %. None in files of older versions.
        alarm_share: of the held-out time, 0..1, that lies inside alarms. None in files of older versions.
        method: "counted", or "tail" where a generalised Pareto tail says where the threshold lies.
        dispersion: alarms come in groups of so many, at least 1.
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
    upper_rate: float | None = None
    alarm_share: float | None = None
    method: Method = "counted"
    dispersion: float = 1.0

    def sentence(self) -> str:
        """What was counted and what that allows to say; see `oddframe.scoring.promise.Promise.sentence`."""
        text = f"{alarms_text(self.events)} in {hours_text(self.seconds / 3600)} of normal video"
        return text if self.upper_rate is None else f"{text}: {bound_text(self.upper_rate)}"

    @property
    def promise(self) -> Promise | None:
        """What `oddframe.scoring.promise.fits` compares new video with; None where no rate was promised."""
        if self.rate is None or self.upper_rate is None or self.alarm_share is None:
            return None
        return Promise(
            rate=self.rate,
            threshold=self.threshold,
            low=self.low,
            hours=self.seconds / 3600,
            events=self.events,
            upper_rate=self.upper_rate,
            confidence=CONFIDENCE,
            alarm_share=self.alarm_share,
            dispersion=self.dispersion,
            method=self.method,
        )

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
            support that, the lowest rate that can be counted on it (`note` says so).
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
    held_out = HeldOut(pieces, merge_s, min_s) if pieces else None
    if held_out is None or not held_out.seconds > 0:
        raise CalibrationError("there is no held-out normal video to find a threshold on: hold out more normal video")
    hours, note = held_out.seconds / 3600, ""
    if quantile is None:
        chosen, note = _promised(pieces, alarms_per_hour, held_out.seconds, merge_s, min_s)
        threshold, rate, method, dispersion = chosen.threshold, chosen.rate, chosen.method, chosen.dispersion
        events, share, upper = chosen.events, chosen.alarm_share, chosen.upper_rate
    else:
        threshold, rate, method, dispersion = _quantile_threshold(held_out.values, quantile), None, "counted", 1.0
        events, share, _ = held_out.count(threshold)
        upper = upper_rate(events, hours)
    return Calibration(
        threshold=threshold,
        low=held_out.low(threshold),
        merge_s=merge_s,
        min_s=min_s,
        rate=rate,
        quantile=quantile,
        events=events,
        seconds=held_out.seconds,
        videos=len(pieces),
        lowest_rate=MEDIAN / hours,
        scores={str(q): float(np.quantile(held_out.values, q)) for q in SUMMARY},
        note=note,
        upper_rate=upper,
        alarm_share=share,
        method=method,
        dispersion=dispersion,
    )


def _promised(
    pieces: Sequence[ScoreCurve], alarms_per_hour: float | None, seconds: float, merge_s: float, min_s: float
) -> tuple[Promise, str]:
    """The promise for the rate that was asked for, or for one that can be had, and a note on what is unusual in it."""
    rate, note = supported_rate(alarms_per_hour, seconds)
    try:
        chosen = choose_threshold(pieces, rate, merge_s, min_s)
    except CalibrationError:
        if alarms_per_hour is not None:
            raise
        rate, note = _counted_instead(seconds)
        chosen = choose_threshold(pieces, rate, merge_s, min_s)
    if chosen.method == "tail" or chosen.bounded:
        note = f"{note}; {chosen.sentence()}" if note else chosen.sentence()
    return chosen, note


def supported_rate(alarms_per_hour: float | None, seconds: float) -> tuple[float, str]:
    """The rate that `calibrate` will promise on so many seconds of held-out video, and its note; see there.

    Where the rate is too low to be counted, `calibrate` may still refuse: the scores must have a tail.

    Raises:
        CalibrationError: so much video cannot support the rate that was asked for.
        InputError: the rate is not positive.
    """
    wanted = DEFAULT_RATE if alarms_per_hour is None else alarms_per_hour
    if not wanted > 0:
        raise InputError(f"alarms per hour must be more than 0, not {wanted:g}")
    if not seconds > 0:
        raise CalibrationError("there is no held-out normal video to find a threshold on: hold out more normal video")
    lowest = FARTHEST * 3600 / seconds
    if wanted >= lowest * (1 - 1e-9):
        return wanted, ""
    if alarms_per_hour is None:
        return _counted_instead(seconds)
    raise CalibrationError(
        f"{hours_text(seconds / 3600)} of normal video cannot support {alarms_text(wanted)} per hour; the lowest rate "
        f"it supports is {round_up(lowest)} per hour: hold out more normal video or pass "
        f"--alarms-per-hour {round_up(lowest)}"
    )


def _counted_instead(seconds: float) -> tuple[float, str]:
    rate = MEDIAN * 3600 / seconds
    return rate, (
        f"{hours_text(seconds / 3600)} of normal video cannot support {alarms_text(DEFAULT_RATE)} per hour; the lowest "
        f"rate that can be counted on it is {round_up(rate)} per hour, which was taken instead: hold out more normal "
        "video for fewer alarms"
    )


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
