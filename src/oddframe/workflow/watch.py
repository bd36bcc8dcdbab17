"""Watching cameras: from a plan to threads, files and connections, and back to nothing when it ends."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from types import FrameType
from typing import Any

from oddframe.errors import InputError, OddframeError
from oddframe.live.clips import ClipWriter
from oddframe.live.ending import Ending
from oddframe.live.follower import CAPACITY, Follower, Hooks
from oddframe.live.loop import LoopCamera, WatchLoop
from oddframe.live.messages import Notice
from oddframe.live.metrics import Metrics, MetricsPage
from oddframe.live.pipeline import CameraPipeline
from oddframe.live.recording import Recorder
from oddframe.live.ring import PacketRing
from oddframe.live.scores import ScoreThread, ScoreWriter
from oddframe.live.shared import Network, open_networks
from oddframe.live.sinks.command import Command
from oddframe.live.sinks.lines import EventLines, LogLines
from oddframe.live.sinks.mqtt import Mqtt
from oddframe.live.sinks.sink import Desk, Sink, SinkCounts
from oddframe.live.sinks.store import EventStore
from oddframe.live.sinks.webhook import Webhook
from oddframe.live.states import StateChange
from oddframe.live.teller import CameraCount, Outlets, Teller
from oddframe.locks import holding
from oddframe.processes import Terminated
from oddframe.runtime.exported import is_trained
from oddframe.types import Window
from oddframe.workflow.run import Run
from oddframe.workflow.watch_plan import CameraPlan, WatchOptions, WatchPlan, make_plan

_HANGUP = getattr(signal, "SIGHUP", None)  # Windows has none
_STOPS = [number for number in (signal.SIGINT, signal.SIGTERM, _HANGUP) if number is not None]
ONE_PRESS = 0.3  # seconds; `timeout` and some terminals send one signal twice

Say = Callable[[str], None]


def _silent(line: str) -> None:
    """Say nothing."""


@dataclass(frozen=True)
class Console:
    """Where lines go while cameras are watched.

    Attributes:
        say: takes each line.
        status: takes a line every few seconds that says how it goes; None: there is none.
    """

    say: Say = _silent
    status: Say | None = None


@dataclass(frozen=True)
class WatchResult:
    """What was seen while cameras were watched.

    Attributes:
        cameras: name -> counts.
        sinks: name -> what became of the notices.
        out: the output folder, if there was one.
        signal: number of the signal that ended it, or 0.
        unfinished: a line for everything that was not written or told in time at the end.
    """

    cameras: dict[str, CameraCount] = field(default_factory=dict)
    sinks: dict[str, SinkCounts] = field(default_factory=dict)
    out: Path | None = None
    signal: int = 0
    unfinished: tuple[str, ...] = ()

    @property
    def whole(self) -> bool:
        """Whether no frame was dropped, every camera was seen to the end, and all was written in time."""
        return not self.unfinished and not any(one.dropped or one.lost for one in self.cameras.values())


def watch(
    run: Run | str | Path | None = None,
    sources: str | Path | Sequence[str | Path] = (),
    out: str | Path | None = None,
    *,
    on_event: Callable[[Notice], None] | None = None,
    seconds: float | None = None,
    config: str | Path | None = None,
    options: WatchOptions = WatchOptions(),
) -> WatchResult:
    """Watch cameras with a trained detector, and tell what is not normal while it happens.

    It returns when all sources are over, after `seconds`, or after Ctrl-C, always with everything written.

    Args:
        run: a run, or the folder of a bundle or of an exported detector; None where `config` names it.
        sources: rtsp://, http(s)://, usb:0, /dev/video0, files, test:
        out: folder for scores, events, clips and the log; None keeps nothing.
        on_event: is called with every notice, on a thread of its own.
        config: a file as `oddframe watch --example` prints it.

    Raises:
        InputError: see `oddframe.workflow.watch_plan.make_plan`; or not one source could be watched at all.
    """
    given = [sources] if isinstance(sources, str | Path) else list(sources)
    plan = make_plan(run, given, out, config, options)
    return watch_plan(plan, Console(), on_event, seconds)


def watch_plan(
    plan: WatchPlan,
    console: Console,
    on_event: Callable[[Notice], None] | None = None,
    seconds: float | None = None,
) -> WatchResult:
    """Watch what a plan says; see `watch`.

    A camera that fails ends alone, whatever is wrong with it: its fault is told, and the others go on.

    Raises:
        InputError: `plan.out` holds a trained detector or another process writes there, a sink or a runtime cannot be
            opened, or not one source could be watched at all.
        Exception: the same for a fault of oddframe.
    """
    if plan.out is not None and is_trained(plan.out):
        raise InputError(f"{plan.out}: holds a trained detector; choose another folder with --out")
    console = Console(lasting(console.say), None if console.status is None else lasting(console.status))
    with nullcontext() if plan.out is None else holding(plan.out):
        watch = _Watch(plan, console, on_event)
        watched = watch.run(seconds)
    faults = [one.fault for one in watched.cameras.values() if one.fault]
    if len(faults) == len(watched.cameras) and not any(one.scored for one in watched.cameras.values()):
        if watch.bugs:
            raise watch.bugs[0]
        more = f" (and {len(faults) - 1} more sources cannot be watched)" if len(faults) > 1 else ""
        raise InputError(f"{faults[0]}{more}")
    return watched


class _Watch:
    """Everything that runs for a plan.

    Attributes:
        bugs: faults of oddframe for which cameras cannot be watched any more.
    """

    def __init__(self, plan: WatchPlan, console: Console, on_event: Callable[[Notice], None] | None) -> None:
        self._plan, self._console, self._on_event = plan, console, on_event
        self._bell = threading.Event()
        self.bugs: list[Exception] = []

    def run(self, seconds: float | None) -> WatchResult:
        """Open everything, watch, and close everything."""
        plan = self._plan
        networks = _networks(plan.cameras)
        log = None if plan.out is None else LogLines(plan.out)
        early: list[str] = []  # what is said before there is a teller
        lines: list[Say] = [early.append]

        def say(line: str) -> None:
            lines[-1](line)

        ending = Ending(say)
        with ExitStack() as stack:
            if log is not None:
                stack.callback(log.close)
            stack.callback(ending.close)
            sinks = self._sinks(say)
            desk = Desk(sinks, say)
            ending.add_desk(desk)
            metrics = Metrics(desk)
            if plan.metrics is not None:
                ending.add(MetricsPage(plan.metrics, metrics), "the page of the metrics did not end in time")
            rings = {camera.name: self._ring(camera, say) for camera in plan.cameras}
            clips = None if plan.out is None else self._writers(plan.out, rings, ending, say, desk)
            mqtt = next((sink for sink in sinks if isinstance(sink, Mqtt)), None)
            store = next((sink for sink in sinks if isinstance(sink, EventStore)), None)
            teller = Teller(Outlets(desk, metrics, self._console.say, self._console.status, clips, log, mqtt, store))
            lines.append(teller.line)
            for line in early:
                teller.line(line)
            files = ScoreThread()
            ending.add(files, "scores that were not on the disk in time are lost")
            cameras = []
            for camera, network in zip(plan.cameras, networks, strict=True):
                writer = None if plan.out is None else self._writer(camera, plan.out, teller, files)
                address = camera.address
                teller.add(camera.name, camera.rules.calibration, writer, address.live, address.kind == "file")
                follower = self._follower(camera, teller, None if clips is None else rings[camera.name])
                cameras.append(LoopCamera(camera.name, follower, CameraPipeline(camera.rules), network))
            loop = WatchLoop(cameras, teller, self._bell)
            ending.stopped_at = lambda: loop.stopped_at
            with stopping(loop.stop) as stopped:
                try:
                    loop.run(seconds)
                finally:
                    for one in cameras:
                        one.source.stop()
                teller.close(cameras)
                self._faults(cameras, teller)
                found = [one.error for one in cameras if one.error is not None]
                self.bugs = [error for error in found if not isinstance(error, OddframeError)]
                ending.close()
            counts = {sink.name: sink.counts() for sink in sinks}
            number = stopped[0] if stopped else 0
            return WatchResult(teller.counts, counts, plan.out, number, tuple(ending.lost))

    def _writers(self, out: Path, rings: dict[str, PacketRing], ending: Ending, say: Say, desk: Desk) -> ClipWriter:
        """What writes clips and recordings."""
        clips = ClipWriter(out, rings, self._plan.clips, say, desk.tell)
        ending.add(clips, "clips that were not on the disk in time are lost")
        kept = {camera.name: camera.recording for camera in self._plan.cameras if camera.recording is not None}
        if kept:
            recorder = Recorder(out, rings, kept, say)
            ending.add(recorder, "a recording was not completed in time; the next start completes it")
        return clips

    def _writer(self, camera: CameraPlan, out: Path, teller: Teller, files: ScoreThread) -> ScoreWriter:
        return ScoreWriter(out, camera.name, teller.line, files, camera.rules.sentinel is not None)

    def _ring(self, camera: CameraPlan, say: Say) -> PacketRing:
        def named(line: str) -> None:
            say(f"{camera.name}: {line}")

        return PacketRing(self._plan.clips.before, say=named, live=camera.address.kind != "file")

    def _sinks(self, say: Say) -> list[Sink]:
        """Those who are told. What writes to the disk comes first; see `oddframe.live.sinks.sink`."""
        plan, sinks = self._plan, list[Sink]()
        if plan.webhook is not None:
            assert plan.out is not None, "the plan has seen to it"
            sinks.append(Webhook(plan.webhook, plan.out / "outbox", say))
        if plan.store is not None:
            assert plan.out is not None, "the plan has seen to it"
            detectors = [(one.run.bundle, one.rules.bundle, one.rules.calibration) for one in plan.cameras]
            names = [camera.name for camera in plan.cameras]
            sinks.append(EventStore(plan.store, plan.out, names, detectors, say))
        if plan.out is not None:
            sinks.append(EventLines(plan.out))
        if plan.mqtt is not None:
            sinks.append(Mqtt(plan.mqtt, say))
        if plan.command is not None:
            sinks.append(Command(plan.command, say))
        if self._on_event is not None:
            sinks.append(Called(self._on_event))
        return sinks

    def _follower(self, camera: CameraPlan, teller: Teller, ring: PacketRing | None) -> Follower:
        window = camera.rules.signature.window
        hooks: dict[str, Any] = {"state": teller.state, "message": self._bell.set}
        hooks["fault"] = lambda words: teller.line(f"{camera.name}: what is done beside following failed: {words}")
        if ring is not None:

            def state(change: StateChange) -> None:
                if change.state in ("waiting", "stopped"):  # no packet of this connection comes any more
                    ring.end()
                teller.state(change)

            hooks |= {"begin": ring.begin, "packet": lambda packet, _stream, utc: ring.add(packet, utc), "state": state}
        return Follower(
            camera.name, camera.address, window, Hooks(**hooks), camera.run.bundle.data.levels, capacity_for(window)
        )

    def _faults(self, cameras: Sequence[LoopCamera], teller: Teller) -> None:
        """Why files could not be followed."""
        for camera in cameras:
            fault = getattr(camera.source, "fault", "")
            if fault and not teller.counts[camera.name].fault:
                teller.failed(camera, fault)


class Called:
    """A function of the caller as a sink."""

    name = "on_event"

    def __init__(self, function: Callable[[Notice], None]) -> None:
        self._function, self._sent, self._failed = function, 0, 0

    def tell(self, notice: Notice) -> None:
        try:
            self._function(notice)
            self._sent += 1
        except Exception:
            self._failed += 1
            raise

    def counts(self) -> SinkCounts:
        return SinkCounts(sent=self._sent, failed=self._failed)

    def close(self, timeout: float) -> None:
        """Nothing is open."""


def lasting(say: Say) -> Say:
    """The same, but lines for which nobody is there any more are dropped: a dead terminal ends no watch."""

    def quiet(line: str) -> None:
        with suppress(OSError, ValueError):  # a closed stream is a ValueError
            say(line)

    return quiet


def capacity_for(window: Window) -> int:
    """Frames that may wait: some seconds of them, and at least twice those that the detector looks at."""
    return max(CAPACITY, 2 * (window.look_back + window.look_ahead + 1))


def _networks(cameras: Sequence[CameraPlan]) -> list[Network]:
    """The network of each camera; those of one group share what they can."""
    found: dict[str, Network] = {}
    groups: dict[object, list[CameraPlan]] = {}
    for camera in cameras:
        groups.setdefault(camera.group, []).append(camera)
    for group in groups.values():
        networks = open_networks(group[0].run.bundle, group[0].runtime, len(group))
        found |= {camera.name: network for camera, network in zip(group, networks, strict=True)}
    return [found[camera.name] for camera in cameras]


@contextmanager
def stopping(stop: Callable[[], None]) -> Iterator[list[int]]:
    """Inside this block Ctrl-C, SIGTERM and SIGHUP call `stop`; the numbers of the signals that came are in the list.

    Another one, later than `timeout` and terminals repeat theirs, ends the block at once. Outside the main thread the
    block changes nothing. SIGHUP, of which a terminal that goes away sends several, never ends the block.

    Raises:
        KeyboardInterrupt: at the second signal.
    """
    came: list[int] = []
    first = [0.0]
    if threading.current_thread() is not threading.main_thread():
        yield came
        return
    before: dict[int, Any] = {}

    def hear(number: int, frame: FrameType | None) -> None:
        if came and number != _HANGUP and monotonic() - first[0] > ONE_PRESS:
            raise Terminated if number == signal.SIGTERM else KeyboardInterrupt
        if not came:
            came.append(number)
            first[0] = monotonic()
            stop()

    heard = [number for number in _STOPS if signal.getsignal(number) != signal.SIG_IGN]
    before |= {number: signal.signal(number, hear) for number in heard}
    try:
        yield came
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
