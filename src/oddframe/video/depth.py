"""From frames of more than 8 bits to 8 bits, by a mapping that stays the same over a run.

Grey frames of 9 to 16 bits, 16-bit images and float images hold measured values, such as the counts of a thermal
camera, which often fill a small part of what the depth allows. Where `levels`, (low, high), are given, low becomes 0
and high becomes 255 in a straight line, and what lies beyond is cut off. `oddframe.video.levels` learns them from
training video, and they stay with the bundle. Without levels, all values of the depth become 0 to 255; float values
count as 0 to 1, or as 0 to 255 where the first frame goes above 1. Ordinary colour video of 10 and 12 bits always uses
all values of its depth; it is converted by swscale together with its size.
"""

from __future__ import annotations

from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from oddframe.errors import VideoError
from oddframe.types import VideoInfo

FEW = 128
"""Grey levels out of 256. Frames that use fewer of them than this have lost what they show."""
MUCH = 0.01
"""Share of pixels outside the levels that is told."""


def depth_of(picture: av.VideoFrame) -> int:
    """Bits of a value: 8 for ordinary video, 32 for float."""
    return max((component.bits for component in picture.format.components), default=8)


def is_measured(picture: av.VideoFrame) -> bool:
    """Whether the values of a frame are to be mapped here: grey or an image, and more than 8 bits."""
    name = picture.format.name
    return depth_of(picture) > 8 and (name.startswith("gray") or name in ("bgr48le", "gbrpf32le"))


def values_of(picture: av.VideoFrame) -> NDArray[Any]:
    """The (H, W) or (H, W, 3) values of a measured frame; colours are B, G, R, or R, G, B for float."""
    values: NDArray[Any] = picture.to_ndarray()
    return values


class EightBits:
    """Maps the frames of one video to 8 bits and keeps count of what gets lost.

    Args:
        info: of the video.
        levels: the values that become 0 and 255; None for all that the depth has.
    """

    def __init__(self, info: VideoInfo, levels: tuple[float, float] | None) -> None:
        self._path, self._levels, self._learned = info.path, levels, levels is not None
        self._depth = info.depth
        self._used = np.zeros(256, bool)
        self._low, self._high = np.inf, -np.inf
        self._pixels = self._beyond = self._seen = self._measured = self._broken = 0

    def __call__(self, picture: av.VideoFrame) -> av.VideoFrame:
        """The frame in 8 bits, or the same one where it is not measured.

        Raises:
            VideoError: float values without levels that are neither 0 to 1 nor 0 to 255.
        """
        self._seen += 1
        if not is_measured(picture):
            return picture
        values, depth = values_of(picture), depth_of(picture)
        self._measured += 1
        if values.dtype.kind == "f":
            finite = np.isfinite(values)
            if not finite.all():
                self._broken += 1
                values = np.where(finite, values, values[finite].min() if finite.any() else 0.0)
        low, high = float(values.min()), float(values.max())
        self._low, self._high = min(self._low, low), max(self._high, high)
        if self._levels is None and values.dtype.kind == "f":
            self._levels = self._guess(low, high)
        if self._levels is None:
            small = (values >> (depth - 8)).astype(np.uint8)
            self._used |= np.bincount(small.ravel(), minlength=256) > 0
        else:
            bottom, top = self._levels
            scaled = (values.astype(np.float32) - np.float32(bottom)) * np.float32(255 / (top - bottom))
            self._pixels += scaled.size
            self._beyond += int(np.count_nonzero((scaled < -0.5) | (scaled > 255.5)))
            small = np.rint(scaled.clip(0, 255)).astype(np.uint8)
        layout = "gray" if small.ndim == 2 else ("rgb24" if values.dtype.kind == "f" else "bgr24")
        return av.VideoFrame.from_ndarray(np.ascontiguousarray(small), layout)

    def _guess(self, low: float, high: float) -> tuple[float, float]:
        if low >= 0 and high <= 1:
            return 0.0, 1.0
        if low >= 0 and high <= 255:
            return 0.0, 255.0
        raise VideoError(
            f"{self._path}: float frames with values from {low:.4g} to {high:.4g}, and no levels that say which are "
            "black and white; fit a detector on such video, or write the frames with 8 or 16 bits"
        )

    def notes(self) -> tuple[str, ...]:
        """What the user should know, each a whole sentence; final after the last frame."""
        notes = []
        seen = f"{self._low:.6g} to {self._high:.6g}"
        if self._measured and not self._learned and self._levels is None:
            used = int(self._used.sum())
            if used < FEW:
                notes.append(
                    f"{self._depth}-bit frames use {used} of 256 grey levels (values {seen} of {2**self._depth - 1}); "
                    "a detector that is fitted on such video learns levels that fit it"
                )
        elif self._measured and not self._learned and self._levels is not None:
            lost = f"; {self._beyond / self._pixels:.0%} of the pixels lie outside" if self._much_beyond() else ""
            notes.append(
                f"float frames with values {seen} are read as {self._levels[0]:g} to {self._levels[1]:g}{lost}"
            )
        elif self._measured and self._levels is not None and self._much_beyond():
            notes.append(
                f"{self._beyond / self._pixels:.0%} of the pixels lie outside the levels {self._levels[0]:g} to "
                f"{self._levels[1]:g} that were learned from the training video; its values are {seen}"
            )
        elif self._levels is not None and not self._measured:
            notes.append(
                f"{self._depth}-bit frames for a detector that learned from frames with values "
                f"{self._levels[0]:g} to {self._levels[1]:g}; score video of the same depth"
            )
        if 0 < self._measured < self._seen:
            notes.append(
                f"{self._seen - self._measured} of {self._seen} frames have 8 bits and the others more, so that their "
                "brightness differs; write all with one depth"
            )
        if self._broken:
            notes.append(f"values that are no numbers (NaN) in {self._broken} frames are read as the lowest value")
        return tuple(notes)

    def _much_beyond(self) -> bool:
        return self._beyond > MUCH * self._pixels
