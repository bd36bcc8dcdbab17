"""Conversion of a torch detector to an ONNX graph with preprocessing, for `oddframe.runtime.session_runtime`."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from oddframe.atomic import replacing
from oddframe.errors import InputError
from oddframe.models.bag_detector import BagDetector
from oddframe.models.detector import Batch, Detector
from oddframe.runtime.session_runtime import feed_names, token_orders
from oddframe.tracing import onnx_bytes


def window_graph(detector: Detector) -> bytes:
    """The graph of a one-class detector as the content of an ONNX file.

    Raises:
        InputError: a library is missing, or the detector updates its memory while it scores, which a graph cannot do.
    """
    return _of_windows(deepcopy(detector).cpu().eval().requires_grad_(False))


def write_window_graph(detector: Detector, path: Path) -> None:
    """Write the graph of a one-class detector as one ONNX file.

    Raises:
        InputError: as `window_graph`.
    """
    content = window_graph(detector)
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def write_bag_graph(detector: BagDetector, path: Path) -> None:
    """Write the graph of a weakly supervised detector as one ONNX file.

    Raises:
        InputError: a library is missing.
    """
    content = _of_bags(deepcopy(detector).cpu().eval().requires_grad_(False))
    with replacing(path) as temporary:
        temporary.write_bytes(content)


class WindowGraph(nn.Module):
    """A module that maps the frames of a chunk to the components and the map of its windows."""

    def __init__(self, detector: Detector) -> None:
        super().__init__()
        self.detector, self.names = detector, feed_names(detector.signature)

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        fed = dict(zip(self.names, tensors, strict=True))
        frames, inputs = fed["frames"], fed["inputs"]
        targets = fed.get("targets", inputs[:, :0])
        key = inputs[:, 0]  # not used, because random orders are an input
        errors = self.detector.score(Batch(frames[inputs], frames[targets], key, order=fed.get("order")))
        values = [errors.components[name].float() for name in self.detector.components]
        return (*values, errors.map.float()) if errors.map is not None else tuple(values)


class BagGraph(nn.Module):
    """A module that maps the features of bags to the components of their segments."""

    def __init__(self, detector: BagDetector) -> None:
        super().__init__()
        self.detector = detector

    def forward(self, *features: Tensor) -> tuple[Tensor, ...]:
        scores = self.detector.score(dict(zip(self.detector.required, features, strict=True)))
        return tuple(scores[name].float() for name in self.detector.signature.components)


def _of_windows(detector: Detector) -> bytes:
    if detector.remembers:
        raise InputError(
            f"{type(detector).__name__} as trained here rewrites its memory while it scores, which only torch can do; "
            "train it with --set options.test_update=off to export it"
        )
    signature, window, count = detector.signature, detector.window, 2
    positions = torch.arange(count)[:, None]
    example = {
        "frames": torch.zeros(3, *window.size, window.channels, dtype=torch.uint8),
        "inputs": positions.expand(-1, len(window.offsets)).contiguous(),
        "targets": positions.expand(-1, len(window.target)).contiguous(),
    }
    if signature.masking is not None:
        example["order"] = torch.from_numpy(token_orders(np.arange(count), signature.masking))
    names = feed_names(signature)
    outputs = [*detector.components, *(["map"] if signature.map_grid else [])]
    free = ["F" if name == "frames" else "B" for name in names]
    return onnx_bytes(WindowGraph(detector).eval(), [example[name] for name in names], free, names, outputs)


def _of_bags(detector: BagDetector) -> bytes:
    signature = detector.signature
    example = [torch.zeros(2, signature.segments, dim) for dim in signature.backbones.values()]
    names = list(signature.backbones)
    return onnx_bytes(BagGraph(detector).eval(), example, ["P"] * len(names), names, list(signature.components))
