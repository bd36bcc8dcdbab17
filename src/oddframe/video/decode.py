"""Decoding of a video file or a frame folder to uint8 frames of one size, with their true time stamps.

PyAV (FFmpeg) decodes files and OpenCV decodes single images. The same swscale pass resizes and converts both, so a
video and its extracted frames give the same pixels. Decoding uses one thread by default: damaged streams then give the
same frames on every run, and two processes are faster than two threads.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from itertools import chain
from types import TracebackType
from typing import Self

import av
import numpy as np
from numpy.typing import NDArray

from oddframe.account import Account
from oddframe.errors import VideoError
from oddframe.reading.guard import reading
from oddframe.types import Colour, Resize, VideoInfo
from oddframe.video.conversion import Converter
from oddframe.video.decoding import Picture, Tap
from oddframe.video.depth import depth_of
from oddframe.video.file_pictures import FilePictures
from oddframe.video.pictures import open_pictures
from oddframe.video.sources import VideoSource


@dataclass(frozen=True)
class Frame:
    """A decoded frame.

    Attributes:
        index: 0-based number among the frames that could be decoded, in display order.
        time: seconds since the start of the container, as a player shows them; strictly increasing.
        image: (H, W, C) uint8, contiguous, 0..255 (video range expanded), as displayed (rotation and the
            shape of pixels applied).
    """

    index: int
    time: float
    image: NDArray[np.uint8]


def probe(source: VideoSource) -> VideoInfo:
    """Properties of a video, from its header and its first frame.

    Raises:
        VideoError: the video cannot be opened, has no video stream, or none of its frames can be decoded.
    """
    with VideoReader(source) as reader:
        return reader.info


class VideoReader:
    """Reads the frames of one video in display order. Memory use does not depend on the length of the video.

    Damage does not stop the reader: packets that cannot be decoded are skipped and counted in `info.damage`. A reader
    can be iterated once. Leaving the loop early, closing the iterator or leaving the `with` block releases the file.

    Times are presentation time stamps since the start of the container, judged by `oddframe.video.clock`. AVI stores
    none, so its decoding time stamps are used, which count frame slots. Images of a frame folder and raw streams play
    at `VideoSource.fps`, or where that is not known at 25 frames/s; `info.rate` says so.

    Attributes:
        info: available from the start; `frames`, `damage`, `account` and `notes` are final after the last frame.
    """

    info: VideoInfo

    def __init__(
        self,
        source: VideoSource,
        size: tuple[int, int] | None = None,
        colour: Colour = "bgr",
        resize: Resize = "bilinear",
        threads: int = 1,
        start: float = 0.0,
        tap: Tap | None = None,
    ) -> None:
        """Open `source` and decode its first frame.

        Args:
            source: the video.
            size: (height, width) of the frames as displayed; None keeps the size of the first frame.
            colour: order of the channels; frames have 3 channels, or 1 for "gray".
            resize: interpolation. When frames shrink, all kinds average over the pixels they replace.
            threads: number of threads of the decoder; 0 lets FFmpeg choose.
            start: seconds. Frames before are left out, and those that are read are numbered from 0. A file is entered
                at a key frame, so that hours before `start` cost nothing.
            tap: gets every packet of a video file before it is decoded.

        Raises:
            VideoError: see `probe`.
        """
        self._where, self._count = source.where, 0
        self._converter = Converter(size, colour, resize)
        with self._guard():
            self._pictures = open_pictures(source, colour == "gray", threads, tap)
            self._stream = self._pictures.decode()
            self._first = next(self._stream, None)
        if self._first is None:
            damage = self._pictures.damage(self._pictures.account(0))
            raise VideoError(
                f"{source.where}: not one frame can be decoded" + (f" ({'; '.join(damage)})" if damage else "")
            )
        picture = self._first[0]
        self._start = start
        height, width = self._converter.begin(picture, self._pictures.size, self._pictures.aspect)
        self.info = VideoInfo(
            name=source.name,
            path=source.where,
            width=width,
            height=height,
            fps=self._pictures.fps,
            frames=self._pictures.promised,
            codec=self._pictures.codec,
            depth=depth_of(picture),
            notes=self._pictures.notes,
            rate=self._pictures.rate,
            account=self._pictures.account(0),
        )
        self._converter.read(self.info, source.levels)

    def __iter__(self) -> Generator[Frame]:
        first, self._first = self._first, None
        if first is None:
            raise RuntimeError("a VideoReader can be iterated once; open another")
        return self._frames(first)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Release the file."""
        self._stream.close()

    def account(self) -> Account:
        """What was read so far: up to the last frame that was handed out."""
        return self._pictures.account(self._count)

    @property
    def clock(self) -> tuple[object, ...]:
        """All that the times of later frames depend on, besides their stamps (see `oddframe.video.clock`)."""
        return self._pictures.clock.memory if isinstance(self._pictures, FilePictures) else ()

    def _frames(self, first: Picture) -> Generator[Frame]:
        try:
            with self._guard():
                if self._start > 0:
                    self._pictures.seek(self._start)
                for picture, time in chain([first], self._stream):
                    if time < self._start - 1e-9:
                        continue
                    self._count += 1
                    yield Frame(self._count - 1, time, self._image(picture))
            notes = (*self._pictures.notes, *self._converter.notes())
            account = self._pictures.account(self._count)
            damage = self._pictures.damage(account)
            self.info = replace(self.info, frames=self._count, damage=damage, account=account, notes=notes)
        finally:
            self.close()

    def _guard(self) -> AbstractContextManager[None]:
        """Libraries that meet a damaged video raise almost anything."""
        return reading(self._where, "cannot be decoded", "re-encode it, or leave it out", VideoError)

    def _image(self, picture: av.VideoFrame) -> NDArray[np.uint8]:
        return self._converter(picture)
