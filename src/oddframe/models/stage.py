"""How a system learns: stages, the updates of a step, and which samples make a batch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor


@dataclass(frozen=True)
class Update:
    """One update within a training step: exactly the parameters of `optimiser` learn, from `loss`.

    Attributes:
        optimiser: over them; all others are frozen by the loop.
        loss: scalar losses by name of a batch (`Batch` or `BagBatch`); `"loss"` is the one that is minimised, the
            others are logged.
        sums_over_batch: `"loss"` is a sum over the samples of a batch, not a mean; several devices then add up.
    """

    optimiser: torch.optim.Optimizer
    loss: Callable[[Any], dict[str, Tensor]]
    sums_over_batch: bool = False


@dataclass(frozen=True)
class BatchSampling:
    """Which samples make a batch.

    Attributes:
        kind: "shuffle", any samples, each once in an epoch; or "balanced", equally many of every group of the training
            set (of each class, for bags), where the longest group is gone through once in an epoch and shorter ones
            are begun again; or for windows groups of one video, one of every video in an epoch: "spread" takes each
            window of a group from another of the video's segments, all at the same place within theirs; "close" takes
            them all from one segment.
        group: windows of a group; they lie side by side in the batch, and a batch is whole groups.
        segments: equal parts that a video's windows are divided into; fewer where they would not hold a group.
    """

    kind: Literal["shuffle", "balanced", "spread", "close"] = "shuffle"
    group: int = 1
    segments: int = 32


class Stage(ABC):
    """One phase of training: which parameters learn, with what optimiser, for how long, on what loss.

    Attributes:
        name: unique among the stages of a detector.
        length: in `unit`; its share of the whole where a budget says how long training takes. 0 leaves the stage out.
        unit: the same for all stages of a detector.
        sampling: which windows make a batch.
        recordable: the losses of its updates depend on nothing but the batch, the detector and torch's random
            generator, and wait nowhere for the device, so that they can be recorded as a CUDA graph.
    """

    name: str
    length: int
    unit: Literal["epochs", "steps"] = "epochs"
    sampling: BatchSampling = BatchSampling()
    recordable: bool = False

    @abstractmethod
    def updates(self) -> list[Update]:
        """The updates that every step makes on its batch, in order, with new optimisers; most stages have one."""

    @abstractmethod
    def train_mode(self) -> None:
        """Put each part of the detector into train or eval mode for this stage."""

    def prepare(self, batches: Iterator[Any]) -> None:  # noqa: B027, most stages need none
        """What comes before the first step, such as a k-means initialisation.

        Args:
            batches: whole training batches without end, in the order of training, on the detector's device.
        """

    def update_buffers(self, gather: Callable[[Tensor], Tensor]) -> None:  # noqa: B027, most stages need none
        """What changes by a rule and not by a gradient, such as a memory; called after the updates of every step.

        Args:
            gather: (n, ...) of this device to (n * devices, ...) of all of them.
        """
