"""Milliseconds of every training step, in this process and its environment; videos of noise in memory.

    OMP_WAIT_POLICY=PASSIVE python benchmarks/step_times.py sdmae-small [--steps 60]

Another busy process beside it is made with `python -c "while True: pass"`.
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from oddframe.datasets.clips import ClipSet
from oddframe.models.registry import create
from oddframe.recipes import load_recipe
from oddframe.settings import TrainingOptions
from oddframe.training.loop import train
from oddframe.workflow.fit import make_paster


@dataclass
class Noise:
    frames: NDArray[np.uint8]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("recipe")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--steps", type=int, default=60)
    arguments = parser.parse_args()
    recipe = load_recipe(arguments.recipe, [f"training.batch_size={arguments.batch}"])
    torch.manual_seed(0)
    detector = create(recipe.model, recipe.preset, **recipe.options).one_class("learning from frames")
    size, rng = detector.window.size, np.random.default_rng(0)
    videos = [Noise(rng.integers(0, 255, (60, *size, 3), dtype=np.uint8)) for _ in range(4)]
    data = ClipSet(videos, detector.window, None, make_paster(recipe.pseudo, size, 0, learns=True))
    plan = replace(recipe.training, budget=f"{arguments.steps}steps")
    with tempfile.TemporaryDirectory() as folder:
        history = train(detector, data, None, plan, Path(folder), TrainingOptions(device="cpu", progress=False))
    for stage in history.seconds:
        lines = [line for line in history.records if line["stage"] == stage]
        took = 1000 * np.diff([line["time"] for line in lines]) / np.diff([line["step"] for line in lines])
        if len(took):
            print(f"{stage}  least {took.min():.0f}  median {np.median(took):.0f}  mean {took.mean():.0f} ms a step")


if __name__ == "__main__":
    main()
