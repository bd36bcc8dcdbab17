"""Evaluation protocols: the rules that turn scores into a figure. Every printed figure has the name of its protocol.

A protocol defines the weights of the components, the smoothing, the normalisation per video, the frames that are left
out, and the treatment of videos of one class. It also names the ground truth of the published figure and everything
that was chosen on test data. These rules change results a lot: the same errors of a published model give a micro AUC of
0.70 or of 0.93. For that reason nothing here is chosen silently. `oddframe.evaluation.protocols` has all of them by
name.
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
    """The frame labels of a published figure.

    Attributes:
        version: the source of the labels.
        frames, positives: all frames and anomalous frames of the whole test set, before frames are left out.
    """

    version: str
    frames: int
    positives: int

    def differs(self, frames: int, positives: int) -> str | None:
        """A line that compares labels with these numbers of frames and positives; None if they agree."""
        if (frames, positives) == (self.frames, self.positives):
            return None
        return f"{self.positives} of {self.frames} frames anomalous ({self.version}); here {positives} of {frames}"


@dataclass(frozen=True)
class Protocol:
    """A rule that turns scores into a figure. Its parts are applied in the order of the attributes.

    Attributes:
        name: unique: "honest", or "code/..." or "paper/..." with the system and, for one data set, its name.
        description: one line, with the source.
        dropped: number of frames (at the start, at the end) of every video that are left out as if they did not exist.
        combination: of the components; None takes the combination of the system, with its normal levels.
        smoothing: None takes the smoothing of the system.
        online: whether the causal filter of the same width replaces a smoothing of the system that looks ahead.
        normalise: "per_video_minmax" maps the smoothed scores of every video to 0..1 (all 0 if they are constant). This
            needs the whole test video, so a detector that raises alarms cannot do it. The same is true of a combination
            with this scale, whose components are mapped before they are added.
        label_shift: the score of frame t is compared with the label of frame t + label_shift. Scores without such a
            label do not count.
        one_class: treatment of videos of one class in the macro AUC; see `oddframe.evaluation.auc.macro_auc`.
        candidates: filters that replace `smoothing`: the one with the highest micro AUC on the same test set is taken.
            Some publications do this, but the result is not an unbiased estimate.
        ground_truth: the labels of the published figure; None if they are not known. Evaluation always uses the given
            labels, and the workflow says if they differ from these.
        selection: how the weights of the published figure were chosen, in words. It has no effect.
        data: the data set of the protocol, for example "ped2"; empty if it is not for one data set.
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
        """The system whose scores the protocol is for; None if it is for all systems."""
        return self.name.split("/")[1] if self.name.startswith(("paper/", "code/")) else None

    @property
    def looks_beyond(self) -> bool:
        """Whether the normalisation needs the whole video or the whole test set."""
        scale = self.combination.scale if self.combination else "none"
        return self.normalise == "per_video_minmax" or scale in ("per_video_minmax", "dataset_minmax")

    def smoothing_for(self, default: Smoothing) -> Smoothing:
        """The smoothing for a system whose own smoothing is `default`."""
        chosen = self.smoothing or default
        chosen = replace(chosen, rate=None)  # figures count frames, as publications do
        return replace(chosen, kind="causal") if self.online and not chosen.causal else chosen

    def computes_like(self, other: Protocol) -> bool:
        """Whether both protocols give the same figure for the same scores and labels."""
        texts = dict(name="", description="", ground_truth=None, selection="", data="")
        return replace(self, **texts) == replace(other, **texts)  # type: ignore[arg-type]  # plain field values

    def standing_in(self, default: Combination) -> Protocol:
        """The same protocol for another system, with the combination of that system, `default`.

        Dropped frames, smoothing, normalisation and labels stay the same. If this protocol maps components to 0..1 over
        a video or a test set, the components of the other system are mapped too.
        """
        current = self.combination
        mapped = current is not None and current.scale in ("per_video_minmax", "dataset_minmax")
        combination = replace(default, scale=current.scale) if current is not None and mapped else default
        return replace(self, combination=combination)


@dataclass(frozen=True)
class Result:
    """The result of an evaluation under a protocol. Metrics are in 0..1, and nan where undefined.

    Attributes:
        protocol: name of the protocol.
        combination, smoothing, normalise: the applied ones.
        causal: whether no score depends on a later frame, apart from the look-ahead of the detector.
        chosen_on_test: whether the smoothing is the best of several on this test set.
        micro_auc, average_precision, eer: of all frames together.
        macro_auc: mean over videos, under the rule `one_class`.
        one_class_videos: names of the videos to which the rule applies.
        videos, frames, positives: numbers of evaluated videos and frames, and of the anomalous frames among them.
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
        """Text for a table: "yes" or "no" for causal, and whether the filter was chosen on test data."""
        return ("yes" if self.causal else "no") + (", filter chosen on test data" if self.chosen_on_test else "")

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; undefined metrics become None."""
        row: dict[str, Any] = plain(asdict(self))
        return row


def evaluate(
    scores: Sequence[FrameScores],
    labels: Mapping[str, NDArray[np.integer]],
    protocol: Protocol,
    rule: ScoreRule,
) -> Result:
    """Evaluate the scores of a test set under a protocol.

    Args:
        scores: one per video. Frames without a score, whose window reaches beyond the ends of the video, do not count.
        labels: video name -> (frames of the video,) 0 or 1, indexed by frame.
        protocol: the protocol.
        rule: the score rule of the system, for the parts that the protocol does not define.

    Raises:
        InputError: scores and labels differ in videos or in length, a component is missing, or no frame is left.
    """
    if protocol.candidates:
        variants = [replace(protocol, smoothing=smoothing, candidates=()) for smoothing in protocol.candidates]
        results = [evaluate(scores, labels, variant, rule) for variant in variants]
        best = max(results, key=lambda result: -1.0 if math.isnan(result.micro_auc) else result.micro_auc)
        return replace(best, causal=False, chosen_on_test=True)
    found = curves(scores, labels, protocol, rule)
    combination, smoothing = protocol.combination or rule.combination, protocol.smoothing_for(rule.smoothing)
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
    rule: ScoreRule,
) -> dict[str, LabelledCurve]:
    """Labels and final scores of the frames that count under a protocol, by video in the order of their names.

    Arguments and errors are those of `evaluate`. The `candidates` of the protocol are not tried.
    """
    combination = protocol.combination or rule.combination
    smoothing = protocol.smoothing_for(rule.smoothing)
    _check_videos([s.video for s in scores], labels)
    videos = sorted(scores, key=lambda s: s.video)
    kept: list[tuple[NDArray[np.integer], dict[str, NDArray[np.float64]]]] = []
    times = []
    for video in videos:
        truth = labels[video.video]
        _check_length(video, len(truth))
        counts = _kept(video, len(truth), protocol)
        components = {name: values[counts] for name, values in video.components.items()}
        kept.append((truth[video.frame[counts] + protocol.label_shift], components))
        times.append(video.time[counts])
    levels = rule.levels
    if combination.scale == "dataset_minmax":
        levels = measure_bounds([components for _, components in kept], combination)
    found: dict[str, LabelledCurve] = {}
    for video, (truth, components), time in zip(videos, kept, times, strict=True):
        if protocol.combination is None and rule.parts:  # the system's own score is one in units of its calibrations
            score = replace(rule, smoothing=smoothing)(components, time)
        else:
            score = smooth(combine(components, combination, levels), smoothing, time)
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
    """(N,) True for the scored frames that count under the protocol."""
    first, last = protocol.dropped
    labelled = scores.frame + protocol.label_shift
    kept = (scores.frame >= first) & (scores.frame < length - last) & (labelled >= 0) & (labelled < length)
    if not kept.any():
        raise InputError(f"{scores.video}: no scored frame is left of {length} under protocol {protocol.name}")
    return kept
