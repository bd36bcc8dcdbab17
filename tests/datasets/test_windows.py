from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oddframe.datasets.windows import Chunk, positions, stream_chunks
from oddframe.errors import VideoError
from oddframe.types import Window
from oddframe.video.decode import Frame

WINDOWS = st.builds(
    Window,
    offsets=st.lists(st.integers(-5, 5), min_size=1, max_size=5).map(tuple),
    size=st.just((1, 1)),
    target=st.lists(st.integers(-3, 3), min_size=1, max_size=2).map(tuple),
    missing=st.sampled_from(["current", "nearest", "drop"]),
)


def video(length: int) -> Iterator[Frame]:
    """Frames whose two pixels spell out their number."""
    for n in range(length):
        yield Frame(n, n * 0.1, np.array([[[n % 256], [n // 256]]], np.uint8))


def numbers(chunk: Chunk, where: np.ndarray) -> list[list[int]]:
    """Frame numbers that positions in a chunk stand for, read from the pixels."""
    pixels = chunk.frames[where][:, :, 0, :, 0].astype(int)
    return (pixels[..., 0] + 256 * pixels[..., 1]).tolist()


@given(WINDOWS, st.integers(1, 40), st.integers(1, 50))
def test_chunks_hold_what_the_window_asks_for_whatever_the_batch(window: Window, length: int, batch: int) -> None:
    frames = window.scorable(length)
    if not frames:
        with pytest.raises(VideoError, match=f"has {length} frames; scoring needs at least"):
            list(stream_chunks(video(length), window, batch))
        return
    chunks = list(stream_chunks(video(length), window, batch))
    assert [i for chunk in chunks for i in chunk.index] == list(frames)
    for chunk in chunks:
        assert 1 <= len(chunk.index) <= batch
        assert numbers(chunk, chunk.inputs) == [window.positions(i, window.offsets, length) for i in chunk.index]
        assert numbers(chunk, chunk.targets) == [window.positions(i, window.target, length) for i in chunk.index]
        assert chunk.time.tolist() == [i * 0.1 for i in chunk.index]
        assert len(chunk.frames) <= len(chunk.index) + window.look_back + window.look_ahead
        shown = [number for [number] in numbers(chunk, np.arange(len(chunk.frames))[:, None])]
        assert len(set(shown)) == len(shown), "each frame once"
    assert all(len(chunk.index) == batch for chunk in chunks[:-1])
    assert all(chunk.inputs.dtype == chunk.targets.dtype == chunk.index.dtype == np.int64 for chunk in chunks)


@given(WINDOWS, st.integers(1, 30))
def test_vectorised_positions_agree_with_the_window(window: Window, length: int) -> None:
    index = np.array(window.scorable(length), np.int64)
    expected = [window.positions(i, window.offsets, length) for i in index]
    assert positions(window, index, window.offsets, length).tolist() == expected
    lengths = np.full(len(index), length)
    assert positions(window, index, window.offsets, lengths).tolist() == expected


@pytest.mark.slow
def test_memory_is_bounded_by_the_window_not_by_the_video() -> None:
    alive: list[weakref.ref[np.ndarray]] = []
    most = 0

    def counted() -> Iterator[Frame]:
        nonlocal most
        for n in range(500):
            image = np.zeros((4, 4, 1), np.uint8)
            alive.append(weakref.ref(image))
            most = max(most, sum(ref() is not None for ref in alive))
            frame = Frame(n, float(n), image)
            del image
            yield frame

    window = Window((-3, 0, 3), (4, 4))
    gc.collect()
    assert sum(len(chunk.index) for chunk in stream_chunks(counted(), window, 8)) == 500
    assert most <= 8 + window.look_back + window.look_ahead + 1


def test_a_chunk_is_ready_as_soon_as_its_look_ahead_is() -> None:
    read = 0

    def watched() -> Iterator[Frame]:
        nonlocal read
        for frame in video(100):
            read += 1
            yield frame

    chunks = stream_chunks(watched(), Window((-3, 0, 3), (1, 1)), 4)
    for expected in (7, 11, 15):
        next(chunks)
        assert read == expected


@pytest.mark.slow
def test_closing_the_stream_closes_the_video() -> None:
    closed = []

    def watched() -> Iterator[Frame]:
        try:
            yield from video(100)
        finally:
            closed.append(True)

    chunks = stream_chunks(watched(), Window((0,), (1, 1)), 4)
    next(chunks)
    chunks.close()  # type: ignore[attr-defined]
    gc.collect()
    assert closed == [True]


def test_chunks_do_not_share_memory_so_that_a_later_one_cannot_change_an_earlier_one() -> None:
    first, second = list(stream_chunks(video(8), Window((-1, 0, 1), (1, 1)), 4))
    before = second.frames.copy()
    first.frames[:] = 255
    assert np.array_equal(second.frames, before)


def test_no_frames_give_no_chunks() -> None:
    assert list(stream_chunks(iter(()), Window((0,), (1, 1)), 4)) == []
