"""What lies in the cache folder, and how it is emptied. All of it can be made again.

Only what oddframe has made is counted and removed, because ODDFRAME_CACHE may name a folder that holds other files.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from oddframe.errors import InputError
from oddframe.locks import UNFINISHED, remove, remove_if_dead
from oddframe.places import default_cache_root
from oddframe.suggest import among

DAY_S = 86_400.0


@dataclass(frozen=True)
class CacheKind:
    """A kind of things in the cache.

    Attributes:
        what: in words.
        folder: below the cache folder, or beside it where it begins with "../".
        fits: whether a name is one that oddframe gives to such a thing.
    """

    what: str
    folder: str
    fits: Callable[[str], object]


KINDS = {
    "frames": CacheKind("decoded frames of training videos", ".", re.compile(r"[0-9a-f]{32}").fullmatch),
    "keys": CacheKind("content keys of large videos", "keys", re.compile(r"[0-9a-f]+\.json").fullmatch),
    "graphs": CacheKind("graphs of detectors", "graphs", re.compile(r".+-[0-9a-f]{8}\.onnx").fullmatch),
    "backbones": CacheKind("frozen networks", "backbones", re.compile(r".+-[0-9a-f]{8}\.onnx").fullmatch),
    "made": CacheKind("streets and toys of benchmarks", "made", re.compile(r"(street|toy)-[0-9a-f]{16}").fullmatch),
    "review": CacheKind("clips and pictures of the review page", "../review", re.compile(r"[0-9a-f]{16}").fullmatch),
}  # fmt: skip
"""Name -> what it is. The review page of a store in a file keeps its pictures beside that file, and not here."""


@dataclass(frozen=True)
class CacheEntry:
    """A thing in the cache: its kind, path, bytes, and when it was last used or changed, in seconds since 1970."""

    kind: str
    path: Path
    bytes: int
    used_utc: float


def cache_entries(kinds: Iterable[str] = ()) -> list[CacheEntry]:
    """What lies in the cache, of some kinds or of all.

    Raises:
        InputError: there is no such kind.
    """
    chosen = list(kinds) or list(KINDS)
    for name in chosen:
        if name not in KINDS:
            raise InputError(f"there is no kind {name!r} of things in the cache{among(name, KINDS)}")
    return [entry for name in chosen for entry in _entries(name)]


def clean_cache(kinds: Iterable[str] = (), unused_days: float = 0.0, dry_run: bool = False) -> list[CacheEntry]:
    """Remove things from the cache.

    What runs that were killed left is removed as well; what another process is writing is left alone. A training that
    is reading decoded frames keeps them open, so that it goes on.

    Args:
        kinds: names of `KINDS`; none means all.
        unused_days: what was used in the last so many days stays.
        dry_run: remove nothing.

    Returns:
        What was removed, or would be.

    Raises:
        InputError: there is no such kind.
    """
    before = time.time() - unused_days * DAY_S
    found = [entry for entry in cache_entries(kinds) if entry.used_utc <= before]
    if dry_run:
        return found
    for entry in found:
        remove(entry.path)
    for path in _children(default_cache_root()):
        if UNFINISHED.fullmatch(path.name):
            remove_if_dead(path)
    return [entry for entry in found if not entry.path.exists()]


def _entries(name: str) -> Iterator[CacheEntry]:
    kind = KINDS[name]
    for path in _children(default_cache_root() / kind.folder):
        if kind.fits(path.name):
            files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
            stats = [file.stat() for file in files]
            used = max((max(stat.st_atime, stat.st_mtime) for stat in stats), default=path.stat().st_mtime)
            yield CacheEntry(name, path, sum(stat.st_size for stat in stats), used)


def _children(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except FileNotFoundError:
        return []
