"""The contract of a one-class detector: what training, scoring and the contract tests may rely on.

A detector is an `nn.Module` of single-device code. It says what it looks at (`window`), how it learns (`stages()`), and
what it makes of a batch of windows (`score()`). It never decodes, resizes, smooths, normalises or thresholds.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from torch import Tensor, nn

from oddframe.errors import RecipeError
from oddframe.types import Combination, Window


@dataclass(frozen=True)
class Batch:
    """B windows, frames as decoded: uint8, channels last, values 0..255, not yet normalised.

    Attributes:
        frames: (B, T, H, W, C) uint8 input frames at `window.offsets`, pseudo-anomalies pasted in.
        target: (B, T', H, W, C) uint8 clean frames at `window.target`; T' may be 0.
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


@dataclass(frozen=True)
class Turn:
    """One update within a training step: exactly the parameters of `optimiser` learn, from `loss`.

    Attributes:
        optimiser: over them; all others are frozen by the loop.
        loss: scalar losses of a batch by name; `"loss"` is the one that is minimised, the others are logged.
        sums_over_batch: `"loss"` is a sum over the samples of a batch, not a mean; several devices then add up.
    """

    optimiser: torch.optim.Optimizer
    loss: Callable[[Batch], dict[str, Tensor]]
    sums_over_batch: bool = False


@dataclass(frozen=True)
class Sampling:
    """Which windows make a batch.

    Attributes:
        kind: "shuffle", any windows, each once in an epoch; or groups of windows of one video, one group of every video
            in an epoch: "spread" takes each window of a group from another of the video's segments, all at the same
            place within theirs; "close" takes them all from one segment.
        group: windows of a group; they lie side by side in the batch, and a batch is whole groups.
        segments: equal parts that a video's windows are divided into; fewer where they would not hold a group.
    """

    kind: Literal["shuffle", "spread", "close"] = "shuffle"
    group: int = 1
    segments: int = 32


class Stage(ABC):
    """One phase of training: which parameters learn, with what optimiser, for how long, on what loss.

    Attributes:
        name: unique among the stages of a detector.
        length: in `unit`; its share of the whole where a budget says how long training takes. 0 leaves the stage out.
        unit: the same for all stages of a detector.
        sampling: which windows make a batch.
    """

    name: str
    length: int
    unit: Literal["epochs", "steps"] = "epochs"
    sampling: Sampling = Sampling()

    @abstractmethod
    def turns(self) -> list[Turn]:
        """The updates that every step makes on its batch, in order, with new optimisers; most stages have one."""

    @abstractmethod
    def train_mode(self) -> None:
        """Put each part of the detector into train or eval mode for this stage."""

    def prepare(self, batches: Iterator[Batch]) -> None:  # noqa: B027, most stages need none
        """What comes before the first step, such as a k-means initialisation.

        Args:
            batches: whole training batches without end, in the order of training, on the detector's device.
        """

    def update(self, gather: Callable[[Tensor], Tensor]) -> None:  # noqa: B027, most stages need none
        """What changes by a rule and not by a gradient, such as a memory; called after the turns of every step.

        Args:
            gather: (n, ...) of this device to (n * devices, ...) of all of them.
        """


class Detector(nn.Module, ABC):
    """A one-class detector.

    Attributes:
        window: what it looks at.
        components: names of the components that `score` returns, in order -> what each tells of a frame, in words that
            complete "unusual in ...".
        combination: what of them, and of "map_max", makes the score of a frame by default.
        map_grid: (h, w) at which its map is stored, or None.
        map_filter: odd (time, height, width) extents of the mean filter that the map volume passes through before its
            spatial maximum becomes the component "map_max", or None. Done while streaming, from a ring of maps.
        carries_over: what it sees of one video changes how it scores the next.
        adapts: it offers `adapt`.
    """

    window: Window
    components: Mapping[str, str]
    combination: Combination
    map_grid: tuple[int, int] | None = None
    map_filter: tuple[int, int, int] | None = None
    carries_over: bool = False
    adapts: bool = False

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

    def forget(self) -> None:
        """Forget all that was seen while scoring: a new set of videos begins."""

    def begin_video(self) -> None:
        """A new video begins: forget, where the method says so, what was seen of the last one."""

    def adapt(self, support: Batch) -> None:
        """Adapt to a new camera from a few normal windows of it.

        Raises:
            RecipeError: the method, or this training of it, does not offer that.
        """
        raise RecipeError(f"{type(self).__name__} cannot adapt to a new camera; MPN, meta-trained, can")

    @property
    def reported(self) -> dict[str, str]:
        """All components that a score file has of it, with their words."""
        strongest = {"map_max": "the strongest place of its anomaly map"} if self.map_filter else {}
        return {**self.components, **strongest}

    @property
    def look_ahead(self) -> int:
        """Frames of latency: the window's, plus half the temporal extent of the map filter."""
        return self.window.look_ahead + (self.map_filter[0] // 2 if self.map_filter else 0)
