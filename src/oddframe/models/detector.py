"""The contract of a one-class detector: what training, scoring and the contract tests may rely on.

A detector is an `nn.Module` of single-device code. It says what it looks at (`window`), how it learns (`stages()`), and
what it makes of a batch of windows (`score()`). It never decodes, resizes, smooths, normalises or thresholds.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from oddframe.types import Window


@dataclass(frozen=True)
class Batch:
    """B windows, frames as decoded: uint8, channels last, values 0..255, not yet normalised.

    Attributes:
        frames: (B, T, H, W, C) uint8 input frames at `window.offsets`, pseudo-anomalies pasted in.
        target: (B, T', H, W, C) uint8 clean frames at `window.target`.
        key: (B,) int64 that seeds what is random about a sample: the frame index when scoring (so that a score does not
            depend on its batch), a hash of (seed, epoch, sample) when training.
        context: (B, T'', H, W, C) uint8 clean frames at `window.context`; training only.
        pasted: (B, H, W) uint8, 255 where a pseudo-anomaly covers the scored frame, grey at its rim, 0 elsewhere;
            training only.
    """

    frames: Tensor
    target: Tensor
    key: Tensor
    context: Tensor | None = None
    pasted: Tensor | None = None

    def __len__(self) -> int:
        return len(self.key)

    def to(self, device: torch.device | str) -> Batch:
        """The same batch on `device`."""
        moved = {
            name: value.to(device, non_blocking=True) for name, value in vars(self).items() if isinstance(value, Tensor)
        }
        return replace(self, **moved)


@dataclass(frozen=True)
class FrameErrors:
    """What a detector says of B frames.

    Attributes:
        components: name -> (B,) raw values, higher = more anomalous; unweighted, unnormalised, finite.
        map: (B, h, w) anomaly map, at pixel size where a `map_filter` follows, else at `map_grid`; None without one.
    """

    components: dict[str, Tensor]
    map: Tensor | None = None


class Stage(ABC):
    """One phase of training: which parameters learn, with what optimiser, for how long, on what loss.

    Attributes:
        name: unique among the stages of a detector.
        epochs: its length; its share of the whole where a budget says how long training takes. 0 leaves it out.
        sums_over_batch: the loss is a sum over the samples of a batch, not a mean; several devices then add up.
    """

    name: str
    epochs: int
    sums_over_batch: bool = False

    @abstractmethod
    def optimiser(self) -> torch.optim.Optimizer:
        """A new optimiser over exactly the parameters that learn in this stage; all others are frozen by the loop."""

    @abstractmethod
    def train_mode(self) -> None:
        """Put each part of the detector into train or eval mode for this stage."""

    @abstractmethod
    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """Scalar losses by name; `"loss"` is the one that is minimised, the others are logged."""


class Detector(nn.Module, ABC):
    """A one-class detector.

    Attributes:
        window: what it looks at.
        components: names of the components that `score` returns, in order.
        score_weights: what of them, and of "map_max", makes the score of a frame by default.
        map_grid: (h, w) at which its map is stored, or None.
        map_filter: odd (time, height, width) extents of the mean filter that the map volume passes through before its
            spatial maximum becomes the component "map_max", or None. Done while streaming, from a ring of maps.
    """

    window: Window
    components: tuple[str, ...]
    score_weights: Mapping[str, float]
    map_grid: tuple[int, int] | None = None
    map_filter: tuple[int, int, int] | None = None

    @abstractmethod
    def stages(self) -> list[Stage]:
        """The training phases in order; empty for a detector that learns nothing."""

    @abstractmethod
    def score(self, batch: Batch) -> FrameErrors:
        """Components and map of every window of the batch, in eval mode, independent of the rest of the batch."""

    @abstractmethod
    def load_reference_state_dict(self, state: Mapping[str, Any]) -> None:
        """Load a state dict that uses the key names of the authors' released code.

        Raises:
            BundleError: keys are missing or shapes differ; the message names the first of them.
        """

    @property
    def look_ahead(self) -> int:
        """Frames of latency: the window's, plus half the temporal extent of the map filter."""
        return self.window.look_ahead + (self.map_filter[0] // 2 if self.map_filter else 0)
