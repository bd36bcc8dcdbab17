"""Scores against a labelled test set, made by a run or already stored: every protocol, beside the plainest baseline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from oddframe.datasets.labelled import LabelledSet
from oddframe.datasets.readers import open_labelled
from oddframe.errors import InputError
from oddframe.evaluation.protocol import Protocol, Result, evaluate
from oddframe.evaluation.protocols import PROTOCOLS, get_protocol, known_data, protocols_for
from oddframe.models.detector import Detector
from oddframe.models.frame_difference import FrameDifference
from oddframe.progress import ProgressCall
from oddframe.runtime.runtime import RuntimeOptions
from oddframe.runtime.torch import TorchRuntime
from oddframe.scoring.combine import ScoreRule
from oddframe.scoring.files import load_scores, save_scores, score_path
from oddframe.scoring.origin import Origin, stored_scores
from oddframe.scoring.scorer import WindowScorer
from oddframe.types import FrameScores
from oddframe.workflow.details import Details, measure
from oddframe.workflow.outputs import OutputOptions
from oddframe.workflow.run import Run

BASELINE = "frame_difference"
BASELINE_FOLDER = "baseline"


@dataclass(frozen=True)
class EvaluateOptions:
    """What is made of scores and labels.

    Attributes:
        protocols: names; none: `honest` and all of the model's own that its components allow.
        every: those, and what all other protocols make of the model's own components; see `choose_protocols`.
        details: also measure what the AUC of frames does not say, under the first protocol; see
            `oddframe.workflow.details`.
    """

    protocols: Sequence[str] = ()
    every: bool = False
    details: bool = False


@dataclass(frozen=True)
class Row:
    """One figure with all that belongs to it: the system, and the result under one protocol."""

    system: str
    result: Result


@dataclass(frozen=True)
class Evaluation:
    """All rows of a test set; `notes` can change how a number is to be read; `details` where they were asked for."""

    data: str
    bundle: str
    rows: tuple[Row, ...]
    notes: tuple[str, ...]
    details: Details | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        rows = [{"system": row.system, **row.result.to_dict()} for row in self.rows]
        details = {} if self.details is None else {"details": self.details.to_dict()}
        return {"data": self.data, "bundle": self.bundle, "notes": list(self.notes), "rows": rows, **details}


def evaluate_run(
    run: Run,
    data: str | LabelledSet,
    options: EvaluateOptions = EvaluateOptions(),
    *,
    out: str | Path | None = None,
    runtime: RuntimeOptions = RuntimeOptions(),
    workers: int = 1,
    progress: ProgressCall | bool = True,
) -> Evaluation:
    """Score a labelled test set and evaluate it under every protocol, the frame-difference baseline beside it.

    Args:
        data: "NAME:PATH" (see `oddframe.datasets.readers.open_labelled`), or a set already open.
        options: protocols and details.
        out: folder for score files, the one that `Run.score` takes; what it already holds is not scored again. None
            keeps the scores in memory.
        runtime: what runs the network.
        workers: processes that score videos side by side and share the cores.

    Raises:
        InputError: the data cannot be used, a protocol is unknown or belongs to another system, or a video cannot be
            decoded.
    """
    size = run.signature.window.size  # of the baseline; what has none is refused before anything is scored
    labelled = open_labelled(data) if isinstance(data, str) else data
    rule, model = run.rule, run.bundle.recipe.model
    components = set(run.bundle.outline.reported)
    chosen = choose_protocols(options.protocols, options.every, model, components, rule, labelled.name)
    sources, kept = [video.source for video in labelled.videos], OutputOptions(pages=False)
    scored = run.score(sources, out, outputs=kept, options=runtime, workers=workers, progress=progress)
    if scored.skipped:
        raise InputError(f"{scored.skipped[0][1]}; a test set must be whole for its figures to mean anything")
    baseline = baseline_scores(size, labelled, ScoreRule(FrameDifference.combination, rule.smoothing))
    if out is not None:
        for one in baseline:
            save_scores(one, Path(out) / BASELINE_FOLDER)
    origin = Origin(model, run.bundle.id, rule)
    evaluation = _evaluation(labelled, origin, scored.videos, baseline, chosen, bool(options.protocols))
    if not options.details:
        return evaluation
    return replace(evaluation, details=measure(scored.videos, labelled, chosen[0], rule, scored.events()))


def evaluate_stored(folder: Path, data: str | LabelledSet, options: EvaluateOptions = EvaluateOptions()) -> Evaluation:
    """Evaluate scores that lie in a folder, without the model and without decoding a video.

    The baseline stands beside them where `evaluate_run` kept its scores.

    Args:
        folder: of score files; see `oddframe.scoring.origin.score_folder`.
        data, options: as for `evaluate_run`; there is no threshold, so details hold no events.

    Raises:
        InputError: the scores or the data cannot be used, a protocol is unknown or belongs to another system, or scores
            and labels are not of the same videos.
    """
    labelled = open_labelled(data) if isinstance(data, str) else data
    origin, scores = stored_scores(folder)
    components = set(scores[0].components)
    chosen = choose_protocols(options.protocols, options.every, origin.model, components, origin.rule, labelled.name)
    names = [video.source.name for video in labelled.videos]
    paths = [score_path(folder.parent / BASELINE_FOLDER, name) for name in names]
    baseline = [load_scores(path) for path in paths] if all(path.is_file() for path in paths) else None
    evaluation = _evaluation(labelled, origin, scores, baseline, chosen, bool(options.protocols))
    if not options.details:
        return evaluation
    return replace(evaluation, details=measure(scores, labelled, chosen[0], origin.rule, None))


def choose_protocols(
    names: Sequence[str], every: bool, model: str, components: set[str], own: ScoreRule, data: str
) -> list[Protocol]:
    """The protocols to evaluate scores under.

    Args:
        names: of protocols; none: `honest` and all of the model's own that the components allow.
        every: also what the protocols of the other systems make of the model's own combination, each named "NAME (own
            components)", and none twice.
        own: the model's way to a score.
        data: name of the test set; see `oddframe.evaluation.protocols.protocols_for`.

    Raises:
        InputError: an unknown protocol, or one of another system.
    """
    chosen = [get_protocol(name) for name in names]
    for protocol in chosen:
        if protocol.system not in (None, model):
            raise InputError(
                f"protocol {protocol.name} is for the scores of {protocol.system}; these are of {model}. What it makes "
                f"of them shows --all-protocols"
            )
    chosen = chosen or protocols_for(model, components, known_data(data))
    if every:
        for protocol in PROTOCOLS.values():
            if protocol.system not in (None, model):
                stood_in = protocol.standing_in(own.combination)
                if not any(stood_in.computes_like(other) for other in chosen):
                    chosen.append(replace(stood_in, name=f"{protocol.name} (own components)"))
    return chosen


def alike(protocol: Protocol) -> Protocol:
    """The same protocol for the baseline: smoothing and normalisation stay."""
    return protocol.standing_in(FrameDifference.combination)


def baseline_scores(size: tuple[int, int], labelled: LabelledSet, rule: ScoreRule) -> list[FrameScores]:
    """The frame-difference baseline on the same frames at the size, (height, width), that a detector sees."""
    return unlearnt_scores(FrameDifference(size), labelled, rule)


def unlearnt_scores(detector: Detector, labelled: LabelledSet, rule: ScoreRule) -> list[FrameScores]:
    """A test set scored by a detector that has nothing to learn, on the CPU."""
    scorer = WindowScorer(TorchRuntime(detector, "cpu"), rule)
    return [scorer.score(video.source) for video in labelled.videos]


def ground_truth_notes(labelled: LabelledSet, protocols: Sequence[Protocol]) -> list[str]:
    """Where the labels are not those that a protocol's published figure rests on: a line for each protocol."""
    frames = sum(len(video.labels) for video in labelled.videos)
    positives = sum(int(video.labels.sum()) for video in labelled.videos)
    notes = []
    for protocol in protocols:
        differs = protocol.ground_truth and protocol.ground_truth.differs(frames, positives)
        if differs:
            notes.append(f"{protocol.name} rests on other labels: {differs}")
    return notes


def _evaluation(
    labelled: LabelledSet,
    origin: Origin,
    scores: Sequence[FrameScores],
    baseline: Sequence[FrameScores] | None,
    protocols: Sequence[Protocol],
    asked: bool,
) -> Evaluation:
    """All rows; `asked`: the protocols were named, and so are held against the labels whatever the data set."""
    labels = {video.source.name: video.labels for video in labelled.videos}
    plain = ScoreRule(FrameDifference.combination, origin.rule.smoothing)
    rows = []
    for protocol in protocols:
        rows.append(Row(origin.model, evaluate(scores, labels, protocol, origin.rule)))
        if baseline is not None:
            rows.append(Row(BASELINE, evaluate(baseline, labels, alike(protocol), plain)))
    data = known_data(labelled.name)
    held = [protocol for protocol in protocols if asked or (data and protocol.data == data)]
    notes = [*labelled.notes, *ground_truth_notes(labelled, held)]
    return Evaluation(labelled.name, origin.bundle, tuple(rows), tuple(notes))
