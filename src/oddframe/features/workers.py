"""Extraction of the features of many videos, in this process or in several worker processes.

Every process works on one video at a time. Spawned processes import this module and nothing above it, which saves a
second for each of them.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from typing import Any

from oddframe.errors import OddframeError, VideoError
from oddframe.features.extract import Seconds, extract
from oddframe.features.extractor import Extractor
from oddframe.features.store import FeatureStore
from oddframe.processes import SPAWN, main_hidden, process_pool
from oddframe.video.sources import VideoSource

Tell = Callable[[str, int, int | None], None]
"""Progress callback, called with "frames", the number of frames that all processes have finished, and None."""


@dataclass(frozen=True)
class Made:
    """The result of a video whose features are now in the store: number of frames, damage, and times."""

    frames: int
    damage: tuple[str, ...]
    seconds: Seconds


class _Worker:
    """Extracts one video after the other in this process."""

    def __init__(self, store: FeatureStore, extractor: Extractor, batch: int) -> None:
        self.store, self.extractor, self.batch = store, extractor, batch

    def __call__(self, source: VideoSource, count: Callable[[int], None]) -> Made | str:
        """Extract a video. Returns the result, or the reason of a failure. `count` is called with finished frames."""
        seconds = Seconds()
        try:
            features = extract(source, self.extractor, self.store.sampling, self.batch, count, seconds)
        except VideoError as error:
            return str(error)
        self.store.save(features, source)
        assert features.frames is not None and features.info is not None
        return Made(features.frames, features.info.damage, seconds)


def extract_here(
    store: FeatureStore, extractor: Extractor, batch: int, sources: Sequence[VideoSource], tell: Tell
) -> Iterator[tuple[VideoSource, Made | str]]:
    """Extract videos into a store, in this process and in their order.

    Yields:
        Every finished video with its result, or with the reason why it cannot be used.
    """
    worker, frames = _Worker(store, extractor, batch), 0

    def count(done: int) -> None:
        nonlocal frames
        frames += done
        tell("frames", frames, None)

    for source in sources:
        yield source, worker(source, count)


def extract_beside(
    store: FeatureStore,
    device: str,
    batch: int,
    sources: Sequence[VideoSource],
    workers: int,
    threads: int,
    tell: Tell,
) -> Iterator[tuple[VideoSource, Made | str]]:
    """Extract videos into a store, in several processes with `threads` threads each, the largest files first.

    Every process opens the extractor as recorded in the store. When this iterator is closed, the processes stop after
    their current batch.

    Yields:
        The same as `extract_here`.

    Raises:
        OddframeError: a process was killed.
    """
    frames, stop = SPAWN.Value("q", 0), SPAWN.Event()
    pool = process_pool(workers, _begin, store, device, batch, threads, frames, stop)
    jobs = sorted(sources, key=lambda source: -source.path.stat().st_size)
    try:
        with main_hidden():
            running = {pool.submit(_extract, source): source for source in jobs}
        while running:
            done, _ = wait(running, timeout=0.25, return_when=FIRST_COMPLETED)
            tell("frames", frames.value, None)
            for future in done:
                yield running.pop(future), future.result()
    except BrokenProcessPool as error:
        raise OddframeError(
            "a process was killed (out of memory?) while it extracted; finished videos are kept: try again with fewer "
            "--workers or a smaller --batch"
        ) from error
    finally:
        stop.set()
        pool.shutdown(cancel_futures=True)


_worker: _Worker
_count: Callable[[int], None]


def _begin(store: FeatureStore, device: str, batch: int, threads: int, frames: Any, stop: Any) -> None:
    """Prepare a spawned process, which uses `threads` cores."""
    global _worker, _count
    os.environ["OMP_NUM_THREADS"] = str(threads)  # before torch is loaded, which only some extractors need
    extractor = store.open_extractor()
    extractor.to(device)
    _worker = _Worker(store, extractor, batch)

    def count(done: int) -> None:
        if stop.is_set():
            raise _Stopped
        with frames.get_lock():
            frames.value += done

    _count = count


def _extract(source: VideoSource) -> Made | str:
    """Extract a video in a spawned process."""
    _count(0)  # raises if the command was interrupted in the meantime
    return _worker(source, _count)


class _Stopped(Exception):
    """The command was interrupted."""
