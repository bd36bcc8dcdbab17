"""Reading of published weights files, with or without a wrapper around the state dict."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from oddframe.errors import BundleError
from oddframe.models.reference import read_checkpoint


def named_tensors(path: Path) -> dict[str, Tensor]:
    """Read name -> tensor from a file. Floating-point tensors become float32.

    A state dict inside the key "state_dict" is unwrapped, and the prefix "module." of DataParallel is removed.

    Raises:
        BundleError: the file is missing, cannot be read without running code, or holds other values than tensors.
    """
    content = read_checkpoint(path)
    content = content.get("state_dict", content)
    tensors = {}
    for name, value in content.items():
        if not isinstance(value, Tensor):
            raise BundleError(f"{path}: {name} is a {type(value).__name__}, not a tensor; wanted is a state dict")
        tensors[name.removeprefix("module.")] = value.float() if value.is_floating_point() else value
    return tensors
