"""Scores against a labelled test set, made by a run or already stored: every protocol, beside the baselines."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from oddframe.datasets.labelled import LabelledSet, with_rate, without_rate
from oddframe.datasets.readers import open_labelled
from oddframe.errors import InputError, VideoError
from oddframe.evaluation.baselines import Background, combination_of
from oddframe.evaluation.protocol import Protocol, Result, evaluate
from oddframe.evaluation.protocols import PROTOCOLS, get_protocol, known_data, protocols_for
from oddframe.progress import ProgressCall, shown
from oddframe.runtime.runtime import RuntimeOptions
from oddframe.scoring.combine import ScoreRule
from oddframe.scoring.origin import Origin, stored_scores
from oddframe.types import FrameScores
from oddframe.video.identity import content_key, content_of
from oddframe.video.search import Videos
from oddframe.workflow.baselines import (
    BASELINE_SMOOTHING,
    ahead,
    measure_baselines,
    normal_background,
    save_baselines,
    stored_baselines,
)
from oddframe.workflow.began import given_start
from oddframe.workflow.details import Details, measure
from oddframe.workflow.notes import named
from oddframe.workflow.outputs import OutputOptions
from oddframe.workflow.run import Run, load_run


@dataclass(frozen=True)
class EvaluateOptions:
    """What is made of scores and labels.

    Attributes:
        protocols: names; none: `honest` and all of the model's own that its components allow.
        every: those, and what all other protocols make of the model's own components; see `choose_protocols`.
        details: also measure what the AUC of frames does not say, under the first protocol; see
            `oddframe.workflow.details`.
        fps: frames/s of frame folders and raw streams; None takes that of the reader of the data set, where it knows.
        baselines: show the baselines beside the system; their videos are decoded once for it.
        normal: normal video of the same camera, whose median is the background of a baseline; None takes the running
            median of each test video.
        start: when the video was taken (see `oddframe.workflow.began.given_start`); None says nothing.
    """

    protocols: Sequence[str] = ()
    every: bool = False
    details: bool = False
    fps: float | None = None
    baselines: bool = True
    normal: Videos | None = None
    start: str | None = None


@dataclass(frozen=True)
class Row:
    """One figure with all that belongs to it: the system, the result under one protocol, and whether the system is one
    of the baselines (`oddframe.evaluation.baselines`)."""

    system: str
    result: Result
    baseline: bool = False


@dataclass(frozen=True)
class Evaluation:
    """All rows of a test set; `notes` can change how a number is to be read; `details` where they were asked for.

    `incomplete` names the videos of which too much is lost (see `oddframe.account`).
    """

    data: str
    bundle: str
    rows: tuple[Row, ...]
    notes: tuple[str, ...]
    details: Details | None = None
    incomplete: tuple[str, ...] = ()

    @property
    def ahead(self) -> tuple[str, ...]:
        """A sentence for every protocol under which a baseline is ahead of the system."""
        beside: dict[str, list[tuple[str, Result]]] = {}
        for row in self.rows:
            if row.baseline:
                beside.setdefault(row.result.protocol, []).append((row.system, row.result))
        own = [row for row in self.rows if not row.baseline]
        found = (ahead(row.system, row.result, beside.get(row.result.protocol, ())) for row in own)
        return tuple(sentence for sentence in found if sentence)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        rows = [{"system": row.system, "baseline": row.baseline, **row.result.to_dict()} for row in self.rows]
        details = {} if self.details is None else {"details": self.details.to_dict()}
        about = {"ahead": list(self.ahead), "data": self.data, "bundle": self.bundle, "notes": list(self.notes)}
        return {**about, "rows": rows, **details}


LABELS_STAY = "labels are those of the whole picture: an anomaly that is only in a place to ignore counts as missed"


def evaluate_run(
    run: Run | str | Path,
    data: str | LabelledSet,
    options: EvaluateOptions = EvaluateOptions(),
    *,
    out: str | Path | None = None,
    runtime: RuntimeOptions = RuntimeOptions(),
    workers: int = 1,
    progress: ProgressCall | bool = True,
) -> Evaluation:
    """Score a labelled test set and evaluate it under every protocol, the baselines beside it.

    Args:
        run: a run, or the folder of one.
        data: "NAME:PATH" (see `oddframe.datasets.readers.open_labelled`), or a set already open.
        options: protocols, details and baselines.
        out: folder for score files, the one that `Run.score` takes; what it already holds is not scored again. None
            keeps the scores in memory.
        runtime: what runs the network.
        workers: processes that score videos side by side and share the cores.

    Raises:
        BundleError: the folder holds no bundle.
        InputError: the data cannot be used, a protocol is unknown or belongs to another system, a video cannot be
            decoded, or the run is to ignore places that are part of its scores.
    """
    run = run if isinstance(run, Run) else load_run(run)
    signature = run.signature  # a run that scores no frames is refused before anything is scored
    if not run.masks:
        raise InputError(
            f"{run.path}: {run.bundle.recipe.model} learned from the whole picture, and no place can be taken out of "
            "its scores afterwards; fit it with --ignore, and evaluate that"
        )
    labelled = with_rate(open_labelled(data) if isinstance(data, str) else data, options.fps)
    if run.bundle.data.assumed_rate and options.fps is None:
        labelled = without_rate(labelled)
    labelled = labelled.at_levels(run.bundle.data.levels)
    rule, model = run.rule, run.bundle.recipe.model
    components = set(signature.reported)
    chosen = choose_protocols(options.protocols, options.every, model, components, rule, labelled.name)
    if options.details and not run.bundle.calibration.is_file():
        run.calibration()  # says what is missing
    background = _background(options)
    sources, kept = given_start([video.source for video in labelled.videos], options.start), OutputOptions(pages=False)
    scored = run.score(sources, out, outputs=kept, options=runtime, workers=workers, progress=progress)
    if scored.skipped:
        raise InputError(f"{scored.skipped[0][1]}; a test set must be whole for its figures to mean anything")
    baselines, missing = _measured(labelled, options, background, progress)
    if baselines and out is not None:
        save_baselines(baselines, Path(out))
    origin = Origin(model, run.bundle.id, rule)
    evaluation = _evaluation(labelled, origin, scored.videos, baselines, chosen, bool(options.protocols))
    left_out = (LABELS_STAY,) if run.ignored or run.bundle.data.ignored else ()
    evaluation = replace(evaluation, notes=(*evaluation.notes, *scored.notes, *missing, *left_out))
    if not options.details:
        return evaluation
    promise = scored.threshold().promise
    return replace(evaluation, details=measure(scored.videos, labelled, chosen[0], rule, scored.events(), promise))


def evaluate_stored(
    folder: Path,
    data: str | LabelledSet,
    options: EvaluateOptions = EvaluateOptions(),
    progress: ProgressCall | bool = True,
) -> Evaluation:
    """Evaluate scores that lie in a folder, without the model.

    The baselines are those that `evaluate_run` left beside the scores, or else are computed from the videos of the
    test set. Where these cannot be read, a note says so.

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
    evaluation = _evaluation(labelled, origin, scores, (), chosen, bool(options.protocols))  # a fault is told at once
    stored = stored_baselines(folder.parent, labelled) if options.baselines and options.normal is None else ()
    baselines, missing = (stored, ()) if stored else _measured(labelled, options, _background(options), progress)
    if baselines:
        evaluation = _evaluation(labelled, origin, scores, baselines, chosen, bool(options.protocols))
    changed = changed_since(scores, labelled)
    if changed:
        missing += (f"scored before the file was changed or replaced, score again: {named(changed)}",)
    evaluation = replace(evaluation, notes=(*evaluation.notes, *missing))
    if not options.details:
        return evaluation
    return replace(evaluation, details=measure(scores, labelled, chosen[0], origin.rule, None))


def changed_since(scores: Sequence[FrameScores], labelled: LabelledSet) -> list[str]:
    """Names of the videos of a test set whose files are other ones now than when these scores were made of them."""
    made = {one.video: one.info for one in scores if one.info.key}
    changed = []
    for source in (video.source for video in labelled.videos if video.source.name in made):
        info = made[source.name]
        with suppress(VideoError):  # the scores are stored; the video may be gone
            same_place = os.path.realpath(info.path) == os.path.realpath(source.path)
            if same_place and content_of(content_key(source)) != content_of(info.key):
                changed.append(source.name)
    return changed


def _background(options: EvaluateOptions) -> Background | None:
    """The median of the normal video that was given, before anything is scored; None where none was."""
    return normal_background(options.normal) if options.baselines and options.normal is not None else None


def _measured(
    labelled: LabelledSet, options: EvaluateOptions, background: Background | None, progress: ProgressCall | bool
) -> tuple[tuple[FrameScores, ...], tuple[str, ...]]:
    """Baselines from the videos where they are wanted, and a note where they cannot be had."""
    if not options.baselines:
        return (), ()
    try:
        with shown(progress) as show:
            return measure_baselines(labelled, background, show), ()
    except VideoError as error:
        return (), (f"no baselines stand beside these scores: {error}",)


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
                f"protocol {protocol.name} is for the scores of {protocol.system}; these are of {model}. "
                "Use --all-protocols to apply it to these scores"
            )
    chosen = chosen or protocols_for(model, components, known_data(data))
    if every:
        for protocol in PROTOCOLS.values():
            if protocol.system not in (None, model):
                stood_in = protocol.standing_in(own.combination)
                if not any(stood_in.computes_like(other) for other in chosen):
                    chosen.append(replace(stood_in, name=f"{protocol.name} (own components)"))
    return chosen


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
    baselines: Sequence[FrameScores],
    protocols: Sequence[Protocol],
    asked: bool,
) -> Evaluation:
    """All rows; `asked`: the protocols were named, and so are held against the labels whatever the data set."""
    labels = {video.source.name: video.labels for video in labelled.videos}
    rows = []
    for protocol in protocols:
        rows.append(Row(origin.model, evaluate(scores, labels, protocol, origin.rule)))
        for name in baselines[0].components if baselines else ():
            combination = combination_of(name)
            rule = ScoreRule(combination, BASELINE_SMOOTHING)
            rows.append(Row(name, evaluate(baselines, labels, protocol.standing_in(combination), rule), baseline=True))
    data = known_data(labelled.name)
    held = [protocol for protocol in protocols if asked or (data and protocol.data == data)]
    read = [f"{one.video}: {note}" for one in scores for note in (*one.info.damage, *one.info.notes)]
    notes = (*labelled.notes, *read, *ground_truth_notes(labelled, held))
    incomplete = tuple(one.video for one in scores if one.info.account and one.info.account.incomplete)
    return Evaluation(labelled.name, origin.bundle, tuple(rows), notes, incomplete=incomplete)
