"""Runtime that runs the graph of a detector without torch.

The graph of a one-class detector has these inputs by name:
    frames   (F, H, W, C) uint8    the frames of a chunk, as decoded
    inputs   (B, T) int64          positions in `frames` of the windows' inputs
    targets  (B, T') int64         positions in `frames` of the windows' targets; missing if T' is 0
    order    (B, draws, L) int64   orders of the tokens, for detectors with masking (see `Signature.masking`)
Its outputs are the components in the order of `Signature.components`, (B,) each, then the map, (B, h, w), if any.

The graph of a weakly supervised detector takes the features of each backbone, (P, S, D) float32, and gives the
components, (P, S) each. F, B and P are free.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oddframe.datasets.windows import Chunk, divided
from oddframe.models.layers.noise import token_noise
from oddframe.processes import cores
from oddframe.runtime.runtime import GPU_BATCH, PART, Precision, Runtime
from oddframe.runtime.sessions import Session, Target, open_session
from oddframe.types import BagSignature, ChunkErrors, Masking, Signature


class GraphRuntime(Runtime):
    """Scores windows with the graph of a one-class detector.

    CPUs take chunks in parts, one part per core at a time. Independent cores need not wait for each other, and OpenVINO
    is faster with graphs for parts of one shape. If windows come one by one (`batch` is 1), all cores work on each.

    Args:
        target: the library that runs the graph.
        path: the file of the graph.
        signature: of the detector.
        precision: of the arithmetic.
        device: see `open_session`.
        batch: windows of a chunk; None takes a suitable number.
        apart: windows of a chunk may be those of several videos, which share no frames.

    Raises:
        InputError: see `open_session`.
    """

    def __init__(
        self,
        target: Target,
        path: Path,
        signature: Signature,
        precision: Precision,
        device: str = "auto",
        batch: int | None = None,
        apart: bool = False,
    ) -> None:
        self.name, self.signature, self.precision = target, signature, precision
        streams = min(cores(), batch or cores())
        self.part: int | None = min(PART, (batch or PART * streams) // streams)
        window = signature.window
        together = self.part + window.look_back + window.look_ahead
        self._frames = self.part * len({*window.offsets, *window.target}) if apart else together
        shapes = shapes_of(signature, self.part, self._frames) if target == "openvino" else None
        self.session = open_session(target, path, precision, device, shapes, streams)
        self.batch = self.part * streams
        if self.session.accelerated:
            self.where, self.batch, self.part = "cuda", GPU_BATCH, None

    def score(self, chunk: Chunk) -> ChunkErrors:
        names, count = list(self.signature.components), len(chunk.index)
        parts = [chunk] if self.part is None else divided(chunk, self.part, self.signature.window, self._frames)
        outputs = self.session([feed(part, self.signature) for part in parts])
        whole = [np.concatenate(arrays)[:count] for arrays in zip(*outputs, strict=True)]
        components = {name: value.astype(np.float64) for name, value in zip(names, whole, strict=False)}
        return ChunkErrors(components, whole[-1].astype(np.float32, copy=False) if len(whole) > len(names) else None)


def shapes_of(signature: Signature, windows: int, frames: int) -> dict[str, tuple[int, ...]]:
    """The shapes of the inputs of a graph for this number of windows, and of frames that they show."""
    window, masking = signature.window, signature.masking
    shapes = {
        "frames": (frames, *window.size, window.channels),
        "inputs": (windows, len(window.offsets)),
        "targets": (windows, len(window.target)),
        "order": (windows, masking.draws, masking.tokens) if masking else (),
    }
    return {name: shapes[name] for name in feed_names(signature)}


def bag_network(
    session: Session, signature: BagSignature
) -> Callable[[Mapping[str, NDArray[np.float32]]], dict[str, NDArray[np.float64]]]:
    """The graph of a weakly supervised detector as a function of features (see `oddframe.scoring.features`)."""

    def network(features: Mapping[str, NDArray[np.float32]]) -> dict[str, NDArray[np.float64]]:
        (outputs,) = session([{name: features[name] for name in signature.backbones}])
        return {name: value.astype(np.float64) for name, value in zip(signature.components, outputs, strict=True)}

    return network


def feed_names(signature: Signature) -> tuple[str, ...]:
    """The names of the inputs of a one-class detector's graph, in order."""
    targets = ("targets",) if signature.window.target else ()
    order = ("order",) if signature.masking else ()
    return ("frames", "inputs", *targets, *order)


def feed(chunk: Chunk, signature: Signature) -> dict[str, NDArray[Any]]:
    """The inputs of a graph for a chunk."""
    arrays: dict[str, NDArray[Any]] = {"frames": chunk.frames, "inputs": chunk.inputs, "targets": chunk.targets}
    if signature.masking is not None:
        arrays["order"] = token_orders(chunk.index, signature.masking)
    return {name: arrays[name] for name in feed_names(signature)}


def token_orders(index: NDArray[np.int64], masking: Masking) -> NDArray[np.int64]:
    """(B, draws, L): for each draw, the order of the tokens of frames by their noise; `index` numbers the frames."""
    ramp = np.arange(1, masking.tokens + 1)
    noise = [token_noise(index, ramp, masking.seed, draw) for draw in range(masking.draws)]
    return np.stack(noise, 1).argsort(axis=2, kind="stable")
