"""How fast a run scores a video, by stage, against the two floors measured beside it."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import torch

from oddframe.benchmark.memory import peak_mib
from oddframe.data.windows import stream_chunks
from oddframe.models.detector import one_class
from oddframe.runtime.cost import flops_per_frame
from oddframe.runtime.runtime import Precision
from oddframe.runtime.torch import TorchRuntime
from oddframe.scoring.stream import PostProcessor, score_frames
from oddframe.video.decode import VideoReader
from oddframe.video.sources import VideoSource, find_videos
from oddframe.workflow.run import Run


@dataclass(frozen=True)
class BenchResult:
    """Frames per second, medians over rounds, everything measured in this one run.

    Attributes:
        end_to_end: from the file to final scores, stages overlapping.
        decode: decoding and resizing alone: the first floor.
        forward: the network alone, on windows already decoded.
        post: the map filter alone.
        arithmetic_floor: frames/s at which this machine's matrix products could do the network's arithmetic.
        shares: part of the time each stage takes of the work of one frame (the stages overlap: end to end takes less
            than their sum).
        gflop: 10^9 floating-point operations per frame, two per multiply-add.
        matrix_gflops: 10^9 operations per second in a large matrix product at the same precision.
        peak_mib: peak memory of the process.
    """

    video: str
    frames: int
    device: str
    precision: str
    batch: int
    rounds: int
    end_to_end: float
    decode: float
    forward: float
    post: float
    arithmetic_floor: float
    shares: dict[str, float]
    gflop: float
    matrix_gflops: float
    peak_mib: float

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


def bench(
    run: Run,
    video: str | Path,
    *,
    frames: int = 300,
    rounds: int = 3,
    device: str = "auto",
    precision: Precision = "fp32",
    batch: int | None = None,
) -> BenchResult:
    """Measure a run on the first `frames` frames of a video.

    The parts are measured in turn, `rounds` times each after one warm-up: a drift of the machine's speed hits all.

    Args:
        video: one video file or frame folder.
        batch: windows per forward pass; None as the runtime chooses.

    Raises:
        InputError: the video cannot be used.
    """
    source = find_videos(video)[0]
    runtime = TorchRuntime(one_class(run.bundle.detector, "bench"), device, precision)
    batch = batch or runtime.batch
    with _open(runtime, source) as reader:
        chunks = list(stream_chunks(islice(reader, frames), runtime.detector.window, batch))
    count = sum(len(chunk.index) for chunk in chunks)
    sync = torch.cuda.synchronize if runtime.device.type == "cuda" else _nothing

    def decode() -> None:
        with _open(runtime, source) as reader:
            _drain(islice(reader, frames))

    def end_to_end() -> None:
        with _open(runtime, source) as reader:
            _drain(score_frames(runtime, islice(reader, frames), batch))

    def forward() -> list[Any]:
        errors = [runtime.score(c) for c in chunks]
        sync()
        return errors

    errors = forward()

    def post() -> None:
        processor = PostProcessor(runtime.signature)
        for chunk, error in zip(chunks, errors, strict=True):
            processor.push(chunk, error)
        processor.flush()

    parts: dict[str, Callable[[], Any]] = {"decode": decode, "forward": forward, "post": post, "end_to_end": end_to_end}
    for part in parts.values():
        part()
    times: dict[str, list[float]] = {name: [] for name in parts}
    for _ in range(rounds):
        for name, part in parts.items():
            start = time.perf_counter()
            part()
            times[name].append(time.perf_counter() - start)
    seconds = {name: statistics.median(values) for name, values in times.items()}
    work = sum(seconds[name] for name in ("decode", "forward", "post"))
    gflop, rate = flops_per_frame(runtime.detector) / 1e9, matrix_rate(runtime) / 1e9
    return BenchResult(
        video=source.name,
        frames=count,
        device=str(runtime.device),
        precision=precision,
        batch=batch,
        rounds=rounds,
        end_to_end=count / seconds["end_to_end"],
        decode=count / seconds["decode"],
        forward=count / seconds["forward"],
        post=count / seconds["post"],
        arithmetic_floor=rate / gflop if gflop else float("inf"),
        shares={name: seconds[name] / work for name in ("decode", "forward", "post")},
        gflop=gflop,
        matrix_gflops=rate,
        peak_mib=peak_mib(),
    )


def matrix_rate(runtime: TorchRuntime, side: int = 2048, seconds: float = 1.0) -> float:
    """Floating-point operations per second of a square matrix product on the runtime's device at its precision."""
    dtype = torch.bfloat16 if runtime.precision == "bf16" else torch.float32
    sync = torch.cuda.synchronize if runtime.device.type == "cuda" else _nothing
    a, b = torch.randn(2, side, side, device=runtime.device, dtype=dtype)
    a @ b
    sync()
    start, rounds = time.perf_counter(), 0
    while time.perf_counter() - start < seconds:
        a @ b
        sync()
        rounds += 1
    return 2 * side**3 * rounds / (time.perf_counter() - start)


def _open(runtime: TorchRuntime, source: VideoSource) -> VideoReader:
    window = runtime.detector.window
    return VideoReader(source, window.size, window.colour, window.resize)


def _drain(items: Iterable[Any]) -> None:
    for _ in items:
        pass


def _nothing() -> None:
    pass
