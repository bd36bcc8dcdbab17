"""How well the small recipe sees each kind of anomaly of the street.

    python benchmarks/street_kinds.py [--budget 130s] [SEED ...]

Per kind: the AUC of the frames in which an anomaly of the kind is visible against all normal frames of the test videos,
bundle's own score (protocol honest), mean over seeds.
"""

from __future__ import annotations

import csv
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

import numpy as np

from oddframe.datasets.folder import read_folder
from oddframe.evaluation.auc import roc_auc
from oddframe.settings import TrainingOptions
from oddframe.street import TEST_KINDS, World, render_world
from oddframe.workflow.fit import fit


def aucs(folder: Path, seed: int, budget: str) -> dict[str, float]:
    """Kind -> AUC on one street; "all" for all anomalous frames together."""
    render_world(folder / "street", World(seed), videos=8, test_videos=12, seconds=24)
    run = fit(
        folder / "street" / "training" / "videos",
        recipe="sdmae-small",
        out=folder / "run",
        changes=[f"training.seed={seed}"],
        training=TrainingOptions(budget=budget),
    )
    labelled = read_folder(folder / "street" / "testing")
    labels = {video.source.name: video.labels for video in labelled.videos}
    scores = {one.video: one.score for one in run.score([video.source for video in labelled.videos])}
    normal = np.concatenate([scores[name][labels[name] == 0] for name in labels])
    found: dict[str, list[np.ndarray]] = defaultdict(list)
    with (folder / "street" / "testing" / "events.csv").open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            span = slice(int(row["start_frame"]), int(row["end_frame"]) + 1)
            shown = labels[row["video"]][span] == 1
            for key in (row["kind"], "all"):
                found[key].append(scores[row["video"]][span][shown])
    result = {}
    for kind, pieces in found.items():
        abnormal = np.concatenate(pieces)
        truth = np.r_[np.zeros(len(normal), np.int8), np.ones(len(abnormal), np.int8)]
        result[kind] = roc_auc(truth, np.r_[normal, abnormal])
    return result


def main() -> None:
    arguments = sys.argv[1:]
    budget = arguments.pop(1) if arguments[:1] == ["--budget"] else "130s"
    seeds = [int(seed) for seed in arguments if seed.isdigit()] or [0, 1, 2]
    rows = []
    for seed in seeds:
        with tempfile.TemporaryDirectory() as folder:
            rows.append(aucs(Path(folder), seed, budget))
    print(f"sdmae-small, budget {budget}, seeds {seeds}, protocol honest")
    for kind in (*TEST_KINDS, "all"):
        values = [row[kind] for row in rows if kind in row]
        print(f"{kind:<17} {np.mean(values):.3f}   " + " ".join(f"{value:.3f}" for value in values))


if __name__ == "__main__":
    main()
