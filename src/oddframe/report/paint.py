"""Drawing on BGR pictures: tints, and text in a readable font, which OpenCV does not have."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import matplotlib
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont


def tint(area: NDArray[np.uint8], colour: tuple[int, int, int], opacity: float | NDArray[np.float32]) -> None:
    """Blend a colour into (H, W, 3) pixels, in place. The opacity, 0..1, is one number or has the shape (H, W, 1)."""
    area[:] = np.rint(area + (np.array(colour, dtype=np.float32) - area) * opacity)


def text_size(width: int) -> int:
    """Height of letters in pixels for a picture that is `width` pixels wide."""
    return max(11, round(width / 48))


def text_width(text: str, size: int) -> int:
    """Pixels that `put_text` takes for a line of text."""
    width: int = _mask(text, size).shape[1]
    return width


def put_text(
    image: NDArray[np.uint8],
    text: str,
    at: tuple[int, int],
    size: int,
    colour: tuple[int, int, int],
    anchor: str = "ls",
) -> None:
    """Write anti-aliased `text` into a BGR image.

    Args:
        image: (H, W, 3) uint8, changed in place.
        text: one line.
        at: (x, y) of the left end (anchor "ls") or right end (anchor "rs") of the baseline, inside the image.
        size: height of the letters in pixels.
        colour: blue, green, red.
        anchor: "ls" or "rs".
    """
    mask = _mask(text, size)
    x, y = at[0] - (mask.shape[1] if anchor == "rs" else 0), at[1] - size
    area = image[y : y + mask.shape[0], x : x + mask.shape[1]]
    tint(area, colour, mask[: area.shape[0], : area.shape[1]])


@lru_cache(maxsize=256)
def _mask(text: str, size: int) -> NDArray[np.float32]:
    """Coverage (h, w, 1) in 0..1 of a line of text whose baseline lies `size` pixels below its top."""
    font = _font(size)
    picture = Image.new("L", (max(1, round(font.getlength(text)) + 1), round(1.35 * size)))
    ImageDraw.Draw(picture).text((0, size), text, font=font, fill=255, anchor="ls")
    return np.asarray(picture, dtype=np.float32)[:, :, None] / np.float32(255)


@lru_cache(maxsize=8)
def _font(size: int) -> ImageFont.FreeTypeFont:
    # matplotlib contains this font, so it is the same on every machine.
    return ImageFont.truetype(str(Path(matplotlib.get_data_path(), "fonts", "ttf", "DejaVuSans.ttf")), size)
