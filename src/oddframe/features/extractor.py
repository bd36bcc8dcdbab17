"""The contract of a feature extractor: a frozen network that turns snippets of video into vectors.

An extractor never decodes: it says how frames are to be resized and cut (`Preprocessing`), and is given uint8 pixels.
"""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from torch import Tensor

from oddframe.types import Colour, Resize

SNIPPET = 16
"""Frames of a snippet: what I3D, S3D and every published feature set of the field take."""


@dataclass(frozen=True)
class Preprocessing:
    """How decoded frames become what a network was trained on.

    Attributes:
        resize: length of the shorter side in pixels, the other one in proportion; or (height, width).
        crop: (height, width) cut out of that; in the middle, where there is one crop.
        mean, std: of each channel in the order of `colour`, in units of pixels 0..255: x = (pixel - mean) / std.
        interpolation: of the resize.
    """

    resize: int | tuple[int, int] = 256
    crop: tuple[int, int] = (224, 224)
    colour: Colour = "rgb"
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)
    interpolation: Resize = "bilinear"


class Extractor(ABC):
    """A frozen network, on one device, in eval mode.

    Attributes:
        name: of the backbone; features of one name come from one extractor.
        dim: D, length of its vectors.
        kind: "frames", a network for single images, whose vectors are averaged over a snippet; or "clips", one that
            looks at all frames of a snippet together.
        preprocessing: of the frames.
        least: frames that a snippet must have.
    """

    name: str
    dim: int
    kind: Literal["frames", "clips"]
    preprocessing: Preprocessing
    least: int = 1

    @abstractmethod
    def embed(self, frames: Tensor) -> Tensor:
        """(B, T, H, W, 3) uint8 frames of B snippets, resized and cut, to (B, D) float32 vectors on the CPU."""

    @abstractmethod
    def to(self, device: str) -> None:
        """Compute on this device from now on.

        Raises:
            InputError: the extractor cannot, or the device does not exist.
        """

    @abstractmethod
    def weights_hash(self) -> str:
        """12 hexadecimal digits that change with the weights."""

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write all that `oddframe.features.catalogue.load_extractor` needs to make it again, pickles excluded."""

    def identity(self) -> dict[str, Any]:
        """What its vectors depend on, as plain values for JSON."""
        return {
            "name": self.name,
            "kind": self.kind,
            "dim": self.dim,
            "weights": self.weights_hash(),
            "preprocessing": asdict(self.preprocessing),
        }


def fingerprint(identity: dict[str, Any]) -> str:
    """12 hexadecimal digits of plain values, whatever the order of their keys."""
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:12]
