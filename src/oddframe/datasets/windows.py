"""Windows over a stream of frames, for scoring: chunks of input frames, gathered while the video is decoded."""

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
    """B consecutive scored frames, and the F frames that their windows need, each of them once.

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
    """`Window.positions` for many frames at once: (B,) frame numbers to (B, T). `length` is one number or (B,)."""
    scored = index[:, None]
    ends = np.reshape(length, (-1, 1))
    shifted = scored + np.asarray(offsets, np.int64)
    if window.missing == "current":
        return np.where((shifted >= 0) & (shifted < ends), shifted, scored)
    return shifted.clip(0, ends - 1)


class WindowStream:
    """Groups the frames of one video, pushed one by one, into chunks of `batch` scored frames.

    At most `batch` + look-back + look-ahead frames are in memory, independent of the length of the video. The frames of
    a window are those of `Window.positions`; they do not depend on `batch` or on when the end of the video is known.
    """

    def __init__(self, window: Window, batch: int) -> None:
        self._window, self._batch = window, batch
        self._held: list[Frame] = []  # the frames from number `_first` to number `_seen` - 1
        self._first = self._seen = 0
        self._start = window.look_back if window.missing == "drop" else 0  # the next frame to be scored

    def push(self, frame: Frame) -> Chunk | None:
        """Take the next frame. Return the chunk that it completes, or None."""
        self._held.append(frame)
        self._seen += 1
        if self._seen < self._start + self._batch + self._window.look_ahead:
            return None
        return self._next(self._batch)

    def flush(self) -> list[Chunk]:
        """End the video and return the chunks of the remaining frames. The last chunk may be shorter than `batch`.

        Raises:
            VideoError: `window.missing` is "drop" and the video is shorter than one window.
        """
        window, seen = self._window, self._seen
        if window.missing == "drop" and seen <= window.look_back + window.look_ahead:
            raise VideoError(
                f"the video has {seen} frames; scoring needs at least {window.look_back + window.look_ahead + 1}"
            )
        stop, chunks = window.scorable(seen).stop, []
        while self._start < stop:
            chunks.append(self._next(min(self._batch, stop - self._start)))
        return chunks

    def _next(self, count: int) -> Chunk:
        """The chunk of the next `count` scored frames. Frames that no later window needs are dropped."""
        start, window = self._start, self._window
        chunk = _chunk(self._held, self._first, window, start, start + count, self._seen)
        self._start = start + count
        passed = max(0, self._start - window.look_back) - self._first
        if passed > 0:
            del self._held[:passed]
            self._first += passed
        return chunk


def stream_chunks(frames: Iterable[Frame], window: Window, batch: int) -> Iterator[Chunk]:
    """Yield the chunks of one video, made by `WindowStream`. A chunk is yielded before the next frame is read.

    Raises:
        VideoError: `window.missing` is "drop" and the video is shorter than one window.
    """
    stream = WindowStream(window, batch)
    for frame in frames:
        chunk = stream.push(frame)
        if chunk is not None:
            yield chunk
    yield from stream.flush()


def _chunk(held: list[Frame], first: int, window: Window, start: int, stop: int, length: int) -> Chunk:
    """The chunk that scores frames `start` to `stop` - 1. `held` begins with frame `first` and holds their windows."""
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
