"""Frame-level metrics: ROC AUC, average precision and equal error rate. Ties are treated exactly.

All functions take `labels` (N,) of 0 and 1, and `scores` (N,), higher = more anomalous. Infinite scores are allowed and
rank highest or lowest. A NaN score raises an InputError. A metric that is undefined because a class is missing is nan.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from oddframe.errors import InputError

OneClass = Literal["skip", "pad"]


def roc_auc(labels: ArrayLike, scores: ArrayLike) -> float:
    """Area under the ROC curve: the probability that an anomalous frame scores above a normal one; ties count half.

    Examples:
        >>> roc_auc([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
        0.75
    """
    return roc_auc_of(*_counts_by_score(labels, scores))


def average_precision(labels: ArrayLike, scores: ArrayLike) -> float:
    """Area under the precision-recall curve, a sum of steps, one per distinct score; nan without anomalous frames."""
    return average_precision_of(*_counts_by_score(labels, scores))


def average_precision_trapezoid(labels: ArrayLike, scores: ArrayLike) -> float:
    """Area under the precision-recall curve by the trapezoidal rule, starting from precision 1 at recall 0.

    Much public code for weakly supervised detection reports this value. It is too high for scores with many ties: a
    constant score gets (1 + p) / 2, while its `average_precision` is the share p of anomalous frames.
    """
    return average_precision_trapezoid_of(*_counts_by_score(labels, scores))


def equal_error_rate(labels: ArrayLike, scores: ArrayLike) -> float:
    """The error rate at which false alarms and misses are equally frequent, on the linearly interpolated ROC curve."""
    negatives, positives = _counts_by_score(labels, scores)
    if not positives.sum() or not negatives.sum():
        return float("nan")
    false_alarms = np.append(0, np.cumsum(negatives[::-1]) / negatives.sum())
    misses = 1 - np.append(0, np.cumsum(positives[::-1]) / positives.sum())
    after = int(np.argmax(false_alarms >= misses))
    before = after - 1  # it exists, because the curve starts without false alarms and with everything missed
    gap, next_gap = misses[before] - false_alarms[before], false_alarms[after] - misses[after]
    share = gap / (gap + next_gap)
    return float(false_alarms[before] + share * (false_alarms[after] - false_alarms[before]))


def micro_auc(videos: Sequence[tuple[ArrayLike, ArrayLike]]) -> float:
    """ROC AUC of the frames of all videos together, each given as (labels, scores); nan without videos.

    Examples:
        Each video is in perfect order, and yet not all of them together: their scores lie on different scales.

        >>> videos = [([0, 1], [0.1, 0.2]), ([0, 1], [0.7, 0.9])]
        >>> micro_auc(videos), macro_auc(videos)
        (0.75, 1.0)
    """
    return roc_auc(
        np.concatenate([np.zeros(0, np.int8), *(np.asarray(labels) for labels, _ in videos)]),
        np.concatenate([np.zeros(0), *(np.asarray(scores) for _, scores in videos)]),
    )


def macro_auc(videos: Sequence[tuple[ArrayLike, ArrayLike]], one_class: OneClass = "skip") -> float:
    """Mean of the ROC AUCs of the videos.

    Args:
        videos: (labels, scores) of each video.
        one_class: treatment of videos whose frames are all normal or all anomalous. "skip" leaves them out (nan if no
            video remains). "pad" is the rule of SDMAE's released code: every video gets two more frames, one with
            label 0 and score 0, and one with label 1 and score 1.

    Examples:
        >>> videos = [([0, 1, 1], [0.2, 0.1, 0.9]), ([0, 0], [0.3, 0.4])]
        >>> macro_auc(videos)
        0.5
        >>> round(macro_auc(videos, "pad"), 3)
        0.917
    """
    if one_class == "pad":
        videos = [(np.append(labels, [0, 1]), np.append(scores, [0.0, 1.0])) for labels, scores in videos]
    aucs = np.array([roc_auc(labels, scores) for labels, scores in videos])
    defined = aucs[~np.isnan(aucs)]
    return float(defined.mean()) if len(defined) else float("nan")


def roc_auc_of(
    negatives: NDArray[np.int64] | NDArray[np.float64], positives: NDArray[np.int64] | NDArray[np.float64]
) -> float:
    """`roc_auc` from (L,) normal and anomalous frames at each of L scores, lowest first."""
    pairs = float(positives.sum()) * float(negatives.sum())  # with pixels, the number is too large for an int64
    if not pairs:
        return float("nan")
    below = np.cumsum(negatives) - negatives
    return float((positives * (below + negatives / 2)).sum() / pairs)


def average_precision_of(negatives: NDArray[np.int64], positives: NDArray[np.int64]) -> float:
    """`average_precision` from (L,) normal and anomalous frames at each of L scores, lowest first."""
    if not positives.sum():
        return float("nan")
    precision, recall = _precision_recall(negatives, positives)
    return float((np.diff(recall, prepend=0) * precision).sum())


def average_precision_trapezoid_of(negatives: NDArray[np.int64], positives: NDArray[np.int64]) -> float:
    """`average_precision_trapezoid` from (L,) normal and anomalous frames at each of L scores, lowest first."""
    if not positives.sum():
        return float("nan")
    precision, recall = _precision_recall(negatives, positives)
    return float(np.trapezoid(np.append(1, precision), np.append(0, recall)))


def ranks(scores: ArrayLike) -> tuple[NDArray[np.int64], int]:
    """(N,) ranks of (N,) scores, and the number of distinct ranks. Ranks start at 0; equal scores have equal ranks.

    Raises:
        InputError: a score is NaN.
    """
    scores = np.asarray(scores, dtype=np.float64)
    _refuse_nan(scores)
    distinct, place = np.unique(scores, return_inverse=True)
    return place, len(distinct)


def _precision_recall(
    negatives: NDArray[np.int64], positives: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Precision and recall at every score that occurs, highest score first."""
    lowered = (positives + negatives)[::-1] > 0
    found = np.cumsum(positives[::-1])[lowered]
    raised = np.cumsum((positives + negatives)[::-1])[lowered]
    return found / raised, found / found[-1]


def _counts_by_score(labels: ArrayLike, scores: ArrayLike) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Normal and anomalous frames at each distinct score, lowest score first."""
    labels, scores = np.asarray(labels), np.asarray(scores, dtype=np.float64)
    if labels.ndim != 1 or labels.shape != scores.shape:
        raise InputError(f"labels {labels.shape} and scores {scores.shape} are not one of each per frame")
    anomalous = labels == 1
    if not (anomalous | (labels == 0)).all():
        raise InputError("labels must be 0 (normal) or 1 (anomalous)")
    _refuse_nan(scores)
    # Two sorts of values and a merge take two thirds of the time of one sort that also moves the labels.
    everything, positive = np.sort(scores), np.sort(scores[anomalous])
    last = np.flatnonzero(np.concatenate((everything[1:] != everything[:-1], [True]))[: len(everything)])
    positives = np.diff(np.searchsorted(positive, everything[last], side="right"), prepend=0)
    return np.diff(last, prepend=-1) - positives, positives


def _refuse_nan(scores: NDArray[np.float64]) -> None:
    if np.isnan(scores).any():
        raise InputError(f"{int(np.isnan(scores).sum())} of {len(scores)} scores are not numbers and cannot be ranked")
