"""Sessions of ONNX Runtime or OpenVINO, which run a graph: input arrays by name to output arrays in order."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol

from numpy.typing import NDArray

from oddframe.errors import InputError
from oddframe.extras import imported
from oddframe.processes import cores
from oddframe.runtime.runtime import Precision

Target = Literal["onnx", "openvino"]


Feed = Mapping[str, NDArray[Any]]
"""The inputs of a graph by name."""


class Session(Protocol):
    """A graph that is ready to run. `name` is the library, and `accelerated` is whether it runs on a GPU."""

    name: Target
    precision: Precision
    accelerated: bool

    def __call__(self, feeds: Sequence[Feed]) -> list[list[NDArray[Any]]]:
        """The outputs for each feed. Several feeds may be computed at the same time."""


def open_session(
    target: Target,
    path: Path,
    precision: Precision,
    device: str = "auto",
    shapes: Mapping[str, tuple[int, ...]] | None = None,
    streams: int = 1,
) -> Session:
    """Open a session on all cores, or on a GPU.

    Args:
        target: the library.
        path: an ONNX file, or for OpenVINO an .xml file.
        precision: "fp32"; "bf16" for OpenVINO only; "int8" for a quantised file.
        device: "auto", "cpu", or for ONNX Runtime "cuda[:N]".
        shapes: shape of every input, if it is always the same. OpenVINO uses it to run faster.
        streams: number of feeds that OpenVINO computes at the same time, each on its part of the cores.

    Raises:
        InputError: the library is missing, cannot read the file, or does not support the device or the precision.
    """
    if target == "onnx":
        return ONNXSession(path, precision, device)
    return OpenVINOSession(path, precision, device, shapes, streams)


class ONNXSession:
    """A session of ONNX Runtime."""

    name: Target = "onnx"
    precision: Precision

    def __init__(self, path: Path, precision: Precision, device: str) -> None:
        if precision == "bf16":
            raise InputError("ONNX Runtime does not compute in bf16 on CPUs; choose openvino, or fp32 or int8")
        library = imported("onnxruntime", "runtime")
        kind, _, number = device.partition(":")
        available = library.get_available_providers()
        if kind == "auto":
            kind = "cuda" if "CUDAExecutionProvider" in available else "cpu"
        provider = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}.get(kind)
        if provider not in available:
            raise InputError(f"ONNX Runtime cannot compute on {device!r}; use cpu, or install onnxruntime-gpu for cuda")
        options = library.SessionOptions()
        options.intra_op_num_threads = cores()
        options.log_severity_level = 3  # only errors
        settings = {"device_id": int(number or 0)} if kind == "cuda" else {}
        try:
            self.session = library.InferenceSession(str(path), options, providers=[(provider, settings)])
        except Exception as error:  # onnxruntime has many exception classes of its own
            raise InputError(f"{path}: ONNX Runtime cannot read it: {' '.join(str(error).split())}") from None
        self.precision, self.accelerated = precision, kind == "cuda"

    def __call__(self, feeds: Sequence[Feed]) -> list[list[NDArray[Any]]]:
        return [self.session.run(None, dict(feed)) for feed in feeds]


class _SignalStack(ctypes.Structure):
    """stack_t of Linux."""

    _fields_: ClassVar = [("start", ctypes.c_void_p), ("flags", ctypes.c_int), ("size", ctypes.c_size_t)]


@contextmanager
def _same_signal_stack() -> Iterator[None]:
    """Restore the signal stack of the thread. OpenVINO sets its own one and frees it, so Ctrl-C would crash."""
    if not sys.platform.startswith("linux"):
        yield
        return
    libc, before = ctypes.CDLL(None), _SignalStack()
    libc.sigaltstack(None, ctypes.byref(before))
    try:
        yield
    finally:
        libc.sigaltstack(ctypes.byref(before), None)


class OpenVINOSession:
    """A session of OpenVINO on the CPU. Parts of an int8 file that are not quantised run in bf16 if the CPU can."""

    name: Target = "openvino"
    precision: Precision
    accelerated = False

    @_same_signal_stack()
    def __init__(
        self,
        path: Path,
        precision: Precision,
        device: str,
        shapes: Mapping[str, tuple[int, ...]] | None = None,
        streams: int = 1,
    ) -> None:
        if device not in ("auto", "cpu"):
            raise InputError(f"OpenVINO computes on the CPU here, not on {device!r}; choose torch or onnx for it")
        library = imported("openvino", "runtime")
        core = library.Core()
        fast = "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        if precision == "bf16" and not fast:
            raise InputError("this CPU does not compute in bf16; choose fp32 or int8")
        # Without a hint OpenVINO computes in bf16 on every CPU that supports it.
        hint = "bf16" if precision == "bf16" or (precision == "int8" and fast) else "f32"
        settings = {"INFERENCE_PRECISION_HINT": hint, "INFERENCE_NUM_THREADS": cores(), "NUM_STREAMS": streams}
        try:
            model = core.read_model(path)
            if shapes is not None:
                model.reshape(dict(shapes))
            compiled = core.compile_model(model, "CPU", settings)
        except RuntimeError as error:
            raise InputError(f"{path}: OpenVINO cannot read it: {' '.join(str(error).split())}") from None
        self.precision = precision
        self.requests = [compiled.create_infer_request() for _ in range(streams)]
        self.outputs = len(compiled.outputs)

    @_same_signal_stack()
    def __call__(self, feeds: Sequence[Feed]) -> list[list[NDArray[Any]]]:
        found: list[list[NDArray[Any]]] = []
        for start in range(0, len(feeds), len(self.requests)):
            running = list(zip(self.requests, feeds[start : start + len(self.requests)], strict=False))
            for request, feed in running:
                request.start_async(dict(feed), share_inputs=True)
            for request, _ in running:
                request.wait()
                found.append([request.get_output_tensor(i).data.copy() for i in range(self.outputs)])
        return found


def write_openvino(source: Path, target: Path) -> None:
    """Convert an ONNX file to the format of OpenVINO: `target`, an .xml file, and a file with the weights beside it.

    Raises:
        InputError: OpenVINO is not installed, or cannot convert the file.
    """
    library = imported("openvino", "runtime")
    try:
        model = library.Core().read_model(source)  # OpenVINO's converter would send usage reports
    except RuntimeError as error:
        raise InputError(f"{source.name}: OpenVINO cannot convert it: {' '.join(str(error).split())}") from None
    library.save_model(model, target, compress_to_fp16=False)  # the default stores weights in 16 bits
