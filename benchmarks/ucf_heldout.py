"""Settings compared on training videos alone: the UCF-Crime subset, 40 % of its training videos held out.

    python benchmarks/ucf_heldout.py DATA OUT [--recipe dakd-small] [--seeds 0 1] [--set KEY=VALUE ...]

No test video is looked at. Printed is the AUC of the held-out videos by the highest score in each, for every component,
and for a linear ridge regression on the weak labels (lambda 10) of the same videos. A seed is a split of its own.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch

from oddframe.evaluation.auc import roc_auc
from oddframe.features.collection import Collection
from oddframe.models.bag_detector import BagDetector
from oddframe.workflow.fit import fit

RIDGE = 10.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--recipe", default="dakd-small")
    parser.add_argument("--seeds", nargs="*", type=int, default=[0, 1])
    parser.add_argument("--set", nargs="*", default=[], dest="changes")
    arguments = parser.parse_args()
    features = [f"c3d=segments:{arguments.data / 'features.npz'}"]
    collection = Collection(features)
    for seed in arguments.seeds:
        changes = [f"training.seed={seed}", "training.holdout=0.4", *arguments.changes]
        run = fit(
            str(arguments.data / "train.csv"),
            recipe=arguments.recipe,
            out=arguments.out / str(seed),
            features=features,
            changes=changes,
            quantile=0.9,
        )
        detector, known = run.bundle.detector, run.bundle.data
        assert isinstance(detector, BagDetector)
        label = {video["name"]: video["label"] for video in known["videos"]}
        x = {name: collection.load(name, ["c3d"])["c3d"].features for name in label}
        heldout = known["heldout"]
        learnt = [name for name in label if name not in set(heldout)]
        truth = [label[name] for name in heldout]
        bags = np.stack([x[name] for name in heldout])
        with torch.inference_mode():
            scores = {name: s.numpy() for name, s in detector.eval().score({"c3d": torch.from_numpy(bags)}).items()}

        rows, target = np.concatenate([x[name] for name in learnt]), np.repeat([label[name] for name in learnt], 32)
        centre = rows.mean(0)
        rows = rows - centre
        gram = rows.T @ rows + RIDGE * np.eye(rows.shape[1], dtype=np.float32)
        scores["ridge"] = (bags - centre) @ np.linalg.solve(gram, rows.T @ (target - target.mean()))
        told = ", ".join(f"{name} {roc_auc(truth, values.max(1)):.4f}" for name, values in scores.items())
        print(f"seed {seed}: {told}", flush=True)


if __name__ == "__main__":
    main()
