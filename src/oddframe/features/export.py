"""An extractor as an ONNX file, so that a detector that is taken away from torch takes its features along.

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
    """The same extractor, of the same name, as one that onnxruntime runs; saved for `load_extractor`, and on the CPU.

    A network in torch becomes a graph that takes uint8 frames, normalisation included, and any number of them: (N, H,
    W, 3), or for clips (B, 16, H, W, 3). It computes in float32, whatever the precision of the original. As its
    weights and its preprocessing are written down otherwise, its fingerprint is another one. An ONNX network is saved
    as it is.

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
    twin.save(folder)
    return twin


def graph(extractor: NetworkExtractor) -> bytes:
    """Content of an ONNX file that needs no other files, from uint8 frames to vectors.

    Raises:
        InputError: onnx or onnxscript is not installed.
    """
    import torch
    from torch import Tensor, nn

    class Pixels(nn.Module):
        """The network from the first byte on."""

        def __init__(self) -> None:
            super().__init__()
            self.network = extractor.network

        def forward(self, frames: Tensor) -> Tensor:
            frames_BTHWC = frames if extractor.kind == "clips" else frames[:, None]
            return extractor.vectors(extractor.normalised(frames_BTHWC))

    length = (SNIPPET,) if extractor.kind == "clips" else ()
    # Two of them: an axis of length one would be taken to have that length always.
    example = torch.zeros((2, *length, *extractor.preprocessing.crop, 3), dtype=torch.uint8, device=extractor.device)
    return onnx_bytes(Pixels().eval(), [example], ["n"], [INPUT], [OUTPUT])
