"""What every sink is, and the desk that tells all of them without making the scores wait.

    scoring  -> Desk.tell (returns at once) -> thread of the desk -> Sink.tell of each -> thread of each network sink

The thread of the desk writes to the disk. Webhooks put a notice into their outboxes there before `events.jsonl` gets
its line; so an event that stands in the file reaches them, even if the process is killed in the next moment.
"""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from oddframe.errors import OddframeError
from oddframe.live.messages import Notice

Say = Callable[[str], None]
"""Takes one line for the log."""
_WAITING = 10_000  # notices that wait for the desk
_KNOWN = 10_000  # events that a sink remembers to have told


@dataclass(frozen=True)
class SinkCounts:
    """What became of the notices of a sink.

    Attributes:
        queued: wait now.
        sent: arrived, or were written.
        failed: were refused or went wrong for good.
        dropped: were not taken because too many waited.
    """

    queued: int = 0
    sent: int = 0
    failed: int = 0
    dropped: int = 0


class Sink(Protocol):
    """Takes notices. Its `tell` never waits for a network or a program, at most for the disk."""

    name: str

    def tell(self, notice: Notice) -> None:
        """Take a notice. Those that this sink does not tell are passed over."""

    def counts(self) -> SinkCounts:
        """What became of the notices so far."""

    def close(self, timeout: float) -> None:
        """Deliver what waits, for at most `timeout` seconds, and end all threads, connections and programs."""


class Selection:
    """Which notices people are told: an event that is opened and not held, and then that it is closed.

    A closed event is told exactly if it was told when it opened, so that nobody waits for an end that never comes. Gaps
    are no events of the scene or the camera's picture, and are told on request, and so are updates. The last update of
    an event may come after its end: it says where its clip lies.
    """

    def __init__(self, updates: bool = False, gaps: bool = False) -> None:
        self._updates, self._gaps = updates, gaps
        self._told: OrderedDict[str, bool] = OrderedDict()  # event -> whether it was told that it is closed

    def wants(self, notice: Notice) -> bool:
        """Whether to tell it; call it once for every notice, in order."""
        if notice.kind == "gap" and not self._gaps:
            return False
        if notice.change == "opened" and not notice.held:
            self._told[notice.id] = False
            if len(self._told) > _KNOWN:
                self._told.popitem(last=False)
            return True
        known = self._told.get(notice.id)
        if notice.change == "updated":
            return self._updates and known is not None
        if notice.change == "closed" and known is False:
            self._told[notice.id] = True
            return True
        return False


class Desk:
    """Tells every sink of every notice, in order.

    Args:
        sinks: those that write to the disk before others announce it come first.
        say: is told in one line what goes wrong.

    Attributes:
        dropped: notices that came while too many waited.
    """

    def __init__(self, sinks: Sequence[Sink], say: Say) -> None:
        self.sinks, self._say, self.dropped = tuple(sinks), say, 0
        self._queue: queue.Queue[Notice | None] = queue.Queue(_WAITING)
        self._complaints = Complaints(say)
        self._thread = threading.Thread(target=self._run, name="desk", daemon=True)
        self._thread.start()

    def tell(self, notice: Notice) -> None:
        """Take a notice; this returns at once."""
        try:
            self._queue.put_nowait(notice)
        except queue.Full:
            self.dropped += 1
            if self.dropped == 1:
                self._say(f"{_WAITING} notices wait for the disk; the next ones are lost; see what the disk does")

    def queued(self) -> int:
        """Notices that wait for the desk."""
        return self._queue.qsize()

    def close(self, timeout: float = 2.0) -> bool:
        """Let every sink deliver what waits, for at most `timeout` seconds in all, and end; whether all were told."""
        until = time.monotonic() + timeout
        with contextlib.suppress(queue.Full):
            self._queue.put(None, timeout=timeout)
        self._thread.join(max(0.0, until - time.monotonic()))
        closing = [
            threading.Thread(target=sink.close, args=(max(0.1, until - time.monotonic()),), daemon=True)
            for sink in self.sinks
        ]
        for thread in closing:
            thread.start()
        for thread in closing:
            thread.join(max(0.0, until + 0.2 - time.monotonic()))
        return not self._thread.is_alive()

    def _run(self) -> None:
        while (notice := self._queue.get()) is not None:
            for sink in self.sinks:
                try:
                    sink.tell(notice)
                    self._complaints.well(sink.name)
                except Exception as error:  # a sink that fails must not silence the others
                    self._complaints.ill(sink.name, f"{sink.name}: {said(error)}")


class Complaints:
    """Says a fault once, and again only after it was gone."""

    def __init__(self, say: Say) -> None:
        self._say, self._ill = say, set[str]()

    def ill(self, what: str, line: str) -> None:
        if what not in self._ill:
            self._ill.add(what)
            self._say(line)

    def well(self, what: str, line: str = "") -> None:
        if what in self._ill:
            self._ill.discard(what)
            if line:
                self._say(line)


def said(error: Exception) -> str:
    """An error in one line, without what a library may have put into its message."""
    if isinstance(error, OddframeError):
        return str(error)
    if isinstance(error, OSError):
        return f"{error.filename or ''}{': ' if error.filename else ''}{error.strerror or type(error).__name__}"
    return type(error).__name__
