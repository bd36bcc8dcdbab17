"""Which video this is: a key of its content. A path is no identity.

Everything that is kept of a video (scores, decoded frames, features, overlays, the training record of a bundle) carries
the key of the content that it was made from. The rule:

- **What is read.** All of it: every byte of a file, every byte of every image of a frame folder, every value of an
  array. A change of one byte anywhere is another video.
- **What counts.** Content alone. The path and the name of a video, its times and its links do not count: a copy, a
  renamed file, a hard link and a symbolic link are the same video, and so is a file that was only touched. The names of
  the images of a frame folder count, because they decide on the order of its frames.
- **What decides on how frames are read** is a second part of the key: a frame rate that the user gives, behind "@", and
  the levels of frames of more than 8 bits, behind "~".
- **Times are a short cut.** The key of a large video is remembered in the cache folder, together with the inode, the
  size, the time of the last change of the content and the time of the last change of the inode (ctime) of each file.
  While none of these differ, nothing is read. Putting the modification time back after an edit changes the ctime, so
  the video is read again. A file that was changed a few seconds ago is not remembered, because another change within
  one tick of the clock would not show. Where the system has no ctime (Windows), every video is read every time. A FAT
  file system has none either; there an edit whose modification time was put back is not seen in a large video.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Literal

import numpy as np

from oddframe.atomic import write_text
from oddframe.errors import VideoError
from oddframe.places import default_cache_root
from oddframe.video.sources import ArrayVideo, VideoSource, frame_files
from oddframe.video.urls import UrlFile, url_state

DIGITS = 32
REMEMBERED = 4 << 20  # bytes; reading less than this is as quick as looking up its key
SETTLED_NS = 10 * 10**9  # a file that was changed more recently than this is not remembered
_BLOCK = 1 << 20
_RULE = 1  # raised when the same content gets another key


def content_key(source: VideoSource, told: Callable[[int], None] | None = None) -> str:
    """The key of a video: 32 hexadecimal digits, "@" and a given frame rate, "~" and the levels, where there are any.

    Args:
        told: called with the number of bytes of every block that is read.

    Raises:
        VideoError: the video cannot be read.
    """
    source.refuse_fault()
    if isinstance(source, ArrayVideo):
        key = _array_key(source)
    else:
        key = _url_key(source, told) if source.url else _stored_key(source, told)
    if source.fps is not None:
        key += f"@{float(source.fps)!r}"
    if source.levels is not None:
        key += "~" + ":".join(f"{float(level)!r}" for level in source.levels)
    return key


def content_of(key: str) -> str:
    """The part of a key that names the content: the same however its frames are read."""
    return key[:DIGITS]


def source_of(name: str, path: Path, key: str) -> VideoSource:
    """A stored video, read as it was when it got its key; whether it still is that video, `content_key` says.

    Raises:
        VideoError: the key is none.
    """
    content, _, levels = key.partition("~")
    content, _, fps = content.partition("@")
    try:
        if len(content) != DIGITS:
            raise ValueError
        low_high = None if not levels else (float(levels.split(":")[0]), float(levels.split(":")[1]))
        kind: Literal["frames", "file"] = "frames" if path.is_dir() else "file"
        return VideoSource(name, path, kind, float(fps) if fps else None, levels=low_high)
    except (ValueError, IndexError):
        raise VideoError(f"{path}: its content is not known; score it again") from None


def _array_key(source: ArrayVideo) -> str:
    digest = hashlib.sha256(f"array {source.frames.shape}\n".encode())
    for frame in source.frames:
        digest.update(np.ascontiguousarray(frame).data)
    return digest.hexdigest()[:DIGITS]


def _stored_key(source: VideoSource, told: Callable[[int], None] | None) -> str:
    try:
        if source.kind == "file":
            return _files_key(source, [source.path], told)
        named = frame_files(source.path)
        files = [path for path in named if path.is_file()]  # no links to nowhere, no pipes
        key = _files_key(source, files, told)
        if len(files) == len(named):
            return key
        absent = sorted({path.name for path in named} - {path.name for path in files})  # they keep their place in time
        return hashlib.sha256("\n".join([key, *absent]).encode("utf-8", "surrogateescape")).hexdigest()[:DIGITS]
    except OSError as error:
        raise VideoError(f"{source.path}: cannot be read ({error.strerror})") from error


def _url_key(source: VideoSource, told: Callable[[int], None] | None) -> str:
    """The key of a file behind a URL: that of a copy on this machine. It is remembered where the other side tells
    when the file has changed."""
    stamp = url_state(source.url)
    known = _recall(source, stamp) if stamp else None
    if known is not None:
        return known
    digest = hashlib.sha256(f"{source.kind}\n".encode())
    try:
        with closing(UrlFile(source.url)) as file:
            while block := file.read(_BLOCK):
                digest.update(block)
                if told is not None:
                    told(len(block))
    except OSError as error:
        raise VideoError(f"{source.url}: cannot be read ({error})") from error
    key = digest.hexdigest()[:DIGITS]
    if stamp and stamp == url_state(source.url):
        _remember(source, stamp, key)
    return key


def _files_key(source: VideoSource, files: Sequence[Path], told: Callable[[int], None] | None) -> str:
    before = [path.stat() for path in files]
    large = sum(stat.st_size for stat in before) >= REMEMBERED
    # The inode and both times of each file; on Windows st_ctime is the time of creation and says nothing.
    stamp = _stamp(source, files, before) if large and os.name == "posix" else ""
    known = _recall(source, stamp) if stamp else None
    if known is not None:
        return known
    key = _read(source, files, told)
    newest = max(max(stat.st_mtime_ns, stat.st_ctime_ns) for stat in before) if before else 0
    settled = time.time_ns() - newest > SETTLED_NS
    if stamp and settled and stamp == _stamp(source, files, [path.stat() for path in files]):
        _remember(source, stamp, key)
    return key


def _read(source: VideoSource, files: Sequence[Path], told: Callable[[int], None] | None) -> str:
    """The hash of all bytes of a video."""
    digest = hashlib.sha256(f"{source.kind}\n".encode())
    for path in files:
        if source.kind != "file":
            digest.update(f"{path.name} {path.stat().st_size}\n".encode("utf-8", "surrogateescape"))
        with path.open("rb") as file:
            while block := file.read(_BLOCK):
                digest.update(block)
                if told is not None:
                    told(len(block))
    return digest.hexdigest()[:DIGITS]


def _stamp(source: VideoSource, files: Sequence[Path], stats: Sequence[os.stat_result]) -> str:
    """What changes with every change of a file, and is quick to look at."""
    digest = hashlib.sha256(f"{_RULE} {source.kind}\n".encode())
    for path, stat in zip(files, stats, strict=True):
        seen = (path.name, stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)
        digest.update(repr(seen).encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def _memo(source: VideoSource) -> Path:
    where = source.url or os.path.abspath(source.path)
    place = hashlib.sha256(os.fsencode(where)).hexdigest()[:DIGITS]
    return default_cache_root() / "keys" / f"{place}.json"


def _recall(source: VideoSource, stamp: str) -> str | None:
    try:
        stored = json.loads(_memo(source).read_text(encoding="utf-8"))
        return str(stored["key"]) if stored["stamp"] == stamp else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _remember(source: VideoSource, stamp: str, key: str) -> None:
    with suppress(OSError):  # a cache folder that cannot be written costs time, not truth
        write_text(_memo(source), json.dumps({"stamp": stamp, "key": key}) + "\n")
