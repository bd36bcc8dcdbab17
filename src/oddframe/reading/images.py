"""The one reader of single images that OpenCV decodes, such as masks, and the limit of all pictures."""

from __future__ import annotations

import struct
import warnings
from io import BytesIO
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from oddframe.errors import InputError
from oddframe.reading.guard import reading

cv2.utils.logging.setLogLevel(0)  # what OpenCV has to say of damaged images is said by oddframe, in one line
PNG = b"\x89PNG\r\n\x1a\n"
MOST_PIXELS = 1 << 26
"""Pixels of the largest picture that is decoded, 8192 x 8192: a small file can promise so many that memory is full."""
DENSEST = 1032
"""Bytes that one byte of a PNG can stand for at most: the limit of deflate."""


def read_picture(file: Path, flags: int, what: str = "not an image that can be read") -> NDArray[Any]:
    """(H, W) or (H, W, C) values of an image.

    Args:
        file: the image.
        flags: of `cv2.imdecode`.
        what: the fault in words, where it cannot be read.

    Raises:
        InputError: it is no image that can be read, or its header promises more pixels than the file can hold, or than
            `MOST_PIXELS`.
    """
    with reading(file, what):
        data = np.fromfile(file, np.uint8)
        fault = too_large(data) or (_png_fault(data.tobytes()) if data[:8].tobytes() == PNG else "")
        if fault:
            raise InputError(f"{file}: {what} ({fault})" + ("" if ";" in fault else "; get it again"))
        image = cv2.imdecode(data, flags) if data.size else None
    if image is None:
        raise InputError(f"{file}: {what}; get it again")
    return np.asarray(image)


def too_large(data: NDArray[np.uint8]) -> str:
    """What is wrong where the header of an image promises more than `MOST_PIXELS`; otherwise empty."""
    try:
        with warnings.catch_warnings(action="ignore"), Image.open(BytesIO(data.data)) as image:
            width, height = image.size
    except Image.DecompressionBombError:
        return f"more than {MOST_PIXELS:,} pixels, the most that is read; make it smaller"
    except Exception:  # no format that Pillow knows; its readers raise many kinds of errors
        return ""
    if width * height <= MOST_PIXELS:
        return ""
    return f"{width} x {height} pixels are more than the {MOST_PIXELS:,} that are read; make it smaller"


def _png_fault(data: bytes) -> str:
    """What is wrong with the lengths in a PNG, which OpenCV trusts and would spend minutes on; otherwise empty."""
    at = len(PNG)
    while at < len(data):
        if at + 12 > len(data) or at + 12 + (length := int.from_bytes(data[at : at + 4], "big")) > len(data):
            return "it is cut off"
        if at == len(PNG):
            width, height, depth = struct.unpack_from(">IIB", data, at + 8) if length == 13 else (0, 0, 0)
            if data[at + 4 : at + 8] != b"IHDR" or width * height * depth // 8 > DENSEST * len(data):
                return f"its header promises {width} x {height} pixels"
        at += 12 + length
        if data[at - length - 8 : at - length - 4] == b"IEND":
            return ""
    return "it is cut off"
