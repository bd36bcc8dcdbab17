"""Where oddframe keeps what it can make again, and where it finds what it has learned."""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from oddframe.atomic import replacing
from oddframe.errors import BundleError, InputError
from oddframe.locks import remove

CURRENT = "current"
"""The name of the link beside versions of a bundle that points to the one that is used."""


def default_cache_root() -> Path:
    """The cache folder: ODDFRAME_CACHE where it is set, otherwise oddframe/frames in the user's cache folder."""
    folder = os.environ.get("ODDFRAME_CACHE")
    if folder:
        return Path(folder)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "oddframe" / "frames"


def check_bundle_folder(path: Path) -> None:
    """See to it that a bundle can be where one is said to be.

    Raises:
        BundleError: there is nothing, or a file.
    """
    if path.is_file():
        raise BundleError(f"{path}: this is a file, not a bundle; give the folder that `oddframe fit` wrote first")
    if not path.is_dir():
        raise BundleError(f"{path}: there is no such bundle; `oddframe fit VIDEOS --out {path}` makes one")


def cached_file(folder: str, stem: str, suffix: str, make: Callable[[], bytes]) -> Path:
    """A file of the cache, made if it is missing. Its name ends with the CRC-32 of its content; one that no longer fits
    its name is made again.

    Args:
        folder: in the cache folder.
        stem: names what is in it, versions included.
        suffix: such as ".onnx".
        make: gives the content.

    Raises:
        InputError: the cache cannot be written.
    """
    place = default_cache_root() / folder
    for path in place.glob(f"{stem}-????????{suffix}"):
        with suppress(OSError):  # removed at this moment, or a folder
            if path.stem == f"{stem}-{zlib.crc32(path.read_bytes()):08x}":
                return path
        remove(path)
    content = make()
    path = place / f"{stem}-{zlib.crc32(content):08x}{suffix}"
    try:
        with replacing(path) as temporary:
            temporary.write_bytes(content)
    except OSError as error:
        raise InputError(
            f"{path}: cannot be written ({error.strerror}); set ODDFRAME_CACHE to another folder"
        ) from error
    return path
