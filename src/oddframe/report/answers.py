"""What the top of a report says: what happened, when, where, how unusual it is, and what to do next."""

from __future__ import annotations

import re
import shlex
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from oddframe.account import count_of
from oddframe.report.ranking import RankedEvent, ReportVideo
from oddframe.report.style import clock
from oddframe.report.units import ThresholdUnits, times_text
from oddframe.scoring.calibrate import Calibration
from oddframe.scoring.promise import Fit, hours_text
from oddframe.video.pauses import plausible_seconds

NAMED = 3  # events that the answers name
REST = re.compile(r"^\w+, \w+: | \(x \d+ to \d+, y \d+ to \d+\)")
MANY = 10  # events from which the review page is the better way to look at them


@dataclass(frozen=True)
class Findings:
    """All that the answers rest on.

    Attributes:
        videos: in the order of the page.
        ranked: their events, the most unusual first.
        calibration: the origin of the threshold.
        agreement: whether the alarms agree with the promise; None where no rate is promised.
        folder: of the report, for the commands that come next.
    """

    videos: Sequence[ReportVideo]
    ranked: Sequence[RankedEvent]
    calibration: Calibration
    agreement: Fit | None
    folder: Path

    @property
    def hours(self) -> float:
        """Of video that was watched."""
        return sum(plausible_seconds(video.scores.time) for video in self.videos) / 3600

    @property
    def told(self) -> list[RankedEvent]:
        """The events that are not on hold."""
        return [one for one in self.ranked if not one.event.held]

    @property
    def faults(self) -> int:
        """Stretches in which a camera was at fault."""
        return sum(len(video.faults) for video in self.videos)


def answers(found: Findings) -> str:
    """The answers as a list of questions and answers, in HTML."""
    rows = {
        "What happened": _what(found),
        "When": _when(found),
        "Where": _where(found),
        "How unusual": _how_unusual(found),
        "Alarms": _alarms(found),
        "What to do next": "".join(f"<li>{step}</li>" for step in _next(found)),
    }
    rows["What to do next"] = f"<ul>{rows['What to do next']}</ul>"
    inner = "".join(f"<div><dt>{question}</dt><dd>{answer}</dd></div>" for question, answer in rows.items() if answer)
    return (
        f'<section class="answers" aria-labelledby="answers"><h2 id="answers">In short</h2><dl>{inner}</dl></section>'
    )


def _what(found: Findings) -> str:
    lines = []
    if not found.ranked:
        lines.append(f"Nothing reached the threshold in {_watched(found)}.")
    for one in found.ranked[:NAMED]:
        lines.append(f"<b>{one.rank}.</b> {one.link}{_reason(one)}")
    if len(found.ranked) > NAMED:
        lines.append(f'and {len(found.ranked) - NAMED} more, <a href="#events">all of them by rank</a>')
    held = len(found.ranked) - len(found.told)
    if held:
        lines.append(f"{count_of(held, 'event')} on hold: nobody is told of {'it' if held == 1 else 'them'}")
    if found.faults:
        kinds = Counter(fault.kind for video in found.videos for fault in video.faults)
        lines.append(f"The camera itself was at fault: {', '.join(f'{kind} ({n})' for kind, n in kinds.items())}")
    return "<br>".join(lines)


def _reason(one: RankedEvent) -> str:
    """The first reason of an event, without the part of the detector that tells it and the pixels, as HTML."""
    if one.event.reasons:
        return f": {escape(REST.sub('', one.event.reasons[0]))}"
    return f": unusual in {escape(one.phrases[0])}" if one.phrases else ""


def _watched(found: Findings) -> str:
    return f"{clock(3600 * found.hours)} of {count_of(len(found.videos), 'video')}"


def _when(found: Findings) -> str:
    if not found.ranked:
        return ""
    lines = [
        f"<b>{one.rank}.</b> {one.video.moment(one.event.start_s)}, for {one.event.end_s - one.event.start_s:.1f} s"
        for one in found.ranked[:NAMED]
    ]
    if all(one.video.began is None for one in found.ranked):
        lines.append("Times count from the start of each video; no file says at what time of day it was taken.")
    return "<br>".join(lines)


def _where(found: Findings) -> str:
    fields = Counter(one.field for one in found.ranked if one.field)
    if not fields:
        return "This detector does not say where in the picture." if found.ranked else ""
    if len(found.ranked) == 1:
        return f"{next(iter(fields))} of the picture, at the peak of the event".capitalize()
    parts = [f"{name} ({count} of {len(found.ranked)})" for name, count in fields.most_common(NAMED)]
    return f"In the picture, at the peaks of the events: {', '.join(parts)}"


def _how_unusual(found: Findings) -> str:
    units, c = ThresholdUnits.of(found.calibration), found.calibration
    peak = max((float(video.scores.score.max()) for video in found.videos), default=None)
    normal = f"On held-out normal video the highest score is {times_text(units(c.scores['1.0']))} times the threshold"
    if units.normal is not None:
        normal += f", and 99 % of the frames stay below {times_text(units.normal)}"
    if peak is None:
        return f"{normal}."
    what = "The most unusual moment" if found.ranked else "The highest score"
    return f"{what} reaches <b>{times_text(units(peak))} times the threshold</b>. {normal}."


def _alarms(found: Findings) -> str:
    promised = f"Promised: {escape(found.calibration.sentence())}."
    hours, agreement = found.hours, found.agreement
    if not hours > 0:
        return promised
    came = f"Came: {count_of(len(found.told), 'event')} in {hours_text(hours)}"
    if hours >= 1:
        came += f", {len(found.told) / hours:.3g} per hour"
    if agreement is None:
        return f"{promised}<br>{came}."
    if agreement.verdict == "unknown":
        return f"{promised}<br>{came}; {escape(agreement.sentence)}."
    return f"{promised}<br>Came: {escape(agreement.sentence)}."


def _next(found: Findings) -> list[str]:
    """What the reader can do, the most urgent first, as HTML."""
    folder = escape(shlex.quote(str(found.folder)))
    steps = []
    if found.faults:
        steps.append("Look at the camera: its picture was not what it should be. See its faults below.")
    if any(video.scores.info.account is not None and video.scores.info.account.incomplete for video in found.videos):
        steps.append("Get the damaged videos again: a part of their frames was never seen.")
    if found.agreement is not None and found.agreement.verdict in ("more", "fewer"):
        steps.append(
            "Calibrate again on normal video of this camera: "
            "<code>oddframe calibrate RUN NORMAL_VIDEOS --out RUN2</code>"
        )
    if found.ranked:
        how = "Mark them" if len(found.ranked) < MANY else f"Mark the {len(found.ranked)} events quickly"
        learns = " Then <code>oddframe learn</code> makes fewer false alarms of the marks."
        if found.calibration.parts:
            learns = ""  # it makes one calibration, and refuses a bundle with several
        steps.append(f"{how} as normal or not: <code>oddframe review {folder}</code>.{learns}")
    else:
        steps.append(
            "Nothing needs to be looked at. To see more, accept more alarms: "
            "<code>oddframe score RUN VIDEO --alarms-per-hour N</code>."
        )
    if found.calibration.rate is not None and found.calibration.note:
        steps.append("Record more normal video for a promise of fewer alarms; see where the threshold comes from.")
    return steps
