"""The levels of training video of more than 8 bits: which values become black and white for a detector.

They are learned once, at `fit`, stay with the bundle, and are applied to all video that it scores. Frames are looked at
evenly over each video. A median over 3x3 pixels takes out dead pixels, which would stretch the range; the range is
widened by a quarter at both ends, because what is not normal may be hotter or colder than what is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import islice

import cv2
import numpy as np

from oddframe.errors import VideoError
from oddframe.reading.guard import reading
from oddframe.video.depth import is_measured, values_of
from oddframe.video.pictures import open_pictures
from oddframe.video.sources import VideoSource

LOOKS = 200
"""Frames of a video that are looked at, where its length is known."""
MARGIN = 0.25
"""Share of the range that is added at both ends."""


def learn_levels(sources: Sequence[VideoSource]) -> tuple[float, float] | None:
    """The (low, high) values of videos that become 0 and 255; None where all have 8 bits.

    Videos that cannot be read are left out. Only the first frame of a video of 8 bits is decoded.
    """
    low, high, depth = math.inf, -math.inf, 0
    for source in sources:
        if source.kind == "array":
            continue
        try:
            with reading(source.where, "cannot be decoded", error=VideoError):
                pictures = open_pictures(source, gray=False)
                stream = pictures.decode()
                first = next(stream, None)
                if first is None or not is_measured(first[0]):
                    stream.close()
                    continue
                step = max(1, (pictures.promised or 1) // LOOKS)
                for picture, _ in islice(stream, step - 1, None, step):
                    values = values_of(picture)
                    depth = max(depth, 8 * values.dtype.itemsize)
                    finite = np.where(np.isfinite(values), values, np.nanmedian(values)).astype(values.dtype)
                    calm = cv2.medianBlur(finite, 3)
                    low, high = min(low, float(calm.min())), max(high, float(calm.max()))
                stream.close()
        except VideoError:
            continue
    if not depth:
        return None
    spare = MARGIN * max(high - low, 1.0 if depth == 16 else 1e-6)
    if depth == 16:
        return float(max(0, math.floor(low - spare))), float(math.ceil(high + spare))
    return low - spare, high + spare


def levels_note(levels: tuple[float, float]) -> str:
    """The sentence about levels that were learned."""
    return (
        f"The frames have more than 8 bits: the values {levels[0]:g} to {levels[1]:g}, learned from the training "
        "video, are spread over 256 grey levels, and stay so for all video that is scored."
    )
