"""Where a long video is cut into parts, and where reading of a part begins before it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from oddframe.models.timing import Ticks
from oddframe.scoring.part import VideoPart
from oddframe.video.pauses import PACED, RECENT, paused
from oddframe.video.timeline import VideoTimeline

if TYPE_CHECKING:
    from oddframe.scoring.scorer import WindowScorer

PART_S = 3600.0
WARM_S = 60.0  # the sentinel and the detectors that follow a video have forgotten what was before, as a rule
LONGER = 8.0  # times as long a warm-up, where one was too short


@dataclass(frozen=True)
class WarmUp:
    """What is read of a video before a part begins.

    Attributes:
        seconds, frames: at least so much, of both.
    """

    seconds: float
    frames: int

    @classmethod
    def of(cls, scorer: WindowScorer, seconds: float | None, rate: float | None) -> WarmUp:
        """What a detector needs for a video of `rate` frames/s; `seconds` takes the place of the usual time.

        Windows and the map filter look back by frames; the rule of pauses by the last intervals.
        """
        signature = scorer.runtime.signature
        seen = signature.window.look_back + signature.look_ahead + (signature.map_filter or (0,))[0]
        of_each = max(1.0, rate / scorer.learned) if rate and scorer.learned else 1.0
        usual = WARM_S if scorer.sentinel is not None or scorer.runtime.memory != () else 0.0
        return cls(usual if seconds is None else seconds, round(of_each * (2 * seen + RECENT + PACED)))


def cut(timeline: VideoTimeline, length_s: float, warm_up: WarmUp) -> list[VideoPart]:
    """The parts of a video, each about `length_s` long; one part where it is not longer than that and a half.

    They begin at key frames, so that nothing is decoded in vain.
    """
    time, keys = timeline.time, timeline.keys
    wanted = np.arange(time[0] + length_s, time[-1] - length_s / 2, length_s)
    places = np.searchsorted(time[keys], wanted)
    firsts = sorted({0, *(int(keys[place]) for place in places if place < len(keys))})
    edges = [*firsts, None]
    parts = [
        VideoPart(number, len(firsts), first, float(time[first]), edges[number + 1], 0, float(time[0]))
        for number, first in enumerate(firsts)
    ]
    return [entered(part, timeline, warm_up) for part in parts]


def entered(part: VideoPart, timeline: VideoTimeline, warm_up: WarmUp) -> VideoPart:
    """A part with this warm-up: it is entered behind a key frame, or at the beginning of the video."""
    time, keys = timeline.time, timeline.keys
    latest = min(int(np.searchsorted(time, part.first_s - warm_up.seconds, "right")) - 1, part.first - warm_up.frames)
    before = keys[keys <= latest]
    key = int(before[-1]) if len(before) and latest > 0 else 0
    enter = _tick(time, key) if key else 0
    if not 0 < enter <= part.first:
        enter = 0
    return replace(part, enter=enter, enter_s=float(time[enter]) if enter else 0.0)


def entered_earlier(part: VideoPart, timeline: VideoTimeline) -> VideoPart:
    """The same part with a longer warm-up."""
    seconds = LONGER * max(part.first_s - part.enter_s, 1.0)
    return entered(part, timeline, WarmUp(seconds, round(LONGER * (part.first - part.enter))))


def _tick(time: NDArray[np.float64], key: int) -> int:
    """The first frame from `key` on that a slow look at the whole video picks, so that both pick the same ones."""
    ticks, pauses = Ticks(), paused(time)
    for number, (stamp, pause) in enumerate(zip(time.tolist(), pauses.tolist(), strict=True)):
        if pause:
            ticks = Ticks()
        if ticks.push(stamp) is not None and number >= key:
            return number
    return 0
