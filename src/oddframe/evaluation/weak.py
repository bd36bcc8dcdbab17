"""Metrics of frame scores on weakly labelled test sets, and reference results of detectors that locate nothing.

The AUC of this field pools the frames of all test videos. Most normal frames are in normal videos, so this AUC mostly
measures whether whole videos are distinguished. A detector that only knows the label of every video reaches 0.82 on
UCF-Crime and 0.96 on ShanghaiTech. `reference_rows` computes this value for a given set. The AUC of the anomalous
videos alone is reported too; there such a detector gets only 0.5.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oddframe.datasets.weak import Rule, WeakVideo, labels
from oddframe.errors import InputError
from oddframe.evaluation.auc import (
    average_precision_of,
    average_precision_trapezoid_of,
    ranks,
    roc_auc,
    roc_auc_of,
)
from oddframe.evaluation.plain import plain

SLACK = 16
"""Accepted difference in length between scores and video, in frames: one snippet. Some public features lack the last
snippet if the number of frames is a multiple of 16, and others pad the last snippet."""

CONSTANT, ORACLE = "constant score", "label of the video"
"""Names of the reference rows."""


@dataclass(frozen=True)
class ClassResult:
    """Metrics of one class of anomalies.

    Attributes:
        videos, frames, positives: anomalous videos of the class, their frames, and the anomalous ones among these.
        auc: of the frames of these videos and all normal videos.
        auc_alone: of the frames of these videos only.
    """

    videos: int
    frames: int
    positives: int
    auc: float
    auc_alone: float


@dataclass(frozen=True)
class WeakResult:
    """Metrics of a set of scores, in 0..1, and nan where undefined.

    Attributes:
        rule: how the annotation was interpreted; see `oddframe.datasets.weak.labels`.
        videos, anomalous_videos: numbers of evaluated videos, and of the anomalous ones among them.
        frames, positives: their frames and anomalous frames. `positives` is None if only the labels of the videos are
            known; then all frame-level metrics except the false alarm rate are nan.
        auc: of all frames together.
        average_precision, average_precision_trapezoid: of all frames together, as a sum of steps and by the trapezoidal
            rule; see `oddframe.evaluation.auc`.
        anomalous_auc: of all frames of the anomalous videos together.
        video_auc: of the videos, by the highest score in each.
        false_alarm_rate: share of the frames of normal videos whose score reaches `threshold`.
        threshold: for the false alarm rate.
        pair_mean_auc: mean AUC of pairs of an anomalous and a normal video, paired in the order of their names. It is
            only for comparison with one popular program; publications mean another value by AUC.
        classes: class -> its metrics. A video of several classes counts in each of them.
        left_out: names of the videos without scores that were left out on request.
        notes: remarks that change the meaning of the figures.
    """

    rule: Rule
    videos: int
    anomalous_videos: int
    frames: int
    positives: int | None
    auc: float
    average_precision: float
    average_precision_trapezoid: float
    anomalous_auc: float
    video_auc: float
    false_alarm_rate: float
    threshold: float
    pair_mean_auc: float
    classes: Mapping[str, ClassResult]
    left_out: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; undefined metrics become None."""
        row: dict[str, Any] = plain(asdict(self))
        return row


def evaluate_weak(
    curves: Mapping[str, NDArray[np.floating]],
    videos: Sequence[WeakVideo],
    rule: Rule = "exclusive",
    *,
    threshold: float = 0.5,
    leave_out: bool = False,
) -> WeakResult:
    """Evaluate the scores of a test set.

    Args:
        curves: video -> (frames,) scores, higher = more anomalous. Their length is the number of labels.
        videos: the test set.
        rule: how the annotation is interpreted.
        threshold: for the false alarm rate.
        leave_out: leave out videos without scores and name them in the result, instead of raising an error.

    Raises:
        InputError: videos and scores do not match, a curve is not one number per frame, the length of a curve differs
            by more than a snippet (16 frames) from the known length of its video, or the anomalous frames are known of
            some anomalous videos only.
    """
    chosen, left_out = _chosen(curves, videos, leave_out)
    scores = [_checked(curves[video.name], video) for video in chosen]
    frames_known = are_frames_known(chosen)
    truth = [
        labels(video, len(score), rule) if frames_known else np.zeros(len(score), np.int8)
        for video, score in zip(chosen, scores, strict=True)
    ]
    place, levels = ranks(np.concatenate(scores))
    edges = np.cumsum([len(score) for score in scores])[:-1]
    frames = _Frames(chosen, truth, np.split(place, edges), levels)
    normal = [score for video, score in zip(chosen, scores, strict=True) if not video.label]
    reached = sum(int(np.count_nonzero(score >= threshold)) for score in normal)
    result = WeakResult(
        rule=rule,
        videos=len(chosen),
        anomalous_videos=sum(video.label for video in chosen),
        frames=len(place),
        positives=None,
        auc=math.nan,
        average_precision=math.nan,
        average_precision_trapezoid=math.nan,
        anomalous_auc=math.nan,
        video_auc=roc_auc([video.label for video in chosen], [rank.max() for rank in frames.place]),
        false_alarm_rate=reached / sum(map(len, normal)) if normal else math.nan,
        threshold=threshold,
        pair_mean_auc=math.nan,
        classes={},
        left_out=left_out,
    )
    if not frames_known:
        return replace(result, notes=("only the labels of the videos are known, so there are no metrics of frames",))
    return _with_frames(result, frames)


def reference_rows(
    lengths: Mapping[str, int], videos: Sequence[WeakVideo], rule: Rule = "exclusive", *, leave_out: bool = False
) -> dict[str, WeakResult]:
    """Results of two detectors that locate nothing: a constant score, and the label of the video for all its frames.

    Args:
        lengths: video -> number of frames, equal to the length of the scores to compare with.
        videos, rule, leave_out: as in `evaluate_weak`.

    Returns:
        `CONSTANT` and `ORACLE` -> result.
    """
    label = {video.name: float(video.label) for video in videos}
    constant = {name: np.zeros(length) for name, length in lengths.items()}
    oracle = {name: np.full(length, label.get(name, 0.0)) for name, length in lengths.items()}
    return {
        CONSTANT: evaluate_weak(constant, videos, rule, leave_out=leave_out),
        ORACLE: evaluate_weak(oracle, videos, rule, leave_out=leave_out),
    }


@dataclass(frozen=True)
class _Frames:
    """Videos, with the label and the rank of the score of each frame. There are `levels` distinct ranks."""

    videos: Sequence[WeakVideo]
    truth: Sequence[NDArray[np.int8]]
    place: Sequence[NDArray[np.int64]]
    levels: int

    def of(self, numbers: Sequence[int]) -> tuple[NDArray[np.int8], NDArray[np.int64]]:
        """Labels and ranks of all frames of these videos."""
        truth = [np.zeros(0, np.int8), *(self.truth[n] for n in numbers)]
        return np.concatenate(truth), np.concatenate([np.zeros(0, np.int64), *(self.place[n] for n in numbers)])

    def counts(self, numbers: Sequence[int]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """(levels,) normal and anomalous frames of these videos at each rank."""
        truth, place = self.of(numbers)
        positives = np.bincount(place[truth == 1], minlength=self.levels)
        return np.bincount(place, minlength=self.levels) - positives, positives


def _with_frames(result: WeakResult, frames: _Frames) -> WeakResult:
    """The result with the metrics that need a label per frame."""
    order = sorted(range(len(frames.videos)), key=lambda n: frames.videos[n].name)
    anomalous = [n for n in order if frames.videos[n].label]
    normal = [n for n in order if not frames.videos[n].label]
    background, _ = frames.counts(normal)
    within, positives = frames.counts(anomalous)
    negatives = background + within
    silent = [n for n in anomalous if not frames.truth[n].any()]
    return replace(
        result,
        positives=int(positives.sum()),
        auc=roc_auc_of(negatives, positives),
        average_precision=average_precision_of(negatives, positives),
        average_precision_trapezoid=average_precision_trapezoid_of(negatives, positives),
        anomalous_auc=roc_auc_of(within, positives),
        pair_mean_auc=_mean([roc_auc(*frames.of(pair)) for pair in zip(anomalous, normal, strict=False)]),
        classes=_classes(frames, anomalous, background),
        notes=(*_silent(frames, silent), *_beyond(frames)),
    )


def _silent(frames: _Frames, silent: Sequence[int]) -> Iterator[str]:
    for n in silent:
        what = f"an anomalous video, but none of its {len(frames.truth[n])} frames is anomalous"
        yield f"{frames.videos[n].name}: {what}"


def _beyond(frames: _Frames) -> Iterator[str]:
    """A note for each event that the scores end before, in videos that have other anomalous frames."""
    for video, truth in zip(frames.videos, frames.truth, strict=True):
        for event in video.intervals or ():
            if truth.any() and event.stop > len(truth) + SLACK:
                where = f"{video.name}: the event from frame {event.start} to {event.stop}"
                yield f"{where} reaches beyond its {len(truth)} scored frames; are they of the same video?"


def _classes(frames: _Frames, anomalous: Sequence[int], background: NDArray[np.int64]) -> dict[str, ClassResult]:
    """The metrics of every class by name. `background` counts the frames of normal videos at each rank."""
    by_name: dict[str, list[int]] = {}
    for n in anomalous:
        for name in frames.videos[n].categories:
            by_name.setdefault(name, []).append(n)
    # Frames of normal videos below each rank, with equal ranks as half. They are sorted once for all classes.
    below = np.cumsum(background) - background / 2
    found = {}
    for name, numbers in sorted(by_name.items()):
        truth, place = frames.of(numbers)
        positives = int(truth.sum())
        negatives = len(truth) - positives
        alone = roc_auc(truth, place)
        won = below[place[truth == 1]].sum() + (alone * positives * negatives if negatives else 0)
        pairs = positives * (background.sum() + negatives)
        auc = float(won / pairs) if pairs else math.nan
        found[name] = ClassResult(len(numbers), len(truth), positives, auc, alone)
    return found


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else math.nan


def _chosen(
    curves: Mapping[str, NDArray[np.floating]], videos: Sequence[WeakVideo], leave_out: bool
) -> tuple[list[WeakVideo], tuple[str, ...]]:
    """The videos that have scores, and the names of the others."""
    strange = sorted(curves.keys() - {video.name for video in videos})
    if strange:
        raise InputError(f"{strange[0]}: scored, but not a video of the test set ({len(strange)} such videos)")
    missing = tuple(video.name for video in videos if video.name not in curves)
    if missing and not leave_out:
        raise InputError(f"{missing[0]}: no scores ({len(missing)} such videos); score them or ask to leave them out")
    if len(missing) == len(videos):
        raise InputError("there are no scores to evaluate")
    return [video for video in videos if video.name in curves], missing


def _checked(curve: NDArray[np.floating], video: WeakVideo) -> NDArray[np.float64]:
    """The scores of a video as float64, after a check of their shape, their values and their number."""
    scores = np.asarray(curve, dtype=np.float64)
    if scores.ndim != 1 or not len(scores):
        raise InputError(f"{video.name}: scores of shape {scores.shape} are not one number per frame")
    if np.isnan(scores).any():
        raise InputError(f"{video.name}: {int(np.isnan(scores).sum())} of {len(scores)} scores are not numbers")
    if video.frames is not None and abs(len(scores) - video.frames) > SLACK:
        raise InputError(
            f"{video.name}: {len(scores)} scores for {video.frames} frames; they may differ by {SLACK}, one snippet. "
            "Are the features those of this video, and its snippets 16 frames long?"
        )
    return scores


def are_frames_known(videos: Sequence[WeakVideo]) -> bool:
    """Whether the anomalous frames are known, and not only the anomalous videos.

    Raises:
        InputError: those of some anomalous videos are known, and of others not.
    """
    unknown = [video.name for video in videos if video.intervals is None]
    anomalous = sum(video.label for video in videos)
    if unknown and len(unknown) < anomalous:
        raise InputError(
            f"{unknown[0]}: only the label of the video is known ({len(unknown)} of {anomalous} anomalous videos); "
            "give the anomalous frames of all of them or of none"
        )
    return not unknown
