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

import numpy as np
from numpy.typing import NDArray

from oddframe.errors import InputError
from oddframe.types import Colour, Resize

SNIPPET = 16
"""Frames of a snippet: what I3D, S3D and every published feature set of the field take."""

ExtractorPrecision = Literal["fp32", "bf16"]

ABOUT, FORMAT = "extractor.json", 1
"""The file that makes a folder a saved extractor, and the version of its keys."""


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
    def embed(self, frames: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(B, T, H, W, 3) frames of B snippets, resized and cut, to (B, D) vectors.

        Raises:
            InputError: frames of another type or shape, or fewer of them than `least`.
        """

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


def check_frames(extractor: Extractor, frames: NDArray[np.uint8]) -> None:
    """Frames as `Extractor.embed` wants them.

    Raises:
        InputError: another type, another shape, or fewer frames than the network needs.
    """
    picture = (*extractor.preprocessing.crop, 3)
    if frames.dtype != np.uint8 or frames.ndim != 5 or frames.shape[2:] != picture:
        height, width, _ = picture
        raise InputError(
            f"{extractor.name}: got {frames.dtype} frames of shape {tuple(frames.shape)}; "
            f"wanted are uint8 of shape (snippets, frames, {height}, {width}, 3)"
        )
    if frames.shape[1] < extractor.least:
        raise InputError(f"{extractor.name}: a snippet has {frames.shape[1]} frames, needed are {extractor.least}")
