"""Single images and the pages of a TIFF as frames, at the depth that they have.

Colour images become BGR, and a palette, CMYK and the orientation in EXIF are applied. An alpha channel is dropped.
Values of more than 8 bits are kept for `oddframe.video.depth`: uint16 as it is, everything else as float32.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from oddframe.errors import VideoError
from oddframe.reading.images import MOST_PIXELS, too_large

_ORIENTATION, _TURNED = 0x0112, (5, 6, 7, 8)  # of EXIF; these exchange width and height
_ALPHA = ("RGBA", "LA", "PA", "RGBa", "La")

ALPHA = "the frames have an alpha channel, which is not looked at"


@dataclass(frozen=True)
class ImageHeaders:
    """What the headers of some images of a video say of all of them.

    Attributes:
        size: (width, height) of most, as shown; None where no header can be read.
        alpha: there are pixels that can be transparent.
        wide: values of 32 bits, integer or float, which OpenCV reads in another way.
        pixels: of the largest.
    """

    size: tuple[int, int] | None = None
    alpha: bool = False
    wide: bool = False
    pixels: int = 0


def look_at(files: Sequence[Path], looks: int = 9) -> ImageHeaders:
    """Read the headers of `looks` images, spread over all.

    Raises:
        VideoError: most of them promise more than `MOST_PIXELS`.
    """
    sizes: Counter[tuple[int, int]] = Counter()
    alpha = wide = False
    pixels, large = 0, list[Path]()
    for path in files[:: max(1, (len(files) - 1) // (looks - 1))]:
        try:
            if not path.is_file():
                continue
            with warnings.catch_warnings(action="ignore"), Image.open(path) as image:  # PIL warns of damage
                # PIL has turned a TIFF already.
                turned = image.format != "TIFF" and image.getexif().get(_ORIENTATION) in _TURNED
                sizes[(image.height, image.width) if turned else (image.width, image.height)] += 1
                alpha |= image.mode in _ALPHA or "transparency" in image.info
                wide |= image.format == "TIFF" and image.mode in ("F", "I")
                pixels = max(pixels, image.width * image.height)
                large += [path] * (image.width * image.height > MOST_PIXELS)
        except Image.DecompressionBombError:
            large.append(path)
        except Exception:  # noqa: S112  # what is damaged makes Pillow raise almost anything
            continue
    if 2 * len(large) > sizes.total():
        raise VideoError(f"{large[0]}: {too_large(np.fromfile(large[0], np.uint8))}")
    return ImageHeaders(sizes.most_common(1)[0][0] if sizes else None, alpha, wide, pixels)


def load_image(path: Path, gray: bool, wide: bool = False) -> NDArray[Any] | None:
    """The (H, W) or (H, W, 3) values of an image file; None where it cannot be read, or is too large."""
    try:
        if not path.is_file():  # opening a pipe would wait for ever
            return None
        data = np.fromfile(path, np.uint8)  # cv2.imread cannot open every path on every system
        image = cv2.imdecode(data, _flags(gray, wide)) if data.size and not too_large(data) else None
        return None if image is None else _three_channels(np.asarray(image), gray)
    except (OSError, cv2.error):
        return None


def load_pages(path: Path, start: int, count: int, gray: bool, wide: bool = False) -> list[NDArray[Any]]:
    """Pages of a TIFF from number `start` on, fewer where a page cannot be read."""
    try:
        whole, pages = cv2.imreadmulti(str(path), start, count, flags=_flags(gray, wide))
        return [_three_channels(np.asarray(page), gray) for page in pages] if whole else []
    except cv2.error:
        return []


def _flags(gray: bool, wide: bool) -> int:
    if wide:
        return cv2.IMREAD_UNCHANGED
    return cv2.IMREAD_ANYDEPTH | (cv2.IMREAD_GRAYSCALE if gray else cv2.IMREAD_COLOR)


def _three_channels(image: NDArray[Any], gray: bool) -> NDArray[Any]:
    """The image without alpha, and grey where that is wanted; only wide images need it."""
    if image.ndim == 2:
        return image
    colours = image[..., :3] if image.shape[2] > 2 else image[..., 0]
    return cv2.cvtColor(colours.astype(np.float32), cv2.COLOR_BGR2GRAY) if gray and colours.ndim == 3 else colours


def as_frame(image: NDArray[Any]) -> av.VideoFrame:
    """A frame with the values of an image: gray, bgr24, gray16le, bgr48le, grayf32le or gbrpf32le."""
    if image.dtype not in (np.uint8, np.uint16):
        image = image.astype(np.float32)
    colour = image.ndim == 3
    if image.dtype == np.uint8:
        return av.VideoFrame.from_ndarray(image, "bgr24" if colour else "gray")
    if image.dtype == np.uint16:
        return av.VideoFrame.from_ndarray(image, "bgr48le" if colour else "gray16le")
    return av.VideoFrame.from_ndarray(
        image[..., ::-1].copy() if colour else image, "gbrpf32le" if colour else "grayf32le"
    )
