"""Conversion of an extractor to ONNX, so that an exported detector can extract its features without torch.

Shape letters: B snippets, N frames, T frames of a snippet, H x W pixels, D length of a vector.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from oddframe.features.extractor import SNIPPET, Extractor
from oddframe.features.onnx import Description, ONNXExtractor
from oddframe.tracing import onnx_bytes

if TYPE_CHECKING:
    from oddframe.features.network import NetworkExtractor

INPUT, OUTPUT = "frames", "vectors"


def onnx_twin(extractor: Extractor, folder: Path) -> ONNXExtractor:
    """Convert an extractor to one of the same name that onnxruntime runs, and save it for `load_extractor`.

    A torch network becomes a graph that includes normalisation. It takes any number of uint8 frames: (N, H, W, 3), or
    for clips (B, 16, H, W, 3). It always computes in float32. Its fingerprint differs from the original's, because its
    weights and preprocessing are stored in another form. An ONNX network is saved unchanged. The returned extractor is
    on the CPU.

    Raises:
        InputError: onnx, onnxscript or onnxruntime is not installed.
    """
    if isinstance(extractor, ONNXExtractor):
        twin = extractor
    else:
        from oddframe.features.network import NetworkExtractor

        if not isinstance(extractor, NetworkExtractor):
            raise TypeError(f"{extractor.name}: neither a network in torch nor an ONNX file")
        p = extractor.preprocessing
        description = Description(
            name=extractor.name,
            kind=extractor.kind,
            resize=p.resize,
            crop=p.crop,
            colour=p.colour,
            mean=(0.0,) * 3,
            std=(1.0,) * 3,
            interpolation=p.interpolation,
            layout="NHWC" if extractor.kind == "frames" else "NTHWC",
            input=INPUT,
            output=OUTPUT,
        )
        twin = ONNXExtractor(graph(extractor), description, extractor.name, f"{extractor.name} as ONNX")
        twin.give(extractor.channels)
    twin.save(folder)
    return twin


def graph(extractor: NetworkExtractor) -> bytes:
    """Content of a self-contained ONNX file that maps uint8 frames to vectors.

    Raises:
        InputError: onnx or onnxscript is not installed.
    """
    import torch
    from torch import Tensor, nn

    class Pixels(nn.Module):
        """The network with its normalisation, from uint8 pixels to vectors."""

        def __init__(self) -> None:
            super().__init__()
            self.network = extractor.network

        def forward(self, frames: Tensor) -> Tensor:
            if extractor.kind == "clips":
                return extractor.vectors(extractor.normalised(frames))
            return extractor.vectors(extractor.normalised(frames[:, None]))[:, 0]

    length = (SNIPPET,) if extractor.kind == "clips" else ()
    # The example has two elements, because the exporter fixes an axis of length 1.
    example = torch.zeros((2, *length, *extractor.preprocessing.crop, 3), dtype=torch.uint8, device=extractor.device)
    return onnx_bytes(Pixels().eval(), [example], ["n"], [INPUT], [OUTPUT])
