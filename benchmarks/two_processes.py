"""What training in two processes changes, and what a change of rounding does in one process.

    python benchmarks/two_processes.py FOLDER [--steps 40]

FOLDER is new. The figures are printed as one JSON document. It takes about a minute.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from torch import nn

from oddframe.models.mnad import MNAD
from oddframe.models.registry import create
from oddframe.settings import TrainingPlan
from oddframe.testing.windows import CPU, batches, training_set
from oddframe.training.loop import train


def rounding(folder: Path, steps: int) -> dict[str, Any]:
    """MNAD at a tiny size: what two processes change, and what one process does whose first weights differ by 1e-7.

    Adam's first step is the learning rate with the sign of the gradient. A weight whose gradient is lost in rounding
    goes either way, and a bias before BatchNorm, which has no gradient but rounding, never stops to.
    """
    told: dict[str, Any] = {}
    for name, dtype in (("float32", torch.float32), ("float64", torch.float64)):
        one = learned(folder / f"{name}-one", dtype, steps)
        told[name] = {
            "two_processes": apart(one, learned(folder / f"{name}-two", dtype, steps, devices=2)),
            "nudged_by_1e-7": apart(one, learned(folder / f"{name}-nudged", dtype, steps, nudge=1e-7)),
        }
    told["float32"]["after_one_step"] = apart(
        learned(folder / "begun", torch.float32, 1), learned(folder / "begun-nudged", torch.float32, 1, nudge=1e-7)
    )
    return told


def learned(folder: Path, dtype: torch.dtype, steps: int, devices: int = 1, nudge: float = 0.0) -> MNAD:
    """A small MNAD after some steps."""
    torch.manual_seed(0)
    detector = create("mnad", size=(16, 32), width=4)
    assert isinstance(detector, MNAD)
    detector.to(dtype)
    chance = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in detector.parameters():
            parameter.mul_(1 + nudge * torch.randn(parameter.shape, generator=chance, dtype=dtype))
    plan = TrainingPlan(batch_size=8, budget=f"{steps}steps")
    train(detector, training_set(detector.window), None, plan, folder, replace(CPU, devices=devices))
    return detector


def apart(one: MNAD, other: MNAD) -> dict[str, float]:
    """The largest differences: of biases before BatchNorm, other weights, the memory, and the scores of a batch."""
    kids = [list(part.named_children()) for part in one.modules() if isinstance(part, nn.Sequential)]
    before = {id(a) for row in kids for (_, a), (_, b) in pairwise(row) if isinstance(b, nn.BatchNorm2d)}
    silent = {f"{name}.bias" for name, part in one.named_modules() if id(part) in before}
    gaps = {
        name: float((value - weight).abs().max())
        for (name, value), weight in zip(one.named_parameters(), other.parameters(), strict=True)
    }
    with torch.no_grad():
        batch = next(batches(training_set(one.window)))
        scores = [detector.score(batch).components for detector in (one, other)]
    return {
        "biases_before_norm": max(gap for name, gap in gaps.items() if name in silent),
        "other_weights": max(gap for name, gap in gaps.items() if name not in silent),
        "memory": float((one.memory - other.memory).abs().max()),
        "scores_relative": max(float((a / scores[1][name] - 1).abs().max()) for name, a in scores[0].items()),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--steps", type=int, default=40)
    told = parser.parse_args()
    print(json.dumps(rounding(told.folder, told.steps), indent=2))


if __name__ == "__main__":
    main()
