"""Notices on their way to a receiver, each a file until it has arrived.

    OutboxSink.tell  ->  Outbox: a file  ->  thread of the sink: `_next`, again and again until it succeeds

    outbox/NAME/00001764567890123456789-EVENT_ID-opened.json     wait, in the order of their names
    outbox/NAME/failed/...                                       were refused by the receiver

The files hold notices, and neither addresses nor secrets. A file that is moved back from `failed` is sent at the next
start.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import re
import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from oddframe.atomic import make_folder, naming, replacing, sync_folder
from oddframe.live.messages import Notice
from oddframe.live.sinks.sink import Complaints, SinkCounts, said

_NAME = re.compile(r"(\d{23})-[0-9a-zA-Z_-]+-(opened|updated|closed)\.json")
_MOST_FAILED = 1000  # files that are kept in `failed`, the newest


class Outbox:
    """A folder of notices in order, which survives the end of its process.

    `put` is called by one thread, the rest by another one.

    Args:
        folder: of this receiver; it is made.
        most: notices that may wait.
        most_bytes: that they may take.

    Raises:
        OSError: the folder cannot be made or read.
    """

    def __init__(self, folder: Path, most: int = 10_000, most_bytes: int = 100_000_000) -> None:
        self.folder, self._most, self._most_bytes = folder, most, most_bytes
        make_folder(folder)
        found = sorted(path for path in folder.iterdir() if _NAME.fullmatch(path.name))
        self._waiting: deque[tuple[str, int]] = deque((path.name, path.stat().st_size) for path in found)
        self._bytes = sum(size for _, size in self._waiting)
        self._number = int(found[-1].name[:23]) if found else 0
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, body: bytes, event: str, change: str) -> bool:
        """Keep a notice, on the disk when this returns; False where too many wait.

        Raises:
            OSError: it cannot be written.
        """
        with self._lock:
            if len(self._waiting) >= self._most or self._bytes + len(body) > self._most_bytes:
                return False
        # The clock may be set back; the order stays.
        self._number = max(self._number + 1, time.time_ns())
        name = f"{self._number:023d}-{event}-{change}.json"
        with replacing(self.folder / name) as temporary:
            temporary.write_bytes(body)
        with self._lock:
            self._waiting.append((name, len(body)))
            self._bytes += len(body)
        return True

    def first(self) -> tuple[str, bytes] | None:
        """The key and the content of the notice that waits longest; None where none waits.

        A file that somebody took away is passed over.
        """
        while True:
            with self._lock:
                if not self._waiting:
                    return None
                name = self._waiting[0][0]
            try:
                return name.removesuffix(".json"), (self.folder / name).read_bytes()
            except FileNotFoundError:
                self._pop()

    def done(self) -> None:
        """The first notice has arrived."""
        with naming(self.folder):
            (self.folder / self._pop()).unlink(missing_ok=True)

    def refused(self) -> Path:
        """Put the first notice aside; where it lies now."""
        name, place = self._pop(), self.folder / "failed"
        with naming(self.folder):
            make_folder(place)
            with contextlib.suppress(FileNotFoundError):
                os.replace(self.folder / name, place / name)
            sync_folder(place)
            for old in sorted(path for path in place.iterdir() if _NAME.fullmatch(path.name))[:-_MOST_FAILED]:
                old.unlink(missing_ok=True)
        return place / name

    def _pop(self) -> str:
        with self._lock:
            name, size = self._waiting.popleft()
            self._bytes -= size
            return name


class Tries(NamedTuple):
    """Seconds between two tries: those after the first one, doubling to the longest, give or take a share of them."""

    first: float
    longest: float
    jitter: float = 0.0


class OutboxSink(ABC):
    """A sink that keeps notices in an outbox and delivers them, in order, on a thread of its own.

    What derives from it says how a notice is delivered (`_next`), gives notices to `_keep`, and calls `_start` when it
    is ready.
    """

    def __init__(self, name: str, outbox: Outbox, complaints: Complaints, tries: Tries, back: str) -> None:
        """Prepare.

        Args:
            name: of the sink.
            complaints: are told in one line what goes wrong.
            back: what must happen before more notices are kept in an outbox that is full.
        """
        self.name = name
        self._outbox, self._complaints, self._tries, self._back = outbox, complaints, tries, back
        self._sent = self._failed = self._dropped = 0
        self._work, self._stop = threading.Event(), threading.Event()
        self._until = float("inf")
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def counts(self) -> SinkCounts:
        return SinkCounts(len(self._outbox), self._sent, self._failed, self._dropped)

    def close(self, timeout: float) -> None:
        """Deliver what waits for at most `timeout` seconds; the rest stays in the outbox."""
        self._until = time.monotonic() + timeout
        self._stop.set()
        self._work.set()
        self._thread.join(timeout)

    def _start(self) -> None:
        """Begin to deliver, with what earlier runs left in the outbox."""
        self._work.set()
        self._thread.start()

    def _keep(self, notice: Notice, row: Mapping[str, Any]) -> None:
        """Keep what is to be delivered of a notice.

        Raises:
            OSError: it cannot be written.
        """
        try:
            kept = self._outbox.put(json.dumps(row).encode(), notice.id, notice.change)
        except OSError:
            self._dropped += 1
            raise
        if not kept:
            self._dropped += 1
            self._complaints.ill("full", f"{len(self._outbox)} notices wait, more are not kept until {self._back}")
            return
        self._complaints.well("full")
        self._work.set()

    @abstractmethod
    def _next(self) -> float | None:
        """Deliver the notice that waits longest.

        Returns:
            None where that is done with, or the least seconds to wait before the next try.

        Raises:
            OSError: the disk fails.
        """

    def _waits(self) -> bool:
        """Whether there is anything to do."""
        return len(self._outbox) > 0

    def _wait(self) -> None:
        """Wait until there may be something to do."""
        self._work.wait()

    def _rest(self) -> None:  # noqa: B027  # most sinks have nothing else to do
        """Do what else there is to do, after all that waits is delivered."""

    def _delivered(self) -> None:
        """The first notice has arrived."""
        self._outbox.done()
        self._sent += 1

    def _refused(self) -> Path:
        """The first notice can never arrive; the folder into which it is put aside."""
        place = self._outbox.refused().parent
        self._failed += 1
        return place

    def _run(self) -> None:
        wait = self._tries.first
        while True:
            self._wait()
            self._work.clear()
            last = self._stop.is_set()  # what comes while this round is under way has another one
            while self._waits():
                if time.monotonic() > self._until:
                    return
                try:
                    pause = self._next()
                except OSError as error:  # of the disk
                    self._complaints.ill("disk", said(error))
                    pause = 0.0
                if pause is None:
                    wait = self._tries.first
                    continue
                if self._stop.is_set():
                    return
                share = 1 + self._tries.jitter * random.uniform(-1, 1)  # noqa: S311  # no secret
                self._stop.wait(max(pause, wait * share))
                wait = min(self._tries.longest, 2 * wait)
            self._rest()
            if last:
                return
