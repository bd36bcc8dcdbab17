"""Windows over a stream of frames: what a detector looks at, gathered from a short ring while the video is decoded."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from oddframe.errors import VideoError
from oddframe.types import Window
from oddframe.video.decode import Frame


@dataclass(frozen=True)
class Chunk:
    """B consecutive scored frames and the F frames that their windows need, each frame once.

    Attributes:
        frames: (F, H, W, C) uint8.
        inputs: (B, T) int64 positions in `frames` of the inputs, at `window.offsets`.
        targets: (B, T') int64 positions in `frames` of the targets, at `window.target`.
        index: (B,) int64 numbers of the scored frames in the video.
        time: (B,) float64 seconds of the scored frames.
    """

    frames: NDArray[np.uint8]
    inputs: NDArray[np.int64]
    targets: NDArray[np.int64]
    index: NDArray[np.int64]
    time: NDArray[np.float64]


def positions(
    window: Window, index: NDArray[np.int64], offsets: tuple[int, ...], length: int | NDArray[np.int64]
) -> NDArray[np.int64]:
    """`Window.positions` of many frames at once: (B,) frame numbers to (B, T); one `length`, or (B,) of them."""
    scored = index[:, None]
    ends = np.reshape(length, (-1, 1))
    wanted = scored + np.asarray(offsets, np.int64)
    if window.missing == "current":
        return np.where((wanted >= 0) & (wanted < ends), wanted, scored)
    return wanted.clip(0, ends - 1)


def stream_chunks(frames: Iterable[Frame], window: Window, batch: int) -> Iterator[Chunk]:
    """Group the frames of one video into chunks of `batch` scored frames; the last may be shorter.

    At most `batch` + look-back + look-ahead frames are held, however long the video is. What a window holds depends
    neither on `batch` nor on whether the end of the video is known: it is that of `Window.positions`.

    Raises:
        VideoError: `window.missing` is "drop" and the video is shorter than one window.
    """
    held: list[Frame] = []  # the frames from number `first` to number `seen` - 1
    first = seen = 0
    start = window.look_back if window.missing == "drop" else 0  # the next frame to be scored
    for frame in frames:
        held.append(frame)
        seen += 1
        if seen == start + batch + window.look_ahead:
            yield _chunk(held, first, window, start, start + batch, seen)
            start += batch
            passed = max(0, start - window.look_back) - first
            del held[:passed]
            first += passed
    stop = window.scorable(seen).stop
    if window.missing == "drop" and seen <= window.look_back + window.look_ahead:
        raise VideoError(
            f"the video has {seen} frames; scoring needs at least {window.look_back + window.look_ahead + 1}"
        )
    while start < stop:
        yield _chunk(held, first, window, start, min(start + batch, stop), seen)
        start += batch


def _chunk(held: list[Frame], first: int, window: Window, start: int, stop: int, length: int) -> Chunk:
    """The chunk that scores frames `start` to `stop` - 1; `held` begins with frame `first` and has all they need."""
    low = max(0, start - window.look_back)
    needed = held[low - first : stop + window.look_ahead - first]
    index = np.arange(start, stop)
    return Chunk(
        np.stack([frame.image for frame in needed]),
        positions(window, index, window.offsets, length) - low,
        positions(window, index, window.target, length) - low,
        index,
        np.array([held[i - first].time for i in range(start, stop)], np.float64),
    )
