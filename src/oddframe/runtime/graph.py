"""A detector as a graph of tensors, preprocessing included, that other runtimes can run: from torch to ONNX.

Inputs, by name:
    frames   (F, H, W, C) uint8    the frames of a chunk, as decoded
    inputs   (B, T) int64          positions in `frames` of the windows' inputs
    targets  (B, T') int64         positions of the windows' targets; left out where T' is 0
    order    (B, draws, L) int64   orders of the tokens, for detectors that hide some (see `Signature.masking`)

Outputs: the components in the order of `Signature.components`, (B,) float32 each, then "map", (B, h, w), if there is
one. F and B are free.
"""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from oddframe.atomic import replacing
from oddframe.errors import InputError
from oddframe.models.detector import Batch, Detector
from oddframe.runtime.feed import feed_names, token_orders

MAP = "map"


class Graph(nn.Module):
    """What is exported: from the frames of a chunk to the components and the map of its windows."""

    def __init__(self, detector: Detector) -> None:
        super().__init__()
        self.detector = detector
        self.names = feed_names(detector.signature)

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        fed = dict(zip(self.names, tensors, strict=True))
        frames, inputs = fed["frames"], fed["inputs"]
        targets = fed.get("targets", inputs[:, :0])
        key = inputs[:, 0]  # what is random comes as an input
        errors = self.detector.score(Batch(frames[inputs], frames[targets], key, order=fed.get("order")))
        values = [errors.components[name].float() for name in self.detector.components]
        return (*values, errors.map.float()) if errors.map is not None else tuple(values)


def write_onnx(detector: Detector, path: Path) -> None:
    """Write the graph of a detector, in one file.

    Raises:
        InputError: a library is missing, or the detector remembers what it has seen, which a graph cannot.
    """
    if detector.remembers:
        raise InputError(
            f"{type(detector).__name__} as trained here rewrites its memory while it scores, which only torch can do; "
            "train it with --set options.test_update=off to export it"
        )
    onnx = needed("onnx", "onnxscript")
    graph = Graph(deepcopy(detector).cpu().eval().requires_grad_(False)).eval()
    outputs = [*detector.components, *([MAP] if detector.map_grid else [])]
    example, free = _example(detector)
    # The exporter speaks to standard output and the log of what users can do nothing about.
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()), _silent("torch.onnx"):
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            graph, example, dynamo=True, input_names=list(graph.names), output_names=outputs, dynamic_shapes=(free,),
            verbose=False,
        )  # fmt: skip
    assert program is not None
    with replacing(path) as temporary:
        onnx.save_model(program.model_proto, temporary, save_as_external_data=False)


def needed(*libraries: str) -> Any:
    """The first of the libraries, when all of them are there.

    Raises:
        InputError: one is not installed.
    """
    try:
        first, *_ = [__import__(library) for library in libraries]
        return first
    except ImportError as error:
        raise InputError(f'export needs the library {error.name}: pip install "oddframe[export]"') from None


def _example(detector: Detector) -> tuple[tuple[Tensor, ...], tuple[dict[int, Any], ...]]:
    """Tensors to trace the graph with, and which of their dimensions are free."""
    window, masking, count = detector.window, detector.masking, 2
    positions = torch.arange(count)[:, None]
    tensors = {
        "frames": torch.zeros(3, *window.size, window.channels, dtype=torch.uint8),
        "inputs": positions.expand(-1, len(window.offsets)).contiguous(),
        "targets": positions.expand(-1, len(window.target)).contiguous(),
    }
    if masking is not None:
        tensors["order"] = torch.from_numpy(token_orders(np.arange(count), masking))
    frames, batch = torch.export.Dim("F", min=1), torch.export.Dim("B", min=1)
    names = feed_names(detector.signature)
    return tuple(tensors[name] for name in names), tuple({0: frames if name == "frames" else batch} for name in names)


@contextlib.contextmanager
def _silent(name: str) -> Any:
    logger = logging.getLogger(name)
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
