"""A training run on disk: one file that is always whole, from which the run goes on as if it had never stopped."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from oddframe.atomic import replacing
from oddframe.errors import BundleError

NAME = "checkpoint.pt"


@dataclass
class TrainingHistory:
    """What happened in a run.

    Attributes:
        records: the lines of training.jsonl, in order: stage, epoch and step of the run, progress of the stage, time in
            seconds, lr, losses by name (means since the line before), samples_per_s, data_wait (share of the time spent
            waiting for data), epoch_s (seconds that an epoch takes at the pace since the line before), seconds and
            loading as below (since the line before), and where the held-out samples were measured, "heldout/..."
            losses by name.
        seconds: stage -> part -> seconds spent, in parts that follow one another: "prepare"; "data", waiting for a
            batch; "forward", "backward", "update" (of weights and whatever else a step changes); "losses", reading
            them off the device, which is where a GPU is waited for; "heldout"; "checkpoint".
        loading: stage -> seconds that threads beside the loop spent on gathering and pasting.
    """

    records: list[dict[str, Any]] = field(default_factory=list)
    seconds: dict[str, dict[str, float]] = field(default_factory=dict)
    loading: dict[str, float] = field(default_factory=dict)


@dataclass
class TrainingState:
    """Where a run stands between two steps.

    Attributes:
        stage: number of the stage; the number of stages when the run is finished.
        step: steps made in this stage.
        first_step: steps made in the stages before it.
        first_epoch: epochs begun in the stages before it.
        stage_start: seconds on the run's clock when this stage began.
        elapsed: seconds that the run has taken, those before it was resumed included.
        totals: sums of the losses since the last line of the log.
        counted: steps in `totals`.
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
    """What the file holds: state dicts of detector and optimisers (None between stages), and where the run stands.

    `signature` names everything that the run's arithmetic depends on; a run is not resumed under another.
    """

    signature: dict[str, Any]
    state: TrainingState
    model: dict[str, Any]
    optimisers: list[dict[str, Any]] | None


def save_checkpoint(folder: Path, checkpoint: Checkpoint) -> None:
    """Write the checkpoint of the run in `folder`; the one before stays until this one is whole and on the disk."""
    content = {
        "signature": checkpoint.signature,
        "state": asdict(checkpoint.state),
        "model": checkpoint.model,
        "optimisers": checkpoint.optimisers,
    }
    with replacing(folder / NAME) as temporary, temporary.open("wb") as file:
        torch.save(content, file)
        file.flush()
        os.fsync(file.fileno())


def load_checkpoint(folder: Path) -> Checkpoint | None:
    """The checkpoint of the run in `folder`, tensors on the CPU, or None if it has none.

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


def check_signature(folder: Path, found: dict[str, Any], expected: dict[str, Any]) -> None:
    """See to it that a run is resumed as it was begun.

    Raises:
        BundleError: something differs; the message names it.
    """
    for name, value in expected.items():
        if found.get(name) != value:
            raise BundleError(
                f"{folder / NAME}: begun with {name} {found.get(name)!r}, now {value!r}; "
                "resume with the same settings and videos, or train anew without resume"
            )
