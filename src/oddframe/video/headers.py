"""The frame rate that a container states, and that of its first packets where the statement cannot be right."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer
from av.video.stream import VideoStream
from numpy.typing import NDArray

from oddframe.errors import VideoError
from oddframe.types import RateOrigin
from oddframe.video.opening import open_video, packets
from oddframe.video.pauses import pace

RAW_FORMATS = frozenset({"h264", "hevc", "vvc", "m4v", "mjpeg", "mpegvideo", "cavsvideo", "dirac", "obu", "vc1"})
"""Formats of FFmpeg that hold pictures one after the other without time stamps."""
FRAME_FOLDER_FPS = 25.0
"""Frame rate of a frame folder or a raw stream without one, because their frames have no time stamps."""

CONTAINER: RateOrigin = "container"
GIVEN: RateOrigin = "given"
ASSUMED: RateOrigin = "assumed"

PACKETS = 300  # from which a rate is measured
AGREE = 1.05
REORDERED_S = 2.0  # by which stamps in order of decoding go back at the most
SLACK, SLACK_S = 0.02, 1.0  # share of a duration, and seconds, that a header may be wrong by


def stated_rate(container: InputContainer, stream: VideoStream, where: Path | str) -> float | None:
    """Frames per second of a stream while it plays; None where nothing says it.

    Two rates of the container that agree are believed. Where they do not, as after a pause, the first packets tell.
    """
    if container.format.name in RAW_FORMATS:
        rate = stream.codec_context.framerate
        return float(rate) if rate else None
    average, guessed = stream.average_rate, stream.guessed_rate
    if average and guessed and max(average, guessed) <= AGREE * min(average, guessed):
        return float(average)
    measured = None if container.format.name == "avi" else _packet_rate(where)
    fallback = average or guessed
    return measured or (float(fallback) if fallback else None)


def packet_times(where: Path | str) -> NDArray[np.float64]:
    """(N,) seconds from the start of the container to each frame of a file, in order, one for each packet.

    Empty where packets carry no time stamps, where their clock is set back, or where the header already says that the
    video has no pauses: its frames at its frame rate take as long as its stated duration.
    """
    try:
        container, stream, _ = open_video(where, threads=1)
        with container:
            base, rate = float(stream.time_base or 0), stated_rate(container, stream, where)
            if stream.frames and stream.duration and rate:
                seconds, stated = stream.frames / rate, stream.duration * base
                if abs(stated - seconds) <= max(SLACK_S, SLACK * seconds):
                    return np.empty(0)
            stamps = [packet.pts for packet in packets(container, stream) if packet.pts is not None]
            start = container.start_time
    except (av.FFmpegError, VideoError):
        return np.empty(0)
    times = np.array(stamps, np.float64) * base
    if not len(times) or np.diff(times).min(initial=0) < -REORDERED_S:
        return np.empty(0)
    times = np.unique(times)
    return times - (times[0] if start is None else start / av.time_base)


def _packet_rate(where: Path | str) -> float | None:
    """The pace of the first packets of a stream, whose stamps are put in order."""
    try:
        container, stream, _ = open_video(where, threads=1)
        with container:
            first = islice(packets(container, stream), PACKETS)
            stamps = [packet.pts for packet in first if packet.pts is not None]
            base = float(stream.time_base or 0)
    except (av.FFmpegError, VideoError):
        return None
    return pace(np.unique(np.array(stamps, np.float64)) * base)
