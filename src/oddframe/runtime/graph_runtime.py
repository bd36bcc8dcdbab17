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
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oddframe.data.windows import Chunk
from oddframe.models.layers.noise import token_noise
from oddframe.runtime.runtime import CPU_BATCH, GPU_BATCH, ChunkErrors, Runtime
from oddframe.runtime.sessions import Session
from oddframe.types import BagSignature, Masking, Signature


class GraphRuntime(Runtime):
    """Scores windows with the graph of a one-class detector."""

    def __init__(self, session: Session, signature: Signature) -> None:
        self.session, self.signature = session, signature
        self.name, self.precision = session.name, session.precision
        self.where, self.batch = ("cuda", GPU_BATCH) if session.accelerated else ("cpu", CPU_BATCH)

    def score(self, chunk: Chunk) -> ChunkErrors:
        names = list(self.signature.components)
        outputs = self.session(feed(chunk, self.signature))
        components = {name: value.astype(np.float64) for name, value in zip(names, outputs, strict=False)}
        return ChunkErrors(components, outputs[-1].astype(np.float32) if len(outputs) > len(names) else None)


def bag_network(
    session: Session, signature: BagSignature
) -> Callable[[Mapping[str, NDArray[np.float32]]], dict[str, NDArray[np.float64]]]:
    """The graph of a weakly supervised detector as a function of features (see `oddframe.scoring.features`)."""

    def network(features: Mapping[str, NDArray[np.float32]]) -> dict[str, NDArray[np.float64]]:
        outputs = session({name: features[name] for name in signature.backbones})
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
