"""Held-out normal video: how often a threshold would have raised an alarm there, and for how long.

An alarm is an event by `oddframe.scoring.events.spans`. An event that lasts counts as one alarm for every five minutes
that it has begun, and all events together may fill a twentieth of normal time at the most. So an alarm that never ends
is neither "no alarm" nor "one alarm".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from oddframe.scoring.events import spans
from oddframe.video.pauses import plausible_seconds, stretches

LASTING_S = 300.0
MOST_SHARE = 0.05
LOWEST_QUANTILE = 0.95

ScoreCurve = tuple[NDArray[np.float64], NDArray[np.float64]]
"""Time stamps (N,) in seconds, increasing, and smoothed scores (N,) of one piece of normal video."""


class Count(NamedTuple):
    """What a threshold raises: alarms, the share (0..1) of normal time that they fill, and when each event begins,
    in seconds of held-out video."""

    alarms: int
    share: float
    starts: NDArray[np.float64]


def alarm_count(lengths: Sequence[float] | NDArray[np.float64]) -> int:
    """Alarms that events of these lengths, in seconds, count as: one for every `LASTING_S` begun."""
    return int(np.maximum(1, np.ceil(np.asarray(lengths, np.float64) / LASTING_S)).sum())


class Levels(NamedTuple):
    """Where alarms appear when a threshold comes down from the top.

    Attributes:
        scores: (K,) falling; with a threshold just above the one at index k there are at most k alarms. A lasting event
            appears as several alarms at once and stands there several times.
        lowest: from the top down to this threshold, alarms fill at most `MOST_SHARE` of the time.
    """

    scores: NDArray[np.float64]
    lowest: float


class _Part(NamedTuple):
    """A stretch of video without a pause: its place on the clock of all stretches, its samples, its highest score."""

    place: float
    time: NDArray[np.float64]
    score: NDArray[np.float64]
    highest: float


class HeldOut:
    """All pieces, one after the other on one clock without pauses; no event reaches from one into the next.

    A piece with pauses of its own is several.

    Attributes:
        values: (N,) all scores.
        median: of them.
        seconds: plausible time of all pieces.
        floor: no threshold lies below: just above the 95 % quantile of the scores.
    """

    def __init__(self, pieces: Sequence[ScoreCurve], merge_s: float, min_s: float) -> None:
        self.values = np.concatenate([score for _, score in pieces])
        self.median = float(np.median(self.values))
        self.seconds = sum(plausible_seconds(time) for time, _ in pieces)
        self.floor = above(float(np.quantile(self.values, LOWEST_QUANTILE, method="higher")))
        self._rule = (merge_s, min_s)
        self._parts: list[_Part] = []
        end = 0.0
        for time, score in (part for piece in pieces for part in _unbroken(*piece)):
            self._parts.append(_Part(end - time[0], time, score, float(score.max())))
            end += time[-1] - time[0]

    def low(self, threshold: float) -> float:
        """An event lasts while the score is at least this: halfway from the threshold to the median."""
        return min(threshold, (threshold + self.median) / 2)

    def count(self, threshold: float) -> Count:
        """What this threshold raises."""
        return self._count(self._parts, threshold)

    def levels(self, most: int) -> Levels:
        """The levels of the first `most` alarms, or of those above `floor`, whichever are fewer."""
        peaks = np.concatenate([_peaks(part.score) for part in self._parts])
        # Coming down, a new event can only begin where the threshold falls to a local maximum.
        highest = np.append(peaks[peaks >= self.floor], peaks.max())
        tried = np.unique(np.append(np.nextafter(highest, np.inf), self.floor))[::-1]
        found: list[float] = []
        last, lowest, bearable = float(tried[0]), float(tried[0]), True
        start, size = 1, 64
        while start < len(tried) and len(found) < most:
            group = tried[start : start + size]
            parts = [_thinned(part, self.low(group[-1])) for part in self._parts if part.highest >= group[-1]]
            for threshold in group:
                alarms, share, _ = self._count(parts, float(threshold))
                found += [float(np.nextafter(last, -np.inf))] * (alarms - len(found))
                if len(found) >= most:
                    break
                last, bearable = float(threshold), bearable and share <= MOST_SHARE
                lowest = last if bearable else lowest
            start, size = start + size, 2 * size
        return Levels(np.array(found[:most]), lowest)

    def _count(self, parts: Sequence[_Part], threshold: float) -> Count:
        starts, lasting, low = [np.empty(0)], [np.empty(0)], self.low(threshold)
        for part in parts:
            if part.highest >= threshold:
                first, last = spans(part.time, part.score, threshold, low, *self._rule, unbroken=True).T
                starts.append(part.place + part.time[first])
                lasting.append(part.time[last] - part.time[first])
        lengths = np.concatenate(lasting)
        alarms = alarm_count(lengths)
        share = float(lengths.sum() / self.seconds) if self.seconds else 0.0
        return Count(alarms, share, np.concatenate(starts))


def _peaks(score: NDArray[np.float64]) -> NDArray[np.float64]:
    """Values of the local maxima, ends and plateaus included."""
    rising = np.append(True, score[1:] >= score[:-1])
    falling = np.append(score[:-1] >= score[1:], True)
    peaks: NDArray[np.float64] = score[rising & falling]
    return peaks


def _thinned(part: _Part, low: float) -> _Part:
    """The same events for every threshold whose low is at least this one, in fewer samples."""
    inside = part.score >= low
    kept = inside.copy()
    kept[1:] |= inside[:-1]  # the sample after a run ends it
    return part._replace(time=part.time[kept], score=np.where(inside, part.score, -np.inf)[kept])


def above(value: float) -> float:
    """The next number."""
    return float(np.nextafter(value, np.inf))


def _unbroken(time: NDArray[np.float64], score: NDArray[np.float64]) -> list[ScoreCurve]:
    """The stretches of a piece between its pauses."""
    return [(time[part.start : part.stop], score[part.start : part.stop]) for part in stretches(time)]
