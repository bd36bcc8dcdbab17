"""The contract of a feature extractor: a frozen network that turns snippets of video into vectors.

An extractor does not decode video. It states how frames are resized and cropped (`Preprocessing`), and takes uint8
pixels.

A network for single images gives one vector per frame. Two channels can be made of the vectors of a snippet: their
mean, and the mean absolute difference of neighbouring ones, the change. The change costs no further run of the network.
"""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from oddframe.errors import InputError
from oddframe.suggest import one_of
from oddframe.types import Colour, Resize

SNIPPET = 16
"""Frames of a snippet, as for I3D, S3D and all published feature sets of the field."""

ExtractorPrecision = Literal["fp32", "bf16"]

Channels = Literal["mean", "mean+change"]
"""What a vector of a snippet holds of the vectors of its frames: their mean; or that and behind it the change, which
makes it twice as long."""

ABOUT, FORMAT = "extractor.json", 1
"""The file that identifies the folder of a saved extractor, and the version of its format."""


@dataclass(frozen=True)
class Preprocessing:
    """The conversion of decoded frames to the input of a network.

    Attributes:
        resize: length of the shorter side in pixels, with the other side in proportion; or (height, width).
        crop: (height, width) of the crop from the resized frame. A single crop is taken from the centre.
        colour: order of the channels.
        mean, std: of each channel in the order of `colour`, for pixels 0..255: x = (pixel - mean) / std.
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
        name: of the backbone. Features of one name come from one extractor.
        dim: D, length of its vectors.
        kind: "frames" for a network for single images, whose vectors are averaged over a snippet; "clips" for a network
            that takes all frames of a snippet together.
        preprocessing: of the frames.
        least: minimum number of frames of a snippet.
        channels: of a vector; always "mean" for a network that takes clips.
    """

    name: str
    dim: int
    kind: Literal["frames", "clips"]
    preprocessing: Preprocessing
    least: int = 1
    channels: Channels = "mean"

    def give(self, channels: Channels) -> None:
        """Choose the channels of a new extractor. `dim` and `least` follow.

        Raises:
            InputError: there are no such channels, or the network takes clips.
        """
        if channels not in get_args(Channels):
            raise InputError(f"channels is {channels!r}{one_of(channels, get_args(Channels))}")
        if channels == self.channels:
            return
        if self.kind == "clips":
            raise InputError(
                f"{self.name} takes clips, whose vectors know of change by themselves; leave channels {channels} out"
            )
        if self.channels != "mean":
            raise ValueError(f"{self.name} has its channels already: {self.channels}")
        self.channels, self.dim, self.least = channels, 2 * self.dim, max(2, self.least)

    @abstractmethod
    def embed(self, frames: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Compute (B, D) vectors of (B, T, H, W, 3) uint8 frames of B snippets, resized and cropped.

        Raises:
            InputError: the frames have another type or shape, or there are fewer than `least`.
        """

    @abstractmethod
    def to(self, device: str) -> None:
        """Move the extractor to a device.

        Raises:
            InputError: the extractor cannot compute on it, or it does not exist.
        """

    @abstractmethod
    def weights_hash(self) -> str:
        """A hash of the weights, 12 hexadecimal digits."""

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Save the extractor for `oddframe.features.catalogue.load_extractor`. No pickles are written."""

    def identity(self) -> dict[str, Any]:
        """Everything that its vectors depend on, as plain values for JSON."""
        return {
            "name": self.name,
            "kind": self.kind,
            "dim": self.dim,
            "weights": self.weights_hash(),
            "preprocessing": asdict(self.preprocessing),
            **({} if self.channels == "mean" else {"channels": self.channels}),  # fingerprints of old stores stay
        }


def pooled(vectors_BTD: NDArray[np.float32], channels: Channels) -> NDArray[np.float32]:
    """(B, D) or (B, 2D) vectors of snippets from those of their frames."""
    mean_BD: NDArray[np.float32] = vectors_BTD.mean(1)
    if channels == "mean":
        return mean_BD
    return np.concatenate([mean_BD, np.abs(np.diff(vectors_BTD, axis=1)).mean(1)], axis=1)


def fingerprint(identity: dict[str, Any]) -> str:
    """A hash of plain values, 12 hexadecimal digits, independent of the order of their keys."""
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:12]


def check_frames(extractor: Extractor, frames: NDArray[np.uint8]) -> None:
    """Check the argument of `Extractor.embed`.

    Raises:
        InputError: the frames have another type or shape, or there are fewer than the network needs.
    """
    expected = (*extractor.preprocessing.crop, 3)
    if frames.dtype != np.uint8 or frames.ndim != 5 or frames.shape[2:] != expected:
        height, width, _ = expected
        raise InputError(
            f"{extractor.name}: got {frames.dtype} frames of shape {tuple(frames.shape)}; "
            f"give uint8 of shape (snippets, frames, {height}, {width}, 3)"
        )
    if frames.shape[1] < extractor.least:
        raise InputError(
            f"{extractor.name}: a snippet has {frames.shape[1]} frames, but needs at least {extractor.least}"
        )
