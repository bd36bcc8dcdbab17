"""int8 by quantisation after training: ranges of activations are taken from normal video.

Weights and inputs of convolutions and matrix products become int8, weights with a scale for each output channel. The
first and the last convolutions keep their precision: the one sees the pixels themselves, the others write the picture
whose error is the score, and rounding them to a 256th of their range would be part of it.
"""

from __future__ import annotations

import contextlib
import io
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from oddframe.datasets.windows import Chunk
from oddframe.extras import imported
from oddframe.runtime.session_runtime import feed
from oddframe.types import Signature

QUANTISED = ("Conv", "ConvTranspose", "MatMul", "Gemm")


def quantise(source: Path, target: Path, signature: Signature, chunks: Iterable[Chunk]) -> None:
    """Write the int8 form of a detector's graph, as ONNX.

    Args:
        source: an ONNX file in fp32.
        chunks: of normal video.

    Raises:
        InputError: onnxruntime's tools, which need onnx, are not installed.
    """
    tools = imported("onnxruntime.quantization", "export")
    prepare = imported("onnxruntime.quantization.shape_inference", "export").quant_pre_process
    # What its tools say of steps that they leave out is of no use to anybody here.
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        prepared = Path(folder) / "prepared.onnx"
        prepare(source, prepared, skip_symbolic_shape=True)
        inner = _inner(prepared)
        # OpenVINO fails where products of tokens have zero points; behind a ReLU, without one, half the range is lost.
        tokens = any(node.op_type != "Conv" and node.op_type != "ConvTranspose" for node in inner)
        tools.quantize_static(
            prepared,
            target,
            _Reader(feed(chunk, signature) for chunk in chunks),
            quant_format=tools.QuantFormat.QDQ,
            op_types_to_quantize=list(QUANTISED),
            nodes_to_quantize=[node.name for node in inner],
            per_channel=True,
            activation_type=tools.QuantType.QInt8 if tokens else tools.QuantType.QUInt8,
            weight_type=tools.QuantType.QInt8,
            extra_options={"ActivationSymmetric": tokens},
        )


class _Reader:
    """Hands calibration inputs over one by one, as the quantiser asks for them."""

    def __init__(self, fed: Iterator[dict[str, NDArray[Any]]]) -> None:
        self.fed = fed

    def get_next(self) -> dict[str, NDArray[Any]] | None:
        return next(self.fed, None)

    def __iter__(self) -> Iterator[dict[str, NDArray[Any]]]:
        return self.fed


def _inner(path: Path) -> list[Any]:
    """The nodes that become int8: those with weights of their own that come neither first nor last."""
    import onnx

    graph = onnx.load(path).graph
    weights = {tensor.name for tensor in graph.initializer}
    heavy = [node for node in graph.node if node.op_type in QUANTISED and node.input[1] in weights]
    names = {node.name for node in heavy}

    def reached(nodes: Iterable[Any], ins: str, outs: str) -> set[str]:
        """Names of heavy nodes with another heavy one before them, following tensors in the order of `nodes`."""
        after: set[str] = set()  # tensors that depend on a heavy node
        found = set()
        for node in nodes:
            depends = any(name in after for name in getattr(node, ins))
            if depends and node.name in names:
                found.add(node.name)
            if depends or node.name in names:
                after.update(getattr(node, outs))
        return found

    inner = reached(graph.node, "input", "output") & reached(reversed(graph.node), "output", "input")
    return [node for node in heavy if node.name in inner]
