"""Many settings compared on training videos alone, in seconds each: UCF-Crime subset, repeated cross-validation.

    python benchmarks/ucf_crossval.py DATA [--recipe mil-small] [--splits 0 10] [--steps 200] [--set NAME=VALUE ...]

No test video is read. Against `ucf_heldout.py`, which trains as `fit` does: vectors are brought from 4096 to 256
numbers by a linear map that keeps four fifths of their squares (found without labels), batches are drawn by hand, and
one process goes through all splits. A split holds out a fifth of each class; five make a repetition. `--set` changes
the recipe's options, `--steps` is the length of every stage. `--difference` puts the absolute difference to the segment
before beside every segment.

Printed are the means over the splits of the AUCs of `ucf_heldout.py`, and how far the first lies from that of a linear
ridge regression (lambda 10) on the same splits, with its standard error; `ridge` as the recipe gives four lambdas.
The baselines of `oddframe.evaluation.weak_baselines` stand beside them: one score for a whole video.
"""

from __future__ import annotations

import argparse
import csv
import warnings
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from numpy.typing import NDArray
from ucf_heldout import aucs, video_scores

from oddframe.models.bag_detector import BagBatch, BagDetector
from oddframe.models.registry import create
from oddframe.recipes import load_recipe

WIDTH, FOLDS, PER_CLASS = 256, 5, 30
RIDGES = (10.0, 3.0, 30.0, 100.0)
Floats = NDArray[np.float32]
Labels = NDArray[np.int64]


def narrowing(rows: torch.Tensor) -> torch.Tensor:
    """(D, WIDTH) directions, orthonormal, that keep four fifths of the squares of (N, D) rows; no label is used."""
    some = rows[::12].float()
    start = torch.randn(rows.shape[1], WIDTH, generator=torch.Generator().manual_seed(0))
    for _ in range(2):
        start = torch.linalg.qr(some.T @ (some @ start))[0]
    return start


def training_set(data: Path, difference: bool = False) -> tuple[Floats, Labels]:
    """(N, 32, WIDTH) and (N,); with the difference to the segment before, (N, 32, 2 WIDTH)."""
    with (data / "train.csv").open(newline="", encoding="utf-8") as file:
        label = {row["video"]: int(row["label"]) for row in csv.DictReader(file)}
    with np.load(data / "features.npz") as stored:
        rows = torch.from_numpy(np.concatenate([stored[name] for name in label]))
    directions = narrowing(rows)
    narrow = torch.cat([part.float() @ directions for part in rows.split(2048)])
    x = narrow.view(len(label), 32, WIDTH).numpy()
    if difference:
        x = np.concatenate([x, np.abs(np.diff(x, axis=1, prepend=x[:, :1]))], axis=-1)
    return x, np.array(list(label.values()))


def held_out(label: Labels, split: int) -> NDArray[np.bool_]:
    repetition, fold = divmod(split, FOLDS)
    held, random = np.zeros(len(label), bool), np.random.default_rng((77, repetition))
    for kind in (0, 1):
        held[random.permutation(np.flatnonzero(label == kind))[fold::FOLDS]] = True
    return held


def batches(label: Labels, random: np.random.Generator) -> Iterator[NDArray[np.int64]]:
    """Equally many of each class; a class is gone through before it begins again."""
    left: list[list[int]] = [[], []]
    while True:
        for kind in (0, 1):
            while len(left[kind]) < PER_CLASS:
                left[kind] += list(random.permutation(np.flatnonzero(label == kind)))
        yield np.array(left[0][:PER_CLASS] + left[1][:PER_CLASS])
        left = [kind[PER_CLASS:] for kind in left]


def learn(detector: BagDetector, features: Mapping[str, Floats], label: Labels, steps: int, seed: int) -> None:
    """Train on bags (N, S, D) of every backbone, every stage for this many steps."""
    tensors = {name: torch.from_numpy(x) for name, x in features.items()}

    def drawn(seed: tuple[int, int]) -> Iterator[BagBatch]:
        for chosen in batches(label, np.random.default_rng(seed)):
            index = torch.from_numpy(chosen)
            own = {name: x[index] for name, x in tensors.items()}
            yield BagBatch(own, torch.from_numpy(label[chosen]).float(), index, index)

    for stage in detector.stages():
        stage.prepare(drawn((seed, 6)))
        updates = stage.updates()
        stage.train_mode()
        for batch in islice(drawn((seed, 5)), steps):
            for update in updates:
                update.optimiser.zero_grad()
                update.loss(batch)["loss"].backward()
                update.optimiser.step()
    detector.eval()


def ridge(x_NSD: Floats, label: Labels, held_NSD: Floats, weight: float) -> Floats:
    width = x_NSD.shape[-1]
    rows, target = x_NSD.reshape(-1, width), np.repeat(label, 32).astype(np.float32)
    centre = rows.mean(0)
    rows = rows - centre
    gram = rows.T @ rows + weight * np.eye(width, dtype=np.float32)
    return (held_NSD - centre) @ np.linalg.solve(gram, rows.T @ (target - target.mean()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--recipe", default="mil-small", help="or: ridge")
    parser.add_argument("--splits", nargs=2, type=int, default=[0, 10])
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--difference", action="store_true")
    parser.add_argument("--set", nargs="*", default=[], dest="changes")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")  # of collapse, for which there is a column: highest equals segments
    x, label = training_set(arguments.data, arguments.difference)
    found: dict[str, list[NDArray[np.float64]]] = {}
    for split in range(*arguments.splits):
        held = held_out(label, split)
        told = {f"ridge {weight:g}": ridge(x[~held], label[~held], x[held], weight) for weight in RIDGES}
        if arguments.recipe != "ridge":
            recipe = load_recipe(arguments.recipe)
            options: dict[str, Any] = {**recipe.options, "backbones": {"c3d": x.shape[-1]}}
            if "student" in options:
                options["student"] = "c3d"
            options |= {name: yaml.safe_load(value) for name, value in (c.split("=", 1) for c in arguments.changes)}
            torch.manual_seed(split)
            detector = create(recipe.model, recipe.preset, **options)
            assert isinstance(detector, BagDetector)
            learn(detector, {"c3d": x[~held]}, label[~held], arguments.steps, split)
            with torch.no_grad():
                scores = detector.score({"c3d": torch.from_numpy(x[held])})
            told = {"ridge 10": told["ridge 10"], **{name: score.numpy() for name, score in scores.items()}}
        told |= video_scores(x[~held], label[~held], x[held])
        for name, score in told.items():
            found.setdefault(name, []).append(aucs(label[held], score))
    for name, values in found.items():
        gap = np.subtract(values, found["ridge 10"])[:, 0]
        error = gap.std(ddof=1) / len(gap) ** 0.5 if len(gap) > 1 else float("nan")
        mean = np.mean(values, 0)
        print(
            f"{name:<20} segments {mean[0]:.4f} mean {mean[1]:.4f} highest {mean[2]:.4f}   "
            f"segments - ridge 10: {gap.mean():+.4f} +- {error:.4f}"
        )


if __name__ == "__main__":
    main()
