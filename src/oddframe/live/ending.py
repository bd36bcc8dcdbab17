"""The end of watching: one deadline for everything that still writes or tells, and a line for what it does not reach.

stop  ->  0.5 s: frames that wait are scored  ->  clips, recordings and scores are written  ->  sinks tell what waits
"""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic
from typing import Protocol

from oddframe.live.sinks.sink import Desk

STOP_S = 1.4
"""Seconds from a stop to the last word; the process needs some more to leave."""
DISK_S = 60.0
"""Seconds for files where nobody has stopped it: all sources are over."""
SINKS_S = 0.8
"""Seconds for sinks to deliver what waits; of a stop they have what is left of its time."""
_RESERVED_S = 0.3  # of a stop, for the sinks
_LOOK_S = 0.05  # between two looks whether a stop has come


class Writer(Protocol):
    """Writes on a thread of its own."""

    def close(self, timeout: float) -> bool:
        """Begin to end, and wait for at most `timeout` seconds; whether everything is done. It may be called again."""


class Ending:
    """Ends what runs beside the loop.

    Attributes:
        stopped_at: gives when watching was stopped, by `time.monotonic`, or None.
        lost: a line for everything that was not finished in time.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        """`say`: is told the lines of `lost`."""
        self.stopped_at: Callable[[], float | None] = lambda: None
        self.lost: list[str] = []
        self._say = say
        self._writers: list[tuple[Writer, str]] = []
        self._desk: Desk | None = None

    def add(self, writer: Writer, lost: str) -> None:
        """Something has to be closed; `lost` is the line that says what is lost if there is no time for it."""
        self._writers.append((writer, lost))

    def add_desk(self, desk: Desk) -> None:
        """Sinks are closed after all writers, which still tell them what they have written."""
        self._desk = desk

    def close(self) -> None:
        """End everything: the writers at once and beside each other, then the sinks. A second call does nothing."""
        writers, self._writers, desk, self._desk = self._writers, [], self._desk, None
        for writer, _ in writers:
            writer.close(0.0)
        begun = monotonic()
        for writer, lost in writers:
            while not writer.close(_LOOK_S):
                if self._left(begun + DISK_S, _RESERVED_S) <= 0:
                    self.lost.append(lost)
                    self._say(lost)
                    break
        if desk is not None and not desk.close(max(0.1, self._left(monotonic() + SINKS_S))):
            self.lost.append("notices that waited for the disk are lost")
            self._say(self.lost[-1])

    def _left(self, until: float, reserved: float = 0.0) -> float:
        """Seconds until a moment, or until the end of a stop."""
        stopped = self.stopped_at()
        return min(until, float("inf") if stopped is None else stopped + STOP_S - reserved) - monotonic()
