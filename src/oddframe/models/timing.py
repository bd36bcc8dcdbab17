"""The time of frames, as detectors that follow a video need it; always from time stamps, never from frame numbers."""

from __future__ import annotations

from collections import deque

import numpy as np

RECENT = 9  # intervals whose median is the pace of a video
LONGEST = 4  # intervals that two successive frames may lie apart
TICK = 0.2  # seconds


class Pace:
    """The time between successive frames.

    The interval of a video is the median of its last nine, so that jitter of time stamps does not look like speed. A
    frame that was lost makes the interval a whole multiple of it.
    """

    def __init__(self) -> None:
        self._last: float | None = None
        self._recent: deque[float] = deque(maxlen=RECENT)

    def push(self, time: float) -> float | None:
        """Seconds between the frame before and the one at `time`; None for the first one and after a pause."""
        last, self._last = self._last, time
        if last is None or time <= last:
            return None
        self._recent.append(time - last)
        usual = float(np.median(self._recent))
        steps = max(round((time - last) / usual), 1)
        return steps * usual if steps <= LONGEST else None


class Ticks:
    """Picks the frames of a slow look at a video: at most one in `TICK` seconds."""

    def __init__(self) -> None:
        self._last: float | None = None

    def push(self, time: float) -> float | None:
        """Seconds since the last frame that was picked, at most one second; None for a frame that is passed over."""
        if self._last is not None and 0 <= time - self._last < TICK * (1 - 1e-6):
            return None
        since = 0.0 if self._last is None else min(max(time - self._last, 0.0), 1.0)
        self._last = time
        return since
