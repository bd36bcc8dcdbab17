"""Frames that carry their number as a row of black and white blocks, and tools that damage videos of them."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from oddframe.types import VideoInfo
from oddframe.video.decode import VideoReader
from oddframe.video.sources import VideoSource

WIDTH, HEIGHT, BITS, BLOCK = 96, 64, 6, 16
GOP = {"g": "15", "keyint_min": "15", "sc_threshold": "0", "crf": "14", "bf": "0"}

needs_ffmpeg = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="needs the command ffmpeg")


def bars(number: int) -> NDArray[np.uint8]:
    """A grey gradient with a moving square; on top, `number` modulo 64 as six blocks, lowest bit on the left."""
    image = np.full((HEIGHT, WIDTH, 3), np.linspace(60, 160, WIDTH, dtype=np.uint8)[None, :, None], np.uint8)
    image[40:52, 3 * number % (WIDTH - 12) :][:, :12] = (40, 200, 220)
    for bit in range(BITS):
        image[:24, bit * BLOCK : (bit + 1) * BLOCK] = 235 if number >> bit & 1 else 16
    return image


def number_in(image: NDArray[np.uint8]) -> int:
    """The number modulo 64 that an image of `bars` shows."""
    return sum(int(image[6:18, bit * BLOCK + 4 : (bit + 1) * BLOCK - 4].mean() > 125) << bit for bit in range(BITS))


def encode(
    path: Path,
    count: int,
    codec: str = "libx264",
    rate: int = 25,
    first: int = 0,
    options: dict[str, str] | None = None,
) -> Path:
    """A video of `count` frames with the numbers from `first` on; by default H.264 without B-frames, a key every 15."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate, options=GOP if options is None else options)
        stream.width, stream.height = WIDTH, HEIGHT
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        for number in range(first, first + count):
            container.mux(
                stream.encode(av.VideoFrame.from_ndarray(bars(number), "bgr24").reformat(format=stream.pix_fmt))
            )
        container.mux(stream.encode(None))
    return path


Repack = Callable[[int, Any], Any]
"""Takes the number of a packet and the packet; returns the packet to write, or None to lose it."""


def repack(source: Path, target: Path, change: Repack) -> Path:
    """Write the packets of a file's video stream to another file, each as `change` returns it."""
    with av.open(str(source)) as opened, av.open(str(target), "w") as container:
        stream = container.add_stream_from_template(opened.streams.video[0])
        for number, packet in enumerate(islice(opened.demux(video=0), 10_000)):
            packet = change(number, packet) if packet.size else None
            if packet is not None:
                packet.stream = stream
                container.mux(packet)
    return target


def with_bytes(packet: Any, data: bytes) -> Any:
    """The same packet with other content."""
    other = av.Packet(data)
    other.pts, other.dts, other.time_base, other.is_keyframe = (
        packet.pts,
        packet.dts,
        packet.time_base,
        packet.is_keyframe,
    )
    return other


def lose(*lost: int) -> Repack:
    return lambda number, packet: None if number in lost else packet


def ffmpeg(*arguments: object) -> None:
    subprocess.run(["ffmpeg", "-y", "-v", "error", "-threads", "1", *map(str, arguments)], check=True, timeout=60)


def read(path: Path) -> tuple[list[int], NDArray[np.float64], VideoInfo]:
    """The numbers in the frames of a video, their times in seconds, and what is known of it afterwards."""
    with VideoReader(VideoSource(path.stem, path, "file"), size=(HEIGHT, WIDTH)) as reader:
        frames = [(number_in(frame.image), frame.time) for frame in reader]
    return [number for number, _ in frames], np.array([time for _, time in frames]), reader.info


def wrong(numbers: Sequence[int], expected: Sequence[int]) -> int:
    """How many frames show another number."""
    return sum(a != b % 64 for a, b in zip(numbers, expected, strict=True))
