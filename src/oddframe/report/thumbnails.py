"""Thumbnails: single frames of a video as small pictures."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from oddframe.video.decode import VideoReader, probe
from oddframe.video.sources import VideoSource


def grab_thumbnails(source: VideoSource, frames: Sequence[int], width: int = 320) -> dict[int, NDArray[np.uint8]]:
    """Decode `frames` as small pictures, in one pass that ends at the last of them.

    Args:
        source: the video.
        frames: 0-based frame indices in any order. Indices that the video does not have are left out.
        width: of the pictures, in pixels. The height follows from the shape of the video.

    Returns:
        Frame index -> (h, width, 3) uint8 BGR.

    Raises:
        VideoError: the video cannot be decoded.
    """
    indices = set(frames)
    if not indices:
        return {}
    info = probe(source)
    size = (max(1, round(info.height * width / info.width)), width)
    last = max(indices)
    pictures = {}
    with VideoReader(source, size=size, threads=0) as reader:
        for frame in reader:
            if frame.index in indices:
                pictures[frame.index] = frame.image
            if frame.index >= last:
                break
    return pictures
