"""ONNX Runtime: a detector's graph on a CPU or a CUDA device."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from oddframe.data.windows import Chunk
from oddframe.errors import InputError
from oddframe.runtime.feed import feed
from oddframe.runtime.runtime import ChunkErrors, Precision, Runtime, cores
from oddframe.types import Signature


class OnnxRuntime(Runtime):
    """Runs a graph file (see `oddframe.runtime.graph`) at the precision that it is stored in.

    Args:
        path: an ONNX file.
        precision: "fp32", or "int8" for a quantised file.
        device: "auto" (CUDA where ONNX Runtime has it), "cpu" or "cuda[:N]".

    Raises:
        InputError: ONNX Runtime is not installed, lacks the device or cannot read the file, or the precision is bf16.
    """

    name = "onnx"

    def __init__(self, path: Path, signature: Signature, precision: Precision = "fp32", device: str = "auto") -> None:
        if precision == "bf16":
            raise InputError("ONNX Runtime does not compute in bf16 on CPUs; choose openvino, or fp32 or int8")
        self.signature, self.precision = signature, precision
        self.session = onnx_session(path, device)
        self.batch = 64 if "CUDAExecutionProvider" in self.session.get_providers() else self.batch

    def score(self, chunk: Chunk) -> ChunkErrors:
        return unpacked(self.session.run(None, feed(chunk, self.signature)), self.signature)


def onnx_session(model: Path | bytes, device: str = "auto") -> Any:
    """An ONNX Runtime session on all cores.

    Raises:
        InputError: the library is missing, lacks the device, or cannot read the model.
    """
    try:
        import onnxruntime
    except ImportError:
        raise InputError('the library onnxruntime is not installed: pip install "oddframe[runtime]"') from None
    kind, _, number = device.partition(":")
    available = onnxruntime.get_available_providers()
    if kind == "auto":
        kind = "cuda" if "CUDAExecutionProvider" in available else "cpu"
    provider = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}.get(kind)
    if provider not in available:
        raise InputError(
            f"ONNX Runtime cannot compute on {device!r} here; use cpu, or install onnxruntime-gpu for cuda"
        )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = cores()
    options.log_severity_level = 3  # errors alone
    settings = {"device_id": int(number or 0)} if kind == "cuda" else {}
    try:
        where = model if isinstance(model, bytes) else str(model)
        return onnxruntime.InferenceSession(where, options, providers=[(provider, settings)])
    except Exception as error:  # of many kinds, all onnxruntime's own
        what = "a network" if isinstance(model, bytes) else model
        raise InputError(f"{what}: ONNX Runtime cannot read it: {' '.join(str(error).split())}") from None


def unpacked(outputs: Any, signature: Signature) -> ChunkErrors:
    """The outputs of a graph, in their order, as components and map."""
    names = list(signature.components)
    values = [np.asarray(output) for output in outputs]
    components = {name: value.astype(np.float64) for name, value in zip(names, values, strict=False)}
    return ChunkErrors(components, values[len(names)].astype(np.float32) if len(values) > len(names) else None)
