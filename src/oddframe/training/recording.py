"""Forward and backward pass of a training step, recorded once as a CUDA graph and replayed for every further batch.

A step of a small batch asks for hundreds of short computations. Where the host takes longer to ask than the GPU to
compute, replaying a recording, which is asked for at once, is faster. What is recorded is the pass over one batch in
fixed memory: new batches are copied there. The optimiser, memories and losses come after it, as without a recording.

Only stages that say so are recorded (`Stage.recordable`): what their loss computes must not depend on anything but
the batch, the detector and torch's random generator. A recording would go on with what it saw at first.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from oddframe.errors import TrainingError
from oddframe.models.detector import Batch
from oddframe.models.stage import Stage

WARM_UP = 3  # steps before a recording, in which libraries allocate and choose what they keep

StepPass = Callable[[Any], dict[str, Tensor]]
"""Losses of a batch by name, without gradient; the gradients lie at the parameters."""


class RecordedPass:
    """A pass that is recorded after a few steps.

    On other devices than CUDA it is computed anew instead of replayed, and its results are copied to where a recording
    would write them: so all but the recording itself can be tested anywhere.
    """

    def __init__(
        self,
        timed: Callable[[], AbstractContextManager[None]],
        compute: StepPass,
        parameters: Sequence[nn.Parameter],
        stage: Stage,
        device: torch.device,
    ) -> None:
        """With what times a replay, the pass, the parameters that get gradients, and the stage whose loss it is."""
        self._timed, self._compute, self._parameters = timed, compute, parameters
        self._stage, self._device = stage, device
        self._steps = 0
        self._batch: Batch | None = None  # fixed memory, from which a recording reads
        self._graph: torch.cuda.CUDAGraph | None = None
        # And to which it writes.
        self._losses: dict[str, Tensor] = {}
        self._gradients: list[Tensor | None] = []
        self._left: dict[str, Tensor] = {}  # what the loss leaves in the stage, for a memory

    def __call__(self, batch: Batch) -> dict[str, Tensor]:
        self._steps += 1
        if self._steps <= WARM_UP or (self._batch is not None and _shapes(batch) != _shapes(self._batch)):
            return self._compute(batch)
        if self._batch is None:
            self._batch = replace(batch, **{name: value.clone() for name, value in _tensors(batch).items()})
            if self._device.type == "cuda":
                self._record(self._batch)
        else:
            for name, value in _tensors(batch).items():
                _tensors(self._batch)[name].copy_(value)
        if self._graph is not None:
            with self._timed():
                self._graph.replay()
        else:
            self._compute_anew(self._batch)
        # Measurements on held-out samples, and other updates, have put others in their places.
        vars(self._stage).update(self._left)
        for parameter, gradient in zip(self._parameters, self._gradients, strict=True):
            parameter.grad = gradient
        return self._losses

    def _record(self, batch: Batch) -> None:
        """Record the pass, which computes nothing yet.

        Raises:
            TrainingError: something in it cannot be recorded.
        """
        graph = torch.cuda.CUDAGraph()
        try:
            # Other threads, which draw the next batches, may do what a recording must not.
            with torch.cuda.graph(graph, capture_error_mode="thread_local"):
                self._losses, self._gradients, self._left = self._results(batch)
        except RuntimeError as error:
            reason = str(error).splitlines()[0]
            raise TrainingError(
                f"stage {self._stage.name!r} cannot be recorded as a CUDA graph ({reason}); run the same command "
                "without --graphs"
            ) from error
        self._graph = graph

    def _compute_anew(self, batch: Batch) -> None:
        losses, gradients, left = self._results(batch)
        if not self._losses:
            self._losses, self._gradients, self._left = losses, gradients, left
            return
        pairs = [(self._losses[name], value) for name, value in losses.items()]
        pairs += [(self._left[name], value) for name, value in left.items()]
        for kept, new in pairs:
            kept.copy_(new)
        for old, gradient in zip(self._gradients, gradients, strict=True):
            if old is not None and gradient is not None:
                old.copy_(gradient)

    def _results(self, batch: Batch) -> tuple[dict[str, Tensor], list[Tensor | None], dict[str, Tensor]]:
        """Losses, gradients, and the tensors that the loss puts into the stage."""
        before = dict(vars(self._stage))
        losses = self._compute(batch)
        left = {
            name: value
            for name, value in vars(self._stage).items()
            if isinstance(value, Tensor) and before.get(name) is not value
        }
        return losses, [parameter.grad for parameter in self._parameters], left


def _tensors(batch: Batch) -> dict[str, Tensor]:
    return {name: value for name, value in vars(batch).items() if isinstance(value, Tensor)}


def _shapes(batch: Batch) -> dict[str, tuple[torch.Size, torch.dtype]]:
    return {name: (value.shape, value.dtype) for name, value in _tensors(batch).items()}
