"""Video sources, and the search for videos in files, folders, frame folders and lists."""

from __future__ import annotations

import csv
import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from glob import glob, has_magic
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from oddframe.errors import InputError

VIDEO_SUFFIXES = (
    ".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".m2v",
    ".ts", ".mts", ".m2ts", ".wmv", ".asf", ".flv", ".3gp", ".ogv",
)  # fmt: skip
FRAME_SUFFIXES = (".jpg", ".jpeg", ".png", ".tif", ".tiff", ".bmp")


@dataclass(frozen=True)
class VideoSource:
    """One video: a file, or a folder whose images are its frames. `name` is unique among videos found together."""

    name: str
    path: Path
    kind: Literal["file", "frames", "array"]

    @property
    def size(self) -> int:
        """A rough size for sorting: bytes of the file or of the folder's entry, or number of values of an array."""
        return self.path.stat().st_size


@dataclass(frozen=True, eq=False)
class ArrayVideo(VideoSource):
    """A video whose frames are an array in memory.

    Attributes:
        frames: (N, H, W, 3) uint8 RGB or (N, H, W) uint8 grey, N at least 1.
        fps: frames per second, above 0.
        name: of the video; score files and events carry it.

    Raises:
        InputError: the frames have another shape or type, or `fps` is not above 0.
    """

    frames: NDArray[np.uint8]
    fps: float

    __eq__, __hash__ = object.__eq__, object.__hash__  # two arrays of one name are two videos

    @property
    def size(self) -> int:
        return int(self.frames.size)

    def __init__(self, frames: NDArray[np.uint8], fps: float, name: str = "frames") -> None:
        shape, kind = getattr(frames, "shape", ()), getattr(frames, "dtype", type(frames).__name__)
        if kind != np.uint8 or 0 in shape or not (len(shape) == 3 or shape[3:] == (3,)):
            raise InputError(
                f"frames have shape {shape} and type {kind}; give a uint8 array of shape (N, H, W, 3) or (N, H, W)"
            )
        if not 0 < fps < float("inf"):
            raise InputError(f"fps is {fps}; it must be above 0")
        values = {"name": name, "path": Path(name), "kind": "array", "frames": frames, "fps": float(fps)}
        for field, value in values.items():
            object.__setattr__(self, field, value)


Videos = str | Path | VideoSource | Sequence["str | Path | VideoSource"]
"""Videos as arguments: a path, a pattern such as "videos/*.mp4", an `ArrayVideo`, or a list of these."""


def natural_key(text: str) -> tuple[tuple[int, int, str], ...]:
    """Sort key for natural order: "frame2" comes before "frame10", digits before letters, and case is ignored."""
    parts = re.split(r"(\d+)", text.casefold())
    return tuple((0, int(part), part) if part.isdecimal() else (1, 0, part) for part in parts if part)


def frame_files(folder: Path) -> list[Path]:
    """The frames of a frame folder: the images directly in `folder`, in natural order."""
    return [path for path in _entries(folder) if _is_image(path)]


def find_videos(videos: Videos) -> list[VideoSource]:
    """The videos that a path, a pattern such as "videos/*.mp4", or a list of them names, each once.

    Args:
        videos: of a path: a video file; a folder, searched recursively for video files and frame folders; a frame
            folder; or a CSV whose column `video` (or `path`) names any of these, relative to the CSV. A folder with
            images and without video files is a frame folder and is not searched further; a lone image beside subfolders
            with videos is taken for a preview and ignored, and so are images beside video files. Hidden files are
            ignored.

    Returns:
        The videos of a folder in natural order. Sources are named by their stem or, in nested folders, by their POSIX
        path below the given one without suffix; where two would share a name they keep their suffixes.

    Raises:
        InputError: something does not exist or holds no video, or two videos have the same name.
    """
    given = [videos] if isinstance(videos, str | Path | VideoSource) else videos
    found: dict[str, VideoSource] = {}
    for source in (source for entry in given for source in _sources_of(entry)):
        other = found.setdefault(source.name, source)
        if other != source and "array" in (other.kind, source.kind):
            raise InputError(f"two videos are called {source.name}; give each `ArrayVideo` a name of its own")
        if other.path.resolve() != source.path.resolve():
            raise InputError(
                f"{other.path} and {source.path} would both be called {source.name}; give the folder that holds both"
            )
    if not found:
        raise InputError("the list of videos is empty; give at least one video")
    return list(found.values())


def _sources_of(video: object) -> list[VideoSource]:
    if isinstance(video, VideoSource):
        return [video]
    if not isinstance(video, str | Path):
        raise InputError(
            f"a video cannot be given as a {type(video).__name__}; give a path, a pattern, a list of them, or an "
            "`oddframe.ArrayVideo` of frames"
        )
    path = Path(video)
    if not path.exists() and has_magic(str(video)):
        paths = sorted(glob(str(video), recursive=True), key=natural_key)
        if not paths:
            raise InputError(f"{video}: no file or folder fits this pattern")
        return _named([source for match in paths for source in _found(Path(match))])
    if not path.exists():
        raise InputError(f"{path}: no such file or folder")
    if path.is_file() and path.suffix.lower() == ".csv":
        return _named(_listed(path))
    return _named(_found(path), path if path.is_dir() else path.parent)


def _found(path: Path) -> list[VideoSource]:
    """The sources of one existing path, still without names."""
    if path.is_file():
        if _is_image(path):
            raise InputError(f"{path}: a single image is not a video; give the folder that holds the frames")
        return [VideoSource("", path, "file")]
    found = list(_walk(path, set()))
    if not found:
        raise InputError(
            f"{path}: no video found; looked for {', '.join(VIDEO_SUFFIXES)} files and for folders of "
            f"{', '.join(FRAME_SUFFIXES)} frames"
        )
    return found


def _walk(folder: Path, visited: set[str]) -> Iterator[VideoSource]:
    """Videos and frame folders at and below `folder`. `visited` stops the search at cycles of links."""
    real = os.path.realpath(folder)
    if real in visited:
        return
    visited.add(real)
    entries = _entries(folder)
    videos = {entry for entry in entries if entry.suffix.lower() in VIDEO_SUFFIXES and entry.is_file()}
    images = 0 if videos else sum(map(_is_image, entries))
    if images > 1:
        yield VideoSource("", folder, "frames")
        return
    below = False
    for entry in entries:
        if entry.is_dir():
            for source in _walk(entry, visited):
                below = True
                yield source
        elif entry in videos:
            yield VideoSource("", entry, "file")
    if images and not below:
        yield VideoSource("", folder, "frames")


def _listed(table: Path) -> list[VideoSource]:
    """The sources that a CSV lists, in its order."""
    try:
        with table.open(newline="", encoding="utf-8-sig") as file:
            rows = csv.DictReader(file, skipinitialspace=True)
            columns = rows.fieldnames or []
            column = next((name for name in ("video", "path") if name in columns), None)
            if column is None:
                raise InputError(f"{table}: needs a column `video` (or `path`); it has: {', '.join(columns) or 'none'}")
            entries = [(rows.line_num, (row[column] or "").strip()) for row in rows]
    except UnicodeDecodeError as error:
        raise InputError(f"{table}: not a CSV in UTF-8 ({error.reason} at byte {error.start})") from error
    sources: dict[Path, VideoSource] = {}
    for line, entry in entries:
        path = table.parent / entry
        if not entry or not path.exists():
            raise InputError(f"{table}, line {line}: no such video: {entry or '(empty)'}")
        for source in _found(path):
            if source.path in sources:
                raise InputError(f"{table}, line {line}: {entry} is listed twice")
            sources[source.path] = source
    if not sources:
        raise InputError(f"{table}: lists no video")
    return list(sources.values())


def _named(sources: Sequence[VideoSource], root: Path | None = None) -> list[VideoSource]:
    """The same sources with names relative to `root`, by default the folder that all of them share."""
    absolute = [Path(os.path.abspath(source.path)) for source in sources]
    base = Path(os.path.abspath(root) if root else os.path.commonpath([path.parent for path in absolute]))
    full = [path.relative_to(base).as_posix() if path != base else path.name for path in absolute]
    short = [
        name.removesuffix(source.path.suffix) if source.kind == "file" else name
        for name, source in zip(full, sources, strict=True)
    ]
    count = Counter(short)
    names = [brief if count[brief] == 1 else whole for brief, whole in zip(short, full, strict=True)]
    return [VideoSource(name, source.path, source.kind) for name, source in zip(names, sources, strict=True)]


def _entries(folder: Path) -> list[Path]:
    try:
        paths = [path for path in folder.iterdir() if not path.name.startswith(".")]
    except PermissionError as error:
        raise InputError(f"{folder}: no permission to look into this folder") from error
    return sorted(paths, key=lambda path: natural_key(path.name))


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in FRAME_SUFFIXES and path.is_file()
