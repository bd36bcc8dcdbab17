"""Decoding of a video file or a frame folder to uint8 frames of one size, with their true time stamps.

PyAV (FFmpeg) decodes files and OpenCV decodes single images. The same swscale pass resizes and converts both, so a
video and its extracted frames give the same pixels. Decoding uses one thread by default: damaged streams then give the
same frames on every run, and two processes are faster than two threads.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, replace
from itertools import chain
from types import TracebackType
from typing import Self

import av
import cv2
import numpy as np
from av.video.plane import VideoPlane
from av.video.reformatter import Interpolation, VideoReformatter
from numpy.typing import NDArray

from oddframe.errors import VideoError
from oddframe.types import Colour, Resize, VideoInfo
from oddframe.video.pictures import Picture, open_pictures
from oddframe.video.sources import VideoSource

# Chroma at full resolution and exact rounding: grey stays grey (R = G = B) and red is not shifted against luma.
_QUALITY = Interpolation.FULL_CHR_H_INT | Interpolation.FULL_CHR_H_INP | Interpolation.ACCURATE_RND
_INTERPOLATION: dict[Resize, int] = {
    "bilinear": Interpolation.BILINEAR | _QUALITY,
    "area": Interpolation.AREA | _QUALITY,
    "bicubic": Interpolation.BICUBIC | _QUALITY,
}
# Planar RGB, interleaved afterwards, gives the same pixels as bgr24 in less than half the time, because swscale has
# fast code for it. Its planes are green, blue, red; this table lists the planes of each colour order.
_PLANES: dict[Colour, tuple[int, ...]] = {"bgr": (1, 0, 2), "rgb": (2, 0, 1), "gray": (0,)}
# Matrix coefficients (ITU-T H.273) that swscale can convert from. It refuses frames with other values.
_SUPPORTED_MATRICES = frozenset({0, 1, 2, 4, 5, 6, 7, 9})
_UNSPECIFIED_MATRIX = 2


@dataclass(frozen=True)
class Frame:
    """A decoded frame.

    Attributes:
        index: 0-based number among the frames that could be decoded, in display order.
        time: seconds since the first frame, strictly increasing.
        image: (H, W, C) uint8, contiguous, 0..255 (video range expanded), as displayed (rotation applied).
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

    Times are presentation time stamps relative to the first frame. AVI stores none, so its decoding time stamps are
    used, which count frame slots. A frame without a time stamp, or with one that is not after the previous frame's,
    follows the previous frame by one average frame duration. Images of a frame folder play at 25 frames/s.

    Attributes:
        info: available from the start; `frames` and `damage` are final after the last frame.
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

        Raises:
            VideoError: see `probe`.
        """
        self._path = source.path
        self._format = "gray" if colour == "gray" else "gbrp"
        self._planes = _PLANES[colour]
        self._interpolation = _INTERPOLATION[resize]
        self._reformatter = VideoReformatter()
        self._pictures = open_pictures(source, colour == "gray", threads)
        self._stream = self._pictures.decode()
        self._first = next(self._stream, None)
        if self._first is None:
            damage = self._pictures.damage(0)
            raise VideoError(
                f"{source.path}: not one frame can be decoded" + (f" ({'; '.join(damage)})" if damage else "")
            )
        picture = self._first[0]
        self._start = start
        self._orientation = _Orientation.of(picture)
        width, height = picture.width, picture.height
        if self._orientation.transpose:
            width, height = height, width
        self._size = size or (height, width)
        self.info = VideoInfo(
            name=source.name,
            path=str(source.path),
            width=width,
            height=height,
            fps=self._pictures.fps,
            frames=self._pictures.promised,
            codec=self._pictures.codec,
        )

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

    def _frames(self, first: Picture) -> Generator[Frame]:
        count = 0
        try:
            if self._start > 0:
                self._pictures.seek(self._start)
            for picture, time in chain([first], self._stream):
                if time < self._start - 1e-9:
                    continue
                yield Frame(count, time, self._image(picture))
                count += 1
            self.info = replace(self.info, frames=count, damage=self._pictures.damage(count))
        finally:
            self.close()

    def _image(self, picture: av.VideoFrame) -> NDArray[np.uint8]:
        """Convert the decoder's pixels to the output size and format in one pass."""
        height, width = self._size
        if self._orientation.transpose:
            height, width = width, height
        if picture.colorspace not in _SUPPORTED_MATRICES:
            picture.colorspace = _UNSPECIFIED_MATRIX
        try:
            scaled = self._reformatter.reformat(
                picture, width, height, self._format, interpolation=self._interpolation, threads=1
            )
        except av.FFmpegError as error:
            raise VideoError(
                f"{self._path}: pixel format {picture.format.name} cannot be converted ({error.strerror})"
            ) from error
        merged = cv2.merge([_pixels(scaled.planes[plane]) for plane in self._planes])
        image = np.asarray(merged, np.uint8).reshape(height, width, -1)
        return np.ascontiguousarray(self._orientation(image))


def _pixels(plane: VideoPlane) -> NDArray[np.uint8]:
    """The (H, W) bytes of a plane, without copying; a negative line size means that rows run upwards."""
    buffer = np.frombuffer(plane, np.uint8)  # type: ignore[call-overload]  # PyAV's stubs leave the buffer out
    rows: NDArray[np.uint8] = buffer.reshape(plane.height, abs(plane.line_size))[:, : plane.width]
    return rows if plane.line_size > 0 else rows[::-1]


@dataclass(frozen=True)
class _Orientation:
    """The rotation and mirroring of a display matrix: transpose first, then reverse rows and columns."""

    transpose: bool = False
    rows: int = 1
    columns: int = 1

    @classmethod
    def of(cls, picture: av.VideoFrame) -> _Orientation:
        try:
            matrix = picture.side_data["DISPLAYMATRIX"]  # type: ignore[typeddict-item]
        except (KeyError, ValueError):  # no matrix, or (ValueError) side data of a kind that PyAV does not support
            return cls()
        # FFmpeg's libavutil/display.h: the pixel (x, y) is shown at (a x + c y, b x + d y), in 16.16 fixed point.
        a, b, _, c, d = (int(value) for value in np.frombuffer(bytes(matrix), np.int32)[:5])
        if abs(a) >= abs(b):
            return cls(False, -1 if d < 0 else 1, -1 if a < 0 else 1)
        return cls(True, -1 if b < 0 else 1, -1 if c < 0 else 1)

    def __call__(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        turned = image.swapaxes(0, 1) if self.transpose else image
        return turned[:: self.rows, :: self.columns]
