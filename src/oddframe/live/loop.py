"""The loop that scores all cameras: it sleeps until a frame comes, and then does what can be done.

    followers  ->  messages  ->  pipelines  ->  networks  ->  pipelines  ->  what a `Listener` is told

Each round takes what waits of every camera, up to a few windows, and computes the windows of all of them. So cameras
that have the same detector share a forward pass, and one that lags behind catches up in full parts.
"""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from time import monotonic, time
from typing import Protocol

import numpy as np

from oddframe import disk
from oddframe.datasets.windows import Chunk
from oddframe.errors import OddframeError
from oddframe.live.messages import Arrived, Ended, Message
from oddframe.live.pipeline import CameraPipeline, Step
from oddframe.live.shared import Network
from oddframe.processes import cores
from oddframe.threads import one_blas_thread
from oddframe.types import ChunkErrors

TURN = 8  # windows of a camera in a round
LOOK_S = 0.25  # between two looks at the states of cameras, while nothing comes
DRAIN_S = 0.5  # in which frames that wait are scored after a stop


class Source(Protocol):
    """Hands out the messages of one camera; see `oddframe.live.follower.Follower`."""

    @property
    def finished(self) -> bool: ...
    def start(self) -> None: ...
    def take(self, timeout: float = 0.0) -> Message | None: ...
    def stop(self) -> None: ...


class Listener(Protocol):
    """Is told what comes of a camera, on the thread of the loop; it must return at once."""

    def message(self, camera: LoopCamera, message: Message) -> None:
        """A message was taken."""

    def step(self, camera: LoopCamera, step: Step) -> None:
        """Scores and notices are final."""

    def finished(self, camera: LoopCamera, ended: Ended) -> None:
        """A stretch is over, and everything of it was told."""

    def failed(self, camera: LoopCamera, words: str) -> None:
        """The camera cannot be watched any more."""

    def idle(self) -> None:
        """Nothing waits; called several times a second."""


@dataclass(eq=False)
class LoopCamera:
    """One camera in the loop.

    Attributes:
        skipped: frames that waited when watching was stopped, and have no score.
        error: for which it cannot be watched any more; None otherwise.
    """

    name: str
    source: Source
    pipeline: CameraPipeline
    network: Network
    skipped: int = 0
    done: bool = False
    error: Exception | None = None
    _chunks: list[Chunk] = field(default_factory=list)
    _ended: Ended | None = None
    _cut: bool = False  # windows were left out, and those after them are, too

    def take(self, listener: Listener, skip: bool, turn: int) -> bool:
        """Take what waits, up to so many windows or the end of a stretch; whether anything came."""
        came = False
        while self._ended is None and len(self._chunks) < turn:
            message = self.source.take()
            if message is None:
                break
            came = True
            if skip and isinstance(message, Arrived):
                self.skipped += 1
                continue
            if isinstance(message, Ended):
                self._ended = message
            listener.message(self, message)
            chunks, step = self.pipeline.take(message)
            self._chunks += chunks
            if step.notices or step.faults or step.notes:
                listener.step(self, step)
        return came

    def windows(self) -> list[Chunk]:
        """The windows to compute in this round."""
        chunks, self._chunks = self._chunks, []
        if self._cut:
            self.leave(chunks)
            return []
        return chunks

    def leave(self, chunks: Sequence[Chunk]) -> None:
        """Leave windows out, and all after them: there is no time for them."""
        self._cut = True
        self.skipped += sum(len(chunk.index) for chunk in chunks)

    def scored(self, chunks: Sequence[Chunk], errors: Sequence[ChunkErrors], listener: Listener) -> None:
        """Take their errors; and after the last ones of a stretch, end it."""
        step = Step()
        for chunk, own in gathered(chunks, errors):
            step += self.pipeline.scored(chunk, own)
        ended, self._ended = self._ended, None
        if ended is not None:
            step += self.pipeline.finish()
        listener.step(self, step)
        if ended is not None:
            listener.finished(self, ended)


class WatchLoop:
    """Watches cameras until their sources are over, or until it is stopped.

    `stop` may be called from any thread, and from the handler of a signal.

    Attributes:
        stopped_at: when it was stopped, by `time.monotonic`; None: it was not, or not yet.
    """

    def __init__(self, cameras: Sequence[LoopCamera], listener: Listener, bell: threading.Event) -> None:
        """See the class; `bell` is set by whoever puts a message into a source."""
        self.cameras, self._listener, self._bell = tuple(cameras), listener, bell
        self._stopping = threading.Event()
        self.stopped_at: float | None = None
        networks = {id(camera.network): camera.network for camera in cameras}
        self._users = [(net, [one for one in cameras if one.network is net]) for net in networks.values()]

    def stop(self) -> None:
        """End: what was decoded is scored for a moment yet, then everything is closed."""
        if self.stopped_at is None:
            self.stopped_at = monotonic()
        self._stopping.set()
        self._bell.set()

    def run(self, seconds: float | None = None) -> None:
        """Watch.

        Args:
            seconds: to stop after so many; None goes on.
        """
        until = None if seconds is None else monotonic() + seconds
        draining, workers = False, min(cores(), len(self._users))
        with one_blas_thread(), ThreadPoolExecutor(workers, "oddframe-networks") as pool:
            for camera in self.cameras:
                camera.source.start()
            while not all(camera.done for camera in self.cameras):
                now = monotonic()
                if not draining and (self._stopping.is_set() or (until is not None and now >= until)):
                    self.stop()
                    draining = True
                    for camera in self.cameras:
                        camera.source.stop()
                self._bell.clear()
                if self._round(pool if workers > 1 else None):
                    continue
                self._listener.idle()
                waits = LOOK_S if until is None or draining else min(LOOK_S, until - now)
                self._bell.wait(max(0.0, waits))

    def _late(self) -> bool:
        """Whether what was decoded is not scored any more."""
        return self.stopped_at is not None and monotonic() >= self.stopped_at + DRAIN_S

    def _round(self, pool: ThreadPoolExecutor | None) -> bool:
        """Take what waits, and compute it; whether there was anything."""
        came, turn = False, TURN if self.stopped_at is None else 1
        for camera in self.cameras:
            if not camera.done:
                came |= self._guarded(camera, partial(camera.take, self._listener, self._late(), turn))
        work = [(net, [(user, user.windows()) for user in users]) for net, users in self._users]
        jobs = [(net, own) for net, own in work if any(chunks for _, chunks in own)]
        run = map if pool is None or len(jobs) < 2 else pool.map
        compute = partial(_compute, self._late)
        results = {id(net): found for (net, _), found in zip(jobs, run(compute, jobs), strict=True)}
        for net, own in work:
            found = results.get(id(net), [])
            for user, chunks in own:
                if isinstance(found, Exception):
                    if not user.done:
                        self._fail(user, found)
                    continue
                part, found = found[: len(chunks)], found[len(chunks) :]
                if len(part) < len(chunks):
                    user.leave(chunks[len(part) :])
                if part or user._ended is not None:
                    self._guarded(user, partial(user.scored, chunks[: len(part)], part, self._listener))
        for camera in self.cameras:
            if not camera.done and camera.source.finished:
                camera.done = True
                self._guarded(camera, partial(self._close, camera))
        return came

    def _close(self, camera: LoopCamera) -> None:
        """Everything of a camera is over."""
        self._listener.step(camera, camera.pipeline.close(time()))

    def _guarded(self, camera: LoopCamera, work: Callable[[], bool | None]) -> bool:
        """Do something for a camera; one that cannot be watched must not end the others, whatever is wrong with it."""
        try:
            return bool(work())
        except Exception as error:
            self._fail(camera, error)
            return True

    def _fail(self, camera: LoopCamera, error: Exception) -> None:
        """Watch a camera no longer, and close what is open of it."""
        camera.done, camera.error, camera._ended = True, error, None
        camera.windows()
        camera.source.stop()
        last = [replace(one, change="closed", text=f"{one.text}; stopped") for one in camera.pipeline.open.values()]
        # What went wrong for the listener may go wrong for it again; it has said so by then.
        with suppress(Exception):
            self._listener.failed(camera, fault_words(error))
        with suppress(Exception):
            self._listener.step(camera, Step(notices=tuple(last)))


def fault_words(error: Exception) -> str:
    """Why a camera cannot be watched any more, in a line."""
    known = disk.in_words(error) if isinstance(error, OSError) else error
    if isinstance(known, OddframeError):
        return str(known)
    steps = traceback.extract_tb(error.__traceback__)
    place = f" ({Path(steps[-1].filename).name}, line {steps[-1].lineno})" if steps else ""
    return f"a fault of oddframe: {type(error).__name__}: {' '.join(str(error).split())}{place}"


def gathered(chunks: Sequence[Chunk], errors: Sequence[ChunkErrors]) -> Iterator[tuple[Chunk, ChunkErrors]]:
    """Chunks that follow one another as one, without frames; what comes after the network costs as much for one frame
    as for eight."""
    start = 0
    for stop in range(1, len(chunks) + 1):
        if stop < len(chunks) and not chunks[stop].begins:
            continue
        own, said, first = chunks[start:stop], errors[start:stop], chunks[start]
        maps = [one.map for one in said if one.map is not None]
        yield (
            Chunk(
                first.frames[:0], first.inputs[:0], first.targets[:0],
                np.concatenate([one.index for one in own]), np.concatenate([one.time for one in own]), first.begins,
            ),
            ChunkErrors(
                {name: np.concatenate([one.components[name] for one in said]) for name in said[0].components},
                np.concatenate(maps) if maps else None,
            ),
        )  # fmt: skip
        start = stop


def _compute(
    late: Callable[[], bool], job: tuple[Network, list[tuple[LoopCamera, list[Chunk]]]]
) -> list[ChunkErrors] | Exception:
    """The errors of the first windows, as many as there is time for; or what keeps the network from computing them."""
    network, own = job
    chunks, errors = [chunk for _, chunks in own for chunk in chunks], list[ChunkErrors]()
    try:
        for start in range(0, len(chunks), network.runtime.batch):
            if late():
                break
            errors += network.score(chunks[start : start + network.runtime.batch])
    except Exception as error:  # the cameras of other networks go on
        return error
    return errors
