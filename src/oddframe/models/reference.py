"""Loading what was trained with the authors' released code: the keys must be exactly those of our own network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from oddframe.errors import BundleError


def load_exactly(model: nn.Module, state: Mapping[str, Any], what: str, hints: Mapping[str, str] | None = None) -> None:
    """Load `state` into `model`; BatchNorm's counters may be missing, nothing else.

    Args:
        what: names the checkpoint in messages.
        hints: key prefix -> what it means that keys like this are missing.

    Raises:
        BundleError: a key is missing or unknown, or a shape differs; the message names the first.
    """
    own, state = model.state_dict(), dict(state)
    for name, value in own.items():
        if name.endswith("num_batches_tracked"):
            state.setdefault(name, value)
        elif name not in state:
            hint = next((f" ({text})" for prefix, text in (hints or {}).items() if name.startswith(prefix)), "")
            raise BundleError(f"{what} lacks {name}{hint}")
        elif state[name].shape != value.shape:
            shapes = f"{tuple(state[name].shape)}, this network needs {tuple(value.shape)}"
            raise BundleError(f"{what}: {name} is {shapes}; check the recipe's options")
    extra = sorted(state.keys() - own.keys())
    if extra:
        raise BundleError(f"{what} has {extra[0]}, which this network does not know; check the preset")
    model.load_state_dict(state)
