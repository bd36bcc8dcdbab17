"""The times of all frames of a video file, and where its key frames are, read without decoding anything."""

from __future__ import annotations

from dataclasses import dataclass

import av
import numpy as np
from numpy.typing import NDArray

from oddframe.errors import VideoError
from oddframe.video.file_pictures import FilePictures
from oddframe.video.sources import VideoSource

_SLACK_S = 2.0  # by which the length that a header states may differ from that of the video


@dataclass(frozen=True)
class VideoTimeline:
    """The N frames of a video.

    Attributes:
        time: (N,) seconds, as `oddframe.video.decode.VideoReader` gives them.
        keys: (K,) numbers of the key frames.
    """

    time: NDArray[np.float64]
    keys: NDArray[np.int64]


def read_timeline(source: VideoSource) -> VideoTimeline | str:
    """The timeline of a video; where only decoding tells what its frames are, why that is so.

    That is so for all but video files, for damaged ones, and for those whose clock jumps back, overflows or has stamps
    that have to be replaced.
    """
    if source.kind != "file":
        return "it is a folder of images" if source.kind == "frames" else "it is an array in memory"
    if source.timeless:
        return "its frames have no time stamps"
    try:
        pictures = FilePictures(source, 1)
        with pictures.container:
            found = pictures.stamps()
    except (VideoError, av.FFmpegError, OSError):
        return "it cannot be read to its end"
    if isinstance(found, str):
        return found
    stamps, keys = found
    clock = pictures.clock
    time = np.empty(len(stamps))
    line: object = None
    for number, stamp in enumerate(stamps):
        time[number] = clock(stamp, lambda rest=number + 1: stamps[rest:])  # type: ignore[misc]
        line = clock.memory[1] if line is None else line
    steady = not (clock.replaced or clock.resets or clock.missing) and clock.memory[1] == line
    stated = pictures.ledger.account(clock, "", ()).promised_s
    if not steady:
        return "its clock jumps, overflows, or has stamps that have to be replaced"
    if stated is not None and abs(stated - float(time[-1]) - clock.usual) > _SLACK_S:
        return "its length is not the one that its header states"
    return VideoTimeline(time, np.flatnonzero(np.isin(stamps, list(keys))))
