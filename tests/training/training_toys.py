"""A detector and a set of samples small enough to train in a second, but with everything that makes resuming hard."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from oddframe.models.detector import Batch, Detector, FrameErrors
from oddframe.models.stage import Stage, Update
from oddframe.types import Combination, Window

SIZE = (4, 6)
PIXELS = SIZE[0] * SIZE[1] * 3


class ToyStage(Stage):
    def __init__(self, model: Toy, name: str, epochs: int, parts: list[nn.Module]) -> None:
        self.model, self.name, self.length, self.parts = model, name, epochs, parts

    def updates(self) -> list[Update]:
        learning = [p for part in self.parts for p in part.parameters()]
        return [Update(torch.optim.Adam(learning, lr=self.model.rate), self.loss, self.model.sums)]

    def train_mode(self) -> None:
        self.model.eval()
        for part in self.parts:
            part.train()

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        error = self.model.errors(batch)
        loss = error.sum() if self.model.sums else error.mean()
        return {"loss": loss, "worst": error.max()}


class Toy(Detector):
    """An autoencoder of one frame: first everything learns, then the decoder alone (with what it shared before)."""

    window = Window(offsets=(0,), size=SIZE)
    combination = Combination({"error": 1.0})

    def __init__(
        self,
        epochs: tuple[int, int] = (3, 2),
        norm: bool = True,
        dropout: float = 0.2,
        sums: bool = False,
        rate: float = 1e-2,
    ) -> None:
        super().__init__()
        self.components = {"error": "how the frame was rebuilt"}
        with torch.random.fork_rng():
            torch.manual_seed(1)
            self.encoder = nn.Sequential(nn.Linear(PIXELS, 8), nn.BatchNorm1d(8) if norm else nn.Identity())
            self.decoder = nn.Sequential(nn.Dropout(dropout), nn.Linear(8, PIXELS))
        self.epochs, self.sums, self.rate = epochs, sums, rate

    @classmethod
    def from_preset(cls, preset: str = "paper", **options: Any) -> Self:
        return cls()

    def stages(self) -> list[Stage]:
        first = ToyStage(self, "all", self.epochs[0], [self.encoder, self.decoder])
        return [first, ToyStage(self, "decoder", self.epochs[1], [self.decoder])]

    def errors(self, batch: Batch) -> Tensor:
        clean = batch.target.flatten(1).float() / 255
        return (self.decoder(self.encoder(batch.frames.flatten(1).float() / 255)) - clean).square().mean(1)

    def score(self, batch: Batch) -> FrameErrors:
        return FrameErrors({"error": self.errors(batch)})

    def load_reference_state_dict(self, state: Mapping[str, Any]) -> None:
        self.load_state_dict(state)


@dataclass(frozen=True)
class ToyClips:
    frames: NDArray[np.uint8]
    target: NDArray[np.uint8]
    key: NDArray[np.int64]
    context: None = None
    pasted: None = None


class ToySet:
    """`count` frames with little variety, so that eight numbers can describe them; `pause` seconds per batch."""

    def __init__(self, count: int, pause: float = 0.0, seed: int = 0) -> None:
        random = np.random.default_rng(seed)
        patterns = np.random.default_rng(0).random((4, *SIZE, 3))
        frames = np.tensordot(random.dirichlet(np.ones(4), count), patterns, 1)
        self.frames: NDArray[np.uint8] = (255 * frames).astype(np.uint8)
        self.pause = pause
        self.seen: list[tuple[list[int], list[int], int]] = []

    def __len__(self) -> int:
        return len(self.frames)

    @property
    def groups(self) -> list[range]:
        return [range(len(self.frames))]

    def batch(self, samples: NDArray[np.int64], keys: NDArray[np.int64], epoch: int) -> ToyClips:
        time.sleep(self.pause)
        self.seen.append((samples.tolist(), keys.tolist(), epoch))
        frames = self.frames[samples][:, None]
        return ToyClips(frames, frames.copy(), keys)


def weights(detector: Detector) -> dict[str, Tensor]:
    """A copy of a detector's state."""
    return {name: value.detach().clone() for name, value in detector.state_dict().items()}


def same(first: Mapping[str, Tensor], second: Mapping[str, Tensor]) -> bool:
    """Whether two states are equal bit by bit."""
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)
