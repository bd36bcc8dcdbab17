"""What a video is before it is opened: a file, a folder whose images are its frames, or an array in memory."""

from __future__ import annotations

import os
from collections.abc import Sequence
from copy import copy
from dataclasses import KW_ONLY, dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from oddframe.atomic import too_long
from oddframe.errors import InputError, VideoError
from oddframe.video.order import in_order
from oddframe.video.urls import url_size

VIDEO_SUFFIXES = (
    ".mp4", ".m4v", ".mov", ".qt", ".avi", ".divx", ".mkv", ".webm", ".mpg", ".mpeg", ".m1v", ".m2v", ".vob", ".mod",
    ".ts", ".mts", ".m2t", ".m2ts", ".trp", ".wmv", ".asf", ".flv", ".f4v", ".3gp", ".3g2", ".ogv", ".ogm", ".mxf",
    ".dv", ".h264", ".264", ".avc", ".h265", ".265", ".hevc", ".ivf", ".obu", ".mjpeg", ".mjpg", ".dav", ".y4m",
    ".nut", ".rm", ".rmvb",
)  # fmt: skip
FRAME_SUFFIXES = (
    ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".tif", ".tiff", ".bmp", ".webp", ".jp2", ".pgm", ".ppm", ".pnm",
)  # fmt: skip
STACK_SUFFIXES = (".tif", ".tiff")
RAW_SUFFIXES = (
    ".h264", ".264", ".avc", ".h265", ".265", ".hevc", ".mjpeg", ".mjpg", ".m1v", ".m2v", ".obu", ".vc1",
)  # fmt: skip


@dataclass(frozen=True)
class VideoSource:
    """One video: a file, or a folder whose images are its frames.

    Attributes:
        name: unique among videos found together.
        path: the file or the folder.
        kind: "file", "frames" (a folder), or "array". A TIFF of several pages is a file.
        fps: the rate at which frames without time stamps play: images, raw streams and arrays; None: it is not known.
        url: where the file lies, if it is behind a URL (see `oddframe.video.urls`); `path` is then for its name alone.
        fault: why it cannot be opened, as far as its search has found out; opening it raises a `VideoError` that says
            so. A video with a fault is skipped and named like any other that cannot be read.
        levels: the values of frames of more than 8 bits that become 0 and 255. None: all values that the depth has.
        began: when it was taken, at the media time 0, in seconds since 1970; None where nobody has said or asked.
    """

    name: str
    path: Path
    kind: Literal["file", "frames", "array"]
    fps: float | None = None
    _: KW_ONLY
    url: str = ""
    fault: str = ""
    levels: tuple[float, float] | None = None
    began: float | None = None

    @property
    def timeless(self) -> bool:
        """Whether its frames have no time stamps: images of a folder, pages of a TIFF, and raw streams."""
        suffixes = (*RAW_SUFFIXES, *STACK_SUFFIXES)
        return self.kind == "frames" or (self.kind == "file" and self.path.suffix.lower() in suffixes)

    @property
    def where(self) -> str:
        """Path or URL, for people and files."""
        return self.url or str(self.path)

    def refuse_fault(self) -> None:
        """Where there is a fault, say so before anything is opened.

        Raises:
            VideoError: there is one.
        """
        if self.fault:
            raise VideoError(f"{self.path}: {self.fault}")

    @property
    def size(self) -> int:
        """A rough size for sorting: bytes of the file or of the folder's entry, or number of values of an array."""
        if self.url:
            return url_size(self.url)
        try:
            return self.path.stat().st_size
        except OSError:
            return 0


@dataclass(frozen=True, eq=False, init=False)
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


def frame_files(folder: Path) -> list[Path]:
    """The frames of a frame folder, in the order of `oddframe.video.order`; see `ordered_frames`."""
    return ordered_frames(folder)[0]


def ordered_frames(folder: Path) -> tuple[list[Path], tuple[str, ...]]:
    """The images directly in a folder in the order of `oddframe.video.order`, and notes on that order.

    A link to an image that is not there is among them: the frames after it keep their numbers.

    Raises:
        VideoError: the folder cannot be looked into.
    """
    try:
        names = [path.name for path in folder.iterdir() if not path.name.startswith(".") and is_image(path)]
    except OSError as error:
        raise VideoError(f"{folder}: the folder cannot be looked into ({error.strerror})") from error
    order = in_order(names)
    return [folder / name for name in order.names], order.notes


def is_image(path: Path) -> bool:
    """Whether a path is named like a frame and is no folder."""
    return path.suffix.lower() in FRAME_SUFFIXES and not path.is_dir()


def refuse_name(folder: Path, source: VideoSource, suffixes: Sequence[str] = (".npz", ".csv")) -> None:
    """See that what is made of a video can be written under its name, as NAME.npz and NAME.csv.

    Args:
        folder: the folder to write to; made if missing, for its file system has the say.
        suffixes: of the files.

    Raises:
        VideoError: the name is too long; or what is made of other videos takes its place, as that of a folder x.csv/
            beside x.mp4.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if too_long(folder, f"{source.name}{max(suffixes, key=len)}"):
        raise VideoError(f"{source.path}: its name is too long for files of that name in {folder}; rename it")
    for path in (folder / f"{source.name}{suffix}" for suffix in suffixes):
        above = [one for one in path.parents if folder in one.parents and os.path.lexists(one) and not one.is_dir()]
        for taken in (*above, *([path] if path.is_dir() else [])):
            raise VideoError(f"{source.path}: {taken} of another video has the name that this one needs; rename one")


def largest_first(sources: Sequence[VideoSource]) -> list[VideoSource]:
    """Videos in an order that is the same on every machine, and leaves no large one for the end."""
    return sorted(sources, key=lambda source: (-source.size, source.name))


def with_levels(sources: Sequence[VideoSource], levels: tuple[float, float] | None) -> list[VideoSource]:
    """The same videos, read at these levels (see `VideoSource`). Arrays in memory stay as they are."""
    return [source if source.kind == "array" else replace(source, levels=levels) for source in sources]


def begun_at(source: VideoSource, began: float | None) -> VideoSource:
    """The same video, taken at that time (see `VideoSource`)."""
    if source.kind != "array":
        return replace(source, began=began)
    found = copy(source)  # an `ArrayVideo` is no plain record of its fields
    object.__setattr__(found, "began", began)
    return found
