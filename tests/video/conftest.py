"""Small videos written for a test: every frame carries its number, so that order and count can be checked by pixels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray

BITS = 6


def numbered(number: int, height: int, width: int) -> NDArray[np.uint8]:
    """A BGR image that shows `number` (< 64) as six black or white stripes, most significant bit on the left."""
    bits = [(number >> bit) & 1 for bit in reversed(range(BITS))]
    stripes = np.repeat(np.array(bits, np.uint8) * 255, -(-width // BITS))[:width]
    return np.broadcast_to(stripes[None, :, None], (height, width, 3)).copy()


def number_of(image: NDArray[np.uint8]) -> int:
    """The number that an image of `numbered` shows, after whatever resizing and coding."""
    middle = image[image.shape[0] // 2].mean(-1)
    stripe = image.shape[1] / BITS
    bits = [middle[int((i + 0.5) * stripe)] > 127 for i in range(BITS)]
    return int("".join(str(int(bit)) for bit in bits), 2)


def write_video(
    path: Path,
    images: Sequence[NDArray[np.uint8]],
    codec: str = "libx264",
    stamps: Sequence[int] | None = None,
    clock: int = 25,
    pixels: str = "yuv420p",
    options: dict[str, str] | None = None,
    prepare: Callable[[Any], object] = lambda stream: None,
) -> Path:
    """Encode BGR images; `stamps` are presentation times in ticks of 1/`clock` s, by default 0, 1, 2, ..."""
    height, width = images[0].shape[:2]
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25, options=options or {})
        stream.width, stream.height, stream.pix_fmt = width, height, pixels
        stream.codec_context.time_base = Fraction(1, clock)
        prepare(stream)
        for image, stamp in zip(images, stamps or range(len(images)), strict=True):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), "bgr24").reformat(format=pixels)
            frame.pts, frame.time_base = stamp, Fraction(1, clock)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@pytest.fixture
def video_tools() -> Any:
    """`numbered`, `number_of` and `write_video` under one name."""

    class Tools:
        numbered = staticmethod(numbered)
        number_of = staticmethod(number_of)
        write_video = staticmethod(write_video)

    return Tools
