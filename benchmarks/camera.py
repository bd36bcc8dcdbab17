"""The default detector on a labelled test set: every component, every part and the sum, beside baselines.

    python benchmarks/camera.py TRAINING NAME:PATH OUT

TRAINING is normal video; NAME:PATH is a test set as `oddframe evaluate --data` takes it. OUT keeps the bundle and the
scores, so that one look at the test set serves the whole table. Protocol `honest`: nothing is tuned or selected on test
data, nothing is normalised per video, smoothing is causal. Every row has the same smoothing.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from oddframe.benchmark.table import markdown_table
from oddframe.datasets.labelled import LabelledSet
from oddframe.datasets.readers import open_labelled
from oddframe.evaluation.protocol import evaluate
from oddframe.evaluation.protocols import get_protocol
from oddframe.models.camera import PARTS, CameraDetector
from oddframe.models.frame_difference import FrameDifference
from oddframe.models.optical_flow import OpticalFlow
from oddframe.scoring.combine import ScoreRule
from oddframe.types import Combination, FrameScores
from oddframe.workflow.evaluate import unlearnt_scores
from oddframe.workflow.fit import fit
from oddframe.workflow.outputs import OutputOptions
from oddframe.workflow.run import Run, load_run


def main() -> None:
    training, data, out = sys.argv[1], sys.argv[2], Path(sys.argv[3])
    began = time.perf_counter()
    run = load_run(out / "run") if (out / "run").is_dir() else fit(training, model="camera", out=out / "run")
    print(f"fit: {time.perf_counter() - began:.0f} s; weights {run.bundle.recipe.scoring.weights}")
    labelled = open_labelled(data)
    scores = run.score([video.source for video in labelled.videos], out / "scores", outputs=OutputOptions(pages=False))
    labels = {video.source.name: video.labels for video in labelled.videos}
    rows = [row(name, scores.videos, labels, rule) for name, rule in rules(run).items()]
    rows += [row(name, found, labels, rule) for name, found, rule in baselines(labelled, run.rule)]
    columns = ["score", "micro", "macro", "micro, min-max per video"]
    print(markdown_table(columns, rows, columns[1:]))


def rules(run: Run) -> dict[str, ScoreRule]:
    """Each component, each part, and the sum; all with the levels and the smoothing of the run."""
    detector, rule = run.detector, run.rule
    assert isinstance(detector, CameraDetector)
    weights = rule.combination.weights
    found = {"sum": rule}
    for name in PARTS:
        if name in detector.parts:
            own = {component: weights.get(component, 0.0) for component in detector.parts[name].components}
            if any(own.values()):
                found[f"part {name}"] = weighed(rule, own)
    return found | {component: weighed(rule, {component: 1.0}) for component in detector.components}


def weighed(rule: ScoreRule, weights: Mapping[str, float]) -> ScoreRule:
    return replace(rule, combination=replace(rule.combination, weights=dict(weights)))


def baselines(labelled: LabelledSet, rule: ScoreRule) -> list[tuple[str, Sequence[FrameScores], ScoreRule]]:
    """What learns nothing: frame difference, optical flow, and the number of the frame."""
    difference = replace(rule, combination=FrameDifference.combination)
    flow = replace(rule, combination=OpticalFlow.combination)
    moving = unlearnt_scores(FrameDifference(), labelled, difference)
    clock = replace(rule, combination=Combination({"clock": 1.0}))
    ticking = [replace(one, components={"clock": np.arange(len(one.frame), dtype=np.float64)}) for one in moving]
    return [
        ("frame difference", moving, difference),
        ("optical flow", unlearnt_scores(OpticalFlow(), labelled, flow), flow),
        ("clock", ticking, clock),
    ]


def row(name: str, scores: Sequence[FrameScores], labels: Mapping[str, np.ndarray], rule: ScoreRule) -> list[str]:
    honest = evaluate(scores, labels, get_protocol("honest"), rule)
    scaled = replace(get_protocol("honest"), name="scaled", normalise="per_video_minmax")
    minmax = evaluate(scores, labels, scaled, rule).micro_auc
    return [name, f"{honest.micro_auc:.3f}", f"{honest.macro_auc:.3f}", f"{minmax:.3f}"]


if __name__ == "__main__":
    main()
