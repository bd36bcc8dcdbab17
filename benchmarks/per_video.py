"""What each component of stored scores is worth: micro and macro AUC with intervals over videos, and every video's AUC.

    oddframe evaluate RUN --data folder:TEST --out OUT
    python benchmarks/per_video.py OUT/scores TEST/labels --taps 19 --sigma 5

Components are smoothed causally as the options say, and not normalised. Videos of one class have no AUC.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from oddframe.evaluation.auc import macro_auc, roc_auc
from oddframe.evaluation.bootstrap import bootstrap, bootstrap_micro_auc
from oddframe.scoring.files import load_scores
from oddframe.scoring.smooth import smooth
from oddframe.settings import Smoothing


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("scores", type=Path)
    parser.add_argument("labels", type=Path)
    parser.add_argument("--taps", type=int, default=37)
    parser.add_argument("--sigma", type=float, default=11.0)
    options = parser.parse_args()
    how = Smoothing("causal", options.taps, options.sigma)
    videos = [load_scores(path, with_map=False) for path in sorted(options.scores.glob("*.npz"))]
    truth = {v.video: np.load(options.labels / f"{v.video}.npy")[v.frame] for v in videos}
    for name in videos[0].components:
        curves = {v.video: smooth(v.components[name], how) for v in videos}
        pairs = [(truth[video], score) for video, score in curves.items()]
        print(f"{name:<8} micro {bootstrap_micro_auc(pairs)}, macro {bootstrap(pairs, macro_auc)}")
        for video, score in curves.items():
            normal, abnormal = score[truth[video] == 0], score[truth[video] == 1]
            if len(normal) and len(abnormal):
                auc, medians = roc_auc(truth[video], score), (np.median(normal), np.median(abnormal))
                print(f"    {video}  {auc:.2f}   median normal {medians[0]:.2f}, anomalous {medians[1]:.2f}")


if __name__ == "__main__":
    main()
