"""Counter-based random numbers: each is a pure function of its key, so order and batching have no effect."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def hash64(*values: ArrayLike) -> NDArray[np.int64]:
    """Mix integers (broadcast against each other) into non-negative 63-bit integers.

    The finaliser is splitmix64 (Steele, Lea, Flood, 2014), applied after every value; equal inputs give equal outputs
    on every machine.
    """
    state: NDArray[np.uint64] = np.array(0x9E3779B97F4A7C15, dtype=np.uint64)
    with np.errstate(over="ignore"):
        for value in values:
            state = state ^ np.asarray(value, dtype=np.int64).astype(np.uint64)
            state = state + np.uint64(0x9E3779B97F4A7C15)
            state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            state = state ^ (state >> np.uint64(31))
    return np.asarray(state >> np.uint64(1)).astype(np.int64)
