"""Two runtimes on the same stretches of video: how well they agree, and how fast each is."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from oddframe.datasets.windows import Chunk, stream_chunks
from oddframe.runtime.parity import Parity, compare
from oddframe.runtime.runtime import Runtime
from oddframe.scoring.combine import Components, ScoreRule, combine
from oddframe.scoring.stream import Piece, PostProcessor, join
from oddframe.video.decode import VideoReader
from oddframe.video.sources import VideoSource


@dataclass(frozen=True)
class Take:
    """The chunks of a stretch of video, and the video's name."""

    chunks: list[Chunk]
    video: str


@dataclass(frozen=True)
class Outcomes:
    """What a runtime says of takes, all frames one after the other: components (N,), post-processed, maps (N, h, w)
    as they leave the network, or None, and the names of the videos."""

    components: Components
    maps: NDArray[np.float32] | None
    videos: tuple[str, ...]


def take_chunks(runtime: Runtime, source: VideoSource, frames: int, batch: int | None = None) -> Take:
    """The chunks of the first `frames` frames of a video that have a score.

    Raises:
        VideoError: the video cannot be decoded, or is too short.
    """
    window = runtime.signature.window
    decoded = frames + window.look_back + window.look_ahead
    with VideoReader(source, window.size, window.colour, window.resize) as reader:
        return Take(list(stream_chunks(islice(reader, decoded), window, batch or runtime.batch)), source.name)


def run(runtime: Runtime, takes: Sequence[Take]) -> Outcomes:
    """Score takes, each as a video of its own, post-processed like one."""
    pieces: list[Piece] = []
    maps: list[NDArray[np.float32]] = []
    for take in takes:
        post = PostProcessor(runtime.signature)
        for chunk in take.chunks:
            errors = runtime.follow(chunk)
            pieces += post.push(chunk, errors)
            if errors.map is not None:
                maps.append(errors.map)
        pieces += post.flush()
    return Outcomes(
        join(pieces).components, np.concatenate(maps) if maps else None, tuple(take.video for take in takes)
    )


def agreement(reference: Outcomes, got: Outcomes, rule: ScoreRule) -> Parity:
    """How well what a runtime says agrees with what the reference says of the same takes; scores not smoothed."""
    levels = {name: rule.levels.get(name, (0.0, 1.0)) for name in rule.combination.weights}
    scores = [combine(outcomes.components, rule.combination, levels) for outcomes in (reference, got)]
    maps = None if reference.maps is None or got.maps is None else (reference.maps, got.maps)
    return compare(reference.components, got.components, (scores[0], scores[1]), maps, ", ".join(reference.videos))


def speed_of(runtime: Runtime, take: Take, seconds: float = 1.0) -> float:
    """Frames/s of a runtime that is warm, over and over on the chunks of a take: the median of single chunks."""
    speeds: list[float] = []
    began = time.perf_counter()
    while not speeds or time.perf_counter() - began < seconds:
        chunk = take.chunks[len(speeds) % len(take.chunks)]
        start = time.perf_counter()
        runtime.score(chunk)
        speeds.append(len(chunk.index) / (time.perf_counter() - start))
    return statistics.median(speeds)
