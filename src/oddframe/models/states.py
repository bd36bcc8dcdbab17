"""The state of a fitted detector, checked before it is taken over."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oddframe.errors import BundleError


def check_finite(state: Mapping[str, Any]) -> None:
    """Whether all numbers of a state, in arrays or tensors, are finite.

    Raises:
        ValueError: one is not. The message names its array.
    """
    for name, value in state.items():
        array = value if isinstance(value, np.ndarray) else value.float().numpy()  # NumPy has no bfloat16
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise ValueError(f"the weights {name} hold NaN or infinity")


def check_state(owner: str, state: Mapping[str, NDArray[Any]], shapes: Mapping[str, tuple[int | None, ...]]) -> None:
    """Whether a state has arrays of these shapes; None stands for any length.

    Raises:
        BundleError: it has not.
    """
    for name, shape in shapes.items():
        if name not in state:
            raise BundleError(f"{owner}: the state lacks {name}; it is incomplete or that of another detector")
        found = state[name].shape
        if len(found) != len(shape) or any(a not in (None, b) for a, b in zip(shape, found, strict=True)):
            wanted = " x ".join("any" if a is None else str(a) for a in shape)
            raise BundleError(f"{owner}: {name} has shape {found}, not {wanted}; it was made for other frames")
