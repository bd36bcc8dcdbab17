"""Loading what others trained and published: tensors alone, and exactly the keys of our own network."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import nn

from oddframe.errors import BundleError


def load_exactly(
    model: nn.Module,
    state: Mapping[str, Any],
    what: str,
    hints: Mapping[str, str] | None = None,
    advice: str = "check the recipe's preset and options",
) -> None:
    """Load `state` into `model`; BatchNorm's counters may be missing, nothing else.

    Args:
        what: names the checkpoint in messages.
        hints: key prefix -> what it means that keys like this are missing.
        advice: what to do where the checkpoint is one of another network.

    Raises:
        BundleError: a key is missing or unknown, or a shape differs; the message names the first.
    """
    own, state = model.state_dict(), dict(state)
    for name, value in own.items():
        if name.endswith("num_batches_tracked"):
            state.setdefault(name, value)
        elif name not in state:
            hint = next((f" ({text})" for prefix, text in (hints or {}).items() if name.startswith(prefix)), None)
            raise BundleError(f"{what} lacks {name}{hint or f'; {advice}'}")
        elif state[name].shape != value.shape:
            shapes = f"{tuple(state[name].shape)}, this network needs {tuple(value.shape)}"
            raise BundleError(f"{what}: {name} is {shapes}; {advice}")
    extra = sorted(state.keys() - own.keys())
    if extra:
        raise BundleError(f"{what} has {extra[0]}, which this network does not know; {advice}")
    model.load_state_dict(state)


def read_checkpoint(path: Path) -> Mapping[str, Any]:
    """Tensors of a foreign .pth/.pt/.safetensors file, without running any code that is in it.

    Raises:
        BundleError: the file is missing, is no checkpoint, or needs unpickling of objects.
    """
    if not path.is_file():
        raise BundleError(f"{path}: there is no such checkpoint")
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        found = re.search(r"GLOBAL ([\w.]+)", str(error))
        if found:
            raise BundleError(
                f"{path}: holds pickled Python objects ({found[1]}) besides tensors, and unpickling can run "
                f"any code; where you trust the file, keep its tensors alone: "
                f'torch.save(torch.load(FILE, weights_only=False)["model"], NEW)'
            ) from error
        raise BundleError(f"{path}: not a checkpoint that torch or safetensors can read") from error
    if not isinstance(content, Mapping):
        raise BundleError(f"{path}: holds a {type(content).__name__}, not a state dict")
    return content
