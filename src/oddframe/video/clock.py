"""What time stamps mean: the clock of a video.

Time is what a player shows: seconds since the start that the container states. Stamps of real recordings are not
always to be believed. The rule, for frames in the order in which they are shown:

- An interval is *plausible* if it is positive and at most one second or ten times the usual interval, whichever is
  longer. The usual interval is the median of the last 63. The first interval is plausible up to one minute. A plausible
  interval is kept as it is.
- A stamp is an *outlier* if it is not plausible and one of the next 512 stamps is back on the line of the last good
  one. Missing and repeated stamps count as outliers. Outliers are replaced: they lie evenly between their neighbours.
- A jump ahead that does not come back is a *pause*. It is kept.
- A jump back is a *reset* of the clock. It is bridged with one usual interval, and all later intervals are kept.
- Where stamps have 32 or 33 bits, a jump back by that much is no reset: the counter has overflowed.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Callable, Iterable
from fractions import Fraction
from itertools import islice

LONGEST_S = 1.0
LONGEST_STEPS = 10
FIRST_S = 60.0
HISTORY = 63
LOOK_AHEAD = 512
"""Stamps after a doubtful one that are looked at."""

_DAY_S = 86_400.0
_OVERFLOW_S = 60.0  # at most so much time is missing where a counter overflows


class Clock:
    """Converts the stamps of frames, in the order in which they are shown, to strictly increasing seconds.

    Attributes:
        replaced: outliers so far that had a stamp.
        missing: frames so far without a stamp.
        resets: jumps back so far that were bridged.
        paused_s: length of each pause so far, in seconds.
    """

    def __init__(self, base: Fraction, step: Fraction, start: int | None = None, bits: int = 0) -> None:
        """Start a clock.

        Args:
            base: seconds of a tick.
            step: nominal interval between frames in seconds.
            start: the stamp of time 0; None makes it the first one.
            bits: size of the counter of ticks, if it overflows.
        """
        self.base = base
        self.start = start
        self.replaced = self.missing = self.resets = 0
        self.paused_s: list[float] = []
        self._seconds = float(base)
        self._turn = 1 << bits if bits else 0
        self._nominal = max(1, round(step / base))
        self._pace = _Pace(float(self._nominal * base))
        self._last: float = -self._nominal  # the tick of the last frame
        self._line = 0  # the tick of a stamp is their sum
        self._former: int | None = None  # the line before a reset; stamps may return to it
        self._age = 0  # frames since that reset
        self._first = self._entering = True

    def __call__(self, stamp: int | None, coming: Callable[[], Iterable[int | None]] = tuple) -> float:
        """The time of the next frame.

        Args:
            stamp: its presentation stamp in ticks, or None.
            coming: gives the stamps of the frames after this one, about in the order in which they are shown. It is
                called only where `stamp` is not plausible. A live stream has none: there an outlier ahead is a pause.
        """
        tick = self._tick(stamp, coming)
        if not self._entering:
            self._pace.push((tick - self._last) * self._seconds)
        self._last, self._entering = tick, False
        return tick * self.base.numerator / self.base.denominator

    def enter(self, seconds: float) -> int:
        """The stamp at a time of the video. The next frame is one from there, and the interval before it is none."""
        self._last, self._entering, self._former = -self._nominal, True, None
        return round(seconds / self.base) - self._line

    @property
    def usual(self) -> float:
        """The usual interval between frames in seconds."""
        return self._pace.usual

    @property
    def memory(self) -> tuple[object, ...]:
        """All that the times of later frames depend on, besides their stamps."""
        return self._last, self._line, self._former, self._pace.latest

    @property
    def _step(self) -> int:
        return max(1, round(self.usual / self._seconds))

    def _tick(self, stamp: int | None, coming: Callable[[], Iterable[int | None]]) -> float:
        if stamp is None:
            self.missing += 1
            return self._between(None if self._first else self._good(None, coming))
        if self._entering and not self._first:
            return stamp + self._line
        if self._first:
            self._begin(stamp)
        self._return(stamp)
        interval = stamp + self._line - self._last
        if self._plausible(interval):
            return stamp + self._line
        if interval <= 0 and 0 < (interval + self._turn) * self._seconds <= _OVERFLOW_S:
            self._line += self._turn
            return stamp + self._line
        good = self._good(stamp, coming)
        if good is not None:
            self.replaced += 1
            return self._between(good)
        if interval > 0:
            if not self._entering:
                self.paused_s.append(interval * self._seconds)
            return stamp + self._line
        self._former, self._age = self._line, 0
        self._line = int(self._last) + self._step - stamp
        self.resets += 1
        return stamp + self._line

    def _begin(self, stamp: int) -> None:
        """Set the line by the first stamp. Frames may be missing before it, but not a day; none is shown before 0."""
        self._first = False
        start = stamp if self.start is None else self.start
        self._line = -start + (self._turn if stamp - start < -self._turn // 2 else 0)
        if not 0 <= (stamp + self._line) * self._seconds <= _DAY_S:
            self._line = -stamp
        if not self._entering:  # frames without a stamp came before
            self._line = max(self._line, int(self._last) + self._step - stamp)

    def _return(self, stamp: int) -> None:
        """Go back to the line before a reset where a stamp fits on it."""
        self._age += 1
        if self._age > LOOK_AHEAD:
            self._former = None
        elif self._former is not None and self._plausible(stamp + self._former - self._last):
            self._line, self._former = self._former, None

    def _plausible(self, interval: float) -> bool:
        """Whether an interval in ticks can be one between two frames."""
        return interval > 0 and interval * self._seconds <= self._pace.longest

    def _good(self, stamp: int | None, coming: Callable[[], Iterable[int | None]]) -> tuple[int, int] | None:
        """The first stamp to come that is back on the line of the last good one, and how many come before it.

        Such a stamp ends the jump that `stamp` has begun: it is at least half the jump away from the stamps after it.
        """
        step, longest = self._step, self._pace.longest / self._seconds
        jump = 0.0 if stamp is None else stamp + self._line - self._last
        top = jump  # the latest after the jump, in ticks since the last frame
        for before, other in enumerate(islice(coming(), LOOK_AHEAD)):
            if other is None:
                continue
            ahead = other + self._line - self._last
            back = stamp is None or (ahead <= top - jump / 2 if jump > 0 else ahead >= top - jump / 2)
            if back and (before + 1) * step / 4 <= ahead <= longest + (before + 1) * step:
                return before, other
            if jump <= 0 or not back:
                top = max(top, ahead)
        return None

    def _between(self, good: tuple[int, int] | None) -> float:
        """A tick one step after the last frame, or less where that leaves room for the frames before a good stamp."""
        step: float = self._step
        if good is not None:
            before, stamp = good
            step = min(step, (stamp + self._line - self._last) / (before + 2))
        return self._last + step


class _Pace:
    """The usual interval of a stream: the median of the latest, pauses included, so that a new pace becomes usual."""

    def __init__(self, nominal: float) -> None:
        """`nominal`: seconds; it counts until there is an interval."""
        self._nominal = nominal
        self._latest: deque[float] = deque()
        self._sorted: list[float] = []

    @property
    def usual(self) -> float:
        return self._sorted[len(self._sorted) // 2] if self._sorted else self._nominal

    @property
    def longest(self) -> float:
        """The longest plausible interval in seconds. Until there is one, a header that states a rate may be wrong."""
        return max(LONGEST_S, LONGEST_STEPS * self.usual) if self._latest else FIRST_S

    @property
    def latest(self) -> tuple[float, ...]:
        """The latest intervals in seconds."""
        return tuple(self._latest)

    def push(self, interval: float) -> None:
        self._latest.append(interval)
        insort(self._sorted, interval)
        if len(self._latest) > HISTORY:
            del self._sorted[bisect_left(self._sorted, self._latest.popleft())]
