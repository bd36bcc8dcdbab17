"""Protocols: how scores become a number. Each has a name (see `protocols`), and every figure printed carries it.

A protocol says which components are weighted and how, how they are smoothed, whether they are normalised per video,
which frames are left out, and what becomes of videos of one class. The same errors of a published model stand at a
micro AUC of 0.70 or of 0.93 depending on that, so nothing here is chosen silently.
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
from oddframe.scoring.combine import ScoreRule, combine, minmax
from oddframe.scoring.smooth import Smoothing, smooth
from oddframe.types import Combination, FrameScores

Normalise = Literal["none", "per_video_minmax"]


@dataclass(frozen=True)
class Protocol:
    """A rule for turning scores into a number, in the order in which it is applied.

    Attributes:
        name: unique; "honest", or "code/..." or "paper/..." with the system and the data set.
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

    def smoothing_for(self, own: Smoothing) -> Smoothing:
        """The smoothing that applies to a system whose own is `own`."""
        chosen = self.smoothing or own
        return replace(chosen, kind="causal") if self.online and not chosen.causal else chosen


@dataclass(frozen=True)
class Result:
    """What a protocol made of a set of scores. Metrics are fractions of 1, nan where undefined.

    Attributes:
        protocol: its name.
        combination, smoothing, normalise: what was really applied.
        causal: whether no score depended on a later frame (but for the detector's own look-ahead).
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
    micro_auc: float
    macro_auc: float
    one_class: OneClass
    one_class_videos: tuple[str, ...]
    average_precision: float
    eer: float
    videos: int
    frames: int
    positives: int

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; undefined metrics become None."""
        row = asdict(self)
        return {key: None if isinstance(value, float) and math.isnan(value) else value for key, value in row.items()}


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
    combination = protocol.combination or own.combination
    smoothing = protocol.smoothing_for(own.smoothing)
    _check_videos([s.video for s in scores], labels)
    curves: dict[str, tuple[NDArray[np.integer], NDArray[np.float64]]] = {}
    for video in sorted(scores, key=lambda s: s.video):
        _check_length(video, len(labels[video.video]))
        kept = _kept(video, len(labels[video.video]), protocol)
        components = {name: values[kept] for name, values in video.components.items()}
        score = smooth(combine(components, combination, own.levels), smoothing)
        if protocol.normalise == "per_video_minmax":
            score = minmax(score)
        curves[video.video] = (labels[video.video][video.frame[kept] + protocol.label_shift], score)
    pairs = list(curves.values())
    truth, score = (np.concatenate(column) for column in zip(*pairs, strict=True))
    return Result(
        protocol=protocol.name,
        combination=combination,
        smoothing=smoothing,
        normalise=protocol.normalise,
        causal=smoothing.causal and "per_video_minmax" not in (protocol.normalise, combination.scale),
        micro_auc=micro_auc(pairs),
        macro_auc=macro_auc(pairs, protocol.one_class),
        one_class=protocol.one_class,
        one_class_videos=tuple(name for name, (truth, _) in curves.items() if len(np.unique(truth)) < 2),
        average_precision=average_precision(truth, score),
        eer=equal_error_rate(truth, score),
        videos=len(curves),
        frames=len(truth),
        positives=int((truth == 1).sum()),
    )


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
