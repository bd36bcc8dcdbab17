"""Locks that live as long as their process, on the very files and folders that are written.

A lock is `flock`. It needs no file of its own, and the system drops it when its process ends, however it ends: after a
kill, a crash of the machine, or in another container, what nobody holds is what nobody works on any more. Where the
file system or the operating system has no `flock`, nothing is locked, and what is unchanged for a day counts as left.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import shutil
import stat
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from oddframe.errors import InputError

try:
    import fcntl

    LOCKS = True
except ImportError:  # Windows
    LOCKS = False

_POLL = 0.1  # seconds
STALE_S = 24 * 3600.0  # without locks, what is unchanged for this long was left by a run that was killed
# Names that `oddframe.atomic`, and the cache of frames, give to what is not finished; today and in older versions.
UNFINISHED = re.compile(r"\.[0-9a-f]{16}\.(new|(\w+\.)?part(\.\w+)?)|\.building-[0-9a-f]{32}")


class Lock:
    """A file or folder that this process holds, until `release` or its end. It is made if missing.

    Args:
        path: of a file, or of a folder whose parent exists.
        folder: whether it is a folder.

    Attributes:
        sure: False where nothing can be locked, and nobody is kept away.
        mode: permissions; of what is made here, those that the umask says.

    Raises:
        BlockingIOError: somebody else holds it.
        OSError: it cannot be made or opened.
    """

    def __init__(self, path: Path, folder: bool = False) -> None:
        self.sure, self._open = False, -1
        if not LOCKS and folder:  # Windows opens no folders
            path.mkdir(exist_ok=True)
            return
        while True:  # the last owner may take it away between two calls
            if folder:
                path.mkdir(exist_ok=True)
            try:
                self._open = os.open(path, os.O_RDONLY if folder else os.O_CREAT | os.O_RDWR, 0o666)
            except FileNotFoundError:
                if path.parent.is_dir():
                    continue
                raise
            self.mode = stat.S_IMODE(os.fstat(self._open).st_mode)
            if not LOCKS:
                return self.release()  # what is open there cannot be renamed
            try:
                fcntl.flock(self._open, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                self.release()
                raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN), str(path)) from None
            except OSError:  # no locks on this file system
                return
            with suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(self._open), os.stat(path)):
                    self.sure = True
                    return
            self.release()

    def release(self) -> None:
        """Let others have it."""
        if self._open >= 0:
            os.close(self._open)
            self._open = -1


@contextmanager
def holding(folder: str | Path) -> Iterator[None]:
    """Write into a folder alone: it is made if missing, and what runs that were killed left in it is removed.

    A folder that is made here and in which nothing is written is taken away again.

    Raises:
        InputError: another run is writing into it.
        OSError: it cannot be made.
    """
    folder = Path(folder)
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.parent.mkdir(parents=True, exist_ok=True)
    try:
        lock = Lock(folder, folder=True)
    except BlockingIOError:
        raise InputError(
            f"{folder}: another run of oddframe is writing into this folder; wait for its end, or choose another --out"
        ) from None
    try:
        remove_leftovers(folder)
        yield
    finally:
        lock.release()
        with suppress(OSError):
            for path in made:
                path.rmdir()


@contextmanager
def taking_turns(folder: Path, names: Sequence[str]) -> Iterator[None]:
    """Wait until nobody else on this machine does the same thing in a folder.

    The folder is made if missing, and removed again if nothing came into it.

    Args:
        names: tell what it is. Whoever does something else there does not wait.

    Raises:
        OSError: the folder cannot be written.
    """
    turn = hashlib.sha256("\n".join(names).encode()).hexdigest()[:16]
    made = not folder.exists()
    while True:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            lock = Lock(folder / f".{turn}.part")
            break
        except FileNotFoundError:  # whoever made the folder has just removed it
            continue
        except BlockingIOError:
            time.sleep(_POLL)
    try:
        yield
    finally:
        remove(folder / f".{turn}.part")
        lock.release()
        if made:
            with suppress(OSError):
                folder.rmdir()


def remove_leftovers(folder: Path) -> None:
    """Remove the unfinished files and folders below `folder` whose writers are dead."""
    for place, folders, files in os.walk(folder):
        for name in [*files, *(name for name in folders if UNFINISHED.fullmatch(name))]:
            if UNFINISHED.fullmatch(name):
                remove_if_dead(Path(place, name))
        folders[:] = [name for name in folders if not UNFINISHED.fullmatch(name)]


def remove_if_dead(path: Path) -> None:
    """Remove an unfinished file or folder, unless its writer is alive."""
    with suppress(OSError):
        lock = Lock(path, path.is_dir())
        try:
            if lock.sure or time.time() - _touched(path) > STALE_S:
                remove(path)
        finally:
            lock.release()


def remove(path: Path) -> None:
    """Remove a file, a link, or a folder with all that is in it, as far as possible."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink(missing_ok=True)


def _touched(path: Path) -> float:
    """When a file, or anything directly in a folder, was changed last."""
    inside = path.iterdir() if path.is_dir() else ()
    return max(float(one.stat().st_mtime) for one in (path, *inside))
