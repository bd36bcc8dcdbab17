"""The pictures inside a report, as small as their number asks for: all of them together stay below a limit."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from oddframe.report.moments import Moment

MOST_BYTES = 1_400_000  # of all pictures of events together, as JPEG; base64 makes a third more of it
QUALITIES = (82, 70, 55, 40)
SMALLEST = 96  # pixels


def packed(pictures: Sequence[NDArray[np.uint8]], most: int = MOST_BYTES) -> list[str]:
    """(h, w, 3) uint8 BGR pictures as data addresses of JPEG files, in the same order.

    Each may have an equal part of `most` bytes. Where it needs more, it loses quality first, and then size; below 96
    pixels of width nothing more is taken from it.
    """
    share = most // max(len(pictures), 1)
    return [_address(_within(picture, share)) for picture in pictures]


def _within(picture: NDArray[np.uint8], most: int) -> bytes:
    while True:
        for quality in QUALITIES:
            data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()
            if len(data) <= most:
                return data
        height, width = picture.shape[:2]
        if width <= SMALLEST:
            return data
        smaller = max(SMALLEST, width * 3 // 4)
        size = smaller, max(1, round(height * smaller / width))
        picture = np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)


def moment_rules(moments: Iterable[Moment]) -> tuple[dict[bytes, str], str]:
    """A class for the picture of each normal moment, and the style sheet that gives these classes their pictures.

    Many events may have the same nearest moment: so its picture is in the page once.
    """
    names: dict[bytes, str] = {}
    rules = []
    for picture in (moment.jpeg for moment in moments):
        if picture not in names:
            names[picture] = f"moment-{len(names) + 1}"
            shown = cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR)
            height, width = (1, 1) if shown is None else shown.shape[:2]
            rules.append(
                f".{names[picture]} {{ aspect-ratio: {width} / {height}; "
                f'background-image: url("{_address(picture)}"); }}\n'
            )
    return names, "".join(rules)


def _address(data: bytes) -> str:
    return f"data:image/jpeg;base64,{base64.b64encode(data).decode('ascii')}"
