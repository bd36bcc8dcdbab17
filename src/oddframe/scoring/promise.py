"""What a threshold promises: alarms per hour of normal video, how sure that is, and whether new video agrees.

Alarms on normal video are rare and, but for groups of them, independent: their number in H hours at a true rate r is
Poisson with mean r H. Two laws follow.

*A threshold that was fixed beforehand* and raised k alarms: r lies below chi2(c, 2 k + 2) / (2 H) with confidence c
(Garwood, Biometrika 1936). No alarm in H hours leaves up to 3.0 / H at 95 %.

*A threshold that was chosen on the same video*, just above the level at which alarm k + 1 appears: coming down from the
top, the true rate at that level times H is the time of arrival k + 1 of a Poisson process, so it is Gamma(k + 1)
distributed, with the same quantile chi2(c, 2 k + 2) / (2 H). The bound survives the choice as long as k is fixed by the
wish and not by the scores. The median of that law is about k + 2/3, and so k + 2/3 <= wanted rate times H.

Where alarms come in groups, the variance of their number is a multiple of its mean. Then groups are what is counted:
H hours with k alarms in groups of d say as much as k / d alarms of d each (quasi-Poisson).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special, stats

from oddframe.errors import CalibrationError, InputError
from oddframe.scoring.heldout import MOST_SHARE, Curve, HeldOut, above
from oddframe.scoring.tail import MOST, fit_tail, tail_upper_rate

Method = Literal["counted", "tail"]
CONFIDENCE = 0.95
MEDIAN = 2 / 3
COUNTED_FROM = 5  # below so many alarms of the wanted rate on the held-out video, the tail says where they lie
FARTHEST = 10.0  # the tail reaches down to a tenth of the rate of one alarm in all held-out video
DISPERSION_WINDOWS_S = (60.0, 300.0, 900.0, 3600.0, 10800.0)
FEWEST_WINDOWS = 8


def upper_rate(events: float, hours: float, confidence: float = CONFIDENCE, dispersion: float = 1.0) -> float:
    """Upper confidence bound of a rate per hour after so many events in so many hours; exact for Poisson events.

    Args:
        events: at least 0.
        hours: more than 0.
        confidence: 0..1, one-sided.
        dispersion: at least 1; events come in groups of so many.

    Raises:
        InputError: values out of range.
    """
    _check(events, hours, confidence)
    return float(dispersion * stats.chi2.ppf(confidence, 2 * (events / dispersion + 1)) / (2 * hours))


def lower_rate(events: float, hours: float, confidence: float = CONFIDENCE) -> float:
    """Lower confidence bound of a rate per hour after so many events in so many hours; 0 after none.

    Raises:
        InputError: values out of range.
    """
    _check(events, hours, confidence)
    return float(stats.chi2.ppf(1 - confidence, 2 * events) / (2 * hours)) if events else 0.0


def _check(events: float, hours: float, confidence: float) -> None:
    if not (events >= 0 and hours > 0 and 0 < confidence < 1):
        raise InputError(
            f"a rate needs events >= 0, hours > 0 and 0 < confidence < 1, not {events:g}, {hours:g} and {confidence:g}"
        )


@dataclass(frozen=True)
class Promise:
    """A threshold and what it promises.

    Attributes:
        rate: alarms per hour of normal video that were wanted.
        threshold, low: in units of the smoothed score; see `oddframe.scoring.events.spans`.
        hours: of held-out normal video, by plausible time.
        events: alarms that the threshold raises there.
        upper_rate: alarms per hour; the true rate on video like the held-out one lies below with `confidence`.
        confidence: 0..1.
        alarm_share: of the held-out time, 0..1, that lies inside alarms.
        dispersion: alarms come in groups of so many, at least 1.
        method: "counted", or "tail" where a generalised Pareto tail says where the threshold lies.
        bounded: whether the limit on `alarm_share`, and not the rate, holds the threshold up.
    """

    rate: float
    threshold: float
    low: float
    hours: float
    events: int
    upper_rate: float
    confidence: float
    alarm_share: float
    dispersion: float
    method: Method
    bounded: bool = False

    def sentence(self) -> str:
        """What was counted and what that allows to say."""
        plural = "" if self.events == 1 else "s"
        text = (
            f"{self.events} alarm{plural} in {hours_text(self.hours)} of normal video: "
            f"up to {self.upper_rate:.2g} per hour at {self.confidence:.0%}"
        )
        if self.method == "tail":
            text += f"; the threshold for {self.rate:.2g} per hour follows from the tail of the scores"
        if self.bounded:
            text += f"; a lower threshold would fill more than {MOST_SHARE:.0%} of normal time with alarms"
        return text


def choose_threshold(
    curves: Sequence[Curve],
    wanted_rate: float,
    merge_s: float = 2.0,
    min_s: float = 0.0,
    confidence: float = CONFIDENCE,
) -> Promise:
    """The lowest threshold that keeps to a rate of alarms on held-out normal video.

    Where the wanted rate makes five alarms or more in the held-out hours, they are counted. Else the tail of the
    highest levels says where the threshold lies, if there are ten such levels. Either way the alarms may not fill more
    than a twentieth of the time; where they would, the threshold is higher and `bounded` is set.

    Args:
        curves: (time (N,) in seconds, smoothed score (N,)) of every held-out video or block.
        wanted_rate: alarms per hour of normal video.
        merge_s, min_s: seconds; the rule by which events are found.
        confidence: 0..1, of the upper bound.

    Raises:
        CalibrationError: no held-out video, or too little for the wanted rate by counting and by the tail.
        InputError: the rate is not positive, the confidence is not between 0 and 1, or scores are not numbers.
    """
    curves = [(time, score) for time, score in curves if len(score)]
    if not wanted_rate > 0:
        raise InputError(f"alarms per hour must be more than 0, not {wanted_rate:g}")
    if any(not np.isfinite(score).all() for _, score in curves):
        raise InputError("held-out scores contain values that are not finite numbers; train again before calibrating")
    held_out = HeldOut(curves, merge_s, min_s) if curves else None
    if held_out is None or not held_out.seconds > 0:
        raise CalibrationError("there is no held-out normal video to find a threshold on: hold out more normal video")
    hours = held_out.seconds / 3600
    _check(0, hours, confidence)
    allowed = math.floor(wanted_rate * hours - MEDIAN + 1e-9)
    levels = held_out.levels(max(allowed, MOST) + 1)
    dispersion = _dispersion(held_out, levels.scores)
    tail = fit_tail(levels.scores, hours) if wanted_rate * hours < COUNTED_FROM else None
    if tail is not None and wanted_rate < tail.rate_at_level:
        if wanted_rate * hours * FARTHEST < 1:
            raise _unsupported(wanted_rate, hours, 1 / FARTHEST)
        threshold, method, bounded = tail.threshold(wanted_rate), "tail", False
        counted = held_out.count(threshold)
        model = tail_upper_rate(tail, wanted_rate, confidence, dispersion)
        bound = min(model, upper_rate(counted.alarms, hours, confidence, dispersion))
    else:
        if allowed < 0:
            raise _unsupported(wanted_rate, hours, MEDIAN)
        chosen = above(levels.scores[allowed]) if allowed < len(levels.scores) else levels.lowest
        threshold, method, bounded = max(chosen, levels.lowest), "counted", chosen <= levels.lowest
        counted = held_out.count(threshold)
        # `allowed` and not what was counted: that number was fixed before anybody looked at the scores.
        bound = upper_rate(counted.alarms if bounded else allowed, hours, confidence, dispersion)
    return Promise(
        rate=wanted_rate,
        threshold=threshold,
        low=held_out.low(threshold),
        hours=hours,
        events=counted.alarms,
        upper_rate=bound,
        confidence=confidence,
        alarm_share=counted.share,
        dispersion=dispersion,
        method=method,
        bounded=bounded,
    )


def _dispersion(held_out: HeldOut, levels: NDArray[np.float64]) -> float:
    """Variance over mean of the alarms per window, at least 1, over all lengths of window that fit in eight times.

    Counted at the level of up to 40 alarms: where alarms are rarer they are closer to independent.
    """
    if len(levels) < FEWEST_WINDOWS:
        return 1.0
    starts = held_out.count(float(above(levels[min(len(levels), MOST + 1) - 1]))).starts
    found = 1.0
    for window in DISPERSION_WINDOWS_S:
        number = int(held_out.span // window)
        if number < FEWEST_WINDOWS:
            break
        counts = np.bincount((starts / held_out.span * number).astype(int), minlength=number)
        found = max(found, float(counts.var(ddof=1) / counts.mean()))
    return found


def _unsupported(wanted: float, hours: float, share: float) -> CalibrationError:
    lowest = share / hours
    return CalibrationError(
        f"{hours_text(hours)} of normal video cannot support {wanted:g} alarms per hour; the lowest rate it supports "
        f"is {lowest:.2g} per hour: hold out more normal video"
    )


def hours_text(hours: float) -> str:
    """ "5.0 h", or "42 min" below two hours."""
    return f"{hours:.1f} h" if hours >= 2 or 0.95 <= hours < 1.05 else f"{hours * 60:.3g} min"
