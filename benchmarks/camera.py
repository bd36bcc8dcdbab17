"""The default detector on a labelled test set: every component, every part and the sum, beside baselines.

    python benchmarks/camera.py TRAINING NAME:PATH OUT [--half]

TRAINING is normal video; NAME:PATH is a test set as `oddframe evaluate --data` takes it. OUT keeps the bundle and the
scores, so that one look at the test set serves the whole table. With `--half` all videos are brought to half their size
and encoded by x264 at crf 35 first: small things, lossy video. Protocol `honest`: nothing is tuned or selected on test
data, nothing is normalised per video, smoothing is causal. Every row has the same smoothing.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from street_systems import auc

from oddframe.benchmark.table import markdown_table
from oddframe.datasets.readers import open_labelled
from oddframe.evaluation.baselines import combination_of
from oddframe.evaluation.protocol import evaluate
from oddframe.evaluation.protocols import get_protocol
from oddframe.models.camera import PARTS, CameraDetector
from oddframe.reading.tables import read_table
from oddframe.scoring.combine import ScoreRule
from oddframe.street import TEST_KINDS
from oddframe.types import FrameScores
from oddframe.video.decode import VideoReader
from oddframe.video.search import find_videos
from oddframe.video.sources import VideoSource
from oddframe.workflow.baselines import measure_baselines, normal_background
from oddframe.workflow.demo import VEHICLES
from oddframe.workflow.fit import fit
from oddframe.workflow.outputs import OutputOptions
from oddframe.workflow.run import Run, load_run


def main() -> None:
    training, data, out = sys.argv[1], sys.argv[2], Path(sys.argv[3])
    normal, labelled = find_videos(training), open_labelled(data)
    if "--half" in sys.argv:
        normal = [halved(source, out / "training") for source in normal]
        videos = tuple(replace(one, source=halved(one.source, out / "testing")) for one in labelled.videos)
        labelled = replace(labelled, videos=videos)
    began = time.perf_counter()
    run = load_run(out / "run") if (out / "run").is_dir() else fit(normal, model="camera", out=out / "run")
    print(f"fit: {time.perf_counter() - began:.0f} s; weights {run.bundle.recipe.scoring.weights}")
    scores = run.score([video.source for video in labelled.videos], out / "scores", outputs=OutputOptions(pages=False))
    labels = {video.source.name: video.labels for video in labelled.videos}
    rows = [row(name, scores.videos, labels, rule) for name, rule in rules(run).items()]
    beside = measure_baselines(labelled, normal_background(normal))
    for name in beside[0].components:
        rule = replace(run.rule, combination=combination_of(name))
        rows.append(row(f"{name} (baseline)", beside, labels, rule))
    columns = ["score", "micro", "macro", "micro, min-max per video"]
    print(markdown_table(columns, rows, columns[1:]))
    testing = Path(data.partition(":")[2])
    if (testing / "events.csv").is_file():  # a synthetic street
        print(by_kind(scores.videos, testing, rules(run)))


def by_kind(scores: Sequence[FrameScores], testing: Path, chosen: Mapping[str, ScoreRule]) -> str:
    """AUC of the frames that show a kind of anomaly against all normal frames: of the sum and of every part."""
    parts = {name: rule for name, rule in chosen.items() if name == "sum" or name.startswith("part ")}
    kinds = {**{kind: (kind,) for kind in TEST_KINDS}, "vehicles": VEHICLES}
    scored = {
        name: [replace(one, score=rule(one.components, one.time)) for one in scores] for name, rule in parts.items()
    }
    with_some = {kind: some for kind, some in kinds.items() if planted(testing, some)}
    rows = [[kind, *(f"{auc(own, testing, some):.3f}" for own in scored.values())] for kind, some in with_some.items()]
    return markdown_table(["kind", *parts], rows, list(parts))


def planted(testing: Path, kinds: Collection[str]) -> bool:
    return any(row["kind"] in kinds for row in read_table(testing / "events.csv").rows)


def halved(source: VideoSource, folder: Path) -> VideoSource:
    """The video at half its size, encoded by x264 at crf 35."""
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"{source.path.stem}.mkv"
    if not target.exists():
        with VideoReader(source) as reader, av.open(str(target), "w") as out:
            rate = Fraction(reader.info.fps or 25).limit_denominator(1001)
            stream = out.add_stream("libx264", rate=rate, options={"crf": "35", "preset": "medium"})
            stream.width, stream.height, stream.pix_fmt = reader.info.width // 2, reader.info.height // 2, "yuv420p"
            for frame in reader:
                small = cv2.resize(frame.image, (stream.width, stream.height), interpolation=cv2.INTER_AREA)
                out.mux(stream.encode(av.VideoFrame.from_ndarray(small, format="bgr24")))
            out.mux(stream.encode(None))
    return VideoSource(source.name, target, "file")


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


def row(name: str, scores: Sequence[FrameScores], labels: Mapping[str, np.ndarray], rule: ScoreRule) -> list[str]:
    honest = evaluate(scores, labels, get_protocol("honest"), rule)
    scaled = replace(get_protocol("honest"), name="scaled", normalise="per_video_minmax")
    minmax = evaluate(scores, labels, scaled, rule).micro_auc
    return [name, f"{honest.micro_auc:.3f}", f"{honest.macro_auc:.3f}", f"{minmax:.3f}"]


if __name__ == "__main__":
    main()
