"""From a score per frame to events: hysteresis, merging, and the place in the picture.

`SpanFinder` and `EventFinder` take a video in pieces; `spans` and `find_events` push a whole video through them.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from oddframe.atomic import replacing
from oddframe.errors import InputError
from oddframe.reading.guard import reason
from oddframe.reading.records import read_object
from oddframe.reading.tables import read_text
from oddframe.types import Event, FrameScores, VideoInfo
from oddframe.video.pauses import PauseFinder

Explain = Callable[[Mapping[str, NDArray[np.float64]], int], Mapping[str, float]]
"""Components (M,) and the row of a peak -> what `Event.why` says of it."""


class Mark(NamedTuple):
    """A frame with its time stamp in seconds and its score."""

    frame: int
    time: float
    score: float


class Span(NamedTuple):
    """A stretch of frames above the threshold: its first frame, its highest (the first such), and its last."""

    first: Mark
    peak: Mark
    last: Mark

    @property
    def seconds(self) -> float:
        """From the first frame to the last."""
        return self.last.time - self.first.time


class _Run(NamedTuple):
    """A run that goes on: its first frame, and whether it is an alarm already."""

    first: Mark
    alarm: bool


class SpanFinder:
    """Finds where the score of one video is abnormal while its frames arrive in pieces.

    A run is a series of consecutive frames with score >= `low`; it is an alarm from its first frame on as soon as one
    of its frames reaches `threshold`. Alarms at most `merge_s` seconds apart (last frame of one to first frame of the
    next) become one span. Spans that last less than `min_s` seconds (first frame to last) are dropped.

    A video ends at a pause (see `oddframe.video.pauses`), and so do its runs and spans: none reaches across one.

    A span otherwise ends only when more than `merge_s` seconds have passed since its last frame, and no run that began
    within them can still become an alarm. Spans do not depend on how the video was cut.

    Attributes:
        current: the span that later frames may still extend, or None. It may still be shorter than `min_s`.

    Raises:
        InputError: `low` lies above `threshold`.
    """

    def __init__(
        self, threshold: float, low: float, merge_s: float = 2.0, min_s: float = 0.0, unbroken: bool = False
    ) -> None:
        """See the class; `unbroken`: there is no pause, however long an interval is, for frames were left out."""
        if low > threshold:
            raise InputError(f"the low threshold {low:g} lies above the threshold {threshold:g}")
        self.threshold, self.low, self.merge_s, self.min_s = threshold, low, merge_s, min_s
        self.current: Span | None = None
        self._run: _Run | None = None
        self._pauses = None if unbroken else PauseFinder()

    def push(self, frame: NDArray[np.int64], time: NDArray[np.float64], score: NDArray[np.float64]) -> list[Span]:
        """Take the next M frames: (M,) numbers, seconds that never decrease, scores; the spans that ended, in order."""
        ended: list[Span] = []
        start = 0
        if self._pauses is None:
            return self._push(frame, time, score)
        for edge in np.flatnonzero(self._pauses.push_all(time)).tolist():
            ended += self._push(frame[start:edge], time[start:edge], score[start:edge])
            ended += self.flush()
            start = edge
        return ended + self._push(frame[start:], time[start:], score[start:])

    def _push(self, frame: NDArray[np.int64], time: NDArray[np.float64], score: NDArray[np.float64]) -> list[Span]:
        """The same for frames without a pause between them."""
        if not len(score):
            return []
        ended: list[Span] = []

        def mark(row: int) -> Mark:
            return Mark(int(frame[row]), float(time[row]), float(score[row]))

        def end_before(second: float) -> None:
            """End the current span if what begins at `second` lies too far away from it."""
            if self.current is not None and second - self.current.last.time > self.merge_s:
                ended.extend(self._end())

        first, last, alarm = self._runs(score)
        before = self._run if len(first) and first[0] == 0 else None  # of which the first run is the rest
        if before is not None:
            alarm[0] |= before.alarm
        if len(last) and last[-1] == len(score) - 1:
            self._run = _Run(before.first if before and len(first) == 1 else mark(first[-1]), bool(alarm[-1]))
        else:
            self._run = None
        for number, (start_row, end_row) in enumerate(self._merged(first[alarm], last[alarm], time)):
            start = before.first if before and start_row == 0 else mark(start_row)
            if number or before is None or not before.alarm:
                end_before(start.time)
            self._extend(start, mark(start_row + int(np.argmax(score[start_row : end_row + 1]))), mark(end_row))
        if self._run is None or not self._run.alarm:
            end_before(float(time[-1]) if self._run is None else self._run.first.time)
        return ended

    def flush(self) -> list[Span]:
        """End the video, or a stretch of it: the span that this ended, if there is one."""
        self._run = None
        return self._end()

    def _runs(self, score: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
        """First and last row of every run in a piece, and whether it is an alarm."""
        inside = np.concatenate(([False], score >= self.low, [False]))
        edges = np.flatnonzero(inside[1:] != inside[:-1])
        first, last = edges[0::2], edges[1::2] - 1
        reached = np.concatenate(([0], np.cumsum(score >= self.threshold)))
        return first, last, reached[last + 1] > reached[first]

    def _merged(
        self, first: NDArray[np.int64], last: NDArray[np.int64], time: NDArray[np.float64]
    ) -> list[tuple[int, int]]:
        """First and last row of the alarms of a piece, those that are close together as one."""
        if not len(first):
            return []
        apart = time[first[1:]] - time[last[:-1]] > self.merge_s
        return list(zip(first[np.r_[True, apart]].tolist(), last[np.r_[apart, True]].tolist(), strict=True))

    def _extend(self, start: Mark, peak: Mark, last: Mark) -> None:
        if self.current is None:
            self.current = Span(start, peak, last)
        else:
            highest = peak if peak.score > self.current.peak.score else self.current.peak
            self.current = Span(self.current.first, highest, last)

    def _end(self) -> list[Span]:
        span, self.current = self.current, None
        return [] if span is None or span.seconds < self.min_s else [span]


def spans(
    time: NDArray[np.float64],
    score: NDArray[np.float64],
    threshold: float,
    low: float,
    merge_s: float = 2.0,
    min_s: float = 0.0,
    unbroken: bool = False,
) -> NDArray[np.int64]:
    """Where the score of a whole video is abnormal: (E, 2) first and last position of every span, both inclusive.

    `SpanFinder` has the rule. Seconds are time stamps, so a variable frame rate does no harm.

    Args:
        time: (N,) seconds, never decreasing.
        score: (N,) scores.
        unbroken: there is no pause, however long an interval is, for frames were left out.

    Raises:
        InputError: `low` lies above `threshold`.
    """
    finder = SpanFinder(threshold, low, merge_s, min_s, unbroken)
    found = finder.push(np.arange(len(score)), time, score) + finder.flush()
    return np.array([(span.first.frame, span.last.frame) for span in found], np.int64).reshape(-1, 2)


@dataclass(frozen=True)
class EventChange:
    """A step in the life of an event: it is opened once, updated any number of times, and closed once.

    `event` is what is known of it now. Its id, video, bundle and start stay; peak, end, box and `why` may change with
    every step until it is closed.
    """

    kind: Literal["opened", "updated", "closed"]
    event: Event


class EventFinder:
    """Finds the events of one video while its scores arrive in pieces.

    `SpanFinder` has the rule of the events, `region` that of their boxes.

    An event opens when it reaches the threshold and has lasted `min_s` seconds: what is dropped for being short never
    opens. It is updated by a piece that makes it longer. It closes when no later frame can belong to it. The closed
    events do not depend on how the video was cut; how often one is updated does. Of the pixels, only the box of the
    highest frame so far is kept.

    Args:
        explain: makes `Event.why` of the components at the peak; None leaves it empty.

    Raises:
        InputError: `low` lies above `threshold`.
    """

    def __init__(
        self, threshold: float, low: float, merge_s: float = 2.0, min_s: float = 0.0, explain: Explain | None = None
    ) -> None:
        self._spans, self._explain = SpanFinder(threshold, low, merge_s, min_s), explain
        self._known: Event | None = None  # the current event as the pieces before left it
        self._open = False

    def push(self, piece: FrameScores) -> list[EventChange]:
        """Take the scores of the next frames; what they change, in order of time."""
        before = self._known
        changes: list[EventChange] = []
        for span in self._spans.push(piece.frame, piece.time, piece.score):
            changes += self._close(self._event(span, piece))
        current = self._spans.current
        self._known = None if current is None else self._event(current, piece)
        if current is None or self._known is None:
            return changes
        if not self._open and current.seconds >= self._spans.min_s:
            self._open = True
            changes.append(EventChange("opened", self._known))
        elif self._open and self._known != before:
            changes.append(EventChange("updated", self._known))
        return changes

    def flush(self) -> list[EventChange]:
        """End the video: what that changes. Nothing may be pushed afterwards."""
        event, ended = self._known, self._spans.flush()
        return self._close(event) if ended and event is not None else []

    def _close(self, event: Event) -> list[EventChange]:
        opened = [] if self._open else [EventChange("opened", event)]
        self._known, self._open = None, False
        return [*opened, EventChange("closed", event)]

    def _event(self, span: Span, piece: FrameScores) -> Event:
        """The event of a span whose peak lies in this piece, or is known from an earlier one."""
        earlier = self._known
        if earlier is not None and earlier.start_frame == span.first.frame and earlier.peak_frame == span.peak.frame:
            return replace(earlier, end_frame=span.last.frame, end_s=span.last.time)
        row = int(np.searchsorted(piece.frame, span.peak.frame))
        return Event(
            video=piece.video,
            start_frame=span.first.frame,
            peak_frame=span.peak.frame,
            end_frame=span.last.frame,
            start_s=span.first.time,
            peak_s=span.peak.time,
            end_s=span.last.time,
            score=span.peak.score,
            box=None if piece.map is None else region(piece.map[row], piece.info),
            why={} if self._explain is None else self._explain(piece.components, row),
            bundle=piece.bundle,
            key=piece.info.key,
        )


def find_events(
    scores: FrameScores,
    threshold: float,
    low: float,
    merge_s: float = 2.0,
    min_s: float = 0.0,
    explain: Explain | None = None,
) -> list[Event]:
    """The events of one whole video in order of time: those that an `EventFinder` closes.

    Raises:
        InputError: `low` lies above `threshold`.
    """
    finder = EventFinder(threshold, low, merge_s, min_s, explain)
    changes = finder.push(scores) + finder.flush()
    return [change.event for change in changes if change.kind == "closed"]


def region(grid: NDArray[np.floating], info: VideoInfo) -> tuple[int, int, int, int] | None:
    """The box around the highest place of an (h, w) anomaly map, in pixels of the displayed video.

    It encloses the cells that hang together with the maximum (side by side, not corner to corner) and are at least
    halfway from the map's median to its maximum. (left, top, right, bottom), right and bottom exclusive; None where the
    map is flat, for then no place stands out.
    """
    cells = np.asarray(grid, dtype=np.float64)
    highest, middle = cells.max(), np.median(cells)
    if not highest > middle:
        return None
    labels, _ = ndimage.label(cells >= (highest + middle) / 2)
    rows, columns = ndimage.find_objects(labels)[labels.flat[int(np.argmax(cells))] - 1]
    down, across = info.height / cells.shape[0], info.width / cells.shape[1]
    return (
        math.floor(columns.start * across),
        math.floor(rows.start * down),
        math.ceil(columns.stop * across),
        math.ceil(rows.stop * down),
    )


def write_events(path: Path, events: Iterable[Event]) -> None:
    """Write events as JSON lines: seconds to the millisecond, scores to seven significant digits."""
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        file.writelines(map(event_line, events))


def event_line(event: Event) -> str:
    """An event as a line of JSON; see `write_events`."""
    row = asdict(event)
    for name in ("start_s", "peak_s", "end_s"):
        row[name] = round(row[name], 3)
    row["score"] = float(f"{event.score:.7g}")
    row["why"] = {name: round(value, 2) for name, value in event.why.items()}
    return json.dumps(row) + "\n"


def read_events(path: Path) -> list[Event]:
    """Read what `write_events` wrote. Lines of older versions lack `bundle`, `id`, `key` and `reasons`.

    Raises:
        InputError: the file does not exist, or a line of it is not an event.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file of events")
    events = []
    for number, line in enumerate(read_text(path).splitlines(), start=1):
        try:
            row = read_object(line)
            box, reasons = row.pop("box"), tuple(row.pop("reasons", ()))
            events.append(Event(**row, box=None if box is None else tuple(box), reasons=reasons))
        except Exception as error:  # a line that is no event can be any JSON
            raise InputError(f"{path}, line {number}: not an event ({reason(error)}); score the video again") from error
    return events
