"""The rule of what a pause is, and the time that a video without its pauses lasts.

A recorder pauses while nothing moves, a camera is restarted, a clock is set. Nobody looked in between: such an interval
is no normal time, and nothing may reach across it.

An interval between two frames is plausible up to one second, or up to ten times the median of the last 63 intervals
before it, whichever is longer. A longer one is a pause. The first interval of a video has none before it; it is
plausible up to one minute. The rule looks at no later frame, so a stream and a file have the same pauses.
"""

from __future__ import annotations

from collections import deque
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from oddframe.types import Interval

SHORT_S = 1.0
FACTOR = 10.0
RECENT = 63
FIRST_S = 60.0
PACED = 32  # frames at the start of a video that tell its rate


class PauseFinder:
    """Finds the pauses of one video while its time stamps arrive."""

    def __init__(self) -> None:
        self._last: float | None = None
        self._recent: deque[float] = deque(maxlen=RECENT)

    def push(self, time: float) -> bool:
        """Take the time stamp of the next frame, in seconds; whether a pause lies before it."""
        last, self._last = self._last, time
        if last is None:
            return False
        step = time - last
        pause = step > SHORT_S and step > self._longest()
        self._recent.append(step)
        return pause

    def push_all(self, time: NDArray[np.floating]) -> NDArray[np.bool_]:
        """Take the (M,) time stamps of the next frames; (M,) whether a pause lies before each of them."""
        if not len(time):
            return np.zeros(0, bool)
        steps = np.diff(time, prepend=time[0] if self._last is None else self._last)
        known = steps[1:] if self._last is None else steps
        limit = max(SHORT_S, FACTOR * min([*self._recent, known.min(initial=np.inf)]))
        if not len(known) or known.max() <= (limit if self._recent else min(limit, FIRST_S)):
            self._last = float(time[-1])  # an even pace has no pause, whatever the order of its intervals
            self._recent.extend(known[-RECENT:].tolist())
            return np.zeros(len(time), bool)
        return np.array([self.push(stamp) for stamp in time.tolist()])

    def _longest(self) -> float:
        """The longest plausible interval now, in seconds, where it is above `SHORT_S`."""
        return FACTOR * float(np.median(self._recent)) if self._recent else FIRST_S


def paused(time: NDArray[np.floating]) -> NDArray[np.bool_]:
    """(N,) whether a pause lies before the frame, for the (N,) time stamps of a video in seconds."""
    return PauseFinder().push_all(time)


def stretches(time: NDArray[np.floating]) -> list[Interval]:
    """The frames between the pauses of a video, in order; none for a video without frames."""
    if not len(time):
        return []
    edges = [0, *np.flatnonzero(paused(time)).tolist(), len(time)]
    return [Interval(start, stop) for start, stop in pairwise(edges)]


def plausible_seconds(time: NDArray[np.floating]) -> float:
    """Length of a video of (N,) time stamps: the sum of its plausible intervals.

    The last frame before every pause, and the last of all, lasts as long as the median of these intervals. A single
    frame has no length.
    """
    breaks = paused(time)
    steps = np.diff(time)[~breaks[1:]]
    return float(steps.sum() + (1 + int(breaks.sum())) * np.median(steps)) if len(steps) else 0.0


def durations(time: NDArray[np.floating]) -> NDArray[np.float64]:
    """(N,) seconds for which each frame lasts: until the next one, before a pause and at the end as long as the median.

    A single frame counts as one second, because its duration is unknown.
    """
    breaks, steps = paused(time)[1:], np.diff(time)
    usual = np.median(steps[~breaks]) if not breaks.all() else 1.0
    return np.append(np.where(breaks, usual, steps), usual)[: len(time)]


def pace(time: NDArray[np.floating]) -> float | None:
    """Frames per second while a video plays, of its (N,) time stamps in seconds; None for fewer than two frames.

    It is taken from the intervals that lie within half and one and a half times the median. So neither pauses, nor lost
    frames, nor time stamps rounded to milliseconds change it.
    """
    steps = np.diff(np.asarray(time, np.float64))
    steps = steps[steps > 0]
    if not len(steps):
        return None
    usual = np.median(steps)
    if not (near := np.abs(steps - usual) <= usual / 2).any():  # the median lies between two intervals, far from both
        usual = np.quantile(steps, 0.5, method="lower")
        near = np.abs(steps - usual) <= usual / 2
    return 1 / float(steps[near].mean())
