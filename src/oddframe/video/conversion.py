"""From decoded pictures to uint8 images of one size, as they are shown. Files and live streams use the same code."""

from __future__ import annotations

from fractions import Fraction

import av
import cv2
import numpy as np
from av.video.plane import VideoPlane
from av.video.reformatter import Interpolation, VideoReformatter
from numpy.typing import NDArray

from oddframe.errors import VideoError
from oddframe.types import Colour, Resize, VideoInfo
from oddframe.video.depth import EightBits
from oddframe.video.geometry import SQUARE, Display, Sizes

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


class Converter:
    """Turns pictures into images of one size and one order of channels.

    Args:
        size: (height, width) of the images as displayed; None keeps the size of the first picture.
        colour: order of the channels; images have 3 channels, or 1 for "gray".
        resize: interpolation. When pictures shrink, all kinds average over the pixels they replace.
    """

    def __init__(self, size: tuple[int, int] | None, colour: Colour, resize: Resize) -> None:
        self._size = size
        self._format = "gray" if colour == "gray" else "gbrp"
        self._planes = _PLANES[colour]
        self._interpolation = _INTERPOLATION[resize]
        self._reformatter = VideoReformatter()

    def begin(
        self, picture: av.VideoFrame, stored: tuple[int, int] | None = None, aspect: Fraction = SQUARE
    ) -> tuple[int, int]:
        """Begin a video with its first picture; the (height, width) of it as displayed.

        Args:
            stored: (width, height) of most pictures; None: the first one decides.
            aspect: width of a pixel over its height, as stored.
        """
        stored = stored or (picture.width, picture.height)
        self._display, self._sizes = Display.of(picture, stored, aspect), Sizes(stored)
        self._shown = self._size or self._display.size
        return self._display.size

    def read(self, info: VideoInfo, levels: tuple[float, float] | None) -> None:
        """Say what the video is, and which values of pictures of more than 8 bits become 0 and 255."""
        self._path, self._eight_bits = info.path, EightBits(info, levels)

    def __call__(self, picture: av.VideoFrame) -> NDArray[np.uint8]:
        """(H, W, C), contiguous, 0..255: the decoder's pixels converted to the size and the order in one pass.

        Raises:
            VideoError: nothing can convert pixels of this format.
        """
        self._sizes.add(picture)
        height, width = self._shown
        if self._display.transpose:
            height, width = width, height
        picture = self._eight_bits(picture)
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
        return np.ascontiguousarray(self._display(image))

    def notes(self) -> tuple[str, ...]:
        """What the user should know, each a whole sentence; final after the last picture."""
        return (*self._sizes.notes(), *self._eight_bits.notes())


def _pixels(plane: VideoPlane) -> NDArray[np.uint8]:
    """The (H, W) bytes of a plane, without copying; a negative line size means that rows run upwards."""
    buffer = np.frombuffer(plane, np.uint8)  # type: ignore[call-overload]  # PyAV's stubs leave the buffer out
    rows: NDArray[np.uint8] = buffer.reshape(plane.height, abs(plane.line_size))[:, : plane.width]
    return rows if plane.line_size > 0 else rows[::-1]
