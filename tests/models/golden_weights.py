"""The weights and inputs under which golden values were computed: formulas of a tensor's released name and shape."""

from __future__ import annotations

import math
import zlib
from collections.abc import Collection, Mapping, Sequence

import numpy as np
import torch
from torch.nn import functional as F

Shapes = Mapping[str, Sequence[int]]


def sine_weights(shapes: Shapes, small: Collection[str] = (), gain: float = 1.0) -> dict[str, torch.Tensor]:
    """float64, no random generator: a sine of the index, its phase from the name's CRC; times 0.05 if in `small`.

    `gain` multiplies weights of two or more dimensions.
    """
    state = {}
    for name, shape in shapes.items():
        if name.endswith("num_batches_tracked"):
            continue
        count, j = math.prod(shape), zlib.crc32(name.encode()) % 1009
        v = torch.sin(0.37 * torch.arange(count, dtype=torch.float64) + 0.11 * j + 0.5).reshape(tuple(shape))
        if name in small:
            v = 0.05 * v
        elif name.endswith("running_mean"):
            v = 0.1 * v
        elif name.endswith("running_var"):
            v = 1 + 0.25 * v
        elif len(shape) >= 2:
            v = gain * v / math.sqrt(count / shape[0])
        elif name.endswith("bias"):
            v = 0.02 * v
        else:
            v = 1 + 0.1 * v
        state[name] = v
    return state


def drawn_weights(shapes: Shapes, spread: Mapping[str, float] | None = None) -> dict[str, torch.Tensor]:
    """float64, drawn with a generator that the name's CRC seeds; `spread` gives the deviation of single names."""
    state = {}
    for name, shape in shapes.items():
        random = np.random.RandomState(zlib.crc32(name.encode()))
        if name.endswith("num_batches_tracked"):
            state[name] = torch.tensor(0)
            continue
        if name.endswith("running_var"):
            value = 0.5 + random.random_sample(shape)
        elif name.endswith("running_mean"):
            value = 0.1 * random.standard_normal(shape)
        elif spread is not None and name in spread:
            value = spread[name] * random.standard_normal(shape)
        elif len(shape) == 1:
            centre, deviation = (1, 0.1) if name.endswith("weight") else (0, 0.05)
            value = centre + deviation * random.standard_normal(shape)
        else:
            value = random.standard_normal(shape) * math.sqrt(2 / math.prod(shape[1:]))
        state[name] = torch.as_tensor(value)
    return state


def drawn_clips() -> torch.Tensor:
    """(2, 15, 64, 64) smooth noise in [-1, 1], float64: two clips of five frames."""
    noise = torch.from_numpy(np.random.RandomState(8).uniform(-1, 1, (2, 15, 64, 64)))
    return (F.avg_pool2d(noise, 5, 1, 2) * 3).clamp(-1, 1)
