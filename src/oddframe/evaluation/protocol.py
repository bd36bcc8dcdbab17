"""Protocols: how scores become a number. Each has a name (see `protocols`), and every figure printed carries it.

A protocol says which components are weighted and how, how they are smoothed, whether they are normalised per video,
which frames are left out, what becomes of videos of one class, on which ground truth the published figure rests, and
what was chosen on test data. The same errors of a published model stand at a micro AUC of 0.70 or of 0.93 depending on
that, so nothing here is chosen silently.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from oddframe.errors import InputError
from oddframe.evaluation.auc import OneClass, average_precision, equal_error_rate, macro_auc, micro_auc
from oddframe.evaluation.plain import plain
from oddframe.scoring.combine import ScoreRule, combine, measure_bounds, minmax
from oddframe.scoring.smooth import smooth
from oddframe.settings import Smoothing
from oddframe.types import Combination, FrameScores

Normalise = Literal["none", "per_video_minmax"]
LabelledCurve = tuple[NDArray[np.integer], NDArray[np.float64]]
"""Labels (N,) of 0 and 1 and scores (N,) of the frames of a video that count under a protocol."""


@dataclass(frozen=True)
class GroundTruth:
    """The frame labels that a published figure rests on.

    Attributes:
        version: where they come from.
        frames, positives: of the whole test set, before any are left out; positives are the anomalous ones.
    """

    version: str
    frames: int
    positives: int

    def differs(self, frames: int, positives: int) -> str | None:
        """A line that says how labels of so many frames and positives differ from these; None if they agree."""
        if (frames, positives) == (self.frames, self.positives):
            return None
        return f"{self.positives} of {self.frames} frames anomalous ({self.version}); here {positives} of {frames}"


@dataclass(frozen=True)
class Protocol:
    """A rule for turning scores into a number, in the order in which it is applied.

    Attributes:
        name: unique; "honest", or "code/..." or "paper/..." with the system, and its data set where there is one.
        description: one line, with the source.
        dropped: frames of every video, (at its start, at its end), that are left out as if they did not exist.
        combination: of the components; None takes the system's own, what is normal for it included.
        smoothing: None takes the system's own.
        online: whether a system's own smoothing that looks ahead is replaced by the causal one of the same width.
        normalise: "per_video_minmax" maps every video's smoothed scores onto 0..1 (all 0 where they are constant). It
            uses each test video as a whole, which no detector can do that has to raise an alarm; so does a combination
            of that scale, whose components are mapped before they are added.
        label_shift: the score of frame t is compared with the label of frame t + label_shift; scores for which there is
            no label do not count.
        one_class: what the macro AUC does with videos of one class; see `oddframe.evaluation.auc.macro_auc`.
        candidates: filters of which the one with the highest micro AUC on this very test set is taken in place of
            `smoothing`. Some publications do so; what comes of it is no estimate of anything.
        ground_truth: the labels of the published figure; None where they are not known. The labels that are given
            are the ones used; where they are others, the workflow says so.
        selection: how the weights behind the published figure were chosen, in words; nothing that is applied.
        data: the data set that it is of, as in "ped2"; empty where it is of none.
    """

    name: str
    description: str
    dropped: tuple[int, int] = (0, 0)
    combination: Combination | None = None
    smoothing: Smoothing | None = None
    online: bool = False
    normalise: Normalise = "none"
    label_shift: int = 0
    one_class: OneClass = "skip"
    candidates: tuple[Smoothing, ...] = ()
    ground_truth: GroundTruth | None = None
    selection: str = ""
    data: str = ""

    @property
    def system(self) -> str | None:
        """The system whose scores it is for; None: any."""
        return self.name.split("/")[1] if self.name.startswith(("paper/", "code/")) else None

    @property
    def looks_beyond(self) -> bool:
        """Whether its normalisation has to know the whole video, or the whole test set."""
        scale = self.combination.scale if self.combination else "none"
        return self.normalise == "per_video_minmax" or scale in ("per_video_minmax", "dataset_minmax")

    def smoothing_for(self, own: Smoothing) -> Smoothing:
        """The smoothing that applies to a system whose own is `own`."""
        chosen = self.smoothing or own
        return replace(chosen, kind="causal") if self.online and not chosen.causal else chosen

    def computes_like(self, other: Protocol) -> bool:
        """Whether both make the same number of the same scores and labels."""
        words = dict(name="", description="", ground_truth=None, selection="", data="")
        return replace(self, **words) == replace(other, **words)  # type: ignore[arg-type]  # plain field values

    def standing_in(self, own: Combination) -> Protocol:
        """The same protocol for the scores of another system: its own combination takes the place of this one's.

        All else stays: frames, smoothing, normalisation, labels. Where this one maps components onto 0..1 over a video
        or a test set, the other's are mapped too.
        """
        theirs = self.combination
        spread = theirs is not None and theirs.scale in ("per_video_minmax", "dataset_minmax")
        return replace(self, combination=replace(own, scale=theirs.scale) if theirs is not None and spread else own)


@dataclass(frozen=True)
class Result:
    """What a protocol made of a set of scores. Metrics are fractions of 1, nan where undefined.

    Attributes:
        protocol: its name.
        combination, smoothing, normalise: what was really applied.
        causal: whether no score depended on a later frame (but for the detector's own look-ahead).
        chosen_on_test: whether the smoothing is the best of several on this test set.
        micro_auc, average_precision, eer: of all frames together.
        macro_auc: mean over videos, under the rule `one_class`.
        one_class_videos: names of the videos that the rule concerns.
        videos, frames, positives: how many were evaluated; positives are the anomalous frames among them.
    """

    protocol: str
    combination: Combination
    smoothing: Smoothing
    normalise: Normalise
    causal: bool
    chosen_on_test: bool
    micro_auc: float
    macro_auc: float
    one_class: OneClass
    one_class_videos: tuple[str, ...]
    average_precision: float
    eer: float
    videos: int
    frames: int
    positives: int

    @property
    def causality(self) -> str:
        """Whether it is causal, for a table: "yes" or "no", and whether the smoothing was chosen on test data."""
        return ("yes" if self.causal else "no") + (", filter chosen on test data" if self.chosen_on_test else "")

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; undefined metrics become None."""
        row: dict[str, Any] = plain(asdict(self))
        return row


def evaluate(
    scores: Sequence[FrameScores],
    labels: Mapping[str, NDArray[np.integer]],
    protocol: Protocol,
    own: ScoreRule,
) -> Result:
    """Score a test set under a protocol.

    Args:
        scores: one per video; frames without a score (a window that reaches beyond the ends) do not count.
        labels: video name -> (frames of the video,) 0 or 1; taken by frame index.
        own: the system's own rule, for what the protocol leaves open.

    Raises:
        InputError: scores and labels are not of the same videos or not of the same length, a component is missing,
            or nothing is left to evaluate.
    """
    if protocol.candidates:
        tried = [replace(protocol, smoothing=one, candidates=()) for one in protocol.candidates]
        results = [evaluate(scores, labels, one, own) for one in tried]
        best = max(results, key=lambda result: -1.0 if math.isnan(result.micro_auc) else result.micro_auc)
        return replace(best, causal=False, chosen_on_test=True)
    found = curves(scores, labels, protocol, own)
    combination, smoothing = protocol.combination or own.combination, protocol.smoothing_for(own.smoothing)
    pairs = list(found.values())
    truth, score = (np.concatenate(column) for column in zip(*pairs, strict=True))
    return Result(
        protocol=protocol.name,
        combination=combination,
        smoothing=smoothing,
        normalise=protocol.normalise,
        causal=smoothing.causal and not replace(protocol, combination=combination).looks_beyond,
        chosen_on_test=False,
        micro_auc=micro_auc(pairs),
        macro_auc=macro_auc(pairs, protocol.one_class),
        one_class=protocol.one_class,
        one_class_videos=tuple(name for name, (truth, _) in found.items() if len(np.unique(truth)) < 2),
        average_precision=average_precision(truth, score),
        eer=equal_error_rate(truth, score),
        videos=len(found),
        frames=len(truth),
        positives=int((truth == 1).sum()),
    )


def curves(
    scores: Sequence[FrameScores],
    labels: Mapping[str, NDArray[np.integer]],
    protocol: Protocol,
    own: ScoreRule,
) -> dict[str, LabelledCurve]:
    """What is left of a test set under a protocol, by video in the order of their names: what metrics are made of.

    Arguments and errors are those of `evaluate`. The protocol's `candidates` are not tried.
    """
    combination = protocol.combination or own.combination
    smoothing = protocol.smoothing_for(own.smoothing)
    _check_videos([s.video for s in scores], labels)
    videos = sorted(scores, key=lambda s: s.video)
    kept: list[tuple[NDArray[np.integer], dict[str, NDArray[np.float64]]]] = []
    for video in videos:
        truth = labels[video.video]
        _check_length(video, len(truth))
        counts = _kept(video, len(truth), protocol)
        components = {name: values[counts] for name, values in video.components.items()}
        kept.append((truth[video.frame[counts] + protocol.label_shift], components))
    levels = own.levels
    if combination.scale == "dataset_minmax":
        levels = measure_bounds([components for _, components in kept], combination)
    found: dict[str, LabelledCurve] = {}
    for video, (truth, components) in zip(videos, kept, strict=True):
        score = smooth(combine(components, combination, levels), smoothing)
        found[video.video] = (truth, minmax(score) if protocol.normalise == "per_video_minmax" else score)
    return found


def _check_videos(videos: Sequence[str], labels: Mapping[str, NDArray[np.integer]]) -> None:
    if not videos:
        raise InputError("there are no scores to evaluate")
    if len(set(videos)) < len(videos):
        twice = next(video for video in videos if videos.count(video) > 1)
        raise InputError(f"{twice}: scored twice; give each video once")
    for video in sorted({*videos, *labels}):
        if video not in labels:
            raise InputError(f"{video}: scored, but without labels; add them or leave the video out")
        if video not in videos:
            raise InputError(f"{video}: labelled, but without scores; score it or leave it out of the test set")


def _check_length(scores: FrameScores, labelled: int) -> None:
    decoded = scores.info.frames
    if decoded is not None and decoded != labelled:
        raise InputError(f"{scores.video}: {labelled} labels for {decoded} decoded frames; there must be one per frame")
    if decoded is None and len(scores.frame) and scores.frame[-1] >= labelled:
        raise InputError(f"{scores.video}: {labelled} labels, but frame {scores.frame[-1]} (from 0) has a score")


def _kept(scores: FrameScores, length: int, protocol: Protocol) -> NDArray[np.bool_]:
    """Which of the scored frames take part."""
    first, last = protocol.dropped
    labelled = scores.frame + protocol.label_shift
    kept = (scores.frame >= first) & (scores.frame < length - last) & (labelled >= 0) & (labelled < length)
    if not kept.any():
        raise InputError(f"{scores.video}: no scored frame is left of {length} under protocol {protocol.name}")
    return kept
