"""The network of several cameras: their windows go through it together, and each gets its own results back.

A window is always computed beside as many others as in a file (see `oddframe.datasets.windows.divided`), so its bits do
not depend on whose windows stand beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import replace
from typing import Protocol

import numpy as np

from oddframe.bundle import TrainedDetector
from oddframe.datasets.windows import Chunk, joined
from oddframe.models.fitted import FittedDetector
from oddframe.runtime.fitted import FittedRuntime
from oddframe.runtime.runtime import Runtime, RuntimeOptions
from oddframe.scoring.open_scorer import open_runtime
from oddframe.types import ChunkErrors


class Network(Protocol):
    """Computes windows of its cameras.

    Attributes:
        runtime: that does it.
        shared: whether it serves several cameras at once.
    """

    runtime: Runtime
    shared: bool

    def score(self, chunks: Sequence[Chunk]) -> list[ChunkErrors]:
        """The errors of chunks, each as if it was alone."""


class SharedNetwork:
    """A network without memory, for all cameras that have the same detector: their windows are one chunk.

    Args:
        runtime: takes windows of several videos in one chunk.
    """

    shared = True

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime

    def score(self, chunks: Sequence[Chunk]) -> list[ChunkErrors]:
        """The errors of chunks of any cameras."""
        return split(self.runtime.score(joined(chunks)), chunks) if chunks else []


class OwnNetwork:
    """A detector with a memory of the video, for one camera: its chunks follow one another."""

    shared = False

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime

    def score(self, chunks: Sequence[Chunk]) -> list[ChunkErrors]:
        """The errors of the next chunks of the camera."""
        found: list[ChunkErrors] = []
        start = 0
        for stop in range(1, len(chunks) + 1):
            if stop == len(chunks) or chunks[stop].begins:
                own = chunks[start:stop]
                found += split(self.runtime.follow(replace(joined(own), begins=own[0].begins)), own)
                start = stop
        return found


def split(errors: ChunkErrors, chunks: Sequence[Chunk]) -> list[ChunkErrors]:
    """The errors of joined chunks, for each of them."""
    ends = np.cumsum([len(chunk.index) for chunk in chunks])[:-1]
    components = {name: np.split(values, ends) for name, values in errors.components.items()}
    maps = [None] * len(chunks) if errors.map is None else np.split(errors.map, ends)
    return [ChunkErrors({name: part[i] for name, part in components.items()}, maps[i]) for i in range(len(chunks))]


def open_networks(trained: TrainedDetector, options: RuntimeOptions, count: int) -> list[Network]:
    """The networks of so many cameras that have the same detector: one for all, or one for each of them.

    Fitted detectors remember each its own video. They share what was learned, and the frozen network that they look
    through.

    Raises:
        InputError: see `oddframe.scoring.open_scorer.open_runtime`.
        RecipeError: the detector is weakly supervised, and sees a video as a whole.
    """
    runtime = open_runtime(trained, options, apart=True)
    if isinstance(runtime, FittedRuntime):
        others = [FittedRuntime(another(runtime.detector), runtime.name, runtime.precision) for _ in range(count - 1)]
        return [OwnNetwork(own) for own in (runtime, *others)]
    if remembers(runtime):
        again = [runtime, *(_again(trained, options) for _ in range(count - 1))]
        return [OwnNetwork(own) for own in again]
    return [SharedNetwork(runtime)] * count


def remembers(runtime: Runtime) -> bool:
    """Whether what a network sees of one frame changes how it scores the next."""
    return runtime.signature.carries_over or bool(getattr(getattr(runtime, "detector", None), "remembers", False))


def another(detector: FittedDetector) -> FittedDetector:
    """A detector that has learned the same and remembers nothing, with arrays and network of the first."""
    known: dict[int, object] = {id(value): value for value in detector.state().values()}
    if detector.network is not None:
        known[id(detector.network)] = detector.network
    twin = deepcopy(detector, known)
    twin.begin_video()
    return twin


def _again(trained: TrainedDetector, options: RuntimeOptions) -> Runtime:
    """One more runtime with a detector of its own."""
    from oddframe.runtime.exported import load_trained

    return open_runtime(load_trained(trained.path), options)
