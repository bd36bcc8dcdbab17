"""How fast a run scores a video, by stage, against the two floors measured beside it."""

from __future__ import annotations

import importlib.util
import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import islice
from math import inf
from typing import Any

import numpy as np

from oddframe.benchmark.memory import peak_memory
from oddframe.datasets.windows import stream_chunks
from oddframe.errors import InputError
from oddframe.runtime.runtime import Runtime, RuntimeOptions
from oddframe.scoring.choose_runtime import choose_runtime
from oddframe.scoring.open_scorer import open_runtime
from oddframe.scoring.stream import PostProcessor, score_frames
from oddframe.video.decode import VideoReader
from oddframe.video.sources import VideoSource
from oddframe.workflow.run import Run

FPS = 25.0  # of cameras, where the video does not say
LIVE_FRAMES = 200  # at most, for latencies


@dataclass(frozen=True)
class Latency:
    """From the bytes of a frame to its score, one frame at a time as in live use, in milliseconds: percentiles.

    The frames of look-ahead that must have arrived before are not in it.
    """

    p50: float
    p95: float
    p99: float


@dataclass(frozen=True)
class BenchResult:
    """Frames per second, medians over rounds, everything measured in this one run.

    Attributes:
        videos: names.
        frames: scored in a round.
        end_to_end: from the files to final scores, stages overlapping.
        decode: decoding and resizing alone: the first floor.
        forward: the network alone, on windows already decoded.
        post: the map filter alone.
        arithmetic_floor: frames/s at which this machine's matrix products could do the network's arithmetic: the second
            floor; None where torch, which measures it, is not installed.
        shares: part of the time each stage takes of the work of one frame (the stages overlap: end to end takes less
            than their sum).
        gflop: 10^9 floating-point operations per frame, two per multiply-add.
        matrix_gflops: 10^9 operations per second in a large matrix product at the same precision, or None.
        latency: of single frames.
        look_ahead: frames that must have arrived after a frame before it can be scored.
        fps: frames/s of the videos; 25 where they do not say.
        peak_mib: peak memory of the process; `peak_gpu_mib` of what torch took of the GPU, or None.
    """

    videos: tuple[str, ...]
    frames: int
    runtime: str
    precision: str
    device: str
    batch: int
    rounds: int
    end_to_end: float
    decode: float
    forward: float
    post: float
    arithmetic_floor: float | None
    shares: dict[str, float]
    gflop: float
    matrix_gflops: float | None
    latency: Latency
    look_ahead: int
    fps: float
    peak_mib: float
    peak_gpu_mib: float | None

    @property
    def cameras(self) -> int:
        """How many cameras of `fps` frames/s this machine can watch at that speed."""
        return int(self.end_to_end // self.fps)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {**asdict(self), "cameras": self.cameras}


def bench(
    run: Run,
    sources: Sequence[VideoSource],
    *,
    frames: int = 300,
    rounds: int = 3,
    options: RuntimeOptions = RuntimeOptions(),
) -> BenchResult:
    """Measure a run on the first `frames` frames of each video.

    The parts are measured in turn, `rounds` times each after one warm-up: a drift of the machine's speed hits all.

    Raises:
        InputError: a video or the options cannot be used.
        RecipeError: the run is a weakly supervised one.
    """
    if frames < 1 or rounds < 1:
        raise InputError(f"frames and rounds must be at least 1, not {frames} and {rounds}")
    options = choose_runtime(run.bundle, options, sources, run.rule) if options.runtime == "auto" else options
    signature, runtime = run.signature, open_runtime(run.bundle, options)
    batch, window = options.batch or runtime.batch, signature.window

    def opened(source: VideoSource) -> VideoReader:
        return VideoReader(source, window.size, window.colour, window.resize)

    def decode() -> None:
        for source in sources:
            with opened(source) as reader:
                _drain(islice(reader, frames))

    def end_to_end() -> None:
        for source in sources:
            with opened(source) as reader:
                _drain(score_frames(runtime, islice(reader, frames), batch))

    with peak_memory() as peak:  # before anything is held only to be measured
        end_to_end()
    parts, rates = [], []
    for source in sources:
        with opened(source) as reader:
            rates.append(reader.info.fps or FPS)
            parts.append(list(stream_chunks(islice(reader, frames), window, batch)))
    chunks = [chunk for part in parts for chunk in part]
    count = sum(len(chunk.index) for chunk in chunks)

    def forward() -> list[Any]:
        return [runtime.score(chunk) for chunk in chunks]  # scores come back to the host: nothing is left to wait for

    errors = forward()

    def post() -> None:
        processor = PostProcessor(signature)
        for chunk, error in zip(chunks, errors, strict=True):
            processor.push(chunk, error)
        processor.flush()

    stages: dict[str, Callable[[], Any]] = {
        "decode": decode, "forward": forward, "post": post, "end_to_end": end_to_end,
    }  # fmt: skip
    for stage in stages.values():
        stage()
    times: dict[str, list[float]] = {name: [] for name in stages}
    for _ in range(rounds):
        for name, stage in stages.items():
            start = time.perf_counter()
            stage()
            times[name].append(time.perf_counter() - start)
    seconds = {name: statistics.median(values) for name, values in times.items()}
    work = sum(seconds[name] for name in ("decode", "forward", "post"))
    gflop, rate = _arithmetic(run, runtime)
    live = open_runtime(run.bundle, replace(options, batch=1))
    return BenchResult(
        videos=tuple(source.name for source in sources),
        frames=count,
        runtime=runtime.name,
        precision=runtime.precision,
        device=runtime.where,
        batch=batch,
        rounds=rounds,
        end_to_end=count / seconds["end_to_end"],
        decode=count / seconds["decode"],
        forward=count / seconds["forward"],
        post=count / seconds["post"],
        arithmetic_floor=None if rate is None else rate / gflop if gflop else inf,
        shares={name: seconds[name] / work for name in ("decode", "forward", "post")},
        gflop=gflop,
        matrix_gflops=rate,
        latency=_latency(live, opened(sources[0]), min(frames, LIVE_FRAMES)),
        look_ahead=signature.look_ahead,
        fps=statistics.median(rates),
        peak_mib=peak.mib,
        peak_gpu_mib=peak.gpu_mib,
    )


def _latency(runtime: Runtime, reader: VideoReader, frames: int) -> Latency:
    """Of single frames: each is decoded, resized, scored and post-processed before the next one is looked at."""
    post, taken = PostProcessor(runtime.signature), []
    runtime.begin_video()
    with reader:
        chunks = stream_chunks(islice(reader, frames), runtime.signature.window, 1)
        start = time.perf_counter()
        for chunk in chunks:
            post.push(chunk, runtime.score(chunk))
            now = time.perf_counter()
            taken.append(now - start)
            start = now
    # The first one waits for the window to fill, and warms up the network for a batch of one.
    p50, p95, p99 = np.percentile(taken[min(5, len(taken) - 1) :], (50, 95, 99)) * 1e3
    return Latency(float(p50), float(p95), float(p99))


def _arithmetic(run: Run, runtime: Runtime) -> tuple[float, float | None]:
    """10^9 operations per frame, and per second in matrix products; None without torch."""
    if importlib.util.find_spec("torch") is None:
        return run.bundle.gflop, None
    from oddframe.runtime.cost import matrix_rate

    return run.bundle.gflop, matrix_rate(runtime.where, runtime.precision) / 1e9


def _drain(items: Iterable[Any]) -> None:
    for _ in items:
        pass
