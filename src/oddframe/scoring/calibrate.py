"""A threshold from held-out normal video alone: what is an alarm there is a false one, and those can be counted.

`oddframe.scoring.promise` chooses the threshold for a rate of alarms and says how sure that rate is. The low threshold
of the hysteresis lies halfway between the threshold and the median of the held-out scores.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from oddframe.errors import CalibrationError, InputError
from oddframe.reading.guard import reading
from oddframe.reading.records import read_object, record_of
from oddframe.scoring.heldout import HeldOut, ScoreCurve
from oddframe.scoring.promise import (
    CONFIDENCE,
    FARTHEST,
    MEDIAN,
    Method,
    Promise,
    alarms_text,
    choose_threshold,
    hours_text,
    needed_text,
    promise_text,
    rate_text,
    unsupported,
    upper_rate,
)
from oddframe.scoring.schedule import CHOSEN, Schedule

DEFAULT_RATE = 1.0  # alarms per hour
MOST_RATE = 3600.0  # alarms per hour that can be asked for
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
        assumed_fps: frames/s that were assumed for held-out frames without time stamps; then `seconds` and `rate` are
            what they would be at this rate, and no rate is promised. None where all times are known.
        schedule: chooses one of `parts` for every frame; None where this is the only calibration.
        parts: name -> calibration, as the schedule names them; each has the scores of its own part of the held-out
            video. The score of a frame is then one in units of the calibration that holds for it (see
            `oddframe.scoring.combine.ScheduledStream`), and all values here are of such scores.
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
    assumed_fps: float | None = None
    schedule: Annotated[Schedule, Field(discriminator="by")] | None = None
    parts: dict[str, Calibration] = field(default_factory=dict)

    def at(self, components: Mapping[str, NDArray[np.float64]], row: int) -> Calibration:
        """The calibration that holds for a frame, by its row in (N,) components; this one where there is no other."""
        return list(self.parts.values())[int(components[CHOSEN][row])] if self.parts else self

    def guessed(self, fps: float | None) -> Calibration:
        """The same thresholds without a promise, where `fps` frames/s were assumed; None: nothing was."""
        if fps is None:
            return self
        note = (
            f"{fps:g} frames/s were assumed for frames without time stamps, so no rate of alarms is promised; give the "
            "true rate with --fps for one"
        )
        parts = {name: part.guessed(fps) for name, part in self.parts.items()}
        return replace(self, upper_rate=None, alarm_share=None, assumed_fps=fps, note=note, parts=parts)

    def sentence(self) -> str:
        """What is promised, and what that rests on; see `oddframe.scoring.promise.promise_text`."""
        hours = self.seconds / 3600
        if self.assumed_fps is not None and self.quantile is None:
            counted = f"{alarms_text(self.events)} in {hours_text(hours)} of normal video, if it plays at"
            return f"no rate of alarms: {counted} {self.assumed_fps:g} frames/s, which was assumed; give --fps"
        text = promise_text(self.rate, self.quantile, self.events, hours, self.upper_rate)
        return text if self.schedule is None else f"{text}; calibrations {self.schedule.words}"

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
        """JSON text from which `from_json` makes the same value; it also says in words what is promised."""
        return json.dumps({"promise": self.sentence(), **self.as_json()}, indent=2, allow_nan=False)

    def as_json(self) -> dict[str, Any]:
        """Plain values for JSON. Without a schedule they are those of older versions, which know none."""
        row = asdict(self)
        if self.schedule is None:
            del row["schedule"], row["parts"]
        else:
            row["parts"] = {name: part.as_json() for name, part in self.parts.items()}
        return row

    @classmethod
    def from_json(cls, text: str, where: Path | str = "calibration.json") -> Calibration:
        """The value that `to_json` wrote; `where` names the file in messages.

        Raises:
            InputError: the text is not a calibration. The message names the field.
        """
        with reading(where, "not a calibration", "correct it, or calibrate again"):
            row = read_object(text)
            row.pop("promise", None)  # for people
            found = record_of(cls, row)
            found._check()
            return found

    def _check(self) -> None:
        """See to it that the values can be what they say.

        Raises:
            ValueError: one cannot. The message names it.
        """
        lowest = {
            "merge_s": 0.0, "min_s": 0.0, "rate": 0.0, "quantile": 0.0, "events": 0, "seconds": 0.0, "videos": 1,
            "lowest_rate": 0.0, "upper_rate": 0.0, "alarm_share": 0.0, "dispersion": 1.0, "assumed_fps": 0.0,
        }  # fmt: skip
        above = ("rate", "seconds", "assumed_fps")
        for name, least in lowest.items():
            value = getattr(self, name)
            if value is not None and (value < least or (value == least and name in above)):
                raise ValueError(f"{name}: {value:g} is too small")
        for name in ("quantile", "alarm_share"):
            if (getattr(self, name) or 0) > 1:
                raise ValueError(f"{name}: {getattr(self, name):g} lies above 1")
        if self.low > self.threshold:
            raise ValueError(f"low: {self.low:g} lies above the threshold {self.threshold:g}")
        names = [] if self.schedule is None else list(self.schedule.calibrations)
        if list(self.parts) != names:
            raise ValueError(
                f"parts: {', '.join(self.parts) or 'none'}; the schedule names {', '.join(names) or 'none'}"
            )
        for name, part in self.parts.items():
            part._check()
            if part.parts or not part.threshold > part.scores["0.5"]:
                raise ValueError(f"parts.{name}: its threshold does not lie above the median of its scores")
            if set(part.levels) != set(self.levels):
                raise ValueError(f"parts.{name}.levels: they are not of the components that the whole has")
        flat = [name for name, (_, unit) in self.levels.items() if not unit > 0]
        if flat:
            raise ValueError(f"levels.{flat[0]}: the deviation {self.levels[flat[0]][1]:g} is not above 0")
        lacking = [str(share) for share in SUMMARY if str(share) not in self.scores]
        if lacking:
            raise ValueError(f"scores.{lacking[0]}: missing")


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
        alarms_per_hour: accepted false alarms per hour, or None: one per hour, or where the held-out video cannot
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


def together(schedule: Schedule, parts: dict[str, Calibration], curves: Sequence[ScoreCurve]) -> Calibration:
    """Several calibrations for one promise, as one calibration of scores in their units.

    The true rate of alarms, whatever share of the time each of them holds, lies below the highest of their bounds with
    the confidence of a single one: it lies above only if that of the worst of them lies above its own.

    Args:
        parts: as the schedule names them, each with its levels.
        curves: (time (N,), score (N,)) of all held-out video, in units of the calibrations; see
            `oddframe.scoring.combine.ScheduledStream`.
    """
    all_of, values = list(parts.values()), np.concatenate([score for _, score in curves])
    first, bounds = all_of[0], [part.upper_rate for part in all_of if part.upper_rate is not None]
    return replace(
        first,
        threshold=1.0,
        low=0.5,
        events=sum(part.events for part in all_of),
        seconds=sum(part.seconds for part in all_of),
        videos=sum(part.videos for part in all_of),
        lowest_rate=max(part.lowest_rate for part in all_of),
        scores={str(q): float(np.quantile(values, q)) for q in SUMMARY},
        note="; ".join(f"{name}: {part.note}" for name, part in parts.items() if part.note),
        upper_rate=max(bounds) if bounds else None,
        alarm_share=max(part.alarm_share or 0.0 for part in all_of),
        method="tail" if any(part.method == "tail" for part in all_of) else "counted",
        dispersion=max(part.dispersion for part in all_of),
        schedule=schedule,
        parts=parts,
    )


def short_text(short: Mapping[str, float], rate: float | None, least: float) -> str:
    """That there is too little normal video for some of several calibrations.

    Args:
        short: name of a calibration -> seconds of normal video that there are of it.
        rate: alarms per hour that were wanted; None where a quantile was.
        least: seconds of the one that has least.
    """
    there = ", ".join(f"{name} has {hours_text(lasts / 3600) if lasts else 'none'}" for name, lasts in short.items())
    if rate is None:
        return f"each calibration needs normal video of its own, and {there}: give more of it"
    lowest = MEDIAN * 3600 / least if least else math.inf
    remedy = f", or pass --alarms-per-hour {rate_text(lowest)}" if lowest <= MOST_RATE else ""
    return (
        f"{alarms_text(rate)} per hour needs {needed_text(MEDIAN / rate)} of normal video for each calibration, and "
        f"{there}: give more of it{remedy}"
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
        note = f"{note}; {chosen.remark()}" if note else chosen.remark()
    return chosen, note


def supported_rate(alarms_per_hour: float | None, seconds: float) -> tuple[float, str]:
    """The rate that `calibrate` will promise on so many seconds of held-out video, and its note; see there.

    Where the rate is too low to be counted, `calibrate` may still refuse: the scores must have a tail.

    Raises:
        CalibrationError: so much video cannot support the rate that was asked for.
        InputError: the rate is not positive, or above one alarm a second.
    """
    wanted = DEFAULT_RATE if alarms_per_hour is None else alarms_per_hour
    if not 0 < wanted < math.inf:
        raise InputError(f"alarms per hour must be a number above 0, not {wanted:g}")
    if not seconds > 0:
        raise CalibrationError("there is no held-out normal video to find a threshold on: hold out more normal video")
    if wanted > max(MOST_RATE, float(rate_text(MEDIAN * 3600 / seconds))):
        raise InputError(
            f"{wanted:g} alarms per hour is more than one a second, which promises nothing; give at most {MOST_RATE:g}"
        )
    lowest = FARTHEST * 3600 / seconds
    if wanted >= lowest * (1 - 1e-9):
        return wanted, ""
    if alarms_per_hour is None:
        return _counted_instead(seconds)
    raise unsupported(wanted, seconds / 3600)


@dataclass(frozen=True)
class NormalAmount:
    """How much normal video there is for a threshold.

    Attributes:
        given: seconds of it in all; None where that is not known.
        heldout: seconds that are scored by a detector that has not learned from them.
        share: 0..1, the part of all video that is held out.
        most: seconds that are held out at the most, however much is given; None where there is no such limit.
    """

    given: float | None
    heldout: float
    share: float
    most: float | None = None


def plan_promise(alarms_per_hour: float | None, video: NormalAmount) -> str:
    """What the wanted rate needs, what there is, and what can be promised: for people, before work starts.

    Raises:
        CalibrationError, InputError: as `supported_rate`.
    """
    rate, note = supported_rate(alarms_per_hour, video.heldout)
    wanted, hours = float(DEFAULT_RATE if alarms_per_hour is None else alarms_per_hour), video.heldout / 3600
    needed = MEDIAN / wanted / video.share
    need = f"{alarms_text(wanted)} per hour needs {needed_text(needed)} of normal video"
    if video.most is not None and needed * 3600 > video.most:
        need += f", and a fit looks at {hours_text(video.most / 3600)} at the most (`oddframe calibrate` takes more)"
    held = f"of which {hours_text(hours)} are held out"
    if video.share >= 1:
        held = "all of it held out in turn" if video.given == video.heldout else f"{held} in turn"
    have = f"{hours_text(hours)} are held out"
    if video.given is not None:
        have = f"there are {hours_text(video.given / 3600)}, {held}"
    lowest = f"the lowest rate that can be counted is {rate_text(MEDIAN / hours)} per hour"
    text = f"{need}; {have}: {lowest}"
    if note:
        return f"{text}, and that is taken"
    return text if rate * hours >= MEDIAN * (1 - 1e-9) else f"{text}, and the tail of the scores has to say the rest"


def _counted_instead(seconds: float) -> tuple[float, str]:
    rate = MEDIAN * 3600 / seconds
    return rate, (
        f"{hours_text(seconds / 3600)} of normal video cannot support {alarms_text(DEFAULT_RATE)} per hour; the lowest "
        f"rate that can be counted on it is {rate_text(rate)} per hour, which was taken instead: hold out more normal "
        "video for fewer alarms"
    )


def check_quantile(quantile: float, frames: int) -> None:
    """See to it that so many held-out frames support a quantile of their scores.

    Raises:
        InputError: it is no quantile.
        CalibrationError: they are too few.
    """
    if not 0 < quantile < 1:
        raise InputError(f"a quantile lies between 0 and 1, not at {quantile:g}")
    highest = 1 - 1 / max(1, frames)
    if quantile > highest:
        raise CalibrationError(
            f"{frames} held-out frames cannot support the quantile {quantile:g}; "
            f"the highest they support is {math.floor(highest * 1e6) / 1e6:g}: hold out more normal video"
        )


def _quantile_threshold(score: NDArray[np.float64], quantile: float) -> float:
    check_quantile(quantile, len(score))
    return float(np.quantile(score, quantile))
