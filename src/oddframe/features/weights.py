"""Reading of published weights files, with or without a wrapper around the state dict."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from oddframe.models.reference import read_checkpoint, released_tensors


def named_tensors(path: Path) -> dict[str, Tensor]:
    """Read name -> tensor from a file; see `released_tensors`. Floating-point tensors become float32.

    Raises:
        BundleError: the file is missing, cannot be read without running code, or holds other values than tensors.
    """
    tensors = released_tensors(read_checkpoint(path), str(path))
    return {name: value.float() if value.is_floating_point() else value for name, value in tensors.items()}
