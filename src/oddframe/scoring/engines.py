"""From a trained detector to a runtime: the one asked for, or the fastest that agrees."""

from __future__ import annotations

import importlib.util
import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

import oddframe
from oddframe.data.windows import Chunk, stream_chunks
from oddframe.errors import InputError, VideoError
from oddframe.runtime.exported import RUNTIMES, Exported
from oddframe.runtime.parity import Parity, compare
from oddframe.runtime.runtime import Backend, ChunkErrors, Engine, Precision, Runtime
from oddframe.scoring.combine import Components, ScoreRule, combine
from oddframe.scoring.stream import PostProcessor, join
from oddframe.types import Signature
from oddframe.video.cache import default_cache_root
from oddframe.video.decode import VideoReader
from oddframe.video.sources import VideoSource

if TYPE_CHECKING:
    from oddframe.bundle import Bundle

TRIED: tuple[tuple[Backend, Precision], ...] = (
    ("torch", "bf16"), ("onnx", "fp32"), ("openvino", "fp32"), ("openvino", "bf16"),
)  # fmt: skip
LIBRARIES = {"torch": "torch", "onnx": "onnxruntime", "openvino": "openvino"}
SECONDS = 1.0  # for which each candidate is measured
LEAST, MOST = 24, 128  # frames compared: of fewer than 24 a single exchange of neighbours costs more than 0.001


@dataclass(frozen=True)
class Candidate:
    """A runtime that was tried, its frames/s, and what spoke against it, or None."""

    runtime: Backend
    precision: Precision
    speed: float
    fault: str | None


def open_runtime(trained: Bundle | Exported, engine: Engine) -> Runtime:
    """The runtime that an engine names.

    Raises:
        InputError: it is not installed, not for this detector, or not what an exported detector was made for.
        RecipeError: the detector is not a one-class detector.
    """
    if isinstance(trained, Exported):
        for what, wanted, own in (
            ("runtime", engine.runtime, trained.runtime),
            ("precision", engine.precision, trained.precision),
        ):
            if wanted not in (None, "auto", own):
                raise InputError(f"{trained.path}: was exported with {what} {own}, not {wanted}; leave --{what} out")
        return trained.open(engine.device)
    # torch is imported for bundles alone: exported detectors do without it.
    from oddframe.models.detector import one_class
    from oddframe.runtime.torch import TorchRuntime

    detector, precision = one_class(trained.detector, "scoring frames"), engine.precision or "fp32"
    if engine.runtime in (None, "torch"):
        return TorchRuntime(detector, engine.device, precision)
    if precision == "int8":
        raise InputError(
            "int8 is calibrated on normal video first: "
            f"oddframe export {trained.path} --to {engine.runtime} --precision int8 --video NORMAL_VIDEO"
        )
    assert engine.runtime in RUNTIMES, "auto is chosen before"
    return RUNTIMES[engine.runtime](graph_file(trained), detector.signature, precision, engine.device)


def graph_file(bundle: Bundle) -> Path:
    """The ONNX file of a bundle's detector, made once and kept in the cache folder.

    Raises:
        InputError: a library is missing, or the detector cannot be exported.
    """
    from oddframe.models.detector import one_class
    from oddframe.runtime.graph import write_onnx

    path = default_cache_root() / "graphs" / f"{bundle.id}-{oddframe.__version__}.onnx"
    if not path.is_file():
        write_onnx(one_class(bundle.detector, "export"), path)
    return path


def choose_engine(
    trained: Bundle | Exported,
    engine: Engine,
    sources: Sequence[VideoSource],
    rule: ScoreRule,
    tell: Callable[[Candidate], None] | None = None,
) -> Engine:
    """The fastest runtime on the first frames of the first video that can be decoded, among those whose scores pass
    the gate against torch in fp32, which always passes.

    Args:
        engine: whose `precision`, where it has one, is the only one tried.
        tell: called with everything that was tried.

    Returns:
        The same engine with runtime and precision; for exported and weakly supervised detectors they are settled.

    Raises:
        InputError: no video can be decoded.
    """
    if isinstance(trained, Exported):
        return replace(engine, runtime=None)
    from oddframe.models.detector import Detector

    if not isinstance(trained.detector, Detector) or trained.detector.remembers:
        return replace(engine, runtime="torch")
    reference = open_runtime(trained, replace(engine, runtime="torch", precision="fp32"))
    chunks, where = _first_chunks(reference, engine.batch, sources)
    wanted, speed = _measured(reference, chunks)
    tried = [Candidate("torch", "fp32", speed, None)]
    for name, precision in TRIED:
        if importlib.util.find_spec(LIBRARIES[name]) is None or engine.precision not in (None, precision):
            continue
        try:
            runtime = open_runtime(trained, replace(engine, runtime=name, precision=precision))
        except InputError as error:
            tried.append(Candidate(name, precision, 0.0, str(error)))
            continue
        got, speed = _measured(runtime, chunks)
        fault = agreement(reference.signature, chunks, wanted, got, rule, where).fault(precision)
        tried.append(Candidate(name, precision, speed, fault))
    if tell is not None:
        for one in tried:
            tell(one)
    best = max((one for one in tried if one.fault is None), key=lambda one: one.speed)
    return replace(engine, runtime=best.runtime, precision=best.precision)


def agreement(
    signature: Signature,
    chunks: Sequence[Chunk],
    wanted: Sequence[ChunkErrors],
    got: Sequence[ChunkErrors],
    rule: ScoreRule,
    where: str,
) -> Parity:
    """How well two runtimes agree on the same chunks of one video, scores not smoothed."""
    mine, others = _processed(signature, chunks, wanted), _processed(signature, chunks, got)
    levels = {name: rule.levels.get(name, (0.0, 1.0)) for name in rule.combination.weights}
    scores = tuple(combine(one, rule.combination, levels) for one in (mine, others))
    return compare(mine, others, (scores[0], scores[1]), _maps(wanted, got), where)


def first_chunks(runtime: Runtime, source: VideoSource, frames: int, batch: int | None = None) -> list[Chunk]:
    """The chunks of the first `frames` frames of a video that can be scored.

    Raises:
        VideoError: the video cannot be decoded, or is too short.
    """
    window = runtime.signature.window
    decoded = frames + window.look_back + window.look_ahead
    with VideoReader(source, window.size, window.colour, window.resize) as reader:
        return list(stream_chunks(islice(reader, decoded), window, batch or runtime.batch))


def _first_chunks(runtime: Runtime, batch: int | None, sources: Sequence[VideoSource]) -> tuple[list[Chunk], str]:
    """Chunks of as many frames as the runtime scores in about a second, and the name of their video."""
    for source in sources:
        try:
            chunks = first_chunks(runtime, source, LEAST, batch)
            runtime.score(chunks[0])  # warm-up
            start = time.perf_counter()
            runtime.score(chunks[0])
            rate = len(chunks[0].index) / (time.perf_counter() - start)
            count = int(min(max(rate * SECONDS, LEAST), MOST))
            return first_chunks(runtime, source, count, batch), source.name
        except VideoError:
            continue
    raise InputError("not one of the videos can be decoded")


def _measured(runtime: Runtime, chunks: Sequence[Chunk]) -> tuple[list[ChunkErrors], float]:
    """What a runtime says of chunks, and its frames/s: the median of as many as fit into a second, warm-up excluded."""
    errors = [runtime.score(chunk) for chunk in chunks]
    speeds: list[float] = []
    began = time.perf_counter()
    while not speeds or time.perf_counter() - began < SECONDS:
        chunk = chunks[len(speeds) % len(chunks)]
        start = time.perf_counter()
        runtime.score(chunk)
        speeds.append(len(chunk.index) / (time.perf_counter() - start))
    return errors, statistics.median(speeds)


def _processed(signature: Signature, chunks: Sequence[Chunk], errors: Iterable[ChunkErrors]) -> Components:
    """The components of all chunks, post-processed."""
    post = PostProcessor(signature)
    pieces = [post.push(chunk, error) for chunk, error in zip(chunks, errors, strict=True)]
    last = post.flush()
    return join([*pieces, *([last] if last is not None else [])]).components


def _maps(*runs: Sequence[ChunkErrors]) -> tuple[NDArray[Any], NDArray[Any]] | None:
    if runs[0][0].map is None:
        return None
    first, second = (np.concatenate([errors.map for errors in run if errors.map is not None]) for run in runs)
    return first, second
