"""Decoded pictures with their times, before resizing: of a frame folder, of a TIFF, of an array, of a video file."""

from __future__ import annotations

from collections.abc import Generator
from math import ceil
from pathlib import Path

import av
import numpy as np

from oddframe.account import Account, count_of
from oddframe.errors import VideoError
from oddframe.reading.images import MOST_PIXELS
from oddframe.types import RateOrigin
from oddframe.video.decoding import Picture, Tap
from oddframe.video.file_pictures import FilePictures
from oddframe.video.geometry import SQUARE
from oddframe.video.headers import ASSUMED, FRAME_FOLDER_FPS, GIVEN
from oddframe.video.images import ALPHA, as_frame, load_image, load_pages, look_at
from oddframe.video.sources import STACK_SUFFIXES, ArrayVideo, VideoSource, ordered_frames
from oddframe.video.stacks import count_pages, is_stack

_PAGES = 16  # of a TIFF that are read together, fewer where they are large


class ArrayPictures:
    """Pictures of an `ArrayVideo`."""

    codec, aspect = "array", SQUARE
    size: tuple[int, int] | None = None
    notes: tuple[str, ...] = ()

    def __init__(self, video: ArrayVideo) -> None:
        self.frames, self.fps, self.promised = video.frames, video.fps, len(video.frames)
        self.rate: RateOrigin = GIVEN

    def decode(self) -> Generator[Picture]:
        layout, self.position = "rgb24" if self.frames.ndim == 4 else "gray", 0
        while self.position < len(self.frames):
            image, position = np.ascontiguousarray(self.frames[self.position]), self.position
            self.position += 1
            yield av.VideoFrame.from_ndarray(image, layout), position / self.fps

    def seek(self, seconds: float) -> None:
        """Go on with the frame at `seconds`."""
        self.position = max(0, ceil(seconds * self.fps - 1e-6))

    def account(self, decoded: int) -> Account:
        return Account(seen=decoded, decoded=decoded, decoded_s=decoded / self.fps)

    def damage(self, account: Account) -> tuple[str, ...]:
        return ()


class FolderPictures:
    """Pictures of a frame folder. Images that cannot be read are left out, and keep their place in time."""

    aspect = SQUARE

    def __init__(self, folder: Path, gray: bool, fps: float | None = None) -> None:
        self.files, self.notes = ordered_frames(folder)
        if not self.files:
            raise VideoError(f"{folder}: the folder holds no frames")
        self.codec = self.files[0].suffix[1:].lower()
        self.fps, self.rate = (fps, GIVEN) if fps else (FRAME_FOLDER_FPS, ASSUMED)
        self.promised = len(self.files)
        self.look, self.gray = look_at(self.files), gray
        self.size = self.look.size
        if self.look.alpha:
            self.notes += (ALPHA,)
        self.unreadable: list[str] = []

    def decode(self) -> Generator[Picture]:
        self.position = 0
        while self.position < len(self.files):
            path, position = self.files[self.position], self.position
            self.position += 1
            image = load_image(path, self.gray, self.look.wide)
            if image is None:
                self.unreadable.append(path.name)
            else:
                yield as_frame(image), position / self.fps

    def seek(self, seconds: float) -> None:
        """Go on with the image at `seconds`."""
        self.position = max(0, ceil(seconds * self.fps - 1e-6))

    def account(self, decoded: int) -> Account:
        corrupt = len(self.unreadable)
        seen = decoded + corrupt
        return Account(seen=seen, decoded=decoded, corrupt=corrupt, decoded_s=seen / self.fps)

    def damage(self, account: Account) -> tuple[str, ...]:
        if not self.unreadable:
            return ()
        return (f"{count_of(len(self.unreadable), 'unreadable image')} skipped, first {self.unreadable[0]}",)


class StackPictures:
    """Pictures of a TIFF of several pages."""

    aspect = SQUARE
    size: tuple[int, int] | None = None
    notes: tuple[str, ...] = ()

    def __init__(self, path: Path, gray: bool, fps: float | None = None) -> None:
        look = look_at([path])
        self.path, self.gray, self.wide = path, gray, look.wide
        self.together = max(1, min(_PAGES, MOST_PIXELS // max(1, look.pixels)))
        self.fps, self.rate = (fps, GIVEN) if fps else (FRAME_FOLDER_FPS, ASSUMED)
        self.codec, self.promised = "tiff", count_pages(path)

    def decode(self) -> Generator[Picture]:
        self.position = 0
        while pages := load_pages(self.path, self.position, self.together, self.gray, self.wide):
            begun = self.position
            for number, page in enumerate(pages):
                if self.position != begun:  # `seek` was called
                    break
                yield as_frame(page), (begun + number) / self.fps
            else:
                self.position += len(pages)

    def seek(self, seconds: float) -> None:
        """Go on with the page at `seconds`."""
        self.position = max(0, ceil(seconds * self.fps - 1e-6))

    def account(self, decoded: int) -> Account:
        return Account(seen=decoded, decoded=decoded, decoded_s=decoded / self.fps)

    def damage(self, account: Account) -> tuple[str, ...]:
        if self.position >= self.promised:
            return ()
        return (f"{count_of(self.promised, 'page')} promised, {self.position} can be read",)


Pictures = FilePictures | FolderPictures | StackPictures | ArrayPictures
"""What hands out the pictures of a video.

Besides `decode`, `seek`, `account` and `damage` each has: `codec`; `fps`, or None; `promised`, the number of pictures,
or None; `size`, the (width, height) of most pictures, or None where the first decides; `aspect`, the width of a pixel
over its height; `notes`, what had to be decided, each a whole sentence.
"""


def open_pictures(source: VideoSource, gray: bool, threads: int = 1, tap: Tap | None = None) -> Pictures:
    """Open the pictures of a video file, a frame folder or an array.

    Args:
        source: the video.
        gray: read the images of a folder as grey.
        threads: number of threads of the decoder of a file; 0 lets FFmpeg choose.
        tap: gets every packet of a video file before it is decoded.

    Raises:
        VideoError: the video cannot be opened.
    """
    source.refuse_fault()
    if isinstance(source, ArrayVideo):
        return ArrayPictures(source)
    if source.kind == "frames":
        return FolderPictures(source.path, gray, source.fps)
    if not source.url and source.path.suffix.lower() in STACK_SUFFIXES and is_stack(source.path):
        return StackPictures(source.path, gray, source.fps)
    return FilePictures(source, threads, tap)
