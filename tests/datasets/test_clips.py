from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from oddframe.datasets.clips import ClipSet, split_holdout
from oddframe.errors import InputError
from oddframe.types import Window


@dataclass
class Video:
    frames: NDArray[np.uint8]


def videos(*lengths: int, size: tuple[int, int] = (2, 3)) -> list[Video]:
    """Videos whose pixels hold (number of the video, number of the frame, 7)."""
    made = []
    for number, length in enumerate(lengths):
        frames = np.empty((length, *size, 3), np.uint8)
        frames[..., 0], frames[..., 1], frames[..., 2] = number, np.arange(length)[:, None, None], 7
        made.append(Video(frames))
    return made


WINDOW = Window((-3, 0, 3), (2, 3), target=(0, 1), context=(-1,))


def test_samples_are_numbered_video_after_video_frame_after_frame() -> None:
    clips = ClipSet(videos(4, 6, 3), WINDOW)
    assert len(clips) == 13
    video, frame = clips.locate(np.arange(13))
    assert video.tolist() == [0] * 4 + [1] * 6 + [2] * 3
    assert frame.tolist() == [*range(4), *range(6), *range(3)]


@given(
    st.lists(st.integers(0, 12), min_size=1, max_size=4),
    st.sampled_from(["current", "nearest", "drop"]),
    st.randoms(use_true_random=False),
)
def test_every_window_holds_the_frames_it_asks_for(lengths: list[int], missing: Any, random: Any) -> None:
    window = Window((-3, 0, 3), (2, 3), target=(0, 1), context=(-1,), missing=missing)
    expected = [(v, i) for v, length in enumerate(lengths) for i in window.scorable(length)]
    if not expected:
        with pytest.raises(InputError, match="no window fits"):
            ClipSet(videos(*lengths), window)
        return
    clips = ClipSet(videos(*lengths), window)
    assert len(clips) == len(expected)
    samples = np.array([random.randrange(len(expected)) for _ in range(6)])
    batch = clips.batch(samples, samples * 11, epoch=0)
    assert batch.frames.shape == (6, 3, 2, 3, 3)
    for row, sample in enumerate(samples):
        video, index = expected[sample]
        for got, offsets in (
            (batch.frames, window.offsets),
            (batch.target, window.target),
            (batch.context, window.context),
        ):
            assert (got[row, ..., 0] == video).all()
            assert got[row, :, 0, 0, 1].tolist() == window.positions(index, offsets, lengths[video])
            assert (got[row, ..., 2] == 7).all()
    assert batch.key.tolist() == (samples * 11).tolist()
    assert not batch.pasted.any()
    assert batch.pasted.shape == (6, 2, 3)


def test_ranges_restrict_the_scored_frames_but_not_what_windows_see() -> None:
    clips = ClipSet(videos(10, 10, 10), WINDOW, ranges=[range(2, 5), range(0), range(8, 10)])
    video, frame = clips.locate(np.arange(len(clips)))
    assert list(zip(video.tolist(), frame.tolist(), strict=True)) == [(0, 2), (0, 3), (0, 4), (2, 8), (2, 9)]
    batch = clips.batch(np.array([2]), np.array([0]), 0)
    assert batch.frames[0, :, 0, 0, 1].tolist() == [1, 4, 7]
    dropping = Window((-3, 0, 3), (2, 3), missing="drop")
    clips = ClipSet(videos(10), dropping, ranges=[range(0, 5)])
    assert clips.locate(np.arange(len(clips)))[1].tolist() == [3, 4]
    with pytest.raises(InputError, match="nothing of them is left"):
        ClipSet(videos(10), dropping, ranges=[range(0, 3)])


def test_frames_without_context_have_an_empty_one() -> None:
    batch = ClipSet(videos(5), Window((0,), (2, 3), colour="bgr")).batch(np.array([1, 2]), np.array([0, 0]), 0)
    assert batch.context.shape == (2, 0, 2, 3, 3)


class Paster:
    """Pastes white into the left column of every odd frame's window, and notes what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, list[int], int, int, int]] = []

    def apply(
        self, video: int, frames: NDArray[np.uint8], numbers: NDArray[np.int64], scored: int, epoch: int, key: int
    ) -> tuple[NDArray[np.uint8], NDArray[np.uint8]] | None:
        self.asked.append((video, numbers.tolist(), scored, epoch, key))
        if scored % 2 == 0:
            return None
        pasted, mask = frames.copy(), np.zeros(frames.shape[1:3], np.uint8)
        pasted[:, :, 0] = 255
        mask[:, 0] = 255
        return pasted, mask


def test_pseudo_anomalies_change_the_input_alone() -> None:
    paster = Paster()
    clips = ClipSet(videos(6, 6), WINDOW, paster=paster)  # type: ignore[arg-type]
    clean = ClipSet(videos(6, 6), WINDOW)
    samples, keys = np.array([9, 2]), np.array([70, 80])
    batch, expected = clips.batch(samples, keys, epoch=5), clean.batch(samples, keys, epoch=5)
    assert paster.asked == [(1, [0, 3, 3], 3, 5, 70), (0, [2, 2, 5], 2, 5, 80)]
    assert (batch.frames[0, :, :, 0] == 255).all()
    assert np.array_equal(batch.frames[0, :, :, 1:], expected.frames[0, :, :, 1:])
    assert np.array_equal(batch.frames[1], expected.frames[1])
    assert np.array_equal(batch.target, expected.target)
    assert np.array_equal(batch.context, expected.context)
    assert batch.pasted[0].tolist() == [[255, 0, 0]] * 2
    assert not batch.pasted[1].any()


def test_a_window_depends_on_its_sample_alone() -> None:
    clips = ClipSet(videos(9, 5), WINDOW)
    together = clips.batch(np.array([3, 11, 3]), np.array([1, 2, 3]), 0)
    alone = clips.batch(np.array([11]), np.array([2]), 0)
    assert np.array_equal(together.frames[1], alone.frames[0])
    assert np.array_equal(together.frames[0], together.frames[2])


@given(
    st.lists(st.integers(0, 500), min_size=1, max_size=30),
    st.floats(0, 0.9),
    st.integers(0, 12),
    st.integers(0, 5),
)
def test_training_and_held_out_frames_never_touch(lengths: list[int], fraction: float, gap: int, seed: int) -> None:
    train, held = split_holdout(lengths, fraction, gap, seed)
    assert (train, held) == split_holdout(lengths, fraction, gap, seed)
    assert len(train) == len(held) == len(lengths)
    for length, learn, rest in zip(lengths, train, held, strict=True):
        assert set(learn) | set(rest) <= set(range(length))
        if learn and rest:
            assert rest.start - learn.stop == gap
            assert rest.stop == length
        elif not rest:
            assert learn == range(length)
        else:
            assert rest == range(length)
    if sum(lengths):
        assert any(train) or any(held)


def test_with_many_videos_whole_ones_are_held_out() -> None:
    train, held = split_holdout([100] * 20, 0.2, 6, seed=3)
    assert sorted(map(len, held)) == [0] * 16 + [100] * 4
    assert sorted(map(len, train)) == [0] * 4 + [100] * 16
    assert split_holdout([100] * 20, 0.2, 6, seed=4) != (train, held), "the seed chooses"
    assert sum(map(len, split_holdout([100] * 5, 0.01, 6, 0)[1])) == 100, "never nothing"
    assert sum(map(len, split_holdout([100] * 5, 0.99, 6, 0)[0])) == 100, "never everything"
    for seed in range(5):
        assert sum(map(len, split_holdout([5000, 90, 100, 110, 120], 0.02, 6, seed)[1])) <= 120, "never a giant"


@pytest.mark.parametrize("fraction", [0.1, 0.2, 0.3])
def test_the_held_out_share_is_about_what_was_asked_for(fraction: float) -> None:
    lengths = np.random.default_rng(0).integers(50, 400, 40).tolist()
    for seed in range(10):
        _, held = split_holdout(lengths, fraction, 6, seed)
        assert sum(map(len, held)) / sum(lengths) == pytest.approx(fraction, abs=0.03)


def test_with_few_videos_the_last_block_of_each_is_held_out() -> None:
    train, held = split_holdout([100, 50, 8], 0.2, 6, seed=0)
    assert train == [range(74), range(34), range(8)]
    assert held == [range(80, 100), range(40, 50), range(8, 8)]


def test_a_video_too_short_to_divide_is_used_for_training() -> None:
    assert split_holdout([7], 0.2, 6, seed=0) == ([range(7)], [range(7, 7)])
    assert split_holdout([8], 0.2, 5, seed=0) == ([range(1)], [range(6, 8)])


@pytest.mark.parametrize("fraction", [-0.1, 1.0, 2.0])
def test_an_impossible_fraction_is_refused(fraction: float) -> None:
    with pytest.raises(InputError, match="held-out fraction"):
        split_holdout([10], fraction, 1, 0)
