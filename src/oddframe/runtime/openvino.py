"""OpenVINO: a detector's graph on a CPU."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from oddframe.data.windows import Chunk
from oddframe.errors import InputError
from oddframe.runtime.feed import feed
from oddframe.runtime.onnx import unpacked
from oddframe.runtime.runtime import ChunkErrors, Precision, Runtime, cores
from oddframe.types import Signature


class OpenVINORuntime(Runtime):
    """Runs a graph file (see `oddframe.runtime.graph`), ONNX or OpenVINO's own.

    Args:
        path: an .onnx or .xml file.
        precision: "fp32", "bf16", or "int8" for a quantised file, what is not quantised in it then being bf16.

    Raises:
        InputError: OpenVINO is not installed, cannot read the file, or the CPU does not compute in bf16.
    """

    name = "openvino"

    def __init__(self, path: Path, signature: Signature, precision: Precision = "fp32", device: str = "auto") -> None:
        if device not in ("auto", "cpu"):
            raise InputError(f"OpenVINO computes on the CPU here, not on {device!r}; choose torch or onnx for it")
        self.signature, self.precision = signature, precision
        core = openvino().Core()
        fast = bfloat16(core)
        if precision == "bf16" and not fast:
            raise InputError("this CPU does not compute in bf16; choose fp32 or int8")
        # Without a hint OpenVINO computes in bf16 wherever the CPU can.
        hint = "bf16" if precision == "bf16" or (precision == "int8" and fast) else "f32"
        try:
            compiled = core.compile_model(
                str(path), "CPU", {"INFERENCE_PRECISION_HINT": hint, "INFERENCE_NUM_THREADS": cores()}
            )
        except RuntimeError as error:
            raise InputError(f"{path}: OpenVINO cannot read it: {' '.join(str(error).split())}") from None
        self.request = compiled.create_infer_request()
        self.outputs = len(compiled.outputs)

    def score(self, chunk: Chunk) -> ChunkErrors:
        self.request.infer(feed(chunk, self.signature), share_inputs=True)
        return unpacked([self.request.get_output_tensor(i).data for i in range(self.outputs)], self.signature)


def openvino() -> Any:
    """The library.

    Raises:
        InputError: it is not installed.
    """
    try:
        import openvino
    except ImportError:
        raise InputError('the library openvino is not installed: pip install "oddframe[openvino]"') from None
    return openvino


def bfloat16(core: Any) -> bool:
    """Whether this CPU multiplies in bf16."""
    return "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def write_openvino(source: Path, target: Path) -> None:
    """Convert an ONNX file to OpenVINO's own form: `target`, an .xml file, and its weights beside it.

    Raises:
        InputError: OpenVINO is not installed, or cannot convert it.
    """
    library = openvino()
    try:
        model = library.convert_model(source)
    except RuntimeError as error:
        raise InputError(f"{source.name}: OpenVINO cannot convert it: {' '.join(str(error).split())}") from None
    library.save_model(model, target, compress_to_fp16=False)  # its default would halve the weights
