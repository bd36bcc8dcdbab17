"""How fast a run scores a video, by stage, against the two floors measured beside it."""

from __future__ import annotations

import importlib.util
import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import islice
from math import inf
from typing import Any

import numpy as np

from oddframe.benchmark.memory import peak_memory
from oddframe.datasets.windows import Chunk, stream_chunks
from oddframe.errors import InputError, VideoError
from oddframe.runtime.runtime import Runtime, RuntimeOptions
from oddframe.scoring.choose_runtime import choose_runtime
from oddframe.scoring.combine import unusual
from oddframe.scoring.events import EventFinder
from oddframe.scoring.open_scorer import open_runtime
from oddframe.scoring.stream import ComponentStream, Piece, PostProcessor, ScoreAssembler, score_frames
from oddframe.types import ChunkErrors, VideoInfo
from oddframe.video.decode import VideoReader, probe
from oddframe.video.sources import VideoSource, with_levels
from oddframe.workflow.run import Run
from oddframe.workflow.scores import Skipped

FPS = 25.0  # of cameras, where the video does not say
LIVE_FRAMES = 200  # at most, for latencies


@dataclass(frozen=True)
class Latency:
    """How long a frame takes, one frame at a time as in live use, in milliseconds: percentiles.

    The time runs from the bytes of a frame until everything that it makes final was handed out: scores and changes of
    events. The frames of look-ahead that must arrive before are not in it.
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
        end_to_end: from the files to scores and events, stages overlapping.
        decode: decoding and resizing alone: the first floor.
        forward: the network alone, on windows already decoded.
        post: what follows the network alone: map filter, combination, smoothing, events.
        arithmetic_floor: frames/s at which this machine's matrix products could do the network's arithmetic: the second
            floor; None where torch, which measures it, is not installed, or the arithmetic was not counted.
        shares: part of the time each stage takes of the work of one frame (the stages overlap: end to end takes less
            than their sum).
        gflop: 10^9 floating-point operations per frame, two per multiply-add; None where they are not counted, as those
            of a detector that runs no network in torch.
        matrix_gflops: 10^9 operations per second in a large matrix product at the same precision, or None.
        latency: of single frames.
        look_ahead: frames that must arrive after a frame before its components are final.
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
    gflop: float | None
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


def readable(sources: Sequence[VideoSource]) -> tuple[list[VideoSource], list[Skipped]]:
    """The videos that can be opened, and the others with the reason.

    Raises:
        InputError: not one can be opened.
    """
    usable, skipped = list[VideoSource](), list[Skipped]()
    for source in sources:
        try:
            probe(source)
            usable.append(source)
        except VideoError as error:
            skipped.append((source, str(error)))
    if not usable:
        first = skipped[0][1]
        many = f"not one of {len(skipped)} videos can be read; first: {first}"
        raise InputError(first if len(skipped) == 1 else many)
    return usable, skipped


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
    sources = with_levels(sources, run.bundle.data.levels)
    options = choose_runtime(run.bundle, options, sources, run.rule) if options.runtime == "auto" else options
    signature, runtime = run.signature, open_runtime(run.bundle, options)
    batch, window, ending = options.batch or runtime.batch, signature.window, _Ending(run)

    def opened(source: VideoSource) -> VideoReader:
        return VideoReader(source, window.size, window.colour, window.resize)

    def decode() -> None:
        for source in sources:
            with opened(source) as reader:
                _drain(islice(reader, frames))

    def end_to_end() -> None:
        for source in sources:
            with opened(source) as reader:
                ending.run(score_frames(runtime, islice(reader, frames), batch), reader.info)

    with peak_memory() as peak:  # before anything is held only to be measured
        end_to_end()
    videos: list[tuple[VideoInfo, list[Chunk]]] = []
    for source in sources:
        with opened(source) as reader:
            videos.append((reader.info, list(stream_chunks(islice(reader, frames), window, batch))))
    count = sum(len(chunk.index) for _, chunks in videos for chunk in chunks)

    def forward() -> list[list[ChunkErrors]]:
        # Scores come back to the host: nothing is left to wait for.
        return [[runtime.follow(chunk) for chunk in chunks] for _, chunks in videos]

    errors = forward()

    def post() -> None:
        for (info, chunks), found in zip(videos, errors, strict=True):
            ending.run(_pieces(PostProcessor(signature), chunks, found), info)

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
    live, rates = open_runtime(run.bundle, replace(options, batch=1)), [info.fps or FPS for info, _ in videos]
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
        arithmetic_floor=rate / gflop if rate and gflop else None,
        shares={name: seconds[name] / work for name in ("decode", "forward", "post")},
        gflop=gflop,
        matrix_gflops=rate,
        latency=_latency(live, ending, opened(sources[0]), min(frames, LIVE_FRAMES)),
        look_ahead=signature.look_ahead,
        fps=statistics.median(rates),
        peak_mib=peak.mib,
        peak_gpu_mib=peak.gpu_mib,
    )


class _Ending:
    """What follows the map filter: combination, smoothing and events, by the rule and the thresholds of a run.

    Where a run is not calibrated, components stand for themselves and no score reaches the threshold.
    """

    def __init__(self, run: Run) -> None:
        self.rule = run.rule
        self.limits = (inf, inf)
        if run.bundle.calibration.is_file():
            chosen = run.calibration()
            if chosen.parts:  # one of several takes as much time as each other
                chosen = next(iter(chosen.parts.values()))
                self.rule = run.rule_for(chosen.levels)
            self.limits = (chosen.threshold, chosen.low)
        else:
            self.rule = replace(self.rule, levels=dict.fromkeys(self.rule.combination.weights, (0.0, 1.0)))
        self.merge = (run.bundle.recipe.scoring.merge_s, run.bundle.recipe.scoring.min_s)

    def open(self, info: VideoInfo) -> tuple[ScoreAssembler, EventFinder]:
        """For a new video."""
        how, levels = self.rule.combination, self.rule.levels
        explain = partial(unusual, how=how, levels=levels)
        return ScoreAssembler(self.rule, info), EventFinder(*self.limits, *self.merge, explain)

    def run(self, pieces: Iterable[Piece], info: VideoInfo) -> None:
        """Everything that follows, for all pieces of a video."""
        assembler, finder = self.open(info)
        for piece in pieces:
            for scores in assembler.push(piece):
                finder.push(scores)
        for scores in assembler.flush():
            finder.push(scores)
        finder.flush()


def _pieces(post: PostProcessor, chunks: Sequence[Chunk], errors: Sequence[ChunkErrors]) -> Iterator[Piece]:
    """The pieces of a video whose chunks the network has scored."""
    for chunk, found in zip(chunks, errors, strict=True):
        yield from post.push(chunk, found)
    yield from post.flush()


def _latency(runtime: Runtime, ending: _Ending, reader: VideoReader, frames: int) -> Latency:
    """Of single frames: all that a frame makes final is done before the next frame is decoded."""
    taken = []
    with reader:
        stream = ComponentStream(runtime)
        assembler, finder = ending.open(reader.info)
        start = time.perf_counter()
        for frame in islice(reader, frames):
            for piece in stream.push(frame):
                for scores in assembler.push(piece):
                    finder.push(scores)
            now = time.perf_counter()
            taken.append(now - start)
            start = now
    # The first frames only fill the window and the map filter, and the next warm up the network for a batch of one.
    settled = runtime.signature.look_ahead + runtime.signature.window.look_back + 5
    p50, p95, p99 = np.percentile(taken[min(settled, len(taken) - 1) :], (50, 95, 99)) * 1e3
    return Latency(float(p50), float(p95), float(p99))


def _arithmetic(run: Run, runtime: Runtime) -> tuple[float | None, float | None]:
    """10^9 operations per frame, None if not counted, and per second in matrix products, None without torch."""
    gflop = run.bundle.gflop or None
    if importlib.util.find_spec("torch") is None:
        return gflop, None
    from oddframe.runtime.cost import matrix_rate

    return gflop, matrix_rate(runtime.where, runtime.precision) / 1e9


def _drain(items: Iterable[Any]) -> None:
    for _ in items:
        pass
