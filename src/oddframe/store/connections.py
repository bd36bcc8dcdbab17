"""Connections to the database that lies at a place now, and not to one that lay there before.

SQLite goes on with a file that was deleted, moved away or replaced: what it reads is seen by nobody else any more, and
what it writes is lost. So every transaction looks before it begins, and one that writes looks again after its end.
"""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Literal

from sqlalchemy import Engine

from oddframe.atomic import make_folder
from oddframe.errors import StoreError
from oddframe.store import schema
from oddframe.store.engine import open_engine
from oddframe.store.place import StorePlace

_Number = tuple[int, int] | None  # device and inode; None where there is no file
State = Literal["same", "gone", "other", "no log", "written over"]

_BROKEN = {
    "gone": "the file was deleted or moved away while it was in use; put it back, or start again with another store",
    "no log": "its log (-wal) was deleted while it was in use; end all programs that use the store, and start again",
    "written over": (
        "the file was written over while it was in use; end all programs that use the store, put the copy in its place "
        "again, and start again"
    ),
}


class Connections:
    """Connections to one database. Threads may share them.

    Attributes:
        replaced: how often another file of SQLite was found at the path, and opened.
    """

    def __init__(self, place: StorePlace, create: bool, migrate: bool | None) -> None:
        """See `oddframe.store.opening.open_store`."""
        self._place, self._migrate, self.replaced = place, migrate, 0
        self._lock = threading.Lock()
        self._seen = None if place.file is None else OpenedFile(place.file)
        self.engine = self._opened(create)
        if self._seen is not None:
            self._seen.note()

    def engine_now(self) -> Engine:
        """The engine on the database that lies at the place now.

        Raises:
            StoreError: the file was deleted or spoilt since it was opened, or another one lies there that is no store.
        """
        if self._seen is not None:
            with self._lock:
                state = self._seen.state()
                if state == "other":
                    self._open_again(self._seen, create=False)
                elif state != "same":
                    raise StoreError(f"{self._place.shown}: {_BROKEN[state]}")
        return self.engine

    def see_that_it_was_kept(self) -> None:
        """See that what was just written lies in the file that others find.

        Raises:
            StoreError: it does not.
        """
        if self._seen is None:
            return
        with self._lock:
            state = self._seen.state()
        if state == "other":
            raise StoreError(f"{self._place.shown}: the file was replaced while this was written; do it again")
        if state != "same":
            raise StoreError(f"{self._place.shown}: {_BROKEN[state]}")

    def reopen_if_replaced(self) -> bool:
        """See `oddframe.store.store.Store.reopen_if_replaced`."""
        if self._seen is None:
            return False
        with self._lock:
            if self._seen.state() == "same":
                return False
            make_folder(self._seen.path.absolute().parent)
            self._open_again(self._seen, create=True)
            return True

    def close(self) -> None:
        """End all connections. Whoever asks for the engine again connects again."""
        with self._lock:
            self.engine.dispose()
            if self._seen is not None:
                self._seen.closed()

    def _open_again(self, seen: OpenedFile, create: bool) -> None:
        """Open what lies at the path now; while this fails, nothing is open."""
        self.engine.dispose()
        seen.put_log_aside()
        seen.forget()
        self.engine = self._opened(create)
        seen.note()
        self.replaced += 1

    def _opened(self, create: bool) -> Engine:
        """An engine on a database that has its tables."""
        engine = open_engine(self._place)
        try:
            schema.prepare(engine, self._place, create, self._migrate)
        except BaseException:
            engine.dispose()
            raise
        return engine


class OpenedFile:
    """Which file of SQLite was opened, with its log. One thread at a time may use it."""

    def __init__(self, path: Path) -> None:
        self.path, self._log = path, _beside(path, "-wal")
        self._number: _Number = None
        self._log_number: _Number = None
        self._size = 0

    def note(self) -> None:
        """The file that lies at the path now is open."""
        self._number, self._size = _look(self.path)
        self._log_number = _look(self._log)[0]

    def forget(self) -> None:
        """No file is open: numbers of files that are closed are given to others."""
        self._number = self._log_number = None
        self._size = 0

    def closed(self) -> None:
        """Nobody here uses the log any more; the last one who does removes it."""
        self._log_number = None

    def state(self) -> State:
        """Whether the file that was opened, with its log, is still what lies at the path."""
        number, size = _look(self.path)
        if number is None:
            return "gone"
        if number != self._number:
            return "other"
        if size < self._size:  # a database only grows; somebody has copied another one into it
            return "written over"
        log = _look(self._log)[0]
        if self._log_number is not None and log != self._log_number:
            return "no log"
        self._size, self._log_number = size, log
        return "same"

    def put_log_aside(self) -> None:
        """Rename the log of the file that was opened if it lies there still: it does not belong to another one."""
        if self._log_number is not None and _look(self._log)[0] == self._log_number:
            self._log.replace(_beside(self._log, f".{time.time_ns()}"))
            _beside(self.path, "-shm").unlink(missing_ok=True)


def _beside(file: Path, ending: str) -> Path:
    return file.with_name(f"{file.name}{ending}")


def _look(path: Path) -> tuple[_Number, int]:
    try:
        found = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None, 0
    return (found.st_dev, found.st_ino), found.st_size
