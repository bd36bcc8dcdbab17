"""Atomic writing: a file, a set of files or a folder appears complete or not at all, a power cut included.

What is written lies under a hidden name first, which its process holds (see `oddframe.locks`). It is brought to the
disk (fsync) before it gets its name, and the folder with the name after that, so that a name never stands for an empty
file. All that is written has the permissions that the umask says, whatever the library says that wrote it. An `OSError`
that comes out of here names the file that was to be written, not the hidden one.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import stat
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from oddframe.errors import InputError
from oddframe.locks import Lock, remove

_NO_SYNC = (errno.EINVAL, errno.ENOTSUP, errno.EBADF, errno.EACCES)  # of file systems that cannot sync a folder


class Replacement:
    """A file on its way to `target`: written under the hidden name `path`, then kept or discarded.

    Missing folders are created.

    Raises:
        OSError: nothing can be written there, or `target` is a folder.
    """

    def __init__(self, target: Path) -> None:
        self.target = target
        self.path = beside(target, f".{uuid.uuid4().hex[:8]}.part")
        if target.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(target))
        with naming(target, self.path):
            make_folder(target.parent)
            self._lock = Lock(self.path)

    def keep(self) -> None:
        """Give the file its name. Nothing is written to it any more."""
        with naming(self.target, self.path):
            self.path.chmod(self._lock.mode)  # a library that replaces the file may have chosen another
            sync(self.path)
            os.replace(self.path, self.target)
            sync_folder(self.target.parent)

    def discard(self) -> None:
        """Remove the file, unless it was kept."""
        remove(self.path)
        self._lock.release()


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary path in the folder of `path`, and rename it to `path` when the block ends without an exception.

    Missing folders are created. After an exception the temporary file is removed and `path` is unchanged.

    Raises:
        OSError: nothing can be written there, or `path` is a folder.
    """
    part = Replacement(path)
    try:
        with naming(path, part.path):
            yield part.path
        part.keep()
    finally:
        part.discard()


@contextmanager
def replacing_all(folder: Path) -> Iterator[Path]:
    """Give an empty folder, whose files take the places of those of the same name in `folder` when the block ends.

    All of them do or none: after an exception, in the block or while they move, `folder` is as it was before. A power
    cut while they move leaves each file whole, old or new.

    Raises:
        InputError: another run does the same.
        OSError: nothing can be written there.
    """
    with _hidden_folder(folder / "all", folder) as place:
        new, old = place / "new", place / "old"
        for path in (new, old):
            path.mkdir()
        yield new
        moved: list[str] = []
        try:
            with naming(folder, place):
                settle(new)
                for path in sorted(new.iterdir()):
                    if (folder / path.name).exists():
                        shutil.copy2(folder / path.name, old / path.name)
                    moved.append(path.name)
                    os.replace(path, folder / path.name)
                sync_folder(folder)
        except BaseException:
            for name in moved:
                if (old / name).exists():
                    os.replace(old / name, folder / name)
                else:
                    (folder / name).unlink(missing_ok=True)
            raise


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Give a new folder, which becomes `path` when the block ends without an exception, and is gone otherwise.

    `path` does not exist before, or is an empty folder. Missing folders above it are created.

    Raises:
        InputError: another run makes the same folder.
        OSError: nothing can be written there.
    """
    with _hidden_folder(path, path) as folder:
        yield folder
        with naming(path, folder):
            settle(folder)
            if path.is_dir():
                path.rmdir()
            folder.rename(path)
            sync_folder(path.parent)


@contextmanager
def _hidden_folder(place: Path, path: Path) -> Iterator[Path]:
    """An empty folder beside `place` for what is to become `path`; it is gone when the block ends.

    Its name is always the same, so that the next run finds what a run that was killed left, and takes it over.
    """
    folder = beside(place, ".new")
    with naming(path, folder):
        make_folder(place.parent)
        try:
            lock = Lock(folder, folder=True)
        except BlockingIOError:
            raise InputError(f"{path}: another run of oddframe is writing there; wait for its end") from None
    try:
        for left in folder.iterdir():
            remove(left)
        with naming(path, folder):
            yield folder
    finally:
        remove(folder)
        lock.release()


@contextmanager
def naming(path: Path, hidden: Path | None = None) -> Iterator[None]:
    """Let an `OSError` of the block that names no file, or one below `hidden`, name `path`.

    A write that comes too short, as on a full disk, names none by itself.
    """
    try:
        yield
    except OSError as error:
        named = error.filename
        if error.errno is not None and (named is None or (hidden is not None and str(hidden) in str(named))):
            error.filename, error.filename2 = str(path), None
        raise


def settle(folder: Path) -> None:
    """Bring a folder with all that is in it to the disk, with the permissions that the umask says."""
    mode = stat.S_IMODE(folder.stat().st_mode)  # made by `mkdir`, so the umask has had its say
    for place, _, files in os.walk(folder, topdown=False):
        for name in files:
            Path(place, name).chmod(mode & 0o666)
            sync(Path(place, name))
        Path(place).chmod(mode)
        sync_folder(Path(place))


def sync(file: Path) -> None:
    """Bring the content of a file to the disk."""
    descriptor = os.open(file, os.O_RDWR)
    try:
        with naming(file):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_folder(folder: Path) -> None:
    """Bring the names in a folder to the disk, where the system can."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with naming(folder):
            os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _NO_SYNC:
            raise
    finally:
        os.close(descriptor)


def make_folder(path: Path) -> None:
    """Make a folder and those above it that are missing, and bring their names to the disk."""
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    path.mkdir(parents=True, exist_ok=True)
    for folder in missing:
        sync_folder(folder.parent)


def beside(path: Path, ending: str) -> Path:
    """A hidden path in the folder of `path` that belongs to it, with a short name however long that of `path` is."""
    return path.with_name(f".{hashlib.sha256(os.fsencode(path.name)).hexdigest()[:16]}{ending}")


def too_long(folder: Path, name: str) -> bool:
    """Whether a file of this name, which may lie in folders of its own, cannot be written in a folder that exists."""
    for part in (name, *Path(name).parts):
        try:
            os.lstat(folder / part)
        except OSError as error:
            if error.errno == errno.ENAMETOOLONG:
                return True
    return False


def write_text(path: Path, text: str) -> None:
    """Write a text file in UTF-8 atomically."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
