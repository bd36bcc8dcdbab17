"""What a graph is fed with: the arrays of a chunk by name, made without torch (see `oddframe.runtime.graph`)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from oddframe.data.windows import Chunk
from oddframe.models.layers.noise import token_noise
from oddframe.types import Masking, Signature


def feed_names(signature: Signature) -> tuple[str, ...]:
    """The inputs of a detector's graph, in order."""
    targets = ("targets",) if signature.window.target else ()
    order = ("order",) if signature.masking else ()
    return ("frames", "inputs", *targets, *order)


def feed(chunk: Chunk, signature: Signature) -> dict[str, NDArray[Any]]:
    """The inputs of a graph for a chunk."""
    there: dict[str, NDArray[Any]] = {"frames": chunk.frames, "inputs": chunk.inputs, "targets": chunk.targets}
    if signature.masking is not None:
        there["order"] = token_orders(chunk.index, signature.masking)
    return {name: there[name] for name in feed_names(signature)}


def token_orders(index: NDArray[np.int64], masking: Masking) -> NDArray[np.int64]:
    """(B, draws, L): for each draw the tokens of frames, given by their numbers in the video, in noise order."""
    ramp = np.arange(1, masking.tokens + 1)
    noise = [token_noise(index, ramp, masking.seed, draw) for draw in range(masking.draws)]
    return np.stack(noise, 1).argsort(axis=2, kind="stable")
