"""Weak supervision on real features: the UCF-Crime subset (Fighting, RoadAccidents and normal videos), C3D.

    python benchmarks/ucf_subset.py DATA OUT [--seeds 0 1 2] [--recipes mil-small dakd-small] [--budget 20epochs]

DATA is a folder with `train.csv`, `features.npz` and the official annotation. Every recipe learns from the 551 training
videos; the 158 test videos are evaluated with the ground truth that is rebuilt from the annotation. Beside them stand
baselines, two detectors that locate nothing (a constant; the true label of every video) and a linear ridge regression
on the weak labels (lambda 10), of all training videos and of those that a run does not hold out. Begun again, it goes
on where it was.
"""

from __future__ import annotations

import argparse
import csv
import statistics
from collections.abc import Collection
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from oddframe.datasets.weak import open_weak
from oddframe.evaluation.weak import WeakResult, evaluate_weak
from oddframe.settings import TrainingOptions
from oddframe.workflow.evaluate_bags import BagOptions, evaluate_bags
from oddframe.workflow.fit import fit

RIDGE = 10.0


def ridge(data: Path, without: Collection[str] = ()) -> WeakResult:
    """Every segment takes its video's label; features are centred. `without`: training videos that are left out."""
    with (data / "train.csv").open(newline="", encoding="utf-8") as file:
        label = {row["video"]: float(row["label"]) for row in csv.DictReader(file) if row["video"] not in without}
    test = {video.name: video for video in open_weak(f"ucf-crime:{data}").test}
    with np.load(data / "features.npz") as stored:
        x = np.concatenate([stored[name].astype(np.float32) for name in label])
        centre, target = x.mean(0), np.repeat(np.array(list(label.values()), np.float32), 32)
        x -= centre
        gram = x.T @ x + RIDGE * np.eye(x.shape[1], dtype=np.float32)
        weights = np.linalg.solve(gram, x.T @ (target - target.mean()))
        curves: dict[str, NDArray[np.float64]] = {}
        for name in stored.files:
            if name in test:
                frames = test[name].frames
                assert frames is not None
                segment = np.arange(frames) * 32 // frames
                curves[name] = ((stored[name].astype(np.float32) - centre) @ weights).astype(np.float64)[segment]
    return evaluate_weak(curves, list(test.values()), leave_out=True)


def line(name: str, seed: str, result: WeakResult, seconds: str = "") -> None:
    figures = (result.auc, result.anomalous_auc, result.average_precision, result.video_auc)
    print(f"{name:<32} {seed:>4} " + "".join(f"{value:>10.4f}" for value in figures) + f"{seconds:>10}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seeds", nargs="*", type=int, default=[0, 1, 2])
    parser.add_argument("--recipes", nargs="*", default=["mil-small", "dakd-small"])
    parser.add_argument("--budget", help="the recipe's own without it")
    arguments = parser.parse_args()
    data = arguments.data
    features = [f"c3d=segments:{data / 'features.npz'}"]
    print("                                            AUC  AUC anom.        AP  AUC vid. training s")
    found: dict[str, list[WeakResult]] = {}
    references: dict[str, WeakResult] = {}  # and baselines, of the last run
    heldout: dict[int, list[str]] = {}
    for recipe in arguments.recipes:
        for seed in arguments.seeds:
            out = arguments.out / f"{recipe}-{seed}"
            changes = [f"training.seed={seed}"]
            run = fit(
                str(data / "train.csv"), recipe=recipe, out=out, changes=changes,
                training=TrainingOptions(budget=arguments.budget, features=features, resume=True),
            )  # fmt: skip
            rows = dict(evaluate_bags(run, f"ucf-crime:{data}", features, BagOptions(leave_out=True)).rows)
            seconds = sum(sum(parts.values()) for parts in run.history["seconds"].values())
            for component in run.detector.components:
                result = rows.pop(component)
                found.setdefault(f"{recipe} {component}", []).append(result)
                line(f"{recipe} {component}", str(seed), result, f"{seconds:.0f}")
            references = rows
            heldout[seed] = run.bundle.data.heldout_videos
    print()
    for name, results in found.items():
        for what in ("auc", "anomalous_auc"):
            values = [getattr(result, what) for result in results]
            spread = statistics.stdev(values) if len(values) > 1 else float("nan")
            print(f"{name:<32} {what:<14} mean {statistics.mean(values):.4f} +- {spread:.4f}")
    print()
    for name, result in {**references, "ridge regression": ridge(data)}.items():
        line(name, "", result)
    for seed, names in heldout.items():
        line("ridge without held-out", str(seed), ridge(data, names))


if __name__ == "__main__":
    main()
