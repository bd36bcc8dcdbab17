"""Passes on what comes of cameras: to score files, sinks, clips, metrics, the log and the console; and counts it."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from time import monotonic, time
from typing import Any

import numpy as np

from oddframe.account import count_of
from oddframe.live.clips import ClipWriter
from oddframe.live.loop import LoopCamera
from oddframe.live.messages import Arrived, Begun, Ended, Message, Notice
from oddframe.live.metrics import Metrics
from oddframe.live.peaks import PeakMaps
from oddframe.live.pipeline import Step
from oddframe.live.scores import ScoreWriter
from oddframe.live.sinks.lines import LogLines
from oddframe.live.sinks.mqtt import Mqtt
from oddframe.live.sinks.sink import Desk
from oddframe.live.sinks.store import EventStore
from oddframe.live.states import StateChange
from oddframe.scoring.calibrate import Calibration
from oddframe.scoring.heldout import alarm_count
from oddframe.scoring.promise import Fit, fits
from oddframe.scoring.schedule import CHOSEN
from oddframe.types import FrameScores
from oddframe.video.pauses import PauseFinder

LATEST = 10_000  # frames whose latencies tell the median
STATUS_S = 10.0  # between two status lines on a terminal


@dataclass
class CameraCount:
    """What was seen of one camera.

    Attributes:
        frames: decoded.
        scored: frames that have a score.
        dropped: frames that were dropped because the machine was too slow, and those that were left at the end.
        losses: disconnections.
        stretches: of consecutive frames.
        events, held: opened, and those of them for which nobody was told.
        faults: of the camera itself.
        seconds: of media time that were scored.
        latency_ms: median and 95th percentile from arrival to score; None before the first one, and for files.
        state: of the source at the end, and `words` why.
        fault: why it could not be watched any more; empty otherwise.
        against_promise: how the events agree with the promise of the threshold; empty where it promises nothing.
        calibrations: name of each of several calibrations -> seconds for which it held; empty where there is one alone.
    """

    frames: int = 0
    scored: int = 0
    dropped: int = 0
    losses: int = 0
    stretches: int = 0
    events: int = 0
    held: int = 0
    faults: int = 0
    seconds: float = 0.0
    latency_ms: tuple[float, float] | None = None
    state: str = "connecting"
    words: str = ""
    fault: str = ""
    against_promise: str = ""
    calibrations: dict[str, float] = field(default_factory=dict)

    @property
    def lost(self) -> bool:
        """Whether nothing is seen of it at the end."""
        return bool(self.fault) or self.state in ("connecting", "stalled", "waiting")

    def as_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        row = asdict(self)
        return row if self.calibrations else {name: value for name, value in row.items() if name != "calibrations"}


@dataclass
class _Desk:
    """What belongs to one camera."""

    calibration: Calibration
    count: CameraCount
    writer: ScoreWriter | None
    live: bool = True
    file: bool = False
    peaks: PeakMaps = field(default_factory=PeakMaps)
    waits: deque[float] = field(default_factory=lambda: deque(maxlen=LATEST))
    lengths: list[float] = field(default_factory=list)
    pauses: PauseFinder = field(default_factory=PauseFinder)
    last: float | None = None
    done: bool = False  # no frame of it will come any more
    over: str = ""  # the line that says that a file is over, until its last frames are scored


@dataclass(frozen=True)
class Outlets:
    """Where everything goes. What is None is left out.

    Attributes:
        say: takes a line for the console.
        status: takes the line that tells how it goes, every few seconds.
    """

    desk: Desk
    metrics: Metrics
    say: Callable[[str], None]
    status: Callable[[str], None] | None = None
    clips: ClipWriter | None = None
    log: LogLines | None = None
    mqtt: Mqtt | None = None
    store: EventStore | None = None


class Teller:
    """A `oddframe.live.loop.Listener` that passes everything on.

    Attributes:
        counts: name of a camera -> what was seen of it.
    """

    def __init__(self, outlets: Outlets) -> None:
        """Begin; cameras are added with `add`."""
        self._out = outlets
        self._desks: dict[str, _Desk] = {}
        self._lock = threading.Lock()
        self._next = monotonic() + STATUS_S
        self._stopped_words: Mapping[str, str] = {}

    @property
    def counts(self) -> dict[str, CameraCount]:
        return {name: desk.count for name, desk in self._desks.items()}

    def add(
        self, name: str, calibration: Calibration, writer: ScoreWriter | None, live: bool = True, file: bool = False
    ) -> None:
        """A camera will be watched. A file that is read as fast as possible is not live: its frames wait in line."""
        self._desks[name] = _Desk(calibration, CameraCount(), writer, live, file)

    def line(self, text: str) -> None:
        """A line that belongs to no event: to the console and to the log. From any thread."""
        self._say(text)
        self._log("note", text=text)

    def state(self, change: StateChange) -> None:
        """A source has come into another state. From the thread of the source."""
        desk = self._desks[change.camera]
        count = desk.count
        with self._lock:
            count.losses += change.state == "waiting" != count.state  # a loss may get new words
            if change.state != "stopped":
                count.state, count.words = change.state, change.words
        self._out.metrics.state(change.camera, change.state)
        if self._out.mqtt is not None:
            self._out.mqtt.state(change.camera, change.state)
        if self._out.store is not None:
            self._out.store.state(change)
        self._log("state", change.utc, camera=change.camera, state=change.state, words=change.words)
        words = "" if change.words in ("", change.state) else f", {change.words}"
        line = f"{change.camera}: {change.state}{words}"
        with self._lock:  # a file is over when it is read, and its events come later
            if change.state == "stopped" and desk.file and not desk.done:
                desk.over, line = line, ""
        if line:
            self._say(line)

    def message(self, camera: LoopCamera, message: Message) -> None:
        desk = self._desks[camera.name]
        if isinstance(message, Arrived):
            desk.count.frames += 1
            self._out.metrics.arrived(camera.name)
        elif isinstance(message, Begun):
            desk.count.stretches += 1
            if message.skipped:
                self._dropped(
                    camera.name, desk, message.skipped, "no key frame had come since the last drop", message.utc
                )
            desk.pauses, desk.last = PauseFinder(), None
            if desk.writer is not None:
                desk.writer.begin(message)
            self._log("begun", message.utc, camera=camera.name, key=message.info.key, fps=message.info.fps)
        else:
            self._over(camera.name, desk, message)

    def step(self, camera: LoopCamera, step: Step) -> None:
        desk = self._desks[camera.name]
        for scores in step.scores:
            desk.peaks.push(scores, desk.calibration.threshold)
            self._lasts(desk, scores)
            desk.count.scored += len(scores.frame)
            if desk.writer is not None:
                desk.writer.push(scores)
        latest = [float(value) for scores in step.scores for value in scores.score]
        for value, wait in zip(latest[-len(step.waits) :] if step.waits else (), step.waits, strict=True):
            self._out.metrics.scored(camera.name, value, wait)
            if desk.live:
                desk.waits.append(wait)
        if desk.writer is not None:
            for fault in step.faults:
                desk.writer.fault(fault)
        for text in step.notes:
            self._log("note", camera=camera.name, text=text)
        for notice in step.notices:
            self._notice(desk, notice)

    def finished(self, camera: LoopCamera, ended: Ended) -> None:
        desk = self._desks[camera.name]
        desk.peaks.clear()
        if desk.writer is not None:
            desk.writer.end(ended)
        if ended.why in ("end", "stopped"):
            self._tell_over(desk)

    def failed(self, camera: LoopCamera, words: str) -> None:
        desk = self._desks[camera.name]
        desk.count.fault = words
        # It is said first, because what is wrong may be the folder into which the rest is written.
        self._say(f"{camera.name}: not watched any more: {words}")
        self._log("fault", camera=camera.name, text=words)
        desk.peaks.clear()
        if desk.writer is not None:
            desk.writer.end(Ended("stopped", words, time()))

    def idle(self) -> None:
        self.tick()

    def tick(self) -> None:
        """Tell how it goes, where that is due."""
        if self._out.status is not None and monotonic() >= self._next:
            self._next = monotonic() + STATUS_S
            self._out.status(self.status())

    def status(self) -> str:
        """How it goes, in a line."""
        counts = list(self.counts.values())
        waits = [wait for desk in self._desks.values() for wait in desk.waits]
        late = f", {1000 * float(np.median(waits)):.0f} ms from a frame to its score" if waits else ""
        seen = sum(one.state == "running" for one in counts)
        dropped, events = sum(one.dropped for one in counts), sum(one.events for one in counts)
        return (
            f"{seen} of {count_of(len(counts), 'camera')} seen, {sum(one.frames for one in counts):,} frames, "
            f"{dropped:,} dropped, {count_of(events, 'event')}{late}"
        )

    def close(self, cameras: Sequence[LoopCamera]) -> None:
        """Everything is over: what was left, and how it agrees with what was promised."""
        for camera in cameras:
            desk = self._desks[camera.name]
            self._tell_over(desk)
            if camera.skipped:
                self._dropped(camera.name, desk, camera.skipped, "they waited when watching ended")
            if desk.waits:
                middle, high = np.quantile(np.array(desk.waits), (0.5, 0.95)) * 1000
                desk.count.latency_ms = round(float(middle), 1), round(float(high), 1)
            found = against_promise(desk.calibration, desk.lengths, desk.count.seconds)
            desk.count.against_promise = "" if found is None else found.sentence

    def _tell_over(self, desk: _Desk) -> None:
        """Say that a file is over, once nothing of it will come any more."""
        with self._lock:
            line, desk.over, desk.done = desk.over, "", True
        if line:
            self._say(line)

    def _over(self, name: str, desk: _Desk, ended: Ended) -> None:
        if ended.dropped:
            self._dropped(name, desk, ended.dropped, ended.words, ended.utc)
            self._say(f"{name}: {count_of(ended.dropped, 'frame')} dropped: {ended.words}")
        self._log("ended", ended.utc, camera=name, why=ended.why, words=ended.words)

    def _dropped(self, name: str, desk: _Desk, frames: int, words: str, utc: float | None = None) -> None:
        desk.count.dropped += frames
        self._out.metrics.dropped(name, frames)
        self._log("drop", utc, camera=name, frames=frames, words=words)

    def _lasts(self, desk: _Desk, scores: FrameScores) -> None:
        """Add up the media time of scored frames, without pauses, and for how long each calibration held."""
        names, held = list(desk.calibration.parts), desk.count.calibrations
        chosen = scores.components[CHOSEN].astype(int).tolist() if names else [0] * len(scores.time)
        for moment, number in zip(scores.time.tolist(), chosen, strict=True):
            pause = desk.pauses.push(moment)
            if desk.last is not None and not pause:
                desk.count.seconds += moment - desk.last
                if names:
                    held[names[number]] = held.get(names[number], 0.0) + moment - desk.last
            desk.last = moment

    def _notice(self, desk: _Desk, notice: Notice) -> None:
        peak = desk.peaks.at(notice.peak_s) if notice.kind == "anomaly" else None
        if self._out.clips is not None:
            self._out.clips.tell(notice, peak)
        self._out.desk.tell(notice)
        self._out.metrics.event(notice)
        if notice.change == "opened":
            if notice.kind == "anomaly":
                desk.count.events += 1
                desk.count.held += bool(notice.held)
            else:
                desk.count.faults += notice.kind != "gap"
        if notice.change == "closed" and notice.kind == "anomaly":
            desk.lengths.append(notice.end_s - notice.start_s)
            desk.peaks.clear()
        if notice.kind == "gap":
            self._log("gap", notice.end_utc, camera=notice.camera, change=notice.change, id=notice.id, text=notice.text)
        if notice.change != "updated":
            self._say(told(notice))

    def _say(self, text: str) -> None:
        with self._lock:
            self._out.say(text)

    def _log(self, what: str, utc: float | None = None, **more: Any) -> None:
        if self._out.log is not None:
            self._out.log.write(what, utc, **more)


def told(notice: Notice) -> str:
    """A notice as a line of the console."""
    kind = "event" if notice.kind == "anomaly" else notice.kind
    line = f"{notice.camera}: {kind} {notice.id} {notice.change}"
    if notice.change == "closed":
        line += f" after {notice.end_s - notice.start_s:.1f} s"
    if notice.score is not None and notice.threshold is not None:
        line += f", score {notice.score:.4g} (threshold {notice.threshold:.4g})"
    line += f": {notice.text}" if notice.text else ""
    return f"{line} [held: {notice.held}]" if notice.held else line


def clock_line(text: str) -> str:
    """A line of the console with the local time before it."""
    return f"{datetime.now():%H:%M:%S} {text}"


def against_promise(calibration: Calibration, lengths: Sequence[float], seconds: float) -> Fit | None:
    """Whether events of these lengths, in so many seconds, agree with the promise of a threshold; None without one."""
    promise = calibration.promise
    if promise is None or not seconds > 0:
        return None
    return fits(alarm_count(list(lengths)) if lengths else 0, seconds / 3600, promise)
