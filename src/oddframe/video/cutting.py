"""Cutting seconds out of a video, as a file that a browser plays."""

from __future__ import annotations

from pathlib import Path

from oddframe.errors import VideoError
from oddframe.video.decode import VideoReader, probe
from oddframe.video.encode import VideoWriter
from oddframe.video.sources import VideoSource

PLAYED = ("yuv420p", "yuvj420p")  # pixel formats of H.264 that every browser plays
KEY_EVERY = 12  # frames; stepping back decodes as many


def encode_span(
    source: VideoSource, span: tuple[float, float], file: Path, most_side: int, threads: int = 0
) -> list[float]:
    """Encode the frames of a span, and return their times in the source, in seconds.

    Args:
        span: seconds of the source, both ends included.
        file: that is written; it appears when it is complete. Its first frame is at 0 s.
        most_side: pixels of the longer side at most; larger pictures are made smaller.
        threads: of the encoder; 0 lets it choose.

    Raises:
        VideoError: the video cannot be decoded, or has no frame in the span.
    """
    info = probe(source)
    scale = min(1.0, most_side / max(info.width, info.height))
    height, width = (max(2, round(side * scale / 2) * 2) for side in (info.height, info.width))
    times: list[float] = []
    reader = VideoReader(source, size=(height, width), resize="bicubic", start=span[0])
    with reader, VideoWriter(file, (height, width), info.fps, threads=threads, key_every=KEY_EVERY) as writer:
        for frame in reader:
            if frame.time > span[1] + 1e-9:
                break
            writer.write(frame.image, frame.time - (times[0] if times else frame.time))
            times.append(frame.time)
        if not times:
            raise VideoError(f"{source.where}: it has no frame from {span[0]:.1f} to {span[1]:.1f} s")
    return times
