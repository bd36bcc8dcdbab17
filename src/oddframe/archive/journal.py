"""What the processes of a plan say of their work: PLACE/log has a file of JSON lines for each of them.

Nobody reads it to find out what is done; the outputs say that. It tells who did what and how fast, and which jobs were
begun more than once.
"""

from __future__ import annotations

import json
import os
import socket
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from oddframe.archive.place import Place
from oddframe.reading.records import read_object

LOG = "log"


class Journal:
    """The lines of this process.

    Args:
        clock: seconds since 1970.
    """

    def __init__(self, place: Place, machine: str = "", clock: Callable[[], float] = time.time) -> None:
        self._place, self._clock = place, clock
        self.machine = machine or socket.gethostname()
        self._name = f"{LOG}/{self.machine}-{os.getpid()}-{uuid.uuid4().hex[:6]}.jsonl"
        self._lines: list[str] = []

    def begun(self, job: str) -> None:
        """A job is begun."""
        self._add({"begun": job})

    def done(self, job: str, seconds: float, wall: float) -> None:
        """A job is done: seconds of video in seconds of time."""
        self._add({"done": job, "seconds": seconds, "wall": wall})

    def failed(self, job: str, reason: str) -> None:
        """A job cannot be done."""
        self._add({"failed": job, "reason": reason})

    def _add(self, row: dict[str, Any]) -> None:
        line = json.dumps({**row, "machine": self.machine, "at": round(self._clock(), 3)}) + "\n"
        if self._place.local is None:  # a store of objects appends nothing
            self._lines.append(line)
            self._place.write(self._name, "".join(self._lines).encode())
            return
        path = self._place.local / self._name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as file:
            file.write(line)


@dataclass
class Machine:
    """What a machine has done: jobs, seconds of video, and seconds that its processes worked on them."""

    jobs: int = 0
    seconds: float = 0.0
    wall: float = 0.0


@dataclass
class History:
    """What all journals of a plan say.

    Attributes:
        machines: by name.
        begun: job -> how often it was begun.
        failed: job -> the last reason why it could not be done.
        first, last: seconds since 1970 of the first and the last line; None without lines.
    """

    machines: dict[str, Machine] = field(default_factory=dict)
    begun: Counter[str] = field(default_factory=Counter)
    failed: dict[str, str] = field(default_factory=dict)
    first: float | None = None
    last: float | None = None


def read_history(place: Place) -> History:
    """Read all journals. A line that a killed process has not finished is left out."""
    found = History()
    for row in _rows(place):
        machine = found.machines.setdefault(row["machine"], Machine())
        if "begun" in row:
            found.begun[row["begun"]] += 1
        elif "failed" in row:
            found.failed[row["failed"]] = row["reason"]
        elif "done" in row:
            found.failed.pop(row["done"], None)
            machine.jobs += 1
            machine.seconds += row["seconds"]
            machine.wall += row["wall"]
        at = float(row["at"])
        found.first = at if found.first is None else min(found.first, at)
        found.last = at if found.last is None else max(found.last, at)
    return found


def _rows(place: Place) -> Iterator[dict[str, Any]]:
    rows = []
    for name in sorted(place.names(LOG, ".jsonl")):
        for line in place.read(f"{LOG}/{name}.jsonl").decode("utf-8", "replace").splitlines():
            with suppress(ValueError):
                row = read_object(line)
                if _is_row(row):
                    rows.append(row)
    yield from sorted(rows, key=lambda row: float(row["at"]))


def _is_row(row: Mapping[str, Any]) -> bool:
    """Whether a line has what a journal writes; a machine that dies may leave anything in its last one."""
    texts = ["machine", *(name for name in ("begun", "done", "failed") if name in row)]
    texts += ["reason"] if "failed" in row else []
    numbers = ["at", *(("seconds", "wall") if "done" in row else ())]
    return all(isinstance(row.get(name), str) for name in texts) and all(
        isinstance(row.get(name), int | float) for name in numbers
    )
