"""Every small recipe on the synthetic street beside two baselines, frame difference and optical flow.

    python benchmarks/street_systems.py OUT [RECIPE ...] [--seeds 0 1 2] [--budget 2m] [--set NAME=VALUE ...] [--kinds]

A seed is a street of its own: 8 normal videos to train on, 8 unseen ones with planted anomalies of every kind, 24 s
each. Printed are micro AUCs under protocol `honest`: of all anomalous frames, and of those with a vehicle where people
walk, against all normal frames. OUT keeps the streets and bundles; begun again, it goes on where it was. `--set`
changes every recipe. `--kinds` adds the AUC of every kind.
"""

from __future__ import annotations

import argparse
import csv
import statistics
from collections.abc import Collection, Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np

from oddframe.datasets.folder import read_folder
from oddframe.evaluation.auc import roc_auc
from oddframe.evaluation.baselines import combination_of
from oddframe.models.detector import Detector
from oddframe.models.registry import system
from oddframe.recipes import load_recipe, recipe_names
from oddframe.scoring.combine import ScoreRule
from oddframe.settings import TrainingOptions
from oddframe.street import TEST_KINDS, World, render_world
from oddframe.types import FrameScores
from oddframe.workflow.baselines import BASELINE_SMOOTHING, measure_baselines
from oddframe.workflow.demo import VEHICLES as KINDS
from oddframe.workflow.fit import fit

BESIDE = ("frame_difference", "optical_flow")


def auc(scores: Iterable[FrameScores], testing: Path, kinds: Collection[str] | None) -> float:
    """AUC of the frames that show an anomaly of these kinds, or any, against all normal frames."""
    labels = {video.source.name: video.labels for video in read_folder(testing).videos}
    wanted = {name: np.zeros(len(truth), bool) for name, truth in labels.items()}
    with (testing / "events.csv").open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if kinds is None or row["kind"] in kinds:
                wanted[row["video"]][int(row["start_frame"]) : int(row["end_frame"]) + 1] = True
    truth, values = [], []
    for video in scores:
        anomalous, shown = labels[video.video][video.frame] == 1, wanted[video.video][video.frame]
        kept = ~anomalous | shown
        truth.append(anomalous[kept])
        values.append(video.score[kept])
    return roc_auc(np.concatenate(truth), np.concatenate(values))


def one_class_recipes() -> list[str]:
    """The small recipes that learn from normal video."""
    small = [name for name in recipe_names() if name.endswith("-small")]
    return [name for name in small if issubclass(system(load_recipe(name).model), Detector)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("recipes", nargs="*", default=one_class_recipes())
    parser.add_argument("--seeds", nargs="*", type=int, default=[0, 1, 2])
    parser.add_argument("--budget", help="the recipe's own without it")
    parser.add_argument("--set", action="append", default=[], dest="changes")
    parser.add_argument("--kinds", action="store_true")
    arguments = parser.parse_args()
    print("                               all kinds                   vehicles             training")
    print("recipe            seed    own    diff.    flow       own    diff.    flow     steps      s")
    rows: dict[str, list[list[float]]] = {name: [] for name in arguments.recipes}
    for seed in arguments.seeds:
        folder = arguments.out / str(seed)
        street = folder / "street"
        if not street.exists():
            render_world(street, World(seed), videos=8, test_videos=8, seconds=24)
        labelled = read_folder(street / "testing")
        measured = measure_baselines(labelled)
        rules = [ScoreRule(combination_of(name), BASELINE_SMOOTHING) for name in BESIDE]
        plain = [[replace(one, score=rule(one.components)) for one in measured] for rule in rules]
        for recipe in arguments.recipes:
            run = fit(
                street / "training" / "videos",
                recipe=recipe,
                out=folder / recipe,
                changes=[f"training.seed={seed}", *arguments.changes],
                training=TrainingOptions(budget=arguments.budget, resume=True),
            )
            own = run.score([video.source for video in labelled.videos]).videos
            row = [auc(scores, street / "testing", kinds) for kinds in (None, KINDS) for scores in (own, *plain)]
            rows[recipe].append(row)
            seconds = sum(sum(parts.values()) for parts in run.history["seconds"].values())
            steps = run.history["records"][-1]["step"]
            figures = "    ".join("  ".join(f"{value:.4f}" for value in part) for part in (row[:3], row[3:]))
            print(f"{recipe:<17} {seed:>4}  {figures}    {steps:>6} {seconds:>6.0f}", flush=True)
            if arguments.kinds:
                print("   ", ", ".join(f"{kind} {auc(own, street / 'testing', [kind]):.2f}" for kind in TEST_KINDS))
    print()
    for recipe, found in rows.items():
        for what, first in (("all kinds", 0), ("vehicles", 3)):
            aucs = [row[first] for row in found]
            above = [row[first] - max(row[first + 1 : first + 3]) for row in found]
            spread = f" +- {statistics.stdev(aucs):.4f}" if len(aucs) > 1 else ""
            means = f"mean {statistics.mean(aucs):.4f}{spread}, {statistics.mean(above):+.4f} above the better baseline"
            print(f"{recipe:<17} {what:<9} {means}, at the least {min(above):+.4f}")


if __name__ == "__main__":
    main()
