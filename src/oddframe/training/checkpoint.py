"""Training checkpoints: one file, always complete, from which an interrupted run resumes with the same result."""

from __future__ import annotations

import io
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from oddframe.atomic import replacing
from oddframe.bundle import CHECKPOINT
from oddframe.errors import BundleError

NAME = CHECKPOINT


@dataclass
class TrainingHistory:
    """The record of a run.

    Attributes:
        records: the lines of training.jsonl, in order. Each has stage, epoch and step of the run, progress of the
            stage, time in seconds, lr, losses by name (means since the previous line), samples_per_s, data_wait (share
            of the time spent waiting for data), epoch_s (seconds per epoch at the pace since the previous line), and
            seconds and loading as below (since the previous line). Lines with a measurement of the held-out samples
            also have losses named "heldout/...".
        seconds: stage -> part -> seconds spent. The parts do not overlap: "prepare"; "data", waiting for a batch and
            bringing it to the device; "forward"; "backward" (both only until they are recorded); "replay" of what was
            recorded; "update" of weights and buffers; "losses", reading them from the device, which waits for a GPU;
            "heldout"; "checkpoint".
        loading: stage -> seconds that background threads spent on gathering and pasting.
    """

    records: list[dict[str, Any]] = field(default_factory=list)
    seconds: dict[str, dict[str, float]] = field(default_factory=dict)
    loading: dict[str, float] = field(default_factory=dict)


@dataclass
class TrainingState:
    """The state of a run between two steps.

    Attributes:
        stage: number of the current stage; the number of stages when the run is finished.
        step: finished steps of this stage.
        first_step: steps of all earlier stages.
        first_epoch: epochs that began in earlier stages.
        stage_start: seconds on the clock of the run when this stage began.
        elapsed: seconds that the run has taken, including the time before it was resumed.
        totals: sums of the losses since the last line of the log.
        counted: number of steps in `totals`.
        history: the record of the run.
    """

    stage: int = 0
    step: int = 0
    first_step: int = 0
    first_epoch: int = 0
    stage_start: float = 0.0
    elapsed: float = 0.0
    totals: dict[str, float] = field(default_factory=dict)
    counted: int = 0
    history: TrainingHistory = field(default_factory=TrainingHistory)


@dataclass(frozen=True)
class Checkpoint:
    """The content of the file: state dicts of detector and optimisers (None between stages), and the state of the run.

    `signature` has everything that affects the arithmetic of the run. A run is resumed only under the same signature.
    """

    signature: dict[str, Any]
    state: TrainingState
    model: dict[str, Any]
    optimisers: list[dict[str, Any]] | None


def save_checkpoint(folder: Path, checkpoint: Checkpoint) -> None:
    """Write the checkpoint of the run in `folder`. The previous one stays until the new one is completely on disk."""
    content = {
        "signature": checkpoint.signature,
        "state": asdict(checkpoint.state),
        "model": checkpoint.model,
        "optimisers": checkpoint.optimisers,
    }
    written = io.BytesIO()  # torch does not say why a file cannot be written
    torch.save(content, written)
    with replacing(folder / NAME) as temporary:
        temporary.write_bytes(written.getbuffer())


def load_checkpoint(folder: Path) -> Checkpoint | None:
    """Load the checkpoint of the run in `folder`, with tensors on the CPU; None if there is none.

    Raises:
        BundleError: the file is not a checkpoint of oddframe.
    """
    path = folder / NAME
    if not path.exists():
        return None
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        history = TrainingHistory(**content["state"].pop("history"))
        state = TrainingState(**content["state"], history=history)
        return Checkpoint(content["signature"], state, content["model"], content["optimisers"])
    except Exception as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise BundleError(
            f"{path}: not a training checkpoint of oddframe ({reason}); train anew without resume"
        ) from error


def check_signature(folder: Path, saved: dict[str, Any], current: dict[str, Any]) -> None:
    """Check that a run is resumed with the same settings and videos as it began with.

    Raises:
        BundleError: something differs. The message names it.
    """
    for name, value in current.items():
        if saved.get(name) != value:
            raise BundleError(
                f"{folder / NAME}: begun with {name} {saved.get(name)!r}, now {value!r}; "
                "resume with the same settings and videos, or train anew without resume"
            )
