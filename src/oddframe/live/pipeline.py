"""From the frames of one camera to its scores and notices, each handed out as soon as it is final.

    Begun, Arrived, Ended  ->  windows  -> (the network, in `oddframe.live.shared`) ->  scores, notices

It is the path of files, step by step: see `oddframe.scoring.stream` and `oddframe.scoring.events`. So the scores and
events of a stretch are those of a file of its packets, bit for bit. Nothing of a stretch outlives it.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_left
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from time import monotonic

from oddframe.datasets.windows import Chunk, WindowStream
from oddframe.errors import VideoError
from oddframe.live.messages import Arrived, Begun, Ended, Message, Notice
from oddframe.live.rules import CameraRules
from oddframe.models.teaching import ShownEvent
from oddframe.scoring.combine import explainer
from oddframe.scoring.drift import DriftFinder
from oddframe.scoring.events import EventChange, EventFinder
from oddframe.scoring.findings import HOLDS
from oddframe.scoring.schedule import Chooser, ClockSchedule
from oddframe.scoring.sentinel import FaultChange, Sentinel
from oddframe.scoring.stream import Piece, PostProcessor, ScoreAssembler
from oddframe.scoring.words import event_text
from oddframe.types import CameraFault, ChunkErrors, FrameScores, VideoInfo
from oddframe.video.decode import Frame
from oddframe.video.rate import PacedFrames

UPDATE_S = 1.0  # seconds of the media clock between two updates of an event
SET_S = 120.0  # seconds by which the clock of the machine may be away from the media clock, before it counts as set
STAMPS = 8192  # frames whose times of arrival are kept


@dataclass(frozen=True)
class Step:
    """What is new of a camera.

    Attributes:
        scores: that are final now, in order.
        notices: in order.
        waits: seconds from the arrival of each frame of `scores` to its score.
        faults: of the camera, that are over.
        notes: for the log.
    """

    scores: tuple[FrameScores, ...] = ()
    notices: tuple[Notice, ...] = ()
    waits: tuple[float, ...] = ()
    faults: tuple[CameraFault, ...] = ()
    notes: tuple[str, ...] = ()

    def __add__(self, other: Step) -> Step:
        return Step(
            self.scores + other.scores,
            self.notices + other.notices,
            self.waits + other.waits,
            self.faults + other.faults,
            self.notes + other.notes,
        )


class CameraPipeline:
    """The scores and notices of one camera.

    Give every message to `take`; score the windows that it returns in order, and give their errors to `scored`. After
    the windows of an `Ended` call `finish`.

    Attributes:
        info: of the stretch, or None between two.
        open: the latest notice of every event that lasts, by id.
    """

    def __init__(self, rules: CameraRules) -> None:
        self.rules = rules
        self._drift: DriftFinder | None = None  # of all stretches: what has drifted does not come back with them
        self._stretch: _Stretch | None = None
        self._ended: Ended | None = None
        self._gap: Notice | None = None
        self._first: float | None = None  # when the first stretch began

    @property
    def info(self) -> VideoInfo | None:
        return None if self._stretch is None else self._stretch.info

    @property
    def open(self) -> Mapping[str, Notice]:
        own = {} if self._stretch is None else self._stretch.told
        return own if self._gap is None else {**own, self._gap.id: self._gap}

    def take(self, message: Message) -> tuple[list[Chunk], Step]:
        """Take the next message; the windows that it completes, and what it says besides.

        Raises:
            VideoError: the camera is slower than the rate at which the detector learned.
        """
        if isinstance(message, Begun):
            if self._drift is not None:
                self._drift.begin(message.info)
            elif self.rules.normal is not None:
                self._drift = DriftFinder(self.rules.normal, message.info, self.rules.bundle)
            self._first = message.utc if self._first is None else self._first
            # A file was taken when it says so, and what is left of it after a drop as much later.
            began = message.utc + (0.0 if self.rules.began is None else self.rules.began - self._first)
            self._stretch = _Stretch(self.rules, message, self._drift, began)
            return [], Step(notices=self._close_gap(message.utc, ""))
        if isinstance(message, Arrived):
            return ([], Step()) if self._stretch is None else self._stretch.push(message)
        self._ended = message
        return ([], Step()) if self._stretch is None else self._stretch.rest(message)

    def scored(self, chunk: Chunk, errors: ChunkErrors) -> Step:
        """Take the errors of the next windows; what is final now."""
        assert self._stretch is not None, "windows come between Begun and finish"
        return self._stretch.scored(chunk, errors)

    def finish(self) -> Step:
        """End the stretch after its last windows: everything that waited, and that nothing is seen from now on."""
        ended, stretch = self._ended, self._stretch
        assert ended is not None, "a stretch is finished after its Ended"
        self._ended = self._stretch = None
        step = Step() if stretch is None else stretch.finish(ended)
        if ended.why in ("end", "stopped"):
            return step + Step(notices=self._close_gap(ended.utc, "stopped" if ended.why == "stopped" else ""))
        if self._gap is not None or stretch is None:
            return step
        self._gap = stretch.gap(ended)
        return step + Step(notices=(self._gap,))

    def close(self, utc: float) -> Step:
        """Watching ends: nobody will know how long a gap lasts that is still there."""
        return Step(notices=self._close_gap(utc, "stopped"))

    def _close_gap(self, utc: float, words: str) -> tuple[Notice, ...]:
        gap, self._gap = self._gap, None
        if gap is None:
            return ()
        lasted = max(0.0, utc - gap.start_utc)
        text = f"nothing was seen for {lasted:.1f} s" + (f"; {words}" if words else "")
        return (replace(gap, change="closed", end_utc=gap.start_utc + lasted, end_s=gap.start_s + lasted, text=text),)


class _Stretch:
    """One stretch of consecutive frames."""

    def __init__(self, rules: CameraRules, begun: Begun, drift: DriftFinder | None, began: float) -> None:
        """`began`: when the media time 0 was, in seconds since 1970, for calibrations that the clock chooses."""
        c = rules.calibration
        self.rules, self.info = rules, begun.info
        schedule = rules.rule.schedule
        self._chooser = None if schedule is None else Chooser(schedule, rules.signature.window.colour, began)
        self._paced = None
        if rules.learned is not None and begun.info.rate != "assumed":
            self._paced = PacedFrames(begun.info, rules.learned)
        self._windows = WindowStream(rules.signature.window, 1)
        self._post = PostProcessor(rules.signature)
        self._assembler = ScoreAssembler(rules.rule, begun.info, rules.bundle)
        explain = explainer(rules.rule.combination, c)
        self._finder = EventFinder(c.threshold, c.low, c.merge_s, c.min_s, explain)
        reference = rules.sentinel
        self._sentinel = None if reference is None else Sentinel(reference, begun.info, rules.bundle)
        self._drift = drift
        self._arrivals = _Arrivals(begun.utc)
        self._pending: deque[tuple[int, float]] = deque()  # frames without a score, and when they arrived
        self.told: dict[str, Notice] = {}

    def push(self, message: Arrived) -> tuple[list[Chunk], Step]:
        """See `CameraPipeline.take`."""
        self._arrivals.push(message.frame.time, message.utc)
        self._pending.append((message.frame.index, message.at))
        notes = self._clock(message)
        found = [] if self._sentinel is None else self._sentinel.push(message.frame)
        frames = [message.frame] if self._paced is None else self._paced.push(message.frame)
        return self._windowed(frames), self._of_faults(found) + Step(notes=notes)

    def _clock(self, message: Arrived) -> tuple[str, ...]:
        """Go by the clock of the machine where it was set, or where that of the camera is far from it; what to note.

        A stretch may last for months, and a machine may learn the time only after it has begun.
        """
        if (
            self._chooser is None
            or not isinstance(self.rules.rule.schedule, ClockSchedule)
            or self.rules.began is not None
        ):
            return ()
        began = message.utc - message.frame.time
        ahead = began - self._chooser.began
        if abs(ahead) <= SET_S:
            return ()
        self._chooser.began = began
        return (
            f"the clock of this machine is {ahead:+.0f} s from that of the stretch; calibrations go by it from now on",
        )

    def rest(self, ended: Ended) -> tuple[list[Chunk], Step]:
        """The windows of the last frames. A stretch may be too short for a single one, which is noted.

        Raises:
            VideoError: see `CameraPipeline.take`. The few frames before a loss or a stop do not tell a rate for sure:
                those that are too slow are noted.
        """
        chunks: list[Chunk] = []
        try:
            if self._paced is not None:
                chunks += self._windowed(self._paced.flush())
        except VideoError as error:
            if ended.why == "end":
                raise
            return [], Step(notes=(f"no score for a short stretch: {error}",))
        try:
            chunks += self._windows.flush()
        except VideoError as error:
            return chunks, Step(notes=(f"the stretch was too short for a score: {error}",))
        return chunks, Step()

    def _windowed(self, frames: list[Frame]) -> list[Chunk]:
        """The windows that frames complete."""
        seen = frames if self._chooser is None else self._chooser.watch(frames)
        return [chunk for frame in seen for chunk in self._windows.push(frame)]

    def scored(self, chunk: Chunk, errors: ChunkErrors) -> Step:
        """See `CameraPipeline.scored`."""
        return self._assembled(self._post.push(chunk, errors))

    def finish(self, ended: Ended) -> Step:
        """Everything that waited for later frames."""
        step = self._assembled(self._post.flush())
        step += self._found(self._assembler.flush())
        closing = "stopped" if ended.why == "stopped" else ""
        last = [note for change in self._finder.flush() if (note := self._of_event(change, closing)) is not None]
        faults = [] if self._sentinel is None else self._sentinel.flush()
        faults += [] if self._drift is None else self._drift.flush()
        return step + Step(notices=tuple(last)) + self._of_faults(faults, closing)

    def gap(self, ended: Ended) -> Notice:
        """That nothing is seen after the last frame."""
        last_s, last_utc = self._arrivals.last
        name = hashlib.sha256(f"{self.info.key}-gap".encode()).hexdigest()[:16]
        lost = "" if not ended.dropped else f"; {ended.dropped} frames were dropped"
        return Notice(
            "opened", "gap", name, self.rules.name, self.rules.bundle, last_utc, last_utc, ended.utc,
            last_s, last_s, last_s + max(0.0, ended.utc - last_utc), width=self.info.width, height=self.info.height,
            text=f"nothing is seen: {ended.words}{lost}",
        )  # fmt: skip

    def _assembled(self, pieces: list[Piece]) -> Step:
        step = Step()
        for piece in pieces:
            if len(piece.index):
                own = piece if self._chooser is None else self._chooser.choose(piece)
                step += self._found(self._assembler.push(own))
        return step

    def _found(self, scores: list[FrameScores]) -> Step:
        changes = [change for piece in scores for change in self._finder.push(piece)]
        notices = [note for change in changes if (note := self._of_event(change)) is not None]
        step = Step(tuple(scores), tuple(notices), tuple(self._waited(scores)))
        if self._drift is None:
            return step
        drifts = [one for piece in scores for one in self._drift.push(piece.frame, piece.time, piece.score)]
        return step + self._of_faults(drifts)

    def _waited(self, scores: list[FrameScores]) -> Iterator[float]:
        """How long the frames of scores waited for them."""
        now = monotonic()
        for index in (int(number) for piece in scores for number in piece.frame):
            while self._pending and self._pending[0][0] < index:  # a frame without a score
                self._pending.popleft()
            if self._pending:
                yield now - self._pending.popleft()[1]

    def _of_event(self, change: EventChange, closing: str = "") -> Notice | None:
        """The notice of a step of an event; None for an update that comes too soon after the last one."""
        event, told = change.event, self.told.get(change.event.id)
        if change.kind == "updated" and told is not None and event.end_s - told.end_s < UPDATE_S:
            return None
        start = self._arrivals.at(event.start_s) if told is None else told.start_utc
        peak = told.peak_utc if told is not None and told.peak_s == event.peak_s else self._arrivals.at(event.peak_s)
        text = event_text(event.why, event.box, (self.info.width, self.info.height), self.rules.words)
        notice = Notice(
            change.kind, "anomaly", event.id, self.rules.name, self.rules.bundle,
            start, max(start, peak), max(start, peak, self._arrivals.at(event.end_s)),
            event.start_s, event.peak_s, event.end_s, event.score, self.rules.calibration.threshold, event.box,
            self.info.width, self.info.height, event.why, f"{text}; {closing}" if closing else text,
        )  # fmt: skip
        return self._keep(replace(notice, held=self._held(notice)))

    def _held(self, notice: Notice) -> str:
        kinds = {fault.kind for fault in (() if self._sentinel is None else self._sentinel.open)} & HOLDS
        if kinds:
            return ", ".join(sorted(kinds))
        shown = ShownEvent(notice.why, notice.box, (self.info.width, self.info.height))
        return self.rules.held(shown, notice.end_utc)

    def _of_faults(self, steps: list[FaultChange], closing: str = "") -> Step:
        notices = []
        for step in steps:
            fault, at = step.fault, self._arrivals.at
            notices.append(
                self._keep(
                    Notice(
                        step.kind, fault.kind, fault.id, self.rules.name, self.rules.bundle,
                        at(fault.start_s), at(fault.start_s), at(fault.end_s),
                        fault.start_s, fault.start_s, fault.end_s, width=self.info.width, height=self.info.height,
                        text=f"{fault.words}; {closing}" if closing else fault.words,
                    )
                )
            )  # fmt: skip
        return Step(notices=tuple(notices), faults=tuple(step.fault for step in steps if step.kind == "closed"))

    def _keep(self, notice: Notice) -> Notice:
        if notice.change == "closed":
            self.told.pop(notice.id, None)
        else:
            self.told[notice.id] = notice
        return notice


class _Arrivals:
    """When the frames of a stretch arrived, by their media time. The latest are kept; earlier ones are reckoned."""

    def __init__(self, utc: float) -> None:
        self._times: deque[float] = deque(maxlen=STAMPS)
        self._stamps: deque[float] = deque(maxlen=STAMPS)
        self._begun = utc

    def push(self, time: float, utc: float) -> None:
        """Take the next frame."""
        self._times.append(time)
        self._stamps.append(max(utc, self._stamps[-1]) if self._stamps else utc)

    @property
    def last(self) -> tuple[float, float]:
        """Media time and time of arrival of the last frame."""
        return (self._times[-1], self._stamps[-1]) if self._times else (0.0, self._begun)

    def at(self, time: float) -> float:
        """Seconds since 1970 at which the frame of this media time arrived."""
        if not self._times:
            return self._begun
        if time < self._times[0]:
            return self._stamps[0] - (self._times[0] - time)
        return self._stamps[min(bisect_left(self._times, time), len(self._times) - 1)]
