"""Slow drift of the normal score: the camera, the season or the place is no longer what was learned.

Every minute of video gives one number, the median of its scores, which single events do not move. Two one-sided CUSUM
sums (Page 1954) collect by how many standard deviations these medians lie above and below those of held-out normal
video, less an allowance. A drift opens when a sum passes its limit, and closes when it has fallen to half of it. Where
held-out video itself reaches more than half of the limit, the limit is twice what it reaches.

What is normal comes from the bundle's held-out scores under the bundle's own rule, so that it is right after every
calibration and nothing more is stored. Fewer than five minutes of it say too little: then no drift is looked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from oddframe.scoring.sentinel import TOLD_S, FaultChange
from oddframe.types import CameraFault, VideoInfo
from oddframe.video.pauses import PauseFinder

MINUTE_S = 60.0
LEAST_S = 30.0  # of a minute, for its median to count
FEWEST = 5  # minutes of held-out video
ALLOWANCE = 1.0  # standard deviations: a change of twice as much is found fastest
LIMIT = 8.0
MOST = 4.0  # standard deviations that one minute counts at most: it takes three minutes at least
LEAST_SPREAD = 0.1  # standard deviation of the minutes, relative to that of the scores

Curve = tuple[NDArray[np.float64], NDArray[np.float64]]
"""Time stamps (N,) in seconds and smoothed scores (N,) of consecutive frames."""


class Minute(NamedTuple):
    """A minute of scores: frame and time of its beginning and its end, and the median."""

    first: tuple[int, float]
    last: tuple[int, float]
    median: float


@dataclass(frozen=True)
class NormalScore:
    """What the medians of minutes are on normal video: mean, standard deviation, and the limit of the sums."""

    mean: float
    deviation: float
    limit: float = LIMIT


def normal_score(curves: Sequence[Curve]) -> NormalScore | None:
    """What is normal by held-out normal video; None where it is too short."""
    medians: list[float] = []
    for time, score in curves:
        minutes = _Minutes()
        found = minutes.push(np.arange(len(time)), time, score) + minutes.flush()
        medians += [minute.median for minute in found]
    if len(medians) < FEWEST:
        return None
    spread = float(np.concatenate([score for _, score in curves]).std())
    # The deviation of a few numbers is itself uncertain by 1 / sqrt(2n); two such errors are added.
    deviation = float(np.std(medians, ddof=1)) * (1 + 2 / np.sqrt(2 * len(medians)))
    normal = NormalScore(float(np.mean(medians)), max(deviation, LEAST_SPREAD * spread, 1e-9))
    sums, most = (0.0, 0.0), 0.0
    for median in medians:
        sums = _summed(sums, median, normal)
        most = max(most, *sums)
    return replace(normal, limit=max(LIMIT, 2 * most))


class DriftFinder:
    """Finds drift while the scores of a camera arrive. The sums of one stretch go on in the next one.

    Args:
        normal: what is normal.
        info: of the first stretch.
        bundle: id that the faults carry.
    """

    def __init__(self, normal: NormalScore, info: VideoInfo, bundle: str = "") -> None:
        self._normal, self._info, self._bundle = normal, info, bundle
        self._blocks = _Minutes()
        self._sums = 0.0, 0.0
        self._told = 0.0
        self.fault: CameraFault | None = None

    def begin(self, info: VideoInfo) -> None:
        """A new stretch of the same camera begins; the one before was flushed."""
        self._info, self._blocks = info, _Minutes()

    def push(
        self, frame: NDArray[np.int64], time: NDArray[np.float64], score: NDArray[np.float64]
    ) -> list[FaultChange]:
        """Take the next M frames: (M,) numbers, seconds that never decrease, scores; what they change."""
        return [change for minute in self._blocks.push(frame, time, score) for change in self._step(minute)]

    def flush(self) -> list[FaultChange]:
        """End the stretch: its last minute, and what lasts closes."""
        changes = [change for minute in self._blocks.flush() for change in self._step(minute)]
        if self.fault is not None:
            changes.append(FaultChange("closed", self.fault))
            self.fault = None
        return changes

    def _step(self, minute: Minute) -> list[FaultChange]:
        limit = self._normal.limit
        self._sums = _summed(self._sums, minute.median, self._normal)
        above, below = self._sums
        highest = max(above, below)
        if self.fault is None:
            if highest < limit:
                return []
            away = (minute.median - self._normal.mean) / self._normal.deviation
            words = (
                f"the score has drifted {'up' if above >= below else 'down'}, by {abs(away):.1f} standard deviations "
                "of a minute: learn again on recent normal video"
            )
            self.fault = CameraFault(
                video=self._info.name, kind="drift", start_frame=minute.first[0], end_frame=minute.last[0],
                start_s=minute.first[1], end_s=minute.last[1], strength=highest / limit, words=words,
                bundle=self._bundle, key=self._info.key,
            )  # fmt: skip
            self._told = minute.last[1]
            return [FaultChange("opened", self.fault)]
        if highest < limit / 2:
            fault, self.fault = self.fault, None
            return [FaultChange("closed", fault)]
        strength = max(self.fault.strength, highest / limit)
        self.fault = replace(self.fault, end_frame=minute.last[0], end_s=minute.last[1], strength=strength)
        if minute.last[1] - self._told < TOLD_S:
            return []
        self._told = minute.last[1]
        return [FaultChange("updated", self.fault)]


def _summed(sums: tuple[float, float], median: float, normal: NormalScore) -> tuple[float, float]:
    """The sums after another minute. They stay below twice the limit, so that a drift that is over can close."""
    away = float(np.clip((median - normal.mean) / normal.deviation, -MOST, MOST))
    above, below = (max(0.0, before + side * away - ALLOWANCE) for before, side in zip(sums, (1, -1), strict=True))
    return min(above, 2 * normal.limit), min(below, 2 * normal.limit)


class _Minutes:
    """Cuts scores into the minutes of the media clock while they arrive."""

    def __init__(self) -> None:
        self._pauses = PauseFinder()
        self._frames: list[int] = []
        self._times: list[float] = []
        self._scores: list[float] = []

    def push(self, frame: NDArray[np.int64], time: NDArray[np.float64], score: NDArray[np.float64]) -> list[Minute]:
        """Take the next M frames; the minutes that ended."""
        ended: list[Minute] = []
        pauses = self._pauses.push_all(time)
        rows = zip(frame.tolist(), time.tolist(), score.tolist(), pauses.tolist(), strict=True)
        for number, stamp, value, pause in rows:
            if self._times and (pause or stamp // MINUTE_S != self._times[-1] // MINUTE_S):
                ended += self.flush()
            self._frames.append(number)
            self._times.append(stamp)
            self._scores.append(value)
        return ended

    def flush(self) -> list[Minute]:
        """End the minute: the minute, where it is long enough."""
        frames, times, scores = self._frames, self._times, self._scores
        self._frames, self._times, self._scores = [], [], []
        if len(times) < 2 or times[-1] - times[0] < LEAST_S:
            return []
        return [Minute((frames[0], times[0]), (frames[-1], times[-1]), float(np.median(scores)))]
