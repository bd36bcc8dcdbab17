"""Extraction of the features of a video. Decoding and cropping run ahead on another thread.

A video of F frames has n = ceil(F / 16) snippets. The last snippet is padded with copies of the last frame, so every
frame of a video belongs to a snippet. Memory holds a few batches and does not depend on the length of the video.

What baselines know of a video is measured along the way: the bytes of its file, and how much its pixels change.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from oddframe.datasets.prefetch import prefetch
from oddframe.errors import VideoError
from oddframe.features.extractor import SNIPPET, Extractor, Preprocessing
from oddframe.features.snippets import SnippetFeatures, SnippetSampling
from oddframe.types import VideoInfo
from oddframe.video.decode import Frame, VideoReader, probe
from oddframe.video.identity import content_key
from oddframe.video.sources import VideoSource, frame_files

BATCH = 2
"""Snippets per forward pass on a CPU. More are not faster there, and the network waits longer for the first batch."""


@dataclass
class Seconds:
    """Seconds spent on the parts of extraction, summed over videos.

    Attributes:
        total: from the opening of the videos to their features.
        network: computation of the extractor.
        waiting: waiting of the extractor for snippets.
        decoding: decoding and resizing, on the other thread.
        preparing: cropping, on the other thread.
    """

    total: float = 0.0
    network: float = 0.0
    waiting: float = 0.0
    decoding: float = 0.0
    preparing: float = 0.0

    def add(self, other: Seconds) -> None:
        """Add the times of another video."""
        for name, value in vars(other).items():
            setattr(self, name, getattr(self, name) + value)


@dataclass(frozen=True)
class _Batch:
    """Snippets of one forward pass: `views` (B, crops, T, h, w, 3) uint8, and the times of their frames."""

    views: NDArray[np.uint8]
    times: list[float]


def extract(
    source: VideoSource,
    extractor: Extractor,
    sampling: SnippetSampling,
    batch: int = BATCH,
    progress: Callable[[int], None] | None = None,
    seconds: Seconds | None = None,
) -> SnippetFeatures:
    """Extract the features of one video.

    Args:
        source: the video.
        extractor: the network.
        sampling: see `SnippetSampling.of`.
        batch: snippets per forward pass; a snippet with ten crops counts as ten. It changes the speed, and the features
            only by rounding.
        progress: called with the number of frames of each finished batch.
        seconds: the times of this video are added to it.

    Raises:
        VideoError: the video cannot be decoded, its frames are smaller than the crop, or the network gives NaN or
            infinity for it.
    """
    if extractor.kind == "clips" and sampling.frames_per_snippet != SNIPPET:
        raise ValueError(f"{extractor.name} takes clips: make its sampling with SnippetSampling.of")
    spent, began, change = Seconds(), time.perf_counter(), PixelChange()
    key = content_key(source)
    info = probe(source)
    size = resized(info, extractor.preprocessing)
    preprocessing = extractor.preprocessing
    rows, times = [], []
    with (
        VideoReader(source, size, preprocessing.colour, preprocessing.interpolation) as reader,
        closing(prefetch(_batches(change.watch(reader), preprocessing.crop, sampling, batch, spent))) as batches,
    ):
        asked = time.perf_counter()
        for piece in batches:
            ready = time.perf_counter()
            count, crops = piece.views.shape[:2]
            vectors = extractor.embed(piece.views.reshape(-1, *piece.views.shape[2:]))
            rows.append(vectors.reshape(count, crops, -1).mean(1))
            times += piece.times
            spent.waiting += ready - asked
            asked = time.perf_counter()
            spent.network += asked - ready
            if progress is not None:
                progress(len(piece.times))
        info = replace(reader.info, key=key)
    features = np.concatenate(rows)
    if extractor.channels == "mean+change":
        mend_last_change(features, sampling, len(times))
    if not np.isfinite(features).all():
        raise VideoError(f"{source.path}: {extractor.name} gives NaN or infinity for it; try --precision fp32")
    spent.total = time.perf_counter() - began
    if seconds is not None:
        seconds.add(spent)
    return SnippetFeatures(
        source.name, features, len(times), "snippets", np.asarray(times, np.float64), info, stored_bytes(source),
        change.mean,
    )  # fmt: skip


class PixelChange:
    """How much the pixels of a video change: the mean absolute difference of neighbouring frames.

    Attributes:
        mean: over all pixels, colours and pairs of neighbours so far, 0 to 255; 0 before the second frame.
    """

    def __init__(self) -> None:
        self.mean = 0.0

    def watch(self, frames: Iterable[Frame]) -> Iterator[Frame]:
        """Yield the same frames."""
        before: Frame | None = None
        for pairs, frame in enumerate(frames):
            if before is not None:
                apart = cv2.norm(before.image, frame.image, cv2.NORM_L1) / frame.image.size
                self.mean += (apart - self.mean) / pairs
            before = frame
            yield frame


def stored_bytes(source: VideoSource) -> int | None:
    """Bytes of a video's file, or of its pictures; None of an array in memory, and where they cannot be asked for."""
    if source.kind == "file":
        return source.size or None
    if source.kind == "array":
        return None
    try:
        return sum(path.stat().st_size for path in frame_files(source.path))
    except OSError:  # a link to a picture that is not there
        return None


def mend_last_change(features: NDArray[np.float32], sampling: SnippetSampling, frames: int) -> None:
    """Take the copies that fill up the last snippet out of its change: between them nothing can change.

    Where all that the network saw of it is one frame, it has the change of the snippet before, or 0 as the only one.

    Args:
        features: (n, 2D) of a whole video, mean and change; the last row is overwritten.
        frames: F, of the video.
    """
    change = features[:, features.shape[1] // 2 :]
    last = (frames - 1) % SNIPPET
    seen = len({min(position, last) for position in sampling.positions})
    if seen > 1:
        change[-1] *= (sampling.frames_per_snippet - 1) / (seen - 1)
    elif len(change) > 1:
        change[-1] = change[-2]


def resized(info: VideoInfo, preprocessing: Preprocessing) -> tuple[int, int]:
    """(height, width) at which the frames of a video are decoded.

    It is `preprocessing.resize` if that has two numbers. Otherwise `resize` is the length of the shorter side, and the
    longer side follows in proportion, rounded down.

    Raises:
        VideoError: the crop is larger than the resized frames.
    """
    target = preprocessing.resize
    if isinstance(target, int):
        short = min(info.height, info.width)
        height, width = (max(target, target * side // short) for side in (info.height, info.width))
    else:
        height, width = target
    h, w = preprocessing.crop
    if h > height or w > width:
        raise VideoError(
            f"{info.path}: frames resized to {height} x {width} are smaller than the crop, {h} x {w}; "
            "make `resize` of the preprocessing larger or `crop` smaller"
        )
    return height, width


def cut(snippet: NDArray[np.uint8], crop: tuple[int, int], crops: int) -> NDArray[np.uint8]:
    """(T, H, W, 3) frames to (crops, T, h, w, 3): the centre, or four corners, the centre and their mirror images."""
    (_, height, width, _), (h, w) = snippet.shape, crop
    bottom, right = height - h, width - w
    corners = [(bottom // 2, right // 2)]
    if crops > 1:
        corners = [(0, 0), (0, right), (bottom, 0), (bottom, right), *corners]
    views = [snippet[:, top : top + h, left : left + w] for top, left in corners]
    if crops > 1:
        views += [view[:, :, ::-1] for view in views]
    return np.stack(views)


def _clocked(frames: Iterable[Frame], spent: Seconds) -> Iterator[Frame]:
    """Yield the same frames, and add the time of each to `spent.decoding`."""
    began = time.perf_counter()
    for frame in frames:
        spent.decoding += time.perf_counter() - began
        yield frame
        began = time.perf_counter()
    spent.decoding += time.perf_counter() - began


def _batches(
    frames: Iterable[Frame], crop: tuple[int, int], sampling: SnippetSampling, batch: int, spent: Seconds
) -> Generator[_Batch]:
    """Yield batches of at least one snippet, with about `batch` views each. The last batch may be smaller."""
    size = max(1, batch // sampling.crops)
    views: list[NDArray[np.uint8]] = []
    times: list[float] = []
    for snippet in _snippets(_clocked(frames, spent)):
        began = time.perf_counter()
        last = len(snippet) - 1
        sampled = np.stack([snippet[min(position, last)].image for position in sampling.positions])
        views.append(cut(sampled, crop, sampling.crops))
        times += [frame.time for frame in snippet]
        spent.preparing += time.perf_counter() - began
        if len(views) == size:
            yield _Batch(np.stack(views), times)
            views, times = [], []
    if views:
        yield _Batch(np.stack(views), times)


def _snippets(frames: Iterator[Frame]) -> Iterator[list[Frame]]:
    """Yield consecutive groups of sixteen frames. The last group may be smaller."""
    held: list[Frame] = []
    for frame in frames:
        held.append(frame)
        if len(held) == SNIPPET:
            yield held
            held = []
    if held:
        yield held
