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
from scipy import special

from oddframe.errors import CalibrationError, InputError
from oddframe.scoring.heldout import MOST_SHARE, HeldOut, ScoreCurve, above
from oddframe.scoring.tail import fit_tail, tail_upper_rate

Method = Literal["counted", "tail"]
Verdict = Literal["fits", "more", "fewer", "unknown"]
CONFIDENCE = 0.95
MEDIAN = 2 / 3
FARTHEST = 0.2  # the tail reaches down to the rate of one alarm in five times the held-out video
DISPERSION_WINDOWS_S = (60.0, 300.0, 900.0, 3600.0, 10800.0)
DISPERSION_LEVELS, FEWEST_WINDOWS = 40, 8
DISAGREE = 0.01  # chance that a camera which keeps its promise is told that it does not
LEAST_SEEN_HOURS = 1 / 6


def upper_rate(events: float, hours: float, confidence: float = CONFIDENCE, dispersion: float = 1.0) -> float:
    """Upper confidence bound of a rate per hour after so many events in so many hours; exact for Poisson events.

    Args:
        events: at least 0.
        hours: more than 0.
        confidence: 0..1, one-sided.
        dispersion: at least 1; events come in groups of so many.

    Raises:
        InputError: values out of range.

    Examples:
        No alarm in one hour does not mean that there is none: three per hour are possible.

        >>> round(upper_rate(0, hours=1), 2), round(upper_rate(7, hours=8), 2)
        (3.0, 1.64)
    """
    _check(events, hours, confidence)
    return float(dispersion * special.gammaincinv(events / dispersion + 1, confidence) / hours)


def lower_rate(events: float, hours: float, confidence: float = CONFIDENCE) -> float:
    """Lower confidence bound of a rate per hour after so many events in so many hours; 0 after none.

    Raises:
        InputError: values out of range.
    """
    _check(events, hours, confidence)
    return float(special.gammaincinv(events, 1 - confidence) / hours) if events else 0.0


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
        tail_upper_rate: the same bound if the generalised Pareto tail is the true one, usually lower; None if counted.
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
    tail_upper_rate: float | None = None

    def sentence(self) -> str:
        """What is promised, and what that rests on; see `promise_text`."""
        return promise_text(self.rate, None, self.events, self.hours, self.upper_rate)

    def remark(self) -> str:
        """What is unusual about the threshold; empty where it was counted."""
        remarks = []
        if self.method == "tail":
            remarks.append(f"the threshold for {alarms_text(self.rate)} per hour follows from the tail of the scores")
        if self.bounded:
            remarks.append(f"a lower threshold would fill more than {MOST_SHARE * 100:g} % of normal time with alarms")
        return "; ".join(remarks)


def choose_threshold(
    curves: Sequence[ScoreCurve],
    wanted_rate: float,
    merge_s: float = 2.0,
    min_s: float = 0.0,
    confidence: float = CONFIDENCE,
) -> Promise:
    """The lowest threshold that keeps to a rate of alarms on held-out normal video.

    From two thirds of an alarm in all of the video upwards, alarms are counted. For rarer ones, down to a fifth of an
    alarm, the tail of the highest levels says where the threshold lies, if there are more than ten of them. Either way
    alarms may fill a twentieth of the time at most; where they would fill more, the threshold is higher.

    Args:
        curves: (time (N,) in seconds, smoothed score (N,)) of every held-out video or block.
        wanted_rate: alarms per hour of normal video.
        merge_s, min_s: seconds; the rule by which events are found.
        confidence: 0..1, of the upper bound.

    Raises:
        CalibrationError: no held-out video, or too little for the wanted rate by counting and by the tail.
        InputError: the rate is no number above 0, the confidence is not between 0 and 1, or scores are not numbers.
    """
    curves = [(time, score) for time, score in curves if len(score)]
    if not 0 < wanted_rate < math.inf:
        raise InputError(f"alarms per hour must be a number above 0, not {wanted_rate:g}")
    if any(not np.isfinite(score).all() for _, score in curves):
        raise InputError("held-out scores contain values that are not finite numbers; train again before calibrating")
    held_out = HeldOut(curves, merge_s, min_s) if curves else None
    if held_out is None or not held_out.seconds > 0:
        raise CalibrationError("there is no held-out normal video to find a threshold on: hold out more normal video")
    hours = held_out.seconds / 3600
    _check(0, hours, confidence)
    allowed = math.floor(wanted_rate * hours - MEDIAN + 1e-9)
    levels = held_out.levels(max(allowed, DISPERSION_LEVELS) + 1)
    dispersion = _dispersion(held_out, levels.scores)
    method: Method = "counted" if allowed >= 0 else "tail"
    tail_upper, bounded = None, False
    if allowed >= 0:
        chosen = float(above(levels.scores[allowed])) if allowed < len(levels.scores) else levels.lowest
        threshold, bounded = max(chosen, levels.lowest), chosen <= levels.lowest
    else:
        tail = fit_tail(levels.scores, hours)
        if tail is None or wanted_rate * hours < FARTHEST * (1 - 1e-9):
            raise unsupported(wanted_rate, hours)
        threshold = tail.threshold(wanted_rate)
        tail_upper = tail_upper_rate(tail, wanted_rate, confidence, dispersion)
    counted = held_out.count(threshold)
    # Of a counted threshold `allowed` is the number that was fixed before anybody looked at the scores.
    law = allowed if method == "counted" and not bounded else counted.alarms
    return Promise(
        rate=wanted_rate,
        threshold=threshold,
        low=held_out.low(threshold),
        hours=hours,
        events=counted.alarms,
        upper_rate=upper_rate(law, hours, confidence, dispersion),
        confidence=confidence,
        alarm_share=counted.share,
        dispersion=dispersion,
        method=method,
        bounded=bounded,
        tail_upper_rate=tail_upper,
    )


def _dispersion(held_out: HeldOut, levels: NDArray[np.float64]) -> float:
    """Variance over mean of the alarms per window, at least 1, over all lengths of window that fit in eight times.

    Counted at the level of up to 40 alarms, for fewer do not tell groups from chance.
    """
    if len(levels) < FEWEST_WINDOWS:
        return 1.0
    starts = held_out.count(float(levels[min(len(levels), DISPERSION_LEVELS) - 1])).starts
    found = 1.0
    for window in DISPERSION_WINDOWS_S:
        number = int(held_out.seconds // window)
        if number < FEWEST_WINDOWS or not len(starts):
            break
        counts = np.bincount(np.minimum(starts / held_out.seconds * number, number - 1).astype(int), minlength=number)
        found = max(found, float(counts.var(ddof=1) / counts.mean()))
    return found


def unsupported(wanted: float, hours: float) -> CalibrationError:
    """A rate is too low for so much video; names one that is not, whatever the scores are: it can be counted."""
    lowest = rate_text(MEDIAN / hours)
    return CalibrationError(
        f"{hours_text(hours)} of normal video cannot support {alarms_text(wanted)} per hour; "
        f"the lowest rate that can be counted on it is {lowest} per hour: hold out more normal video or pass "
        f"--alarms-per-hour {lowest}"
    )


@dataclass(frozen=True)
class Fit:
    """Whether what was seen agrees with a promise.

    Attributes:
        verdict: "fits"; "more" or "fewer" alarms than a camera that keeps the promise has in one case of a hundred;
            "unknown" where there is less than ten minutes of video.
        p_value: two-sided, 0..1; nan where unknown.
        sentence: for people.
    """

    verdict: Verdict
    p_value: float
    sentence: str


def fits(events_seen: int, hours_seen: float, promise: Promise) -> Fit:
    """Compare the alarms of new video with those of the held-out normal video.

    The exact test of two Poisson numbers by the binomial law (Przyborowski and Wilenski, Biometrika 1940): of all
    alarms, each falls into the new hours with probability hours_seen / (hours_seen + hours). The held-out video counts
    one alarm more than it raised, since its threshold lies where that next alarm appears. Groups of alarms count as
    one.

    Args:
        events_seen: alarms, counted by `oddframe.scoring.heldout.alarm_count` as those of the promise.
        hours_seen: of video, by plausible time.

    Raises:
        InputError: a negative number of alarms or hours.
    """
    if events_seen < 0 or not hours_seen >= 0:
        raise InputError(f"{events_seen} alarms in {hours_seen:g} hours cannot be compared with a promise")
    if hours_seen < LEAST_SEEN_HOURS:
        text = f"{hours_text(hours_seen)} of video is too little to compare with {alarms_text(promise.rate)} per hour"
        return Fit("unknown", math.nan, text)
    held_out, seen = promise.events / promise.dispersion + 1, events_seen / promise.dispersion
    share = hours_seen / (hours_seen + promise.hours)
    more = float(special.betainc(seen, held_out, share)) if events_seen else 1.0
    fewer = float(1 - special.betainc(seen + 1, held_out, share))
    p_value = min(1.0, 2 * min(more, fewer))
    rate = events_seen / hours_seen
    text = (
        f"{alarms_text(events_seen)} in {hours_text(hours_seen)} where {rate_text(promise.rate)} per hour was promised"
    )
    if p_value < DISAGREE and more < fewer and rate > promise.rate:
        cause = "this video is not like the normal video it learned from"
        return Fit("more", p_value, f"{text}: {cause}; calibrate again on normal video of this camera")
    if p_value < DISAGREE and fewer < more and rate < promise.rate:
        cause = "this video is quieter than the normal video it learned from"
        return Fit("fewer", p_value, f"{text}: {cause}; calibrate again to find more")
    return Fit("fits", p_value, f"{text}: the two agree")


def promise_text(rate: float | None, quantile: float | None, events: int, hours: float, bound: float | None) -> str:
    """What a threshold promises: the one wording of console, card, report and bundle.

    Args:
        rate: alarms per hour that were wanted; None where a quantile was.
        quantile: of the held-out scores; None as well for a threshold that was set by hand.
        events: alarms that it raises on the held-out video.
        hours: of that video.
        bound: alarms per hour; the true rate lies below at 95 %. None where it is not known.
    """
    if rate is None and quantile is None:
        return "no rate of alarms: the threshold was set by hand"
    if rate is not None:
        aim = f"at most {alarms_text(rate)} per hour of normal video, as an estimate"
    else:
        aim = f"the {quantile:g} quantile of the scores of normal video"
    told = f"{aim}: {alarms_text(events)} came in the {hours_text(hours)} of it that were held out"
    return told if bound is None else f"{told}, and from that {bound_text(bound)}"


def alarms_text(number: float) -> str:
    """ "1 alarm", "0.25 alarms"; a rate, which is no whole number, is rounded up like every rate."""
    return f"{number if isinstance(number, int) else rate_text(number)} alarm{'' if number == 1 else 's'}"


def bound_text(rate: float, confidence: float = CONFIDENCE) -> str:
    """ "one can be 95 % sure that the true rate is below 0.95 per hour": the one wording of an upper bound."""
    return f"one can be {confidence * 100:g} % sure that the true rate is below {rate_text(rate)} per hour"


def hours_text(hours: float) -> str:
    """ "5.0 h", below an hour "42 min", below two minutes "90 s"."""
    if hours >= 0.95:
        return f"{hours:.1f} h"
    if hours * 60 >= 2:
        return f"{hours * 60:.2g} min"
    return f"{hours * 3600:.2g} s" if hours * 3600 < 99 else f"{hours * 3600:.0f} s"


def needed_text(hours: float) -> str:
    """Like `hours_text`, but never less than the true length."""
    if hours >= 0.95:
        return f"{math.ceil(hours * 10 - 1e-9) / 10:.1f} h"
    return f"{math.ceil(hours * 60 - 1e-9)} min" if hours * 60 > 2 else f"{math.ceil(hours * 3600 - 1e-9)} s"


def rate_text(rate: float) -> str:
    """A rate as it is everywhere printed: to two significant digits and never below the true one, or exactly where
    three digits suffice for that. What is printed can be passed on and is then printed alike.
    """
    exact = float(f"{rate:.3g}")
    if exact == rate or not rate > 0:
        return f"{exact:g}"
    scale = 10.0 ** (1 - math.floor(math.log10(rate)))
    return f"{math.ceil(rate * scale - 1e-9) / scale:g}"
