"""Helpers for drawing a score curve: fewer points, gaps, labelled time spans, axis ranges, ticks, room for labels."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from oddframe.types import runs
from oddframe.video.pauses import paused

MOST_POINTS = 2000


def envelope(
    time: NDArray[np.float64], score: NDArray[np.float64], points: int = MOST_POINTS
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Thin a curve to at most `points` of its own points, and keep every visible peak.

    Args:
        time: (N,) increasing seconds.
        score: (N,) values.
        points: upper bound of the length of the result, at least 4.

    Returns:
        Time and score of the kept points: the lowest and the highest of each of `points / 2` stretches of equal
        duration, in order of time. A curve that is short enough is returned unchanged.
    """
    if len(score) <= points:
        return time, score
    edges = np.linspace(time[0], time[-1], points // 2 + 1)[1:-1]
    starts = np.unique(np.r_[0, np.searchsorted(time, edges)])
    stretch = np.zeros(len(score), dtype=np.int64)
    stretch[starts[1:]] = 1
    by_score = np.lexsort((score, np.cumsum(stretch)))
    ends = np.r_[starts[1:], len(score)]
    kept = np.unique(np.r_[by_score[starts], by_score[ends - 1]])
    return time[kept], score[kept]


def labelled_spans(labels: ArrayLike, frame: NDArray[np.int64], time: NDArray[np.float64]) -> list[tuple[float, float]]:
    """Time spans (start, end), in seconds, in which the 0/1 `labels` of a video's frames are 1.

    Args:
        labels: one value per frame of the video. Scored frames without a label count as 0.
        frame: (N,) numbers of the scored frames.
        time: (N,) their times in seconds.
    """
    labels = np.asarray(labels)
    inside = frame < len(labels)
    flags = np.zeros(len(frame), dtype=bool)
    flags[inside] = labels[frame[inside]] > 0
    return [(float(time[run.start]), float(time[run.stop - 1])) for run in runs(flags)]


def score_range(score: NDArray[np.float64], threshold: float) -> tuple[float, float]:
    """Lower and upper end of an axis that shows the whole curve and the threshold, with a margin."""
    low = min(float(score.min(initial=threshold)), threshold)
    high = max(float(score.max(initial=threshold)), threshold)
    margin = 0.08 * (high - low) or 0.5
    return low - margin / 2, high + margin


def nice_ticks(low: float, high: float, count: int) -> list[float]:
    """About `count` round values between `low` and `high` (steps of 1, 2 or 5 times a power of ten)."""
    rough = (high - low) / max(count, 1)
    power = 10.0 ** np.floor(np.log10(rough))
    step = power * next(factor for factor in (1, 2, 5, 10) if factor * power >= 0.7 * rough)
    first, last = np.ceil(low / step - 1e-9), np.floor(high / step + 1e-9)
    return [float(value * step) + 0.0 for value in np.arange(first, last + 1)]  # + 0.0: no tick is called -0


def time_ticks(seconds: float, count: int = 8) -> list[float]:
    """At most about `count` round times from 0 to `seconds`."""
    steps = (0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800, 86400)
    step = next((s for s in steps if seconds / s <= count), steps[-1] * np.ceil(seconds / steps[-1] / count))
    return [float(value) for value in np.arange(0, seconds + step * 1e-6, step)]


def score_ticks(top: float, apart: float) -> list[float]:
    """Ticks of an axis from 0 to `top` in units of the threshold, with 1 among them where it has room.

    Args:
        apart: the least distance of two ticks, in these units.
    """
    ticks = nice_ticks(0.0, top, 4)
    if all(abs(tick - 1.0) >= apart for tick in ticks):
        ticks.append(1.0)
    return sorted(ticks)


def gaps(time: NDArray[np.float64], least: float = 0.0) -> list[tuple[float, float]]:
    """The pauses of a video, in which nobody watched, as (start, end) in seconds; those shorter than `least` left out.

    Args:
        time: (N,) seconds of its frames.
    """
    after = np.flatnonzero(paused(time))
    return [(float(time[row - 1]), float(time[row])) for row in after if time[row] - time[row - 1] >= least]


def pieces(
    time: NDArray[np.float64], score: NDArray[np.float64], points: int = MOST_POINTS
) -> list[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """A curve thinned by `envelope`, cut where the video pauses: time and score of each piece."""
    kept, values = envelope(time, score, points)
    stretch = np.cumsum(paused(time))[np.searchsorted(time, kept)]
    edges = np.flatnonzero(np.diff(stretch)) + 1
    return list(zip(np.split(kept, edges), np.split(values, edges), strict=True))


def with_room(positions: Sequence[float], ranked: Iterable[int], apart: float, taken: Iterable[int] = ()) -> list[int]:
    """Which labels can stand on one line without touching one another; the first of `ranked` come first.

    Args:
        positions: middle of each label.
        ranked: their numbers, the most important first.
        apart: the least distance of two middles, in the unit of `positions`.
        taken: labels that stand there already.

    Returns:
        The numbers of the labels that have room beside those of `taken`, in the order of `ranked`.
    """
    standing = [positions[number] for number in taken]
    found = []
    for number in ranked:
        if all(abs(positions[number] - other) >= apart for other in standing):
            standing.append(positions[number])
            found.append(number)
    return found
