"""From a trained detector to a runtime: the one asked for, or the fastest that agrees."""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from oddframe.bundle import TrainedDetector
from oddframe.errors import InputError, VideoError
from oddframe.runtime.runtime import Backend, Precision, Runtime, RuntimeOptions
from oddframe.scoring.agreement import Take, agreement, run, speed_of, take_chunks
from oddframe.scoring.combine import ScoreRule
from oddframe.scoring.open_scorer import INT8, open_runtime
from oddframe.video.sources import VideoSource, with_levels

TRIED: tuple[tuple[Backend, Precision], ...] = (
    ("torch", "bf16"), ("onnx", "fp32"), ("openvino", "fp32"), ("openvino", "bf16"),
)  # fmt: skip
LIBRARIES = {"torch": "torch", "onnx": "onnxruntime", "openvino": "openvino"}
SECONDS = 1.0  # as many frames as torch scores in that time, or LEAST, are compared
LEAST, MOST = 24, 128  # frames compared: of fewer than 24 a single exchange of neighbours costs more than 0.001


@dataclass(frozen=True)
class Candidate:
    """A runtime that was tried, its frames/s, and what spoke against it, or None."""

    runtime: Backend
    precision: Precision
    speed: float
    fault: str | None


def choose_runtime(
    trained: TrainedDetector,
    options: RuntimeOptions,
    sources: Sequence[VideoSource],
    rule: ScoreRule,
    tell: Callable[[Candidate], None] | None = None,
) -> RuntimeOptions:
    """The fastest runtime on the first frames of the first video that can be decoded, among those whose scores pass
    the gate against torch in fp32, which always passes.

    Args:
        options: whose `precision`, where it has one, is the only one tried besides torch in fp32.
        tell: called with everything that was tried.

    Returns:
        The same options with runtime and precision; for exported and weakly supervised detectors they are settled.

    Raises:
        InputError: no video can be decoded, or int8 is asked for, which is exported.
    """
    if trained.settled:
        return replace(options, runtime=None)
    if options.precision == "int8":
        raise InputError(INT8.format(trained.path, "openvino"))
    detector = trained.original().detector
    if not detector.portable:
        return replace(options, runtime=detector.own_runtime)
    reference = open_runtime(trained, replace(options, runtime="torch", precision="fp32"))
    take = _first_take(reference, options.batch, with_levels(sources, trained.data.levels))
    expected = run(reference, [take])
    tried = [Candidate("torch", "fp32", speed_of(reference, take), None)]
    for name, precision in TRIED:
        if importlib.util.find_spec(LIBRARIES[name]) is None or options.precision not in (None, precision):
            continue
        try:
            runtime = open_runtime(trained, replace(options, runtime=name, precision=precision))
            parity = agreement(expected, run(runtime, [take]), rule)
            tried.append(Candidate(name, precision, speed_of(runtime, take), parity.fault(precision)))
        except InputError as error:
            tried.append(Candidate(name, precision, 0.0, str(error)))
    if tell is not None:
        for one in tried:
            tell(one)
    best = max((one for one in tried if one.fault is None), key=lambda one: one.speed)
    return replace(options, runtime=best.runtime, precision=best.precision)


def _first_take(runtime: Runtime, batch: int | None, sources: Sequence[VideoSource]) -> Take:
    """The beginning of the first video that can be decoded: as many frames as the runtime scores in about a second."""
    for source in sources:
        try:
            take = take_chunks(runtime, source, LEAST, batch)
        except VideoError:
            continue
        runtime.score(take.chunks[0])  # warm-up
        start = time.perf_counter()
        runtime.score(take.chunks[0])
        rate = len(take.chunks[0].index) / (time.perf_counter() - start)
        return take_chunks(runtime, source, int(min(max(rate * SECONDS, LEAST), MOST)), batch)
    raise InputError("not one of the videos can be decoded")
