"""The score timeline of a video as an inline SVG. The style sheet of the page sets its colours.

Horizontal places are percentages and letters keep their size, so that the drawing fills a telephone, a wide screen and
a printed page alike. Labels for which a narrow screen has no room have the class `wide`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

from oddframe.report.curve import MOST_POINTS, gaps, pieces, score_ticks, time_ticks, with_room
from oddframe.report.style import clock
from oddframe.report.units import ThresholdUnits, times_text
from oddframe.types import CameraFault, Event, FrameScores

HEIGHT, TOP, FLOOR = 200, 20, 176  # pixels
ACROSS = 1000  # units of the curve, which is stretched to the width of the page
NARROW_GAP, WIDE_GAP = 9.0, 3.5  # per cent of the width between numbers of events, on a telephone and elsewhere
TICK_GAP = 16  # pixels between two labels of the score axis
BAR = 6
VISIBLE = 500  # parts of the axis; what is shorter than one of them is not drawn as a gap
LEAST = 0.25  # per cent; an event of one frame in a long video stays visible
HATCHES = (
    '<svg class="hatches" width="0" height="0" aria-hidden="true"><defs>'
    + "".join(
        f'<pattern id="{name}" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate({angle})">'
        '<path d="M0 3H6"/></pattern>'
        for name, angle in (("gap", 45), ("fault", -45))
    )
    + "</defs></svg>"
)
"""The patterns of gaps and faults, which a page holds once."""


@dataclass(frozen=True)
class Timeline:
    """What the timeline of a video shows.

    Attributes:
        scores: the curve. Points that would not be visible are left out.
        units: of its axis.
        events: each has a bar along the base line and a numbered peak, and is a link.
        links: of the events, in the same order; none where they lead nowhere.
        truth: labelled stretches as (start, end) in seconds; they are shaded.
        faults: of the camera; they are hatched.
        points: of the curve at most.
        changes: when another calibration holds, in seconds, and its name; each has a line.
    """

    scores: FrameScores
    units: ThresholdUnits
    events: Sequence[Event] = ()
    links: Sequence[str] = ()
    truth: Sequence[tuple[float, float]] = ()
    faults: Sequence[CameraFault] = ()
    points: int = MOST_POINTS
    changes: Sequence[tuple[float, str]] = ()

    def gaps(self, duration: float | None = None) -> list[tuple[float, float]]:
        """The pauses that are long enough to be seen on an axis of so many seconds; None: of the whole video."""
        return gaps(self.scores.time, (float(self.scores.time[-1]) if duration is None else duration) / VISIBLE)


def timeline(shown: Timeline, *, duration: float | None = None, top: float | None = None, kind: str = "") -> str:
    """Draw the score curve of a video in units of the threshold, from 0, with all that `shown` holds.

    Args:
        duration: seconds of the axis; None takes the length of the video.
        top: of the score axis, in units of the threshold; None takes what shows the whole curve.
        kind: class of the curve in the style sheet, besides "score".
    """
    scores, units = shown.scores, shown.units
    duration = max(float(scores.time[-1]) if duration is None else duration, 1e-9)
    top = highest(shown) if top is None else top

    def x(seconds: float, whole: float = 100.0) -> float:
        return whole * min(max(seconds / duration, 0.0), 1.0)

    def y(value: float) -> float:
        return FLOOR - (FLOOR - TOP) * min(max(value / top, 0.0), 1.0)

    def span(start: float, end: float, kind: str = "", height: int = FLOOR - TOP, words: str = "") -> str:
        width = max(x(end) - x(start), LEAST)
        left = min(x(start), 100 - width)
        place = f'x="{left:.2f}%" y="{FLOOR - height}" width="{width:.2f}%" height="{height}"'
        title = f"<title>{escape(words)}</title>" if words else ""
        return f"<rect {kind}{place}>{title}</rect>" if title else f"<rect {kind}{place}/>"

    ticks = score_ticks(top, TICK_GAP * top / (FLOOR - TOP))
    parts = [
        f'<svg class="timeline" width="100%" height="{HEIGHT}" role="group" aria-label="{escape(_summary(shown))}">'
    ]
    if units.normal is not None and units.normal > 0:
        level = y(units.normal)
        parts.append(f'<rect class="normal" x="0" y="{level:.1f}" width="100%" height="{FLOOR - level:.1f}"/>')
    parts += [
        '<g class="truth">', *(span(start, end) for start, end in shown.truth),
        '</g><g class="gap">',
        *(span(a, b, words=f"not watched, {clock(a)} to {clock(b)}") for a, b in shown.gaps(duration)),
        '</g><g class="fault">',
        *(span(f.start_s, f.end_s, words=f"camera at fault, {f.kind}: {f.words}") for f in shown.faults),
        '</g><g class="grid">',
        *(f'<line x1="0" x2="100%" y1="{y(v):.1f}" y2="{y(v):.1f}"/>' for v in ticks),
        '</g><g class="axis scores">', *(f'<text x="-8" y="{y(v) + 4:.1f}">{v:.4g}</text>' for v in ticks),
        '</g><g class="axis times">', *_times(duration, x),
        '</g><g class="change">',
        *(
            f'<line x1="{x(at):.2f}%" x2="{x(at):.2f}%" y1="{TOP}" y2="{FLOOR}"><title>{escape(name)} from here, '
            f"{clock(at)}</title></line>"
            for at, name in shown.changes
        ),
        f'</g><line class="threshold" x1="0" x2="100%" y1="{y(1.0):.1f}" y2="{y(1.0):.1f}"/>',
        f'<svg viewBox="0 0 {ACROSS} {HEIGHT}" preserveAspectRatio="none" width="100%" height="{HEIGHT}">',
    ]  # fmt: skip
    for time, score in pieces(scores.time, scores.score, shown.points):
        values = units(score)
        points = "L".join(f"{x(a, ACROSS):.1f} {y(b):.1f}" for a, b in zip(time, values, strict=True))
        # A piece of one frame has no length, and a line of no length is drawn as a dot by its round ends.
        parts.append(f'<path class="score {kind}" d="M{points}{"h0" if len(time) == 1 else ""}"/>')
    parts.append(f'</svg><line class="base" x1="0" x2="100%" y1="{FLOOR}" y2="{FLOOR}"/><g class="events">')
    for number, (event, label) in enumerate(zip(shown.events, _labels(shown.events, x), strict=True), start=1):
        mark = (
            span(event.start_s, event.end_s, 'class="reach" ')
            + span(event.start_s, event.end_s, height=BAR)
            + f'<circle cx="{x(event.peak_s):.2f}%" cy="{y(units(event.score)):.1f}" r="4"/>{label}'
        )
        if shown.links:
            mark = f'<a href="{escape(shown.links[number - 1])}" aria-label="event {number}">{mark}</a>'
        parts.append(mark)
    return "".join([*parts, "</g></svg>"])


def highest(shown: Timeline) -> float:
    """The top of an axis that shows the whole curve and the threshold, with a margin, in units of the threshold."""
    return 1.08 * max(1.1, float(shown.units(shown.scores.score).max(initial=0.0)))


def _times(duration: float, x: Callable[[float], float]) -> list[str]:
    ticks = time_ticks(duration)
    texts = []
    for number, tick in enumerate(ticks):
        wide = ' class="wide"' if number % 2 and len(ticks) > 4 else ""
        last = ' text-anchor="end"' if x(tick) > 98 else ""
        texts.append(
            f'<text{wide}{last} x="{x(tick):.2f}%" y="{HEIGHT - 6}">{clock(tick, 1 if tick % 1 else 0)}</text>'
        )
    return texts


def _labels(events: Sequence[Event], x: Callable[[float], float]) -> list[str]:
    """The numbers of the events as texts that never touch; the most unusual come first, and some stay without."""
    places = [x(event.peak_s) for event in events]
    ranked = sorted(range(len(events)), key=lambda number: -events[number].score)
    narrow = with_room(places, ranked, NARROW_GAP)
    wide = with_room(places, ranked, WIDE_GAP, narrow)
    texts = [""] * len(events)
    for number in (*narrow, *wide):
        kind = "" if number in narrow else ' class="wide"'
        texts[number] = f'<text{kind} x="{places[number]:.2f}%" y="{TOP - 8}">{number + 1}</text>'
    return texts


def _summary(shown: Timeline) -> str:
    """The drawing in words, for screen readers."""
    scores, units = shown.scores, shown.units
    peak = int(np.argmax(scores.score))
    text = (
        f"Score of {scores.video} over {clock(float(scores.time[-1]))}: highest "
        f"{times_text(units(float(scores.score[peak])))} times the threshold at {clock(float(scores.time[peak]))}, "
        f"{len(shown.events)} events"
    )
    if shown.faults:
        text += f", the camera at fault {len(shown.faults)} times"
    return f"{text}, {len(shown.truth)} stretches labelled anomalous" if shown.truth else text
