"""A detector as a graph, run without torch: what it is fed with, and what its outputs are.

Inputs of the graph of a one-class detector, by name:
    frames   (F, H, W, C) uint8    the frames of a chunk, as decoded
    inputs   (B, T) int64          positions in `frames` of the windows' inputs
    targets  (B, T') int64         positions of the windows' targets; left out where T' is 0
    order    (B, draws, L) int64   orders of the tokens, for detectors that hide some (see `Signature.masking`)
Its outputs: the components in the order of `Signature.components`, (B,) each, then the map, (B, h, w), if there is one.

The graph of a weakly supervised one takes the features of each backbone, (P, S, D) float32, and gives its components,
(P, S) each. F, B and P are free.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oddframe.datasets.windows import Chunk
from oddframe.models.layers.noise import token_noise
from oddframe.processes import cores
from oddframe.runtime.runtime import CPU_BATCH, GPU_BATCH, Precision, Runtime
from oddframe.runtime.sessions import Session, Target, open_session
from oddframe.types import BagSignature, ChunkErrors, Masking, Signature, Window

PART = 4  # windows that a stream of OpenVINO takes at a time: enough for its kernels, few enough for its cache


class GraphRuntime(Runtime):
    """Scores windows with the graph of a one-class detector.

    OpenVINO takes chunks in parts, one for each core at a time: cores that work on their own need not wait for each
    other, and parts of one shape are compiled better. Where windows come one by one (`batch` 1) all cores share them.

    Args:
        batch: windows of a chunk; None chooses.

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
    ) -> None:
        self.name, self.signature, self.precision = target, signature, precision
        if target == "onnx":
            self.part: int | None = None
            self.session = open_session(target, path, precision, device)
            self.where, self.batch = ("cuda", GPU_BATCH) if self.session.accelerated else ("cpu", CPU_BATCH)
        else:
            streams = min(cores(), batch or cores())
            self.part = min(PART, (batch or PART * streams) // streams)
            shapes = shapes_of(signature, self.part)
            self.session = open_session(target, path, precision, device, shapes, streams)
            self.batch = self.part * streams

    def score(self, chunk: Chunk) -> ChunkErrors:
        names, count = list(self.signature.components), len(chunk.index)
        parts = [chunk] if self.part is None else divided(chunk, self.part, self.signature.window)
        outputs = self.session([feed(part, self.signature) for part in parts])
        whole = [np.concatenate(arrays)[:count] for arrays in zip(*outputs, strict=True)]
        components = {name: value.astype(np.float64) for name, value in zip(names, whole, strict=False)}
        return ChunkErrors(components, whole[-1].astype(np.float32, copy=False) if len(whole) > len(names) else None)


def divided(chunk: Chunk, size: int, window: Window) -> list[Chunk]:
    """A chunk in parts of `size` windows and of one number of frames, the last filled up with its last window."""
    length = size + window.look_back + window.look_ahead
    parts = []
    for start in range(0, len(chunk.index), size):
        rows = np.arange(start, start + size).clip(max=len(chunk.index) - 1)
        inputs, targets = chunk.inputs[rows], chunk.targets[rows]
        seen = np.concatenate([inputs, targets], 1)
        low = int(seen.min())
        frames = chunk.frames[low : low + length]
        if len(frames) < length:  # near the ends of a video
            frames = np.concatenate([frames, np.repeat(frames[-1:], length - len(frames), 0)])
        parts.append(Chunk(frames, inputs - low, targets - low, chunk.index[rows], chunk.time[rows]))
    return parts


def shapes_of(signature: Signature, windows: int) -> dict[str, tuple[int, ...]]:
    """The shapes of what a graph is fed with for so many windows."""
    window, masking = signature.window, signature.masking
    frames = windows + window.look_back + window.look_ahead
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
    """The inputs of a one-class detector's graph, in order."""
    targets = ("targets",) if signature.window.target else ()
    order = ("order",) if signature.masking else ()
    return ("frames", "inputs", *targets, *order)


def feed(chunk: Chunk, signature: Signature) -> dict[str, NDArray[Any]]:
    """The inputs for a chunk."""
    there: dict[str, NDArray[Any]] = {"frames": chunk.frames, "inputs": chunk.inputs, "targets": chunk.targets}
    if signature.masking is not None:
        there["order"] = token_orders(chunk.index, signature.masking)
    return {name: there[name] for name in feed_names(signature)}


def token_orders(index: NDArray[np.int64], masking: Masking) -> NDArray[np.int64]:
    """(B, draws, L): for each draw the tokens of frames, given by their numbers in the video, in noise order."""
    ramp = np.arange(1, masking.tokens + 1)
    noise = [token_noise(index, ramp, masking.seed, draw) for draw in range(masking.draws)]
    return np.stack(noise, 1).argsort(axis=2, kind="stable")
