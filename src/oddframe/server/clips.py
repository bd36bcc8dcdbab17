"""Clips of events: files that a browser plays, with the time of each of their frames.

A source that a browser plays as it is, and that is short, is its own clip. Of any other the seconds around the event
are cut out and encoded as H.264. The times of frames come from the packets of the file itself, so that they are those
of a player whatever the frame rate does.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from oddframe.atomic import write_text
from oddframe.errors import VideoError
from oddframe.reading.guard import reading
from oddframe.server.cache import BESIDE
from oddframe.video.cutting import PLAYED, encode_span
from oddframe.video.opening import open_video, packets, sound_length
from oddframe.video.sources import VideoSource

BEFORE_S = AFTER_S = 5.0
LONGEST_S = 120.0  # of a clip that is cut
SERVED_S, SERVED_BYTES = 60.0, 50 << 20  # of a source that is its own clip, at most
MOST_SIDE = 1280  # pixels of a clip that is encoded


@dataclass(frozen=True)
class Clip:
    """A file that a browser plays.

    Attributes:
        file: where it lies.
        times: seconds of each frame as a player counts them, in order.
        media: seconds of the same frames on the clock of the source.
        whole: whether it is the source itself, whose frames it has from the first to the last.
    """

    file: Path
    times: tuple[float, ...]
    media: tuple[float, ...]
    whole: bool


def span_of(start_s: float, end_s: float) -> tuple[float, float]:
    """The seconds of a source that are shown of an event."""
    first = max(0.0, start_s - BEFORE_S)
    return first, min(end_s + AFTER_S, first + LONGEST_S)


def own_clip(path: Path) -> Clip | None:
    """A file as its own clip; None where a browser does not play it, it is long, or its packets leave doubts.

    Raises:
        VideoError: it cannot be opened.
    """
    if path.suffix.lower() not in (".mp4", ".m4v", ".mov") or path.stat().st_size > SERVED_BYTES:
        return None
    container, stream, others = open_video(path, threads=1)
    with container, reading(path, "cannot be decoded", "re-encode it", VideoError):
        alone = len(container.streams) == 1 and not others
        plays = stream.codec.canonical_name == "h264" and stream.codec_context.pix_fmt in PLAYED
        if not (alone and plays):
            return None
    if sound_length(path) is None:
        return None
    times = frame_times(path)
    if not len(times) or times[0] != 0.0 or times[-1] > SERVED_S:
        return None
    return Clip(path, tuple(times.tolist()), tuple(times.tolist()), whole=True)


def frame_times(path: Path) -> NDArray[np.float64]:
    """(N,) seconds at which a player shows each frame of a file, from its packets, in order.

    Raises:
        VideoError: the file cannot be opened.
    """
    container, stream, _ = open_video(path, threads=1)
    with container, reading(path, "cannot be read", "get the file again", VideoError):
        base = stream.time_base
        assert base is not None, "a file has one"
        stamps = sorted(p.pts for p in packets(container, stream) if p.pts is not None and not p.is_discard)
        return np.array([float(stamp * base) for stamp in stamps])


def cut_clip(source: VideoSource, span: tuple[float, float], file: Path) -> None:
    """Cut the frames of a span out of a video, and write them as a clip, with their times in `file` + ".json".

    Raises:
        VideoError: the video cannot be decoded, or has no frame in the span.
    """
    media = encode_span(source, span, file, MOST_SIDE, threads=1)
    times = frame_times(file)
    if len(times) != len(media):
        file.unlink(missing_ok=True)
        raise VideoError(f"{source.path}: {len(media)} frames became {len(times)} in the clip; re-encode the video")
    write_text(table_of(file), json.dumps({"times": times.tolist(), "media": media}) + "\n")


def table_of(file: Path) -> Path:
    """Where the times of a clip lie that was cut."""
    return file.with_name(f"{file.name}{BESIDE}")


def load_clip(file: Path) -> Clip:
    """What `cut_clip` wrote."""
    table = json.loads(table_of(file).read_text(encoding="utf-8"))
    return Clip(file, tuple(table["times"]), tuple(table["media"]), whole=False)


def nearest(times: NDArray[np.float64], moment: float) -> int:
    """The position of the time that is nearest to a moment."""
    return int(np.argmin(np.abs(times - moment)))
