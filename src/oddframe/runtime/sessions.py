"""Sessions of ONNX Runtime or OpenVINO, which run a graph: input arrays by name to output arrays in order."""

from __future__ import annotations

import ctypes
import errno
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol

from numpy.typing import NDArray

from oddframe.errors import InputError
from oddframe.extras import imported
from oddframe.processes import cores
from oddframe.reading.networks import refuse_external_data
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
        """The outputs for each feed. Several feeds may be computed at the same time. Threads may share a session."""


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
        streams: number of feeds that a CPU computes at the same time, each on its part of the cores. Nothing is faster
            than a feed for each core: cores that share one wait for each other, longest beside a busy neighbour.

    Raises:
        InputError: the library is missing, cannot read the file, or does not support the device or the precision.
    """
    if path.suffix == ".onnx":  # OpenVINO reads these, too
        refuse_external_data(path, path)
    if target == "onnx":
        return ONNXSession(path, precision, device, streams)
    return OpenVINOSession(path, precision, device, shapes, streams)


class ONNXSession:
    """A session of ONNX Runtime. On CPUs several feeds are computed on one core each."""

    name: Target = "onnx"
    precision: Precision

    def __init__(self, path: Path, precision: Precision, device: str, streams: int = 1) -> None:
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
        several = streams > 1 and kind == "cpu"
        options.intra_op_num_threads = 1 if several else cores()
        # Threads that wait for one another sleep, and leave the core to a neighbour that may want it.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 4  # an error comes as an exception, too
        settings = {"device_id": int(number or 0)} if kind == "cuda" else {}
        try:
            self.session = library.InferenceSession(str(path), options, providers=[(provider, settings)])
        except Exception as error:  # onnxruntime has many exception classes of its own
            raise InputError(f"{path}: ONNX Runtime cannot read it: {' '.join(str(error).split())}") from None
        self.path, self.precision, self.accelerated = path, precision, kind == "cuda"
        self._pool = ThreadPoolExecutor(streams, "oddframe-onnx") if several else None

    def __call__(self, feeds: Sequence[Feed]) -> list[list[NDArray[Any]]]:
        with _computing(self.path, "ONNX Runtime"):
            return list(map(self._run, feeds) if self._pool is None else self._pool.map(self._run, feeds))

    def _run(self, feed: Feed) -> list[NDArray[Any]]:
        return list(self.session.run(None, dict(feed)))


@contextmanager
def _computing(path: Path, runtime: str) -> Iterator[None]:
    """Turn what a library raises when it runs a network into one line; the classes are its own.

    Raises:
        InputError: the network does not fit what it is fed, as where the file beside it is of another one.
    """
    try:
        yield
    except Exception as error:
        raise InputError(f"{path}: {runtime} cannot run it: {' '.join(str(error).split())}") from error


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
        self.path, self.precision = path, precision
        self.requests = [compiled.create_infer_request() for _ in range(streams)]
        self.outputs = len(compiled.outputs)
        self._lock = threading.Lock()  # a request that runs cannot be started again

    @_same_signal_stack()
    def __call__(self, feeds: Sequence[Feed]) -> list[list[NDArray[Any]]]:
        found: list[list[NDArray[Any]]] = []
        with self._lock, _computing(self.path, "OpenVINO"):
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
        OSError: the disk is full; OpenVINO does not say what hindered it.
    """
    library = imported("openvino", "runtime")
    try:
        model = library.Core().read_model(source)  # OpenVINO's converter would send usage reports
    except RuntimeError as error:
        raise InputError(f"{source.name}: OpenVINO cannot convert it: {' '.join(str(error).split())}") from None
    try:
        library.save_model(model, target, compress_to_fp16=False)  # the default stores weights in 16 bits
        library.Core().read_model(target)  # a disk that fills up shows only here
    except RuntimeError as error:
        raise OSError(errno.ENOSPC, " ".join(str(error).split()), str(target)) from error
