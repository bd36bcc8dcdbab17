"""Small videos whose frames can be told apart, and what feeds their packets to a ring."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from oddframe.live.messages import Notice
from oddframe.live.ring import PacketRing
from oddframe.video.decode import VideoReader
from oddframe.video.sources import VideoSource

FPS, GOP = 10, 10
UTC = 1_764_560_000.0
X264 = {"preset": "medium", "g": str(GOP), "bf": "2", "x264-params": "b-adapt=0:scenecut=0"}
ENCODERS = {
    "b-frames": ("libx264", {**X264}),
    "plain": ("libx264", {**X264, "bf": "0"}),
    "open gop": ("libx264", {**X264, "g": "11", "x264-params": "b-adapt=0:scenecut=0:open-gop=1"}),
    "mjpeg": ("mjpeg", {}),
}


def picture(number: int, size: tuple[int, int] = (64, 96)) -> NDArray[np.uint8]:
    """A bar at a place of its own, over noise that belongs to the number."""
    noise = np.random.default_rng(number).integers(0, 40, (*size, 3)).astype(np.uint8)
    noise[:, (2 * number) % 90 : (2 * number) % 90 + 6] = 250
    return noise


def write_video(path: Path, kind: str = "b-frames", frames: int = 60, keys: int = 0) -> Path:
    """An encoded video of 10 frames/s; with `keys`, a key frame every so many."""
    name, options = ENCODERS[kind]
    options = {**options, "g": str(keys)} if keys else options
    with av.open(str(path), "w") as container:
        stream = container.add_stream(name, rate=FPS, options=options)
        stream.width, stream.height = 96, 64
        stream.pix_fmt = "yuvj420p" if name == "mjpeg" else "yuv420p"
        stream.codec_context.thread_count = 1
        for number in range(frames):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture(number), "rgb24")))
        container.mux(stream.encode(None))
    return path


def feed(
    ring: PacketRing, path: Path, utc: float = UTC, end: bool = True, speed: float = 1.0
) -> Iterator[av.Packet[av.VideoStream]]:
    """Play a file into a ring, packet by packet, as a follower does; the container is closed at the end.

    The packet at media second t arrives at `utc` + t / `speed`.
    """
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        ring.begin(stream)
        number = 0
        for packet in container.demux(stream):
            if packet.size:
                ring.add(packet, utc + number / FPS / speed)
                number += 1
                yield packet
    if end:
        ring.end()


def play(ring: PacketRing, path: Path, utc: float = UTC, end: bool = True) -> None:
    for _ in feed(ring, path, utc, end):
        pass


def pictures(path: Path) -> list[str]:
    """A hash of every frame that oddframe reads of a file."""
    with VideoReader(VideoSource(path.stem, path, "file")) as reader:
        return [hashlib.sha256(frame.image).hexdigest() for frame in reader]


def notice(
    start: float, end: float, peak: float | None = None, name: str = "0123456789abcdef", utc: float = UTC
) -> Notice:
    """An opened anomaly from one second of the media clock to another."""
    peak = start if peak is None else peak
    return Notice(
        "opened", "anomaly", name, "gate", "bundle", utc + start, utc + peak, utc + end, start, peak, end,
        score=5.0, threshold=4.0, box=(10, 10, 40, 40), why={"speed": 7.0}, text="Something is fast.",
    )  # fmt: skip


def closed(opened: Notice, end: float | None = None, utc: float = UTC) -> Notice:
    """The last notice of an event."""
    if end is None:
        return replace(opened, change="closed")
    return replace(opened, change="closed", end_s=end, end_utc=utc + end)
