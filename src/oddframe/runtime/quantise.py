"""Post-training quantisation to int8. The ranges of activations are measured on normal video.

Weights and inputs of convolutions and matrix products become int8, and weights have one scale per output channel. The
first and the last convolutions keep their precision. The first one sees the pixels, and the last ones write the picture
whose error is the score, so rounding them to a 256th of their range would change the score.
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
        source: the ONNX file in fp32.
        target: the ONNX file to write.
        signature: of the detector.
        chunks: chunks of normal video.

    Raises:
        InputError: the quantisation tools of onnxruntime, which need onnx, are not installed.
    """
    tools = imported("onnxruntime.quantization", "export")
    prepare = imported("onnxruntime.quantization.shape_inference", "export").quant_pre_process
    # The tools print messages about skipped steps, which are of no use here.
    with tempfile.TemporaryDirectory(dir=target.parent) as folder, contextlib.redirect_stdout(io.StringIO()):
        prepared = Path(folder) / "prepared.onnx"
        prepare(source, prepared, skip_symbolic_shape=True)
        inner = _inner(prepared)
        # OpenVINO fails if products of tokens have zero points. After a ReLU, half the range is lost without them.
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
    """Gives calibration inputs to the quantiser one by one."""

    def __init__(self, fed: Iterator[dict[str, NDArray[Any]]]) -> None:
        self.fed = fed

    def get_next(self) -> dict[str, NDArray[Any]] | None:
        return next(self.fed, None)

    def __iter__(self) -> Iterator[dict[str, NDArray[Any]]]:
        return self.fed


def _inner(path: Path) -> list[Any]:
    """The nodes that become int8: nodes with weights that are neither the first nor the last of such nodes."""
    import onnx

    graph = onnx.load(path).graph
    weights = {tensor.name for tensor in graph.initializer}
    heavy = [node for node in graph.node if node.op_type in QUANTISED and node.input[1] in weights]
    names = {node.name for node in heavy}

    def reached(nodes: Iterable[Any], ins: str, outs: str) -> set[str]:
        """Names of the heavy nodes that depend on another heavy node, following tensors in the order of `nodes`."""
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
