"""Tiny constructed videos: textured squares that move over a textured ground, to sub-pixel positions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from oddframe.datasets.windows import Chunk, stream_chunks
from oddframe.models.fitted import FittedDetector
from oddframe.types import ChunkErrors, Combination, VideoInfo, Window
from oddframe.video.decode import Frame

HEIGHT, WIDTH, SIDE = 120, 160, 24
INFO = VideoInfo("clip", "clip.mp4", WIDTH, HEIGHT, 10.0)

Path = Callable[[float], tuple[float, float] | None]
"""Seconds to (x, y) of the square's top left corner, or None while it is away."""


def texture(seed: int, shape: tuple[int, int], middle: float) -> NDArray[np.float32]:
    """Blurred noise of about 15 grey values around `middle`."""
    noise = cv2.GaussianBlur(np.random.default_rng(seed).standard_normal(shape).astype(np.float32), (0, 0), 2.0)
    return np.asarray(middle + 15 * noise / noise.std(), np.float32)


GROUND, SQUARE = texture(1, (HEIGHT, WIDTH), 110), texture(2, (SIDE, SIDE), 190)


def picture(path: Path, time: float) -> NDArray[np.float32]:
    """(H, W) the ground with the square where it is."""
    where = path(time)
    if where is None:
        return GROUND.copy()
    matrix = np.array([[1, 0, where[0]], [0, 1, where[1]]], np.float32)
    square = cv2.warpAffine(SQUARE, matrix, (WIDTH, HEIGHT))
    cover = cv2.warpAffine(np.ones_like(SQUARE), matrix, (WIDTH, HEIGHT))
    return np.asarray(GROUND * (1 - cover) + square * cover)


def film(path: Path, seconds: float, fps: float = 10.0, gain: Callable[[float], float] = lambda t: 1.0) -> list[Frame]:
    """Grey frames with a little noise."""
    frames = []
    for n in range(round(seconds * fps)):
        noise = np.random.default_rng((3, n)).normal(0, 1, (HEIGHT, WIDTH))
        grey = np.clip(np.rint(picture(path, n / fps) * gain(n / fps) + noise), 0, 255).astype(np.uint8)
        frames.append(Frame(n, n / fps, grey[..., None]))
    return frames


def crossing(speed: float, y: float = 48.0, start: float = 0.0) -> Path:
    """From one side to the other and again, at `speed` pixels a second; to the left where that is negative."""
    span = WIDTH + SIDE

    def path(time: float) -> tuple[float, float]:
        return (start + speed * time) % span - SIDE, y

    return path


def chunks(frames: Iterable[Frame], window: Window, batch: int = 16) -> Iterator[Chunk]:
    return stream_chunks(frames, window, batch)


def cut(frames: Sequence[Frame], window: Window, lengths: Sequence[int]) -> Iterator[Chunk]:
    """Chunks of the given lengths, of windows without look ahead or look back; the last takes what is left."""
    whole = next(iter(stream_chunks(frames, replace(window, offsets=(0,)), len(frames))))
    start = 0
    for length in [*lengths, len(frames)]:
        part = slice(start, min(start + length, len(frames)))
        if part.start >= part.stop:
            return
        own = np.arange(part.stop - part.start)[:, None]
        yield Chunk(whole.frames[part], own, own, whole.index[part], whole.time[part])
        start = part.stop


def learn(detector: FittedDetector, videos: Sequence[Sequence[Frame]], seed: int = 0, batch: int = 16) -> None:
    detector.begin_learning(seed)
    for video in videos:
        detector.begin_video()
        for chunk in chunks(video, detector.window, batch):
            detector.learn(chunk)
    detector.finish_learning()


def score(detector: FittedDetector, pieces: Iterable[Chunk]) -> ChunkErrors:
    """Components and maps of a whole video."""
    detector.begin_video()
    found = [detector.score(piece) for piece in pieces]
    names = found[0].components
    maps = [piece.map for piece in found if piece.map is not None]
    return ChunkErrors({n: np.concatenate([f.components[n] for f in found]) for n in names}, np.concatenate(maps))


def same(a: ChunkErrors, b: ChunkErrors) -> None:
    """Equal to the bit."""
    assert a.components.keys() == b.components.keys()
    for name in a.components:
        np.testing.assert_array_equal(a.components[name], b.components[name], err_msg=name)
    assert a.map is not None and b.map is not None
    np.testing.assert_array_equal(a.map, b.map)


def check_shapes(detector: FittedDetector, found: ChunkErrors, frames: int) -> None:
    """What the contract promises of a score."""
    assert set(found.components) == set(detector.components)
    assert isinstance(detector.combination, Combination)
    assert all(v.shape == (frames,) and v.dtype == np.float64 and (v >= 0).all() for v in found.components.values())
    assert found.map is not None and found.map.dtype == np.float32
    assert found.map.shape == (frames, *(detector.map_grid or ()))
    assert np.isfinite(found.map).all()
