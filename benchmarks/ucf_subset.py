"""Weak supervision on real features: the UCF-Crime subset (Fighting, RoadAccidents and normal videos), C3D.

    python benchmarks/ucf_subset.py DATA OUT [--seeds 0 1 2] [--mil-budget 200steps] [--dakd-budget 20epochs]
        [--set NAME=VALUE ...] [--narrow]

DATA is a folder with `train.csv`, `features.npz` and the official annotation. Every recipe learns from the 551 training
videos, once as it is and once with `options.difference=true`, the difference of neighbouring segments as further
features; the 158 test videos are evaluated with the ground truth that is rebuilt from the annotation. Beside them stand
the baselines of `oddframe.evaluation.weak_baselines`, two detectors that locate nothing (a constant; the true label of
every video) and a linear ridge regression on the weak labels of segments (lambda 10), with and without differences, of
all training videos and of those that a run does not hold out. `--narrow` brings all features to 256 numbers first, as
`ucf_crossval.py` does, by a map found on training videos without labels. Begun again, it goes on where it was.
"""

from __future__ import annotations

import argparse
import csv
import statistics
from collections.abc import Collection
from itertools import product
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from ucf_crossval import narrowing

from oddframe.datasets.weak import open_weak
from oddframe.evaluation.weak import CONSTANT, ORACLE, WeakResult, evaluate_weak
from oddframe.settings import TrainingOptions
from oddframe.workflow.evaluate_bags import BagOptions, evaluate_bags
from oddframe.workflow.fit import fit

RIDGE = 10.0


def narrowed(data: Path, out: Path) -> Path:
    """All features at 256 numbers in a file of their own."""
    with (data / "train.csv").open(newline="", encoding="utf-8") as file:
        training = [row["video"] for row in csv.DictReader(file)]
    with np.load(data / "features.npz") as stored:
        directions = narrowing(torch.from_numpy(np.concatenate([stored[name] for name in training]))).numpy()
        found = {name: stored[name].astype(np.float32) @ directions for name in stored.files}
    out.mkdir(parents=True, exist_ok=True)
    np.savez(out / "features.npz", **found)
    return out / "features.npz"


def rows_of(stored: NDArray[np.floating], difference: bool) -> NDArray[np.float32]:
    """(32, D) segments of a video; with the difference to the segment before, (32, 2 D)."""
    x = stored.astype(np.float32)
    return np.concatenate([x, np.abs(np.diff(x, axis=0, prepend=x[:1]))], -1) if difference else x


def ridge(data: Path, file: Path, without: Collection[str], difference: bool) -> WeakResult:
    """Every segment takes its video's label; features are centred. `without`: training videos that are left out."""
    with (data / "train.csv").open(newline="", encoding="utf-8") as table:
        label = {row["video"]: float(row["label"]) for row in csv.DictReader(table) if row["video"] not in without}
    test = {video.name: video for video in open_weak(f"ucf-crime:{data}").test}
    with np.load(file) as stored:
        x = np.concatenate([rows_of(stored[name], difference) for name in label])
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
                score = (rows_of(stored[name], difference) - centre) @ weights
                curves[name] = score.astype(np.float64)[segment]
    return evaluate_weak(curves, list(test.values()), leave_out=True)


def line(name: str, seed: str, result: WeakResult, seconds: str = "") -> None:
    figures = (result.auc, result.anomalous_auc, result.average_precision, result.video_auc)
    print(f"{name:<46} {seed:>4} " + "".join(f"{value:>10.4f}" for value in figures) + f"{seconds:>10}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seeds", nargs="*", type=int, default=[0, 1, 2])
    parser.add_argument("--mil-budget", help="the recipe's own without it")
    parser.add_argument("--dakd-budget")
    parser.add_argument("--set", nargs="*", default=[], dest="changes", help="of every run")
    parser.add_argument("--narrow", action="store_true")
    arguments = parser.parse_args()
    torch.set_flush_denormal(True)  # numbers next to 0, of which training makes many, take processors long
    data, budgets = arguments.data, {"mil-small": arguments.mil_budget, "dakd-small": arguments.dakd_budget}
    file = narrowed(data, arguments.out) if arguments.narrow else data / "features.npz"
    features = [f"c3d=segments:{file}"]
    print("                                                        AUC  AUC anom.        AP  AUC vid. training s")
    found: dict[str, list[WeakResult]] = {}
    references: dict[str, WeakResult] = {}
    heldout: dict[int, list[str]] = {}
    for recipe, difference in product(budgets, (False, True)):
        for seed in arguments.seeds:
            name = f"{recipe}, differences" if difference else recipe
            changes = [f"training.seed={seed}", f"options.difference={str(difference).lower()}", *arguments.changes]
            run = fit(
                str(data / "train.csv"), recipe=recipe, out=arguments.out / f"{name.replace(', ', '-')}-{seed}",
                training=TrainingOptions(budget=budgets[recipe], features=features, resume=True, progress=False),
                changes=changes,
            )  # fmt: skip
            evaluation = evaluate_bags(run, f"ucf-crime:{data}", features, BagOptions(leave_out=True))
            seconds = sum(sum(parts.values()) for parts in run.history["seconds"].values())
            for component in run.detector.components:
                result = evaluation.rows[component]
                found.setdefault(f"{name}: {component}", []).append(result)
                line(f"{name}: {component}", str(seed), result, f"{seconds:.0f}")
            if seed not in heldout:  # these learn from the same videos beside every recipe
                heldout[seed] = run.bundle.data.heldout_videos
                for baseline in evaluation.baselines:
                    found.setdefault(baseline, []).append(evaluation.rows[baseline])
            references = {name: evaluation.rows[name] for name in (CONSTANT, ORACLE)}
    for difference in (False, True):
        name = "ridge of segments, differences" if difference else "ridge of segments"
        found[name] = [ridge(data, file, names, difference) for names in heldout.values()]
        references[f"{name}, all training videos"] = ridge(data, file, (), difference)
    for note in evaluation.notes:
        print(note)
    print()
    for name, result in references.items():
        line(name, "", result)
    print()
    for name, results in found.items():
        for what in ("auc", "anomalous_auc", "video_auc"):
            values = [getattr(result, what) for result in results]
            spread = statistics.stdev(values) if len(values) > 1 else float("nan")
            each = " ".join(f"{value:.4f}" for value in values)
            print(f"{name:<46} {what:<14} {statistics.mean(values):.4f} +- {spread:.4f}   {each}")


if __name__ == "__main__":
    main()
