"""Videos behind URLs, through fsspec: s3://, gs://, smb://, memory:// and what else is installed.

They are read in pieces while they are decoded, and never copied to this machine as a whole.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from oddframe.errors import InputError, VideoError
from oddframe.extras import imported

_URL = re.compile(r"[a-z][a-z0-9+.-]+://", re.IGNORECASE)
_REFUSED = ("http", "https", "ftp", "rtsp", "rtsps", "rtmp", "file", "local")
_READ_AHEAD = 4 << 20  # bytes
_SHOWN = 4  # suffixes of files that a line names


def is_url(text: object) -> bool:
    """Whether a text names something behind a URL of fsspec, and no path of this machine."""
    found = _URL.match(str(text)) if isinstance(text, str) else None
    return found is not None and found[0][:-3].lower() not in _REFUSED


def file_system(url: str) -> tuple[Any, str]:
    """The file system of a URL, and the path in it.

    Raises:
        InputError: there is no such file system, or a library is missing.
    """
    fsspec = imported("fsspec", "cloud")
    scheme = url.partition("://")[0]
    try:
        files, path = fsspec.core.url_to_fs(url)
    except ImportError as error:
        raise InputError(f"{url}: {scheme}:// needs a library ({error}); install it") from None
    except ValueError as error:
        raise InputError(f"{url}: {error}") from None
    return files, str(path).rstrip("/")


class UrlFile:
    """A file behind a URL, as PyAV reads one: `read`, `seek` and `tell`."""

    def __init__(self, url: str) -> None:
        """Open it.

        Raises:
            VideoError: it is not there or cannot be read.
        """
        files, path = file_system(url)
        try:
            self._file = files.open(path, "rb", block_size=_READ_AHEAD)
        except Exception as error:  # each file system has errors of its own
            raise VideoError(f"{url}: cannot be opened ({type(error).__name__}: {error})") from error

    def read(self, size: int = -1) -> bytes:
        return bytes(self._file.read(size))

    def seek(self, offset: int, whence: int = 0) -> int:
        return int(self._file.seek(offset, whence))

    def tell(self) -> int:
        return int(self._file.tell())

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True

    def close(self) -> None:
        self._file.close()


def url_size(url: str) -> int:
    """Bytes of a file behind a URL; 0 where that is not known."""
    files, path = file_system(url)
    try:
        return int(files.info(path).get("size") or 0)
    except Exception:  # each file system has errors of its own, and whoever opens the file tells of them
        return 0


def url_state(url: str) -> str:
    """What changes whenever a file behind a URL does, as far as its file system says; empty where it says nothing."""
    files, path = file_system(url)
    try:
        about = files.info(path)
    except Exception:  # see `url_size`
        return ""
    told = [about.get(name) for name in ("ETag", "etag", "md5Hash", "crc32c", "LastModified", "mtime", "created")]
    return "" if not any(told) else repr((about.get("size"), *told))


def some_of(suffixes: Sequence[str]) -> str:
    """The first suffixes, and how many others there are."""
    shown, rest = ", ".join(suffixes[:_SHOWN]), len(suffixes) - _SHOWN
    return f"{shown} and {rest} other kinds of" if rest > 0 else shown


def url_files(url: str, suffixes: tuple[str, ...]) -> list[tuple[str, str]]:
    """The files below a URL with one of these suffixes, or the file that it names: names below it, and their URLs.

    Raises:
        InputError: there is none.
    """
    files, path = file_system(url)
    try:
        below = not files.isfile(path)
        found = [str(one) for one in files.find(path)] if below else [path]
    except Exception as error:  # see `url_size`
        raise InputError(f"{url}: cannot be looked into ({type(error).__name__}: {error})") from error
    root = path if below else path.rpartition("/")[0]
    chosen = [one for one in found if not below or one.lower().endswith(suffixes)]
    if not chosen:
        raise InputError(f"{url}: no video found; looked for {some_of(suffixes)} files")
    return [(one.removeprefix(root).lstrip("/"), str(files.unstrip_protocol(one))) for one in chosen]
