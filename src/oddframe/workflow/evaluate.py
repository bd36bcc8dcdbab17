"""A run against a labelled test set: one set of scores, every protocol, beside the plainest baseline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from oddframe.data.labelled import LabelledSet
from oddframe.data.readers import open_labelled
from oddframe.errors import InputError
from oddframe.evaluation.protocol import Protocol, Result, evaluate
from oddframe.evaluation.protocols import PROTOCOLS, get_protocol
from oddframe.models.detector import one_class
from oddframe.models.frame_difference import FrameDifference
from oddframe.runtime.torch import Precision, TorchRuntime
from oddframe.scoring.combine import ScoreRule
from oddframe.scoring.stream import score_video
from oddframe.types import FrameScores
from oddframe.video.decode import VideoReader
from oddframe.workflow.run import Progress, Run

BASELINE = "frame_difference"


@dataclass(frozen=True)
class Row:
    """One figure with all that belongs to it: the system, and the result under one protocol."""

    system: str
    result: Result


@dataclass(frozen=True)
class Evaluation:
    """All rows of a test set; `notes` can change how a number is to be read."""

    data: str
    bundle: str
    rows: tuple[Row, ...]
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        rows = [{"system": row.system, **row.result.to_dict()} for row in self.rows]
        return {"data": self.data, "bundle": self.bundle, "notes": list(self.notes), "rows": rows}


def evaluate_run(
    run: Run,
    data: str | LabelledSet,
    protocols: Sequence[str] = (),
    *,
    out: str | Path | None = None,
    device: str = "auto",
    precision: Precision = "fp32",
    progress: Progress | None = None,
) -> Evaluation:
    """Score a labelled test set and evaluate it under every protocol, the frame-difference baseline beside it.

    Args:
        data: "NAME:PATH" (see `oddframe.data.readers.open_labelled`), or a set already open.
        protocols: names; none: `honest` and all of the model's own that its components allow.
        out: folder for score files, the one that `Run.score` takes; what it already holds is not scored again. None
            keeps the scores in memory.

    Raises:
        InputError: unusable data, unknown protocol, or a video that cannot be decoded.
    """
    labelled = open_labelled(data) if isinstance(data, str) else data
    chosen = [get_protocol(name) for name in protocols] or default_protocols(run)
    sources = [video.source for video in labelled.videos]
    labels = {video.source.name: video.labels for video in labelled.videos}
    folder = None if out is None else Path(out) / "scores"
    scores, skipped, _ = run.score_all(sources, folder, False, device, precision, None, progress)
    if skipped:
        raise InputError(f"{skipped[0][1]}; a test set must be whole for its figures to mean anything")
    rule, plain = run.rule, ScoreRule(FrameDifference.combination, run.rule.smoothing)
    baseline = baseline_scores(run, labelled, plain)
    rows = []
    for protocol in chosen:
        rows.append(Row(run.bundle.recipe.model, evaluate(scores, labels, protocol, rule)))
        rows.append(Row(BASELINE, evaluate(baseline, labels, alike(protocol), plain)))
    return Evaluation(labelled.name, run.bundle.id, tuple(rows), labelled.notes)


def default_protocols(run: Run) -> list[Protocol]:
    """`honest`, and every protocol named after the model whose components its scores have."""
    available, model = run.bundle.detector.reported.keys(), run.bundle.recipe.model
    own = [
        protocol
        for name, protocol in PROTOCOLS.items()
        if name.split("/")[1:2] == [model]
        and (protocol.combination is None or available >= set(protocol.combination.weights))
    ]
    return [PROTOCOLS["honest"], *own]


def alike(protocol: Protocol) -> Protocol:
    """The same protocol for the baseline: smoothing and normalisation stay."""
    own, theirs = FrameDifference.combination, protocol.combination
    by_video = theirs is not None and theirs.scale == "per_video_minmax"
    return replace(protocol, combination=replace(own, scale="per_video_minmax") if by_video else own)


def baseline_scores(run: Run, labelled: LabelledSet, rule: ScoreRule) -> list[FrameScores]:
    """The frame-difference baseline on the same frames at the same size."""
    detector = FrameDifference(one_class(run.bundle.detector, "this evaluation").window.size)
    window, runtime = detector.window, TorchRuntime(detector, "cpu")
    scores = []
    for video in labelled.videos:
        with VideoReader(video.source, window.size, window.colour, window.resize) as reader:
            scores.append(score_video(runtime, reader, video.source.name, rule))
    return scores
