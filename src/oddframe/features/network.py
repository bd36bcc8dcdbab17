"""Base class of extractors with a torch network: normalisation, precision, and saving of weights.

Shape letters: B snippets, T frames of a snippet, H x W pixels, D length of a vector; three channels.
"""

from __future__ import annotations

import hashlib
import json
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar, Self, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import TypeAdapter
from safetensors.torch import load_file, save
from torch import Tensor, nn

from oddframe.atomic import replacing, write_text
from oddframe.errors import InputError
from oddframe.features.extractor import (
    ABOUT,
    FORMAT,
    Extractor,
    ExtractorPrecision,
    Preprocessing,
    check_frames,
    pooled,
)
from oddframe.models.reference import load_exactly
from oddframe.suggest import among
from oddframe.threads import settle_threads

WEIGHTS = "weights.safetensors"


class NetworkExtractor(Extractor):
    """An extractor around a torch module.

    Attributes:
        spec: the word for `oddframe.features.catalogue.open_extractor`.
        network: in eval mode, frozen, float32.
        precision: "bf16" runs convolutions and matrix products in bfloat16 (autocast). It is faster on devices with
            bfloat16 units and slower on others. Vectors differ slightly, so it is part of the identity.
    """

    spec: ClassVar[str]
    network: nn.Module

    def __init__(
        self, network: nn.Module, preprocessing: Preprocessing, name: str, precision: ExtractorPrecision
    ) -> None:
        if precision not in get_args(ExtractorPrecision):
            raise InputError(f"precision {precision!r} is not known{among(precision, get_args(ExtractorPrecision))}")
        self.network = network.eval().requires_grad_(False)
        self.preprocessing, self.name, self.precision = preprocessing, name, precision
        self.device = "cpu"
        self.hash: str | None = None

    @abstractmethod
    def vectors(self, x_BCTHW: Tensor) -> Tensor:
        """(B, 3, T, H, W) normalised float32 to (B, D); to (B, T, D) where the network sees single frames."""

    @classmethod
    @abstractmethod
    def build(cls, config: Mapping[str, Any]) -> nn.Module:
        """Build the network, with arbitrary weights."""

    def config(self) -> dict[str, Any]:
        """The argument of `build`, as plain values."""
        return {}

    def normalised(self, frames_BTHWC: Tensor) -> Tensor:
        """(B, T, H, W, 3) uint8 on the device to (B, 3, T, H, W) float32, the input of `vectors`."""
        p = self.preprocessing
        mean, std = torch.tensor(p.mean, device=self.device), torch.tensor(p.std, device=self.device)
        return ((frames_BTHWC.float() - mean) / std).movedim(-1, 1)

    @torch.inference_mode()
    def embed(self, frames: NDArray[np.uint8]) -> NDArray[np.float32]:
        check_frames(self, frames)
        settle_threads()
        x_BCTHW = self.normalised(torch.from_numpy(np.ascontiguousarray(frames)).to(self.device))
        with torch.autocast(torch.device(self.device).type, torch.bfloat16, enabled=self.precision == "bf16"):
            vectors: NDArray[np.float32] = self.vectors(x_BCTHW).float().cpu().numpy()
        return pooled(vectors, self.channels) if self.kind == "frames" else vectors

    def to(self, device: str) -> None:
        try:
            self.network.to(device)
        except (RuntimeError, AssertionError) as error:  # torch without CUDA raises AssertionError
            raise InputError(f"{self.name}: cannot compute on {device!r}: {str(error).splitlines()[0]}") from None
        self.device = device

    def weights_hash(self) -> str:
        if self.hash is None:
            digest = hashlib.sha256()
            for name, value in sorted(self.network.state_dict().items()):
                digest.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
                digest.update(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
            self.hash = digest.hexdigest()[:12]
        return self.hash

    def identity(self) -> dict[str, Any]:
        return {**super().identity(), "precision": self.precision}

    def save(self, folder: Path) -> None:
        weights = {name: value.detach().cpu().contiguous() for name, value in self.network.state_dict().items()}
        with replacing(folder / WEIGHTS) as temporary:
            temporary.write_bytes(save(weights))
        about = {
            "format": FORMAT,
            "spec": self.spec,
            "name": self.name,
            "channels": self.channels,
            "precision": self.precision,
            "preprocessing": asdict(self.preprocessing),
            "config": self.config(),
        }
        write_text(folder / ABOUT, json.dumps(about, indent=2) + "\n")

    @classmethod
    def load(cls, folder: Path, about: Mapping[str, Any]) -> Self:
        """Load what `save` wrote to `folder`. `about` is the content of its `extractor.json`.

        Raises:
            InputError, KeyError, ValueError, TypeError, OSError, SafetensorError: the folder is damaged.
        """
        network = cls.build(about["config"])
        load_exactly(network, load_file(folder / WEIGHTS), str(folder / WEIGHTS), advice="save or copy it again")
        preprocessing = TypeAdapter(Preprocessing).validate_python(about["preprocessing"])
        return cls(network, preprocessing, about["name"], about["precision"])
