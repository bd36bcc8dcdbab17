"""Confidence intervals of metrics: percentile bootstrap over videos, or over blocks of a single one.

Frames of one video are similar, so videos are resampled, not frames: as many as there are, with replacement. The
interval covers the variation between videos of the same kind. It does not cover the variation between training seeds.
Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13.

Where there is a single video, blocks of consecutive frames are drawn from it, each beginning anywhere, until they are
as long as the video (moving blocks; Künsch, Annals of Statistics 1989). A block is longer than frames stay alike: ten
seconds. This interval holds what other minutes of the same video would change, and nothing of other places.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from oddframe.errors import InputError
from oddframe.evaluation.auc import micro_auc, ranks

Video = TypeVar("Video")


@dataclass(frozen=True)
class ConfidenceInterval:
    """A metric with its confidence interval.

    Attributes:
        value: the metric of all videos, each counted once.
        low, high: bounds of the interval, which holds the share `level` of the defined resamples; nan without any.
        level: 0..1.
        resamples: number of all resamples.
        undefined: number of resamples in which the metric is nan, usually because only one class was drawn. They are
            left out. If there are many of them, the interval is not reliable.
        block: frames of a block where blocks of a single video were drawn, else None.
    """

    value: float
    low: float
    high: float
    level: float
    resamples: int
    undefined: int
    block: int | None = None

    def __str__(self) -> str:
        if math.isnan(self.value):
            return "- (undefined: all frames are of one class)"
        if math.isnan(self.low):
            return f"{self.value:.4f} (no interval: every one of {self.resamples} resamples has one class alone)"
        text = f"{self.value:.4f} [{self.low:.4f}, {self.high:.4f}] ({self.level:.0%}, {self.resamples} resamples"
        text += f" of blocks of {self.block} frames" if self.block else ""
        return text + (f", {self.undefined} of them undefined and left out)" if self.undefined else ")")


def bootstrap(
    videos: Sequence[Video],
    metric: Callable[[Sequence[Video]], float],
    resamples: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> ConfidenceInterval:
    """Confidence interval of any metric of a list of videos. The metric is computed for every resample.

    Args:
        videos: the elements of the sequence that `metric` takes; (labels, scores) for `micro_auc` and `macro_auc`. A
            video that is drawn twice occurs twice in the sequence.
        metric: the metric of a sequence of videos; nan where it is undefined.
        resamples: number of resamples.
        level: share of the resamples that the interval holds.
        seed: of the draws. The same seed and number of videos give the same draws in `bootstrap_micro_auc`.

    Raises:
        InputError: there are fewer than two videos or no resamples, or `level` is not between 0 and 1.
    """
    draws = _draws(len(videos), resamples, level, seed)
    return _interval(metric(videos), (metric([videos[n] for n in draw]) for draw in draws), resamples, level)


def bootstrap_micro_auc(
    videos: Sequence[tuple[ArrayLike, ArrayLike]],
    resamples: int = 1000,
    level: float = 0.95,
    seed: int = 0,
    block: int | None = None,
) -> ConfidenceInterval:
    """The result of `bootstrap(videos, micro_auc)`, computed faster: the frames of a resample are not sorted again.

    The AUC is the share of pairs of an anomalous and a normal frame in the right order. These pairs are counted once
    for every pair of videos, and a resample adds up the counts of its videos.

    Args:
        videos: (labels, scores) of each video, labels of 0 and 1, higher scores = more anomalous.
        resamples, level, seed: as in `bootstrap`.
        block: frames; where there is a single video, `block_bootstrap_micro_auc` draws blocks of so many from it.

    Raises:
        InputError: as in `bootstrap` and `micro_auc`; for a single video only without `block`.
    """
    if len(videos) == 1 and block is not None:
        return block_bootstrap_micro_auc(*videos[0], block, resamples, level, seed)
    value = micro_auc(videos)  # checks labels and scores
    return _interval(value, resampled_micro_auc(videos, resamples, level, seed), resamples, level)


def resampled_micro_auc(
    videos: Sequence[tuple[ArrayLike, ArrayLike]], resamples: int = 1000, level: float = 0.95, seed: int = 0
) -> NDArray[np.float64]:
    """The micro AUC of every resample, (resamples,), nan where only one class was drawn.

    Arguments and errors are those of `bootstrap_micro_auc`. The n-th resample holds the same videos for all sets of so
    many videos, so that the values of two systems on one test set are paired.
    """
    draws = _draws(len(videos), resamples, level, seed)
    won, pairs = _pairs(videos)
    times = np.stack([np.bincount(draw, minlength=len(videos)) for draw in draws]).astype(np.float64)
    drawn_won, drawn_pairs = (((times @ table) * times).sum(axis=1) for table in (won, pairs))
    with np.errstate(invalid="ignore"):
        drawn: NDArray[np.float64] = drawn_won / drawn_pairs
    return drawn


def block_bootstrap_micro_auc(
    labels: ArrayLike, scores: ArrayLike, block: int, resamples: int = 1000, level: float = 0.95, seed: int = 0
) -> ConfidenceInterval:
    """Confidence interval of the AUC of a single video, blocks of consecutive frames drawn anew.

    Args:
        labels, scores: (N,) as in `bootstrap_micro_auc`.
        block: frames that stay together, at least 1; no more than a quarter of the video is taken.
        resamples, level, seed: as in `bootstrap`.

    Raises:
        InputError: fewer than four frames, a block of none, or what `bootstrap` and `micro_auc` refuse.
    """
    value = micro_auc([(labels, scores)])
    frames = len(np.asarray(labels))
    if frames < 4 or block < 1:
        raise InputError(f"a bootstrap of one video draws blocks from four frames or more, not {block} from {frames}")
    block = min(block, frames // 4)
    _check(resamples, level)
    rank, _ = ranks(np.asarray(scores, np.float64))
    order = np.argsort(rank, kind="stable")
    ties = np.flatnonzero(np.diff(rank[order], prepend=-1))  # where each group of equal scores begins
    positive = np.asarray(labels)[order] == 1
    rng = np.random.default_rng(seed)

    def drawn() -> float:
        starts = rng.integers(frames - block + 1, size=-(-frames // block))
        taken = (starts[:, None] + np.arange(block)).ravel()[:frames]
        times = np.bincount(taken, minlength=frames)[order]
        above = np.add.reduceat(times * positive, ties).astype(np.float64)
        below = np.add.reduceat(times * ~positive, ties).astype(np.float64)
        pairs = above.sum() * below.sum()
        return float(above @ (np.cumsum(below) - below / 2) / pairs) if pairs else np.nan

    return replace(_interval(value, (drawn() for _ in range(resamples)), resamples, level), block=block)


def _pairs(videos: Sequence[tuple[ArrayLike, ArrayLike]]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Two (V, V) tables of pairs of an anomalous frame of a video and a normal frame of a video.

    The first counts the pairs in the right order, with ties as half; the second counts all pairs.
    """
    place, _ = ranks(np.concatenate([np.asarray(scores, np.float64) for _, scores in videos]))
    labels = [np.asarray(labels) for labels, _ in videos]
    split = np.split(place, np.cumsum([len(truth) for truth in labels])[:-1])
    negatives = [np.sort(rank[truth == 0]) for rank, truth in zip(split, labels, strict=True)]
    positives = [np.sort(rank[truth == 1]) for rank, truth in zip(split, labels, strict=True)]
    # Where the anomalous frames of each video begin; the last entry is the end of all.
    starts = np.append(0, np.cumsum([len(rank) for rank in positives]))
    anomalous = np.concatenate(positives)
    won = np.empty((len(videos), len(videos)))
    for n, rank in enumerate(negatives):
        below = np.searchsorted(rank, anomalous, "left") + np.searchsorted(rank, anomalous, "right")
        won[:, n] = np.diff(np.append(0, np.cumsum(below))[starts]) / 2
    return won, np.outer(np.diff(starts), [len(rank) for rank in negatives]).astype(np.float64)


def _draws(videos: int, resamples: int, level: float, seed: int) -> NDArray[np.int64]:
    """(resamples, videos) numbers of the drawn videos."""
    if videos < 2:
        raise InputError(f"a bootstrap draws among videos; it needs at least two, not {videos}")
    _check(resamples, level)
    return np.random.default_rng(seed).integers(videos, size=(resamples, videos))


def _check(resamples: int, level: float) -> None:
    if resamples < 1:
        raise InputError(f"a bootstrap needs at least one resample, not {resamples}")
    if not 0 < level < 1:
        raise InputError(f"the level of a confidence interval lies between 0 and 1, not at {level:g}")


def _interval(value: float, drawn: Iterable[float], resamples: int, level: float) -> ConfidenceInterval:
    figures = np.fromiter(drawn, np.float64, resamples)
    defined = figures[~np.isnan(figures)]
    tail = (1 - level) / 2
    low, high = np.quantile(defined, [tail, 1 - tail]) if len(defined) else (np.nan, np.nan)
    return ConfidenceInterval(float(value), float(low), float(high), level, resamples, resamples - len(defined))
