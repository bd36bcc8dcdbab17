"""The guard around every reader of a foreign file: whatever goes wrong inside becomes one line that names the file."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from oddframe.errors import InputError, OddframeError

LONGEST = 200  # characters of another library's message; some of them print whole arrays


@contextmanager
def reading(
    file: Path | str, what: str, remedy: str = "get the file again", error: type[OddframeError] = InputError
) -> Iterator[None]:
    """Turn every exception of the block into an error of oddframe: FILE: WHAT (REASON); REMEDY.

    What is neither a file nor a folder is not read at all: a pipe without a writer waits for ever. Errors of oddframe
    itself pass unchanged, because they already say what is wrong. Everything else is caught, for a damaged file can
    make a library raise almost any exception, a `MemoryError` at an absurd header included.

    Args:
        file: what is read.
        what: the fault in words, as in "no masks can be read from it".
        remedy: what to do, unless the first bytes of the file say more.
        error: the class of the error.
    """
    if kind := special_kind(Path(file)):
        raise error(f"{file}: {kind}")
    try:
        yield
    except OddframeError:
        raise
    except Exception as cause:
        raise error(f"{file}: {what} ({reason(cause)}); {_seen(Path(file)) or remedy}") from cause


def special_kind(path: Path) -> str:
    """What a path is that must not be opened, because reading it could wait for ever; empty for files and folders."""
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):
        return ""
    if stat.S_ISREG(mode) or stat.S_ISDIR(mode):
        return ""
    kinds = {stat.S_IFIFO: "a named pipe", stat.S_IFSOCK: "a socket"}
    return f"{kinds.get(stat.S_IFMT(mode), 'a device')}, not a file; record it to a file first"


def reason(error: BaseException) -> str:
    """The message of an exception in one short line, with its class where the message alone says little."""
    if isinstance(error, MemoryError):
        return "its header promises more data than memory holds"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if isinstance(error, UnicodeDecodeError):
        return f"not {error.encoding.upper()}: {error.reason} at byte {error.start}"
    if isinstance(error, KeyError):
        return f"there is no {str(error).strip(chr(34) + chr(39))} in it"
    text = " ".join(str(error).split())
    if "pickle" in text:  # NumPy and torch say here how to run what is in the file
        return "it holds no plain array"
    text = text if len(text) <= LONGEST else f"{text[:LONGEST]} and more"
    return text if " " in text else f"{type(error).__name__}: {text}".rstrip(": ")


def _seen(file: Path) -> str:
    """What the first bytes say of a file that is no data at all, with the remedy; otherwise empty."""
    try:
        with file.open("rb") as stream:
            first = stream.read(64)
    except (OSError, ValueError):
        return ""
    if not first:
        return "the file is empty: get it again"
    if first.startswith(b"version https://git-lfs"):
        return "the file is a pointer of Git LFS: get its content with `git lfs pull`"
    if first.lstrip().lower().startswith((b"<!doctype html", b"<html")):
        return "the file is a web page: the download failed, get it again"
    return ""
