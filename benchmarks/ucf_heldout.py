"""Settings compared on training videos alone: the UCF-Crime subset, a part of its training videos held out.

    python benchmarks/ucf_heldout.py DATA OUT [--recipe dakd-small] [--seeds 0 1] [--holdout 0.4] [--set KEY=VALUE ...]

No test video is looked at. A seed is a split of its own. Printed is the AUC of the held-out videos' labels, for every
component and for a linear ridge regression on the weak labels (lambda 10) of the same videos: of all segments together,
each with its video's label ("segments", the nearest that weak labels come to the pooled AUC of frames, and what
settings are chosen by), and of videos by their mean ("mean") and highest score ("highest"). The baselines of
`oddframe.evaluation.weak_baselines` stand beside them: one score for a whole video.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from oddframe.evaluation.auc import roc_auc
from oddframe.evaluation.weak_baselines import VideoSummary, summarise, weak_baselines
from oddframe.features.collection import Collection
from oddframe.features.snippets import SnippetFeatures
from oddframe.models.bag_detector import BagDetector
from oddframe.settings import ThresholdOptions, TrainingOptions
from oddframe.workflow.fit import fit

RIDGE = 10.0


def aucs(label_N: NDArray[np.int64], score_NS: NDArray[np.floating]) -> NDArray[np.float64]:
    """Of segments, of videos by their mean score, of videos by their highest."""
    segments = roc_auc(label_N.repeat(score_NS.shape[1]), score_NS.ravel())
    return np.array([segments, roc_auc(label_N, score_NS.mean(1)), roc_auc(label_N, score_NS.max(1))])


def video_scores(
    x_NSD: NDArray[np.float32], label_N: NDArray[np.int64], asked_MSD: NDArray[np.float32]
) -> dict[str, NDArray[np.float64]]:
    """Baselines that score whole videos, (M, S) each; the change is the difference of neighbouring segments."""

    def known(bags: NDArray[np.float32]) -> dict[str, VideoSummary]:
        rows = (SnippetFeatures(str(n), x, None, "segments") for n, x in enumerate(bags))
        return {own.video: summarise({"c3d": own}, {"c3d": "mean"}) for own in rows}

    label = {str(n): int(value) for n, value in enumerate(label_N)}
    found, _ = weak_baselines(known(asked_MSD), known(x_NSD), label)
    columns = {name: np.array(list(baseline.score.values()))[:, None] for name, baseline in found.items()}
    return {name: column.repeat(asked_MSD.shape[1], 1) for name, column in columns.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--recipe", default="dakd-small")
    parser.add_argument("--seeds", nargs="*", type=int, default=[0, 1])
    parser.add_argument("--holdout", type=float, default=0.4)
    parser.add_argument("--budget", help="the recipe's own without it")
    parser.add_argument("--set", nargs="*", default=[], dest="changes")
    arguments = parser.parse_args()
    features = [f"c3d=segments:{arguments.data / 'features.npz'}"]
    collection = Collection(features)
    found: dict[str, list[NDArray[np.float64]]] = {}
    print("seed  system                segments      mean   highest")
    for seed in arguments.seeds:
        run = fit(
            str(arguments.data / "train.csv"),
            recipe=arguments.recipe,
            out=arguments.out / str(seed),
            changes=[f"training.seed={seed}", f"training.holdout={arguments.holdout}", *arguments.changes],
            threshold=ThresholdOptions(quantile=0.9),
            training=TrainingOptions(budget=arguments.budget, features=features),
        )
        detector, known = run.detector, run.bundle.data
        assert isinstance(detector, BagDetector)
        label = {video.name: video.label for video in known.videos}
        x = {name: collection.load(name, ["c3d"])["c3d"].features for name in label}
        heldout = known.heldout_videos
        learnt = [name for name in label if name not in set(heldout)]
        bags = np.stack([x[name] for name in heldout])
        with torch.inference_mode():
            scores = {name: s.numpy() for name, s in detector.eval().score({"c3d": torch.from_numpy(bags)}).items()}

        rows, target = np.concatenate([x[name] for name in learnt]), np.repeat([label[name] for name in learnt], 32)
        centre = rows.mean(0)
        rows = rows - centre
        gram = rows.T @ rows + RIDGE * np.eye(rows.shape[1], dtype=np.float32)
        scores["ridge"] = (bags - centre) @ np.linalg.solve(gram, rows.T @ (target - target.mean()))
        own, target_of = np.stack([x[name] for name in learnt]), np.array([label[name] for name in learnt])
        scores |= video_scores(own, target_of, bags)
        truth = np.array([label[name] for name in heldout])
        for name, values in scores.items():
            found.setdefault(name, []).append(aucs(truth, values))
            print(f"{seed:>4}  {name:<20}" + "".join(f"{value:>10.4f}" for value in found[name][-1]), flush=True)
    for name, rows_of in found.items():
        mean, gap = np.mean(rows_of, 0), np.subtract(rows_of, found["ridge"])
        error = gap[:, 0].std(ddof=1) / len(gap) ** 0.5 if len(gap) > 1 else float("nan")
        told = "" if name == "ridge" else f"   segments - ridge {gap[:, 0].mean():+.4f} +- {error:.4f}"
        print(f"mean  {name:<20}" + "".join(f"{value:>10.4f}" for value in mean) + told)


if __name__ == "__main__":
    main()
