"""A weakly supervised run against a test set of features: every component, beside baselines."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oddframe.datasets.weak import Rule, WeakVideo, labels, open_weak
from oddframe.errors import InputError
from oddframe.evaluation.bootstrap import ConfidenceInterval, bootstrap_micro_auc
from oddframe.evaluation.weak import WeakResult, are_frames_known, evaluate_weak, reference_rows
from oddframe.evaluation.weak_baselines import Baseline, VideoSummary, summarise, weak_baselines
from oddframe.features.collection import Collection
from oddframe.models.bag_detector import BagDetector
from oddframe.progress import ProgressCall
from oddframe.scoring.bags import torch_network
from oddframe.scoring.features import score_bag
from oddframe.workflow.notes import learned_notes
from oddframe.workflow.run import Run

BLOCK = 300  # frames, of the bootstrap of a single video: ten seconds at the usual rate, which a list does not say


@dataclass(frozen=True)
class BagOptions:
    """What is made of the scores and labels of a weakly labelled test set.

    Attributes:
        rule: how the annotation is read, see `oddframe.datasets.weak.labels`.
        leave_out: go on without the test videos that have no features; they are named in the results.
        details: also find a confidence interval of the AUC.
        baselines: show those of `oddframe.evaluation.weak_baselines` beside the system.
    """

    rule: Rule = "exclusive"
    leave_out: bool = False
    details: bool = False
    baselines: bool = True


@dataclass(frozen=True)
class BagEvaluation:
    """All rows of a test set.

    Attributes:
        rows: a component of the run ("student", "teacher"), a baseline, or a reference -> its result. The first is the
            component that the run scores with.
        notes: lines that can change how a number is to be read.
        intervals: of the AUC of each component, videos drawn anew, or blocks of a single one; empty unless asked for.
        baselines: names of the rows that are baselines.
    """

    data: str
    bundle: str
    rows: Mapping[str, WeakResult]
    notes: tuple[str, ...]
    intervals: Mapping[str, ConfidenceInterval] = field(default_factory=dict)
    baselines: tuple[str, ...] = ()

    @property
    def ahead(self) -> str:
        """A sentence on the best baselines that are ahead of the run; empty where none is."""
        system, own = next(iter(self.rows.items()))
        found = []
        for metric, words in (("auc", "AUC"), ("video_auc", "AUC of videos")):
            mine = getattr(own, metric)
            values = [(getattr(self.rows[name], metric), name) for name in self.baselines]
            better = [(value, name) for value, name in values if value > mine]
            if better:
                value, name = max(better)
                found.append(f"{name} has {words} {value:.4f} and {system} {mine:.4f}")
        return f"A baseline is ahead: {'; '.join(found)}." if found else ""

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        rows = [
            {"system": name, "baseline": name in self.baselines, **result.to_dict()}
            for name, result in self.rows.items()
        ]
        intervals = {name: asdict(interval) for name, interval in self.intervals.items()}
        about = {"ahead": [self.ahead] if self.ahead else [], "data": self.data, "bundle": self.bundle}
        found = {**about, "notes": list(self.notes), "rows": rows}
        return {**found, "intervals": intervals} if intervals else found


def evaluate_bags(
    run: Run,
    data: str,
    features: Sequence[str],
    options: BagOptions = BagOptions(),
    *,
    progress: ProgressCall | None = None,
) -> BagEvaluation:
    """Score features of a weakly labelled test set, and evaluate every component, with baselines beside them.

    Args:
        data: "NAME:PATH", or a CSV (see `oddframe.datasets.weak.open_weak`).
        features: as for `oddframe.fit`, made in the same way as those that the run learnt from. With those of all
            backbones the teacher is evaluated too. Baselines that learn need those of the videos that the run learned
            from as well.
        options: rule, details, baselines.

    Raises:
        InputError: unusable data, features of another kind, or test videos without features.
    """
    rule, leave_out = options.rule, options.leave_out
    detector = run.detector.weakly_supervised()
    weak = open_weak(data)
    if not weak.test:
        raise InputError(f"{data}: has no test videos to evaluate on")
    collection = Collection(features)
    backbones = usable(run, detector, collection)
    with_features = [video for video in weak.test if not collection.missing(video.name, backbones)]
    if len(with_features) < len(weak.test) and not leave_out:
        missing = [video.name for video in weak.test if video not in with_features]
        raise InputError(
            f"{missing[0]}: no features of this test video ({len(missing)} of {len(weak.test)} have none); "
            "extract them, or evaluate without them: --leave-out"
        )
    if not with_features:
        raise InputError(f"{data}: there are features of not one of its {len(weak.test)} test videos")
    are_frames_known(with_features)  # annotation of some anomalous videos only is refused before anything is scored
    network, longest = torch_network(detector), run.bundle.recipe.scoring.segment_seconds
    curves: dict[str, dict[str, NDArray[np.float64]]] = {}
    channels = {name: collection.sources[name][0].channels for name in backbones}
    summaries: dict[str, VideoSummary] = {}
    for done, video in enumerate(with_features, 1):
        loaded = collection.load(video.name, backbones)
        _, components = score_bag(network, detector.segments, loaded, longest, video.frames)
        for name, values in components.items():
            curves.setdefault(name, {})[video.name] = values
        if options.baselines:
            summaries[video.name] = summarise(loaded, channels)
        if progress is not None:
            progress("scoring", done, len(with_features))
    rows = {name: evaluate_weak(own, weak.test, rule, leave_out=leave_out) for name, own in curves.items()}
    first = next(iter(rows.values()))
    lengths = {name: len(values) for name, values in next(iter(curves.values())).items()}
    beside: dict[str, Baseline] = {}
    remarks: list[str] = []
    if options.baselines:
        beside, remarks = baselines_of(run, collection, summaries, progress)
    rows |= {name: baseline_row(one, lengths, weak.test, options) for name, one in beside.items()}
    rows |= reference_rows(lengths, weak.test, rule, leave_out=leave_out)
    keys = {video.name: collection.content_key(video.name, backbones) for video in with_features}
    notes = [*weak.notes, *first.notes, *learned_notes(run.bundle.data, keys), *remarks]
    if weak.published is not None and not first.left_out and first.positives is not None:
        notes += filter(None, [weak.published.compare_frames(first.frames, first.positives)])
    intervals = {}
    if options.details and first.positives is not None:
        labelled = {video.name: video for video in with_features}
        for name, own in curves.items():
            pairs = [(labels(labelled[video], len(values), rule), values) for video, values in own.items()]
            intervals[name] = bootstrap_micro_auc(pairs, block=BLOCK)
    return BagEvaluation(weak.name, run.bundle.id, rows, tuple(notes), intervals, tuple(beside))


def baselines_of(
    run: Run, collection: Collection, test: Mapping[str, VideoSummary], progress: ProgressCall | None
) -> tuple[dict[str, Baseline], list[str]]:
    """The baselines of a test set by name, and sentences on them. They learn from the videos that the run learned from
    and did not hold out, as far as there are features of these.

    Args:
        test: video -> what is known of it.
    """
    backbones = list(next(iter(test.values())).mean)
    channels = {name: collection.sources[name][0].channels for name in backbones}
    data = run.bundle.data
    learnt = {video.name: video.label or 0 for video in data.videos if video.name not in set(data.heldout_videos)}
    known = [name for name in learnt if not collection.missing(name, backbones)]
    training = {}
    for done, name in enumerate(known, 1):
        training[name] = summarise(collection.load(name, backbones), channels)
        if progress is not None:
            progress("baselines", done, len(known))
    found, notes = weak_baselines(test, training, learnt)
    if 0 < len(known) < len(learnt):
        notes.append(f"baselines learn from {len(known)} of the {len(learnt)} videos that the run learned from")
    return found, notes


def baseline_row(
    baseline: Baseline, lengths: Mapping[str, int], videos: Sequence[WeakVideo], options: BagOptions
) -> WeakResult:
    """The result of a baseline, whose score is the same for all frames of a video."""
    curves = {video: np.full(lengths[video], score) for video, score in baseline.score.items()}
    result = evaluate_weak(curves, videos, options.rule, leave_out=options.leave_out)
    # A score that nothing was learned for has no scale, so that a threshold says nothing.
    return result if baseline.strength is not None else replace(result, false_alarm_rate=math.nan)


def usable(run: Run, detector: BagDetector, collection: Collection) -> list[str]:
    """The backbones to score with: those required, and the others where there are features of all of them.

    Raises:
        InputError: a required backbone has no features, or features of another kind than those learnt from.
    """
    learnt = {name: origin.fingerprint for name, origin in run.bundle.data.features.items()}
    for name in detector.required:
        if name not in collection.sources:
            raise InputError(
                f"{run.path}: scores {name} features; there are {', '.join(collection.sources) or 'none'} "
                f"(--features {name}=STORE names a store)"
            )
    for name, fingerprint in collection.fingerprints.items():
        if name in learnt and fingerprint != learnt[name]:
            raise InputError(
                f"{run.path}: learnt from {name} features of another kind ({learnt[name]}) than these ({fingerprint}): "
                "other weights, preprocessing or sampling; extract these in the same way"
            )
    complete = all(name in collection.sources for name in detector.backbones)
    return list(detector.backbones if complete else detector.required)
