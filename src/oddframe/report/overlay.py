"""The overlay video, `overlay.mp4`: the video with its anomaly map drawn over it and its score curve below it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from oddframe.report.heat import Heat
from oddframe.report.paint import put_text, text_size, text_width
from oddframe.report.strip import EVENT, LIGHT, Strip
from oddframe.scoring.events import region
from oddframe.types import Event, FrameScores, VideoInfo
from oddframe.video.decode import VideoReader
from oddframe.video.encode import VideoWriter
from oddframe.video.pauses import pace
from oddframe.video.sources import VideoSource

LEAST_WIDTH, MOST = 320, 960


def write_overlay(
    path: Path, source: VideoSource, scores: FrameScores, threshold: float, events: Sequence[Event]
) -> None:
    """Write the overlay video of one scored video. It is decoded again, and memory use does not depend on its length.

    Args:
        path: the .mp4 file. Its folder exists, and the file is written atomically.
        source: the scored video.
        scores: scores of at least one frame. Their maps, if there are any, are drawn as heat.
        threshold: drawn in the strip. The colour scale of the heat depends on the frames at or above it.
        events: marked in the strip. While an event lasts, a box in the picture marks its region.

    Raises:
        VideoError: the video can no longer be decoded.
    """
    height, width = picture_size(scores.info)
    strip = Strip(width, scores, threshold, events)
    heat = Heat(scores, threshold) if scores.map is not None else None
    canvas = np.empty((height + strip.height, width, 3), dtype=np.uint8)
    with (
        VideoReader(source, size=(height, width), resize="bicubic", threads=0) as reader,
        VideoWriter(path, canvas.shape[:2], scores.info.fps) as writer,
    ):
        ahead = list(enumerate(events, start=1))
        # Frames between those that a detector of a slower rate has picked show the score of the one before.
        held = 1.5 / (pace(scores.time) or 25.0)
        for frame in reader:
            position = int(np.searchsorted(scores.frame, frame.index, side="right")) - 1
            over = position + 1 == len(scores.frame) and scores.frame[position] < frame.index
            scored = position >= 0 and not over and frame.time - scores.time[position] < held
            canvas[:height] = heat.blend(frame.image, position) if heat and scored else frame.image
            while ahead and ahead[0][1].end_frame < frame.index:
                del ahead[0]
            alarm = bool(ahead) and ahead[0][1].start_frame <= frame.index
            if alarm:
                if scored and scores.map is not None:
                    _frame_region(canvas[:height], region(scores.map[position], scores.info), scores.info)
                _number_event(canvas, ahead[0][0])
            strip.paint(canvas[height:], frame.time, float(scores.score[position]) if scored else None, alarm)
            writer.write(canvas, frame.time)


def picture_size(info: VideoInfo) -> tuple[int, int]:
    """(height, width) of the picture in the overlay: the shape of the video, even, at a size that is easy to read."""
    scale = max(1.0, LEAST_WIDTH / info.width)
    scale = min(scale, MOST / max(info.width, info.height))
    height, width = (max(2, round(scale * extent / 2) * 2) for extent in (info.height, info.width))
    return height, width


def _frame_region(picture: NDArray[np.uint8], box: tuple[int, int, int, int] | None, info: VideoInfo) -> None:
    """Draw a box, given in pixels of the video, if there is one."""
    if box is None:
        return
    across, down = picture.shape[1] / info.width, picture.shape[0] / info.height
    left, top, right, bottom = box
    corners = (round(left * across), round(top * down)), (round(right * across) - 1, round(bottom * down) - 1)
    cv2.rectangle(picture, *corners, EVENT, 2)


def _number_event(picture: NDArray[np.uint8], number: int) -> None:
    """Write the number of the current event into the corner."""
    size = text_size(picture.shape[1])
    text = f"event {number}"
    gap = size // 2
    tag = picture[gap : gap + round(1.6 * size), gap : 3 * gap + text_width(text, size)]
    tag[:] = EVENT
    put_text(tag, text, (gap, round(1.2 * size)), size, LIGHT)
