"""A weakly supervised run against a test set of features: every component, beside detectors that locate nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oddframe.datasets.weak import Rule, labels, open_weak
from oddframe.errors import InputError
from oddframe.evaluation.bootstrap import ConfidenceInterval, bootstrap_micro_auc
from oddframe.evaluation.weak import WeakResult, are_frames_known, evaluate_weak, reference_rows
from oddframe.features.collection import Collection
from oddframe.models.bag_detector import BagDetector
from oddframe.progress import ProgressCall
from oddframe.scoring.bags import torch_network
from oddframe.scoring.features import score_bag
from oddframe.workflow.notes import learned_notes
from oddframe.workflow.run import Run

BLOCK = 300  # frames, of the bootstrap of a single video: ten seconds at the usual rate, which a list does not say


@dataclass(frozen=True)
class BagEvaluation:
    """All rows of a test set.

    Attributes:
        rows: a component of the run ("student", "teacher"), or a reference -> its result.
        notes: lines that can change how a number is to be read.
        intervals: of the AUC of each component, videos drawn anew, or blocks of a single one; empty unless asked for.
    """

    data: str
    bundle: str
    rows: Mapping[str, WeakResult]
    notes: tuple[str, ...]
    intervals: Mapping[str, ConfidenceInterval] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        rows = [{"system": name, **result.to_dict()} for name, result in self.rows.items()]
        intervals = {name: asdict(interval) for name, interval in self.intervals.items()}
        found = {"data": self.data, "bundle": self.bundle, "notes": list(self.notes), "rows": rows}
        return {**found, "intervals": intervals} if intervals else found


def evaluate_bags(
    run: Run,
    data: str,
    features: Sequence[str],
    *,
    rule: Rule = "exclusive",
    leave_out: bool = False,
    details: bool = False,
    progress: ProgressCall | None = None,
) -> BagEvaluation:
    """Score features of a weakly labelled test set, and evaluate every component.

    Args:
        data: "NAME:PATH", or a CSV (see `oddframe.datasets.weak.open_weak`).
        features: as for `oddframe.fit`, made in the same way as those that the run learnt from. With those of all
            backbones the teacher is evaluated too.
        rule: how the annotation is read, see `oddframe.datasets.weak.labels`.
        leave_out: go on without the test videos that have no features; they are named in the results.
        details: also find a confidence interval of the AUC.

    Raises:
        InputError: unusable data, features of another kind, or test videos without features.
    """
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
    for done, video in enumerate(with_features, 1):
        loaded = collection.load(video.name, backbones)
        _, components = score_bag(network, detector.segments, loaded, longest, video.frames)
        for name, values in components.items():
            curves.setdefault(name, {})[video.name] = values
        if progress is not None:
            progress("scoring", done, len(with_features))
    rows = {name: evaluate_weak(own, weak.test, rule, leave_out=leave_out) for name, own in curves.items()}
    lengths = {name: len(values) for name, values in next(iter(curves.values())).items()}
    rows |= reference_rows(lengths, weak.test, rule, leave_out=leave_out)
    first = next(iter(rows.values()))
    keys = {video.name: collection.content_key(video.name, backbones) for video in with_features}
    notes = [*weak.notes, *first.notes, *learned_notes(run.bundle.data, keys)]
    if weak.published is not None and not first.left_out and first.positives is not None:
        notes += filter(None, [weak.published.compare_frames(first.frames, first.positives)])
    intervals = {}
    if details and first.positives is not None:
        labelled = {video.name: video for video in with_features}
        for name, own in curves.items():
            pairs = [(labels(labelled[video], len(values), rule), values) for video, values in own.items()]
            intervals[name] = bootstrap_micro_auc(pairs, block=BLOCK)
    return BagEvaluation(weak.name, run.bundle.id, rows, tuple(notes), intervals)


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
