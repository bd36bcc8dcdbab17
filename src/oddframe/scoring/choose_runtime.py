"""From a trained detector to a runtime: the one asked for, or the fastest that agrees."""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import oddframe
from oddframe.errors import InputError, VideoError
from oddframe.runtime.exported import Exported
from oddframe.runtime.runtime import Backend, Precision, Runtime, RuntimeOptions
from oddframe.runtime.session_runtime import GraphRuntime
from oddframe.scoring.agreement import Take, agreement, run, speed_of, take_chunks
from oddframe.scoring.combine import ScoreRule
from oddframe.video.cache import default_cache_root
from oddframe.video.sources import VideoSource

if TYPE_CHECKING:
    from oddframe.bundle import Bundle

TRIED: tuple[tuple[Backend, Precision], ...] = (
    ("torch", "bf16"), ("onnx", "fp32"), ("openvino", "fp32"), ("openvino", "bf16"),
)  # fmt: skip
INT8 = "int8 takes its ranges from normal video: oddframe export {} --to {} --precision int8 --video NORMAL_VIDEO"
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


def open_runtime(trained: Bundle | Exported, options: RuntimeOptions) -> Runtime:
    """The runtime that options name.

    Raises:
        InputError: it is not installed, not for this detector, or not what an exported detector was made for.
        RecipeError: the detector is not a one-class detector.
    """
    if isinstance(trained, Exported):
        for what, wanted, own in (
            ("runtime", options.runtime, trained.runtime),
            ("precision", options.precision, trained.precision),
        ):
            if wanted not in (None, "auto", own):
                raise InputError(f"{trained.path}: was exported with {what} {own}, not {wanted}; leave --{what} out")
        return GraphRuntime(
            trained.runtime, trained.network, trained.signature, trained.precision, options.device, options.batch
        )
    # torch is imported for bundles alone: exported detectors do without it.
    from oddframe.models.detector import one_class
    from oddframe.runtime.torch import TorchRuntime

    detector, precision = one_class(trained.detector, "scoring frames"), options.precision or "fp32"
    if options.runtime in (None, "torch"):
        return TorchRuntime(detector, options.device, precision)
    if precision == "int8":
        raise InputError(INT8.format(trained.path, options.runtime))
    assert options.runtime == "onnx" or options.runtime == "openvino", "auto is chosen before"
    graph = graph_file(trained)
    return GraphRuntime(options.runtime, graph, detector.signature, precision, options.device, options.batch)


def graph_file(bundle: Bundle) -> Path:
    """The ONNX file of a bundle's detector, made once and kept in the cache folder.

    Raises:
        InputError: a library is missing, or the detector cannot be exported.
    """
    from oddframe.models.detector import one_class
    from oddframe.runtime.onnx_graph import write_graph

    path = default_cache_root() / "graphs" / f"{bundle.id}-{oddframe.__version__}.onnx"
    if not path.is_file():
        write_graph(one_class(bundle.detector, "export"), path)
    return path


def choose_runtime(
    trained: Bundle | Exported,
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
    if isinstance(trained, Exported):
        return replace(options, runtime=None)
    if options.precision == "int8":
        raise InputError(INT8.format(trained.path, "openvino"))
    from oddframe.models.detector import Detector

    if not isinstance(trained.detector, Detector) or trained.detector.remembers:
        return replace(options, runtime="torch")
    reference = open_runtime(trained, replace(options, runtime="torch", precision="fp32"))
    take = _first_take(reference, options.batch, sources)
    wanted = run(reference, [take])
    tried = [Candidate("torch", "fp32", speed_of(reference, take), None)]
    for name, precision in TRIED:
        if importlib.util.find_spec(LIBRARIES[name]) is None or options.precision not in (None, precision):
            continue
        try:
            runtime = open_runtime(trained, replace(options, runtime=name, precision=precision))
            parity = agreement(wanted, run(runtime, [take]), rule)
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
