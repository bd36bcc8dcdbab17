"""How decoded pictures are shown: turned, mirrored, and with pixels that are not square."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import av
import numpy as np
from numpy.typing import NDArray

SQUARE = Fraction(1)
_NEARLY = 0.01  # a ratio this close to 1 is an error of rounding
_MOST = 4  # no camera has pixels this long


def plausible_aspect(ratio: Fraction | None) -> Fraction:
    """The width of a pixel over its height, 1 where the container does not say or cannot mean it."""
    if not ratio or not Fraction(1, _MOST) <= ratio <= _MOST or abs(ratio - 1) <= _NEARLY:
        return SQUARE
    return ratio


@dataclass(frozen=True)
class Display:
    """How the pictures of a video are shown.

    Attributes:
        size: (height, width) in square pixels, as shown. The longer side of a pixel is stretched, so that no detail is
            lost.
        transpose, rows, columns: rotation and mirroring: transpose first, then reverse rows and columns.
    """

    size: tuple[int, int]
    transpose: bool = False
    rows: int = 1
    columns: int = 1

    @classmethod
    def of(cls, picture: av.VideoFrame, stored: tuple[int, int], aspect: Fraction = SQUARE) -> Display:
        """The display of a picture.

        Args:
            stored: (width, height) of the video's pictures in their own pixels.
            aspect: width of a pixel over its height, as stored.
        """
        width, height = stored
        if aspect > 1:
            width = round(width * aspect)
        elif aspect < 1:
            height = round(height / aspect)
        transpose, rows, columns = _turn(picture)
        return cls((width, height) if transpose else (height, width), transpose, rows, columns)

    def __call__(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The image as shown."""
        turned = image.swapaxes(0, 1) if self.transpose else image
        return turned[:: self.rows, :: self.columns]


def _turn(picture: av.VideoFrame) -> tuple[bool, int, int]:
    """Transposition, and the steps of rows and columns, of a display matrix."""
    try:
        matrix = picture.side_data["DISPLAYMATRIX"]  # type: ignore[typeddict-item]
    except (KeyError, ValueError):  # no matrix, or (ValueError) side data of a kind that PyAV does not support
        return False, 1, 1
    # FFmpeg's libavutil/display.h: the pixel (x, y) is shown at (a x + c y, b x + d y), in 16.16 fixed point.
    a, b, _, c, d = (int(value) for value in np.frombuffer(bytes(matrix), np.int32)[:5])
    if abs(a) >= abs(b):
        return False, -1 if d < 0 else 1, -1 if a < 0 else 1
    return True, -1 if b < 0 else 1, -1 if c < 0 else 1


class Sizes:
    """Counts the pictures that have another size than the first one of a video."""

    def __init__(self, stored: tuple[int, int]) -> None:
        self._stored, self._others = stored, 0
        self._first: tuple[int, tuple[int, int]] | None = None
        self._seen = 0

    def add(self, picture: av.VideoFrame) -> None:
        """Take the next picture."""
        size = (picture.width, picture.height)
        if size != self._stored:
            self._others += 1
            self._first = self._first or (self._seen, size)
        self._seen += 1

    def notes(self) -> tuple[str, ...]:
        """The note on other sizes; empty where all pictures have one size."""
        if self._first is None:
            return ()
        number, (width, height) = self._first
        what = f"{self._others} of {self._seen} frames have another size than {self._stored[0]}x{self._stored[1]}"
        return (f"{what}, the first is frame {number} with {width}x{height}; they are resized to it",)
