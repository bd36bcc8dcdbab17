"""JSON lines: `events.jsonl`, a line for every notice, and `log.jsonl`, a line for all else that happens."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from oddframe.atomic import make_folder, naming, sync_folder
from oddframe.live.messages import Notice, iso
from oddframe.live.sinks.sink import SinkCounts

_DURABLE = ("opened", "closed")
_TAIL = 1 << 20  # bytes at the end of a file in which a torn line begins


class LineFile:
    """A file of JSON lines that is written line by line, each at once.

    A line is in the hands of the system when `write` returns, so that it survives the end of the process. A last line
    that an earlier process did not finish is taken away when the file is opened.

    Args:
        path: of the file; missing folders are made.
        most_bytes: a file that would grow larger is renamed first: the UTC goes into its name. None: it may grow.

    Raises:
        OSError: it cannot be written.
    """

    def __init__(self, path: Path, most_bytes: int | None = None) -> None:
        self.path, self._most = path, most_bytes
        self._lock = threading.Lock()
        self._file = self._open()

    def write(self, row: Mapping[str, Any], durable: bool = False) -> None:
        """Append a line; `durable`: bring it to the disk, so that it survives a power cut too."""
        line = (json.dumps(row, ensure_ascii=False) + "\n").encode()
        with self._lock, naming(self.path):
            size = os.fstat(self._file).st_size
            if self._most is not None and size and size + len(line) > self._most:
                self._rotate()
                size = 0
            try:
                if os.write(self._file, line) < len(line):
                    raise OSError(28, os.strerror(28))
            except OSError:
                os.ftruncate(self._file, size)  # what a full disk took of the line
                raise
            if durable:
                os.fsync(self._file)

    def close(self) -> None:
        with self._lock:
            if self._file >= 0:
                os.close(self._file)
                self._file = -1

    def _open(self) -> int:
        with naming(self.path):
            make_folder(self.path.parent)
            _repair(self.path)
            file = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
            sync_folder(self.path.parent)
            return file

    def _rotate(self) -> None:
        os.close(self._file)
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        target = self.path.with_name(f"{self.path.stem}-{stamp}{self.path.suffix}")
        number = 1
        while target.exists():
            number += 1
            target = self.path.with_name(f"{self.path.stem}-{stamp}-{number}{self.path.suffix}")
        os.replace(self.path, target)
        self._file = self._open()


def _repair(path: Path) -> None:
    """Take away a last line that was not finished, or finish it where only its end is missing."""
    if not path.is_file():
        return
    with path.open("r+b") as file:
        size = file.seek(0, os.SEEK_END)
        start = max(0, size - _TAIL)
        file.seek(start)
        tail = file.read()
        if not tail or tail.endswith(b"\n"):
            return
        torn = tail.rpartition(b"\n")[2]
        try:
            json.loads(torn)
            file.write(b"\n")
        except ValueError:
            file.truncate(size - len(torn))


class EventLines:
    """`events.jsonl`: every notice, those that are held as well. A `Sink`.

    Notices of opened and closed events are brought to the disk.
    """

    name = "events.jsonl"

    def __init__(self, folder: Path, most_bytes: int | None = None) -> None:
        """Open `events.jsonl` in a folder; see `LineFile`."""
        self._lines = LineFile(folder / self.name, most_bytes)
        self._sent = self._failed = 0

    def tell(self, notice: Notice) -> None:
        try:
            self._lines.write(notice.as_json(), notice.change in _DURABLE)
        except OSError:
            self._failed += 1
            raise
        self._sent += 1

    def counts(self) -> SinkCounts:
        return SinkCounts(sent=self._sent, failed=self._failed)

    def close(self, timeout: float) -> None:
        self._lines.close()


class LogLines:
    """`log.jsonl`: states of cameras, gaps, drops and what went wrong, each with its UTC.

    It never fails: what cannot be written is counted in `lost`, and watching goes on.
    """

    name = "log.jsonl"

    def __init__(self, folder: Path, most_bytes: int | None = None) -> None:
        """Open `log.jsonl` in a folder; see `LineFile`."""
        self._lines = LineFile(folder / self.name, most_bytes)
        self.lost = 0

    def write(self, what: str, utc: float | None = None, **more: Any) -> None:
        """Append a line: `what` is a word such as "state", "gap", "drop" or "fault"."""
        try:
            self._lines.write({"utc": iso(time.time() if utc is None else utc), "what": what, **more})
        except OSError:
            self.lost += 1

    def close(self) -> None:
        self._lines.close()
