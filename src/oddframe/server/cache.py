"""Files that are made on demand and can be made again; the oldest go where they take too much room."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from oddframe.locks import remove

MOST_MB = 2000
BESIDE = ".json"
"""Ends the name of a small file that belongs to the file of the name before it."""
_YOUNG_S = 60.0  # what was used this lately is not removed: somebody may be reading it


class FileCache:
    """A folder of files that are made on demand. Threads may share it; each file is made once.

    Args:
        folder: made when the first file is.
        most_mb: megabytes that the files may take.
    """

    def __init__(self, folder: Path, most_mb: float = MOST_MB) -> None:
        self.folder, self._most = folder, int(most_mb * 1e6)
        self._lock = threading.Lock()
        self._making: dict[str, threading.Lock] = {}

    def file(self, key: str, suffix: str, make: Callable[[Path], None]) -> Path:
        """The file of a key, made if it is missing.

        Args:
            key: says all that decides on the content.
            make: writes it to the path, whole or not at all.
        """
        name = hashlib.sha256(key.encode()).hexdigest()[:32] + suffix
        path = self.folder / name
        with self._lock:
            making = self._making.setdefault(name, threading.Lock())
        with making:
            try:
                os.utime(path)
            except FileNotFoundError:
                make(path)
                self._tidy()
        with self._lock:
            self._making.pop(name, None)
        return path

    def _tidy(self) -> None:
        """Remove those files that were not used for longest, each with what lies beside it, until the others fit."""
        found = []
        for path in self.folder.iterdir():
            if path.name.endswith(BESIDE):
                continue  # small, and goes with its file
            with suppress(OSError):  # another process tidies up as well
                stat = path.stat()
                found.append((stat.st_mtime, stat.st_size, path))
        room = self._most - sum(size for _, size, _ in found)
        for used, size, path in sorted(found):
            if room >= 0 or abs(time.time() - used) < _YOUNG_S:  # a clock may have been set back
                return
            remove(path)
            remove(path.with_name(path.name + BESIDE))
            room += size
