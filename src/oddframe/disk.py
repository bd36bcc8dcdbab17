"""The disk, in words: how much room there is, and what an error of the system means for the one who reads it."""

from __future__ import annotations

import errno
import os
import shutil
import zipfile
from pathlib import Path

from oddframe.errors import InputError, OddframeError, SpaceError

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
REMEDIES = {
    errno.ENOSPC: "make room, or choose a place on another disk",
    errno.EDQUOT: "make room within your quota, or choose another place",
    errno.EFBIG: "the file system or a limit (ulimit -f) takes no file of this size; choose another place",
    errno.EACCES: "change its permissions, or choose another place",
    errno.EPERM: "change its permissions, or choose another place",
    errno.EROFS: "it cannot be written to; choose another place",
    errno.ENOTDIR: "a part of this path is a file: move it away, or choose another place",
    errno.EISDIR: "a folder lies where a file belongs: move it away, or choose another place",
    errno.EEXIST: "move away what lies there, or choose another place",
    errno.ENOTEMPTY: "move away what lies there, or choose another place",
    errno.ENAMETOOLONG: "choose a shorter name",
    errno.ENOENT: "it is gone, or was never there; look at the path",
    errno.ELOOP: "it is a loop of links; choose another place",
    errno.EIO: "the disk or the drive gives errors; look at its state",
    errno.ESTALE: "the network drive was lost; run the same command again",
    errno.EMFILE: "raise the limit of open files (ulimit -n), or use fewer --workers",
    errno.ENFILE: "raise the limit of open files of this machine, or use fewer --workers",
    errno.EAGAIN: "raise the limit of processes (ulimit -u), or use fewer --workers",
}
"""What to do about an error of the operating system."""


def in_words(error: OSError) -> OddframeError | None:
    """What an error of the operating system is to the user, with path and remedy; None without either of them."""
    if isinstance(error, shutil.Error) and isinstance(error.args[0], list):  # of a copied folder: from, to, reason
        _, path, why = error.args[0][0]
        return InputError(f"{path}: cannot be written ({why}); see that there is space and permission")
    name = error.filename2 if error.filename2 is not None else error.filename
    if not error.strerror or (name is None and error.errno not in REMEDIES):
        return None
    where = "" if name is None else f"{os.fsdecode(name) if isinstance(name, str | bytes) else name}: "
    kind = SpaceError if error.errno in FULL else InputError
    return kind(f"{where}{error.strerror}; {REMEDIES.get(error.errno or 0, 'see to it, or choose another place')}")


def room(place: Path) -> int:
    """Free bytes of the disk that a path, which need not exist yet, lies on."""
    there = next(path for path in (place, *place.absolute().parents) if path.exists())
    return shutil.disk_usage(there).free


def amount(size: int) -> str:
    """Bytes in words, such as "12 kB", "3.4 MB" and "1.2 GB"."""
    value, units = float(size), ("bytes", "kB", "MB", "GB", "TB")
    for unit in units:
        if value < 999.5 or unit == units[-1]:
            return f"{value:.0f} {unit}" if unit == "bytes" or value >= 9.95 else f"{value:.1f} {unit}"
        value /= 1000
    raise AssertionError("the last unit takes any size")


def require_room(place: Path, need: int, what: str, remedy: str, spare: int = 0) -> None:
    """See that there is room before work begins.

    Args:
        place: where it is to be written; it need not exist yet.
        need: bytes.
        what: is written, in the plural, as in "the scores of 3 videos".
        remedy: besides freeing some space.
        spare: bytes to leave free.

    Raises:
        SpaceError: there is too little.
    """
    free = max(0, room(place) - spare)
    if need > free:
        wanted, there = (f"{size / 1e9:.2f} GB" if need > 1e8 else f"{size / 1e6:.2f} MB" for size in (need, free))
        raise SpaceError(f"{place}: {what} need {wanted}, but only {there} are free; free some space, {remedy}")


def whole_archive(path: Path) -> bool:
    """Whether all that an .npz file holds has the checksum that it was written with. It is read as a whole."""
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.testzip() is None
    except Exception:  # what is damaged can raise almost anything
        return False
