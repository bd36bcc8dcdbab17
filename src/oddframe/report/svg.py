"""The score timeline of a video as an inline SVG. The style sheet of the page sets its colours."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np

from oddframe.report.curve import envelope, nice_ticks, score_range, time_ticks
from oddframe.report.style import clock, significant
from oddframe.types import Event, FrameScores

WIDTH, HEIGHT = 1000, 220
LEFT, RIGHT, TOP, BOTTOM = 52, 12, 18, 26
LABEL_GAP = 22.0
BAR = 6
LEAST_WIDTH = 2.0  # an event of one frame in a long video stays visible


def timeline(
    scores: FrameScores,
    threshold: float,
    events: Sequence[Event],
    truth: Sequence[tuple[float, float]] = (),
    anchor: str = "event",
) -> str:
    """Draw the score curve, the threshold, the events and the labelled stretches of a video.

    Args:
        scores: the curve. Points that would not be visible are left out.
        threshold: drawn as a dashed line.
        events: each has a bar along the base line and a numbered peak, and links to `#{anchor}-{number}`.
        truth: labelled stretches as (start, end) in seconds; they are shaded.
        anchor: prefix of the ids that the events link to.
    """
    duration = max(float(scores.time[-1]), 1e-9)
    low, high = score_range(scores.score, threshold)

    def x(seconds: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * min(max(seconds / duration, 0.0), 1.0)

    def y(score: float) -> float:
        return TOP + (HEIGHT - TOP - BOTTOM) * (high - score) / (high - low)

    def span(start: float, end: float, height: int, kind: str = "") -> str:
        width = max(x(end) - x(start), LEAST_WIDTH)
        left = min(x(start), WIDTH - RIGHT - width)
        return f'<rect {kind}x="{left:.1f}" y="{floor - height}" width="{width:.1f}" height="{height}"/>'

    floor = HEIGHT - BOTTOM
    parts = [
        f'<svg class="timeline" viewBox="0 0 {WIDTH} {HEIGHT}" role="group" '
        f'aria-label="{escape(_summary(scores, threshold, events, truth))}">',
        '<g class="grid">',
        *(f'<path d="M{LEFT} {y(v):.1f}H{WIDTH - RIGHT}"/>' for v in nice_ticks(low, high, 4)),
        '</g><g class="axis scores">',
        *(f'<text x="{LEFT - 8}" y="{y(v) + 4:.1f}">{v:.4g}</text>' for v in nice_ticks(low, high, 4)),
        '</g><g class="axis times">',
        *(f'<text x="{x(t):.1f}" y="{HEIGHT - 8}">{clock(t, 1 if t % 1 else 0)}</text>' for t in time_ticks(duration)),
        '</g><g class="truth">',
        *(span(start, end, floor - TOP) for start, end in truth),
        "</g>",
    ]
    points = "L".join(
        f"{x(seconds):.1f} {y(score):.1f}" for seconds, score in zip(*envelope(scores.time, scores.score), strict=True)
    )
    parts += [
        f'<path class="threshold" d="M{LEFT} {y(threshold):.1f}H{WIDTH - RIGHT}"/>',
        f'<path class="fill" d="M{x(float(scores.time[0])):.1f} {floor}L{points}L{x(duration):.1f} {floor}Z"/>',
        f'<path class="score" d="M{points}"/>',
        f'<path class="base" d="M{LEFT} {floor}H{WIDTH - RIGHT}"/>',
        '<g class="events">',
    ]
    labelled = -LABEL_GAP
    for number, event in enumerate(events, start=1):
        label = ""
        if x(event.peak_s) - labelled >= LABEL_GAP:  # numbers must not overlap, so some are left out
            labelled = x(event.peak_s)
            label = f'<text x="{labelled:.1f}" y="{TOP - 5}">{number}</text>'
        parts.append(
            f'<a href="#{anchor}-{number}" aria-label="event {number}">'
            + span(event.start_s, event.end_s, floor - TOP, 'class="reach" ')
            + span(event.start_s, event.end_s, BAR)
            + f'<circle cx="{x(event.peak_s):.1f}" cy="{y(event.score):.1f}" r="4"/>{label}</a>'
        )
    return "".join([*parts, "</g></svg>"])


def _summary(
    scores: FrameScores, threshold: float, events: Sequence[Event], truth: Sequence[tuple[float, float]]
) -> str:
    """The drawing in words, for screen readers."""
    peak = int(np.argmax(scores.score))
    text = (
        f"Score of {scores.video} over {clock(float(scores.time[-1]))}: highest {significant(scores.score[peak])} "
        f"at {clock(float(scores.time[peak]))}, threshold {significant(threshold)}, {len(events)} events"
    )
    return f"{text}, {len(truth)} stretches labelled anomalous" if truth else text
