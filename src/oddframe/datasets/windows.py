"""Windows over a stream of frames, for scoring: chunks of input frames, gathered while the video is decoded."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from oddframe.errors import VideoError
from oddframe.types import IgnoredPlace, Window
from oddframe.video.decode import Frame
from oddframe.video.pauses import PauseFinder

GREY = 127  # of places that are ignored: no picture is far from it


@dataclass(frozen=True)
class Chunk:
    """B consecutive scored frames, and the F frames that their windows need, each of them once.

    Attributes:
        frames: (F, H, W, C) uint8.
        inputs: (B, T) int64 positions in `frames` of the inputs, at `window.offsets`.
        targets: (B, T') int64 positions in `frames` of the targets, at `window.target`.
        index: (B,) int64 numbers of the scored frames in the video.
        time: (B,) float64 seconds of the scored frames.
        begins: nothing before it belongs to the same stretch of video: it is the first chunk of a video, or the first
            after a pause.
    """

    frames: NDArray[np.uint8]
    inputs: NDArray[np.int64]
    targets: NDArray[np.int64]
    index: NDArray[np.int64]
    time: NDArray[np.float64]
    begins: bool = False


@lru_cache(maxsize=64)
def ignored_pixels(places: tuple[IgnoredPlace, ...], size: tuple[int, int]) -> NDArray[np.bool_] | None:
    """(height, width) which pixels of frames of a size have their middle inside one of the places; None without any."""
    if not places:
        return None
    rows, columns = np.indices(size).reshape(2, -1)
    found = np.zeros(len(rows), bool)
    for place in places:
        found |= place.covers((columns + 0.5) / size[1], (rows + 0.5) / size[0])
    return found.reshape(size)


def paint_over(frames: NDArray[np.uint8], window: Window) -> None:
    """Paint over, in frames (..., H, W, C), what the window ignores, in place. A detector that has only ever seen it
    grey finds nothing there, whatever happens behind."""
    ignored = ignored_pixels(window.ignored, window.size)
    if ignored is not None:
        frames[..., ignored, :] = GREY


def divided(chunk: Chunk, size: int, window: Window, frames: int | None = None) -> list[Chunk]:
    """Split a chunk into parts of `size` windows each; the last part repeats its last window.

    So a window is always computed beside as many others, and its bits do not depend on how many there are.

    Args:
        frames: that every part gets, at least those that it needs; None: as many as consecutive windows need.
    """
    length = frames or size + window.look_back + window.look_ahead
    parts = []
    for start in range(0, len(chunk.index), size):
        rows = np.arange(start, start + size).clip(max=len(chunk.index) - 1)
        inputs, targets = chunk.inputs[rows], chunk.targets[rows]
        seen = np.concatenate([inputs, targets], 1)
        low, high = int(seen.min()), int(seen.max()) + 1
        if high - low > length:  # windows of several videos: only the frames that they show
            shown, places = np.unique(seen, return_inverse=True)
            places = places.reshape(seen.shape)
            inputs, targets = places[:, : inputs.shape[1]], places[:, inputs.shape[1] :]
            images = chunk.frames[shown]
        else:
            inputs, targets, images = inputs - low, targets - low, chunk.frames[low : low + length]
        if len(images) < length:  # at the ends of a video
            images = np.concatenate([images, np.repeat(images[-1:], length - len(images), 0)])
        parts.append(Chunk(images, inputs, targets, chunk.index[rows], chunk.time[rows]))
    return parts


def joined(chunks: Sequence[Chunk]) -> Chunk:
    """Chunks of one or of several videos as one, whose windows are those of all of them, in order.

    It is for detectors that look at each window by itself: where a video begins is not told.
    """
    if len(chunks) == 1:
        return chunks[0]
    starts = np.cumsum([0, *(len(chunk.frames) for chunk in chunks[:-1])]).tolist()
    pairs = list(zip(chunks, starts, strict=True))
    return Chunk(
        np.concatenate([chunk.frames for chunk in chunks]),
        np.concatenate([chunk.inputs + start for chunk, start in pairs]),
        np.concatenate([chunk.targets + start for chunk, start in pairs]),
        np.concatenate([chunk.index for chunk in chunks]),
        np.concatenate([chunk.time for chunk in chunks]),
    )


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

    A video ends at a pause (see `oddframe.video.pauses`) as it does at its last frame, and begins anew after it: no
    window holds frames of both sides.

    At most `batch` + look-back + look-ahead frames are in memory, independent of the length of the video. The frames of
    a window are those of `Window.positions`; they do not depend on `batch` or on when the end of the video is known.
    """

    def __init__(self, window: Window, batch: int) -> None:
        self._window, self._batch = window, batch
        self._pauses = PauseFinder()
        self._frames = self._longest = 0  # of the video, and of its longest stretch without a pause
        self._begin()

    def push(self, frame: Frame) -> list[Chunk]:
        """Take the next frame. Return the chunks that it completes: after a pause all that are left before it."""
        chunks = []
        if self._pauses.push(frame.time):
            chunks = self._rest()
            self._begin()
        self._held.append(frame)
        self._seen += 1
        self._frames += 1
        if self._seen >= self._start + self._batch + self._window.look_ahead:
            chunks.append(self._next(self._batch))
        return chunks

    def flush(self) -> list[Chunk]:
        """End the video and return the chunks of the remaining frames. The last chunk may be shorter than `batch`.

        Raises:
            VideoError: `window.missing` is "drop" and the video is shorter than one window, or each of its stretches
                between pauses is.
        """
        chunks = self._rest()
        window, needed = self._window, self._window.look_back + self._window.look_ahead + 1
        if window.missing == "drop" and self._longest < needed:
            apart = f", but no more than {self._longest} without a pause" if self._longest < self._frames else ""
            raise VideoError(f"the video has {self._frames} frames{apart}; scoring needs at least {needed}")
        return chunks

    def _begin(self) -> None:
        """Begin a stretch without a pause; frames of a stretch are counted from 0."""
        self._held: list[Frame] = []  # the frames from number `_first` to number `_seen` - 1
        self._first = self._seen = 0
        self._start = self._window.look_back if self._window.missing == "drop" else 0  # the next frame to be scored
        self._fresh = True  # no chunk yet

    def _rest(self) -> list[Chunk]:
        """The chunks of the remaining frames of the stretch."""
        self._longest = max(self._longest, self._seen)
        stop, chunks = self._window.scorable(self._seen).stop, []
        while self._start < stop:
            chunks.append(self._next(min(self._batch, stop - self._start)))
        return chunks

    def _next(self, count: int) -> Chunk:
        """The chunk of the next `count` scored frames. Frames that no later window needs are dropped."""
        start, window = self._start, self._window
        chunk = _chunk(self._held, self._first, window, start, start + count, self._seen, self._fresh)
        self._start, self._fresh = start + count, False
        passed = max(0, self._start - window.look_back) - self._first
        if passed > 0:
            del self._held[:passed]
            self._first += passed
        return chunk


def stream_chunks(frames: Iterable[Frame], window: Window, batch: int) -> Iterator[Chunk]:
    """Yield the chunks of one video, made by `WindowStream`. A chunk is yielded before the next frame is read.

    Raises:
        VideoError: see `WindowStream.flush`.
    """
    stream = WindowStream(window, batch)
    for frame in frames:
        yield from stream.push(frame)
    yield from stream.flush()


def _chunk(held: list[Frame], first: int, window: Window, start: int, stop: int, length: int, begins: bool) -> Chunk:
    """The chunk that scores frames `start` to `stop` - 1. `held` begins with frame `first` and holds their windows."""
    low = max(0, start - window.look_back)
    needed = held[low - first : stop + window.look_ahead - first]
    index = np.arange(start, stop)
    frames = np.stack([frame.image for frame in needed])
    paint_over(frames, window)
    return Chunk(
        frames,
        positions(window, index, window.offsets, length) - low,
        positions(window, index, window.target, length) - low,
        np.array([frame.index for frame in held[start - first : stop - first]], np.int64),
        np.array([frame.time for frame in held[start - first : stop - first]], np.float64),
        begins,
    )
