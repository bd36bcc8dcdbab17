"""Pasting: a pure function of seed, video, epoch and key, consistent over a window, within the limits of size."""

from __future__ import annotations

import time

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from oddframe.datasets.pseudo import Paster
from oddframe.datasets.sequences import ObjectSequence, sequences_from_world
from oddframe.errors import InputError
from oddframe.settings import PseudoAnomalies

SIZE = (80, 160)


@pytest.fixture(scope="module")
def sequences() -> list[ObjectSequence]:
    return sequences_from_world(seed=1, size=SIZE, count=18)


def background(frames: int = 3, channels: int = 3) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 255, (frames, *SIZE, channels), dtype=np.uint8)


def square(sides: list[int], canvas: tuple[int, int] = SIZE, source: str = "a") -> ObjectSequence:
    """A bright square whose side changes from frame to frame."""
    images, masks = np.zeros((len(sides), *canvas, 3), np.uint8), np.zeros((len(sides), *canvas), np.uint8)
    for n, side in enumerate(sides):
        images[n, 20 : 20 + side, 30 + n : 30 + n + side] = (200, 120, 60)
        masks[n, 20 : 20 + side, 30 + n : 30 + n + side] = 255
    return ObjectSequence.from_frames(images, masks, source)


def window(t: int) -> NDArray[np.int64]:
    return np.array([t - 3, t, t + 3])


@pytest.mark.parametrize("place", ["source", "random"])
def test_an_absolute_frame_always_shows_the_same_object(sequences: list[ObjectSequence], place: str) -> None:
    frames = background(1).repeat(3, axis=0)  # the same picture at every time, to compare what is pasted
    one, other = (Paster(sequences, SIZE, PseudoAnomalies(probability=1.0, place=place), seed=3) for _ in range(2))  # type: ignore[arg-type]
    for t in (200, 10, 55, 103):  # asked in another order below, and by other neighbours
        assert one.apply(2, frames, window(t), t, 0, key=9) is not None
    for t in (10, 103, 200):
        a, b = one.apply(2, frames, window(t), t, 0, 9), other.apply(2, frames, window(t + 3), t, 0, 77)
        assert a is not None and b is not None
        assert (a[0][1] == b[0][0]).all() and (a[0][2] == b[0][1]).all()
        assert (a[1] == b[1]).all() and a[1].any()
        assert (a[0][1] != frames[1]).any(axis=-1)[a[1] > 128].mean() > 0.9


def test_a_sample_is_clean_or_not_by_its_key_alone(sequences: list[ObjectSequence]) -> None:
    paster, again = Paster(sequences, SIZE, seed=5), Paster(sequences, SIZE, seed=5)
    frames, before = background(), background()
    keys = range(800)
    hit = [paster.apply(0, frames, window(9), 9, 0, key) is not None for key in keys]
    assert hit[::-1] == [again.apply(1, frames, window(50), 50, 0, key) is not None for key in reversed(keys)]
    assert np.mean(hit) == pytest.approx(0.25, abs=0.05)
    assert (frames == before).all()
    assert all(
        Paster(sequences, SIZE, PseudoAnomalies(probability=0.0)).apply(0, frames, window(9), 9, 0, key) is None
        for key in keys
    )


def test_refresh_changes_the_objects_from_epoch_to_epoch(sequences: list[ObjectSequence]) -> None:
    frames = background()
    for refresh in (True, False):
        paster = Paster(sequences, SIZE, PseudoAnomalies(probability=1.0, refresh=refresh))
        shown = [paster.apply(0, frames, window(t), t, epoch, 0) for epoch in (0, 1, 0) for t in (5, 60, 120)]
        masks = [change[1] for change in shown if change is not None]
        assert len(masks) == 9
        assert all((a == b).all() for a, b in zip(masks[:3], masks[6:], strict=True))
        assert refresh != all((a == b).all() for a, b in zip(masks[:3], masks[3:6], strict=True))


@pytest.mark.parametrize("canvas", [SIZE, (160, 320), (45, 200)])
def test_code_blend_is_the_formula_of_the_recipe(canvas: tuple[int, int]) -> None:
    sequence, frames = square([9] * 6, canvas), background()
    change = Paster([sequence], SIZE, PseudoAnomalies(probability=1.0, max_area=0.1, min_area=0.0)).apply(
        0, frames, np.array([0, 2, 5]), 2, 0, 0
    )
    assert change is not None
    for k, n in enumerate((0, 2, 5)):
        whole = np.zeros((*canvas, 4), np.uint8)
        whole[20:29, 30 + n : 39 + n] = (200, 120, 60, 255)
        small = cv2.resize(whole, SIZE[::-1], interpolation=cv2.INTER_LINEAR)
        grey = cv2.GaussianBlur(cv2.cvtColor(small[..., :3], cv2.COLOR_BGR2GRAY), (3, 3), 0)
        expected = np.minimum(frames[k] * (small[..., 3:] == 0) + grey[..., None].astype(int), 255)
        # The warp of OpenCV places pixels to 1/32: a step of a few grey values is its rounding.
        assert np.abs(change[0][k].astype(int) - expected).max() <= (0 if canvas == SIZE else 12)
        if n == 2:
            assert np.abs(change[1].astype(int) - small[..., 3]).max() <= (0 if canvas == SIZE else 12)


def test_addition_saturates_where_the_code_wraps_around() -> None:
    frames = np.full((1, *SIZE, 3), 250, np.uint8)
    change = Paster([square([9])], SIZE, PseudoAnomalies(probability=1.0, max_area=0.1, min_area=0.0)).apply(
        0, frames, np.array([0]), 0, 0, 0
    )
    assert change is not None
    rim = change[0][0, 19, 30:39]  # outside the mask, reached by the blur
    assert (rim == 255).all()


def test_alpha_blend_keeps_colour_and_leaves_the_rest_alone() -> None:
    frames = background(1)
    paster = Paster([square([9])], SIZE, PseudoAnomalies(probability=1.0, max_area=0.1, min_area=0.0, blend="alpha"))
    change = paster.apply(0, frames, np.array([0]), 0, 0, 0)
    assert change is not None
    assert (change[0][0, 20:29, 30:39] == (200, 120, 60)).all()
    outside = change[1] == 0
    assert (change[0][0][outside] == frames[0][outside]).all()


@pytest.mark.parametrize("blend", ["code", "alpha"])
def test_grey_frames_keep_one_channel(sequences: list[ObjectSequence], blend: str) -> None:
    paster = Paster(sequences, SIZE, PseudoAnomalies(probability=1.0, blend=blend))  # type: ignore[arg-type]
    frames = background(3, channels=1)
    change = paster.apply(0, frames, window(30), 30, 0, 0)
    assert change is not None
    assert change[0].shape == frames.shape and (change[0] != frames).any()


def test_an_object_ends_where_it_gets_too_large_and_another_begins() -> None:
    growing, steady = square([6, 7, 8, 30, 6], source="a"), square([5] * 4, source="b")
    limit = 10 * 10 / (SIZE[0] * SIZE[1])
    paster = Paster([growing, steady], SIZE, PseudoAnomalies(probability=1.0, min_area=0.0, max_area=limit))
    sides = []
    for n in range(200):
        change = paster.apply(0, background(1), np.array([n]), n, 0, 0)
        assert change is not None
        sides.append(int((change[1] > 0).any(axis=0).sum()))
    text = "".join(str(side) for side in sides)
    assert set(sides) == {5, 6, 7, 8}
    # Always from the first frame, always up to the last that fits; only the end of the video cuts one off.
    assert len(text.replace("678", "").replace("5555", "")) <= 3
    assert 0.25 < text.count("678") / (text.count("678") + text.count("5555")) < 0.75


def test_sequences_of_no_use_are_refused_at_once() -> None:
    for sides in ([40, 5], [2, 5]):
        with pytest.raises(InputError, match="max_area"):
            Paster([square(sides)], SIZE, PseudoAnomalies(max_area=0.008, min_area=0.001))


@pytest.mark.parametrize("place", ["source", "random"])
def test_the_scored_frame_always_shows_something_small(sequences: list[ObjectSequence], place: str) -> None:
    paster = Paster(sequences, SIZE, PseudoAnomalies(probability=1.0, place=place))  # type: ignore[arg-type]
    rng = np.random.default_rng(0)
    for video, frame in rng.integers(0, 300, (200, 2)):
        change = paster.apply(int(video), background(1), np.array([frame]), int(frame), 0, 0)
        assert change is not None
        share = (change[1] > 127).mean()
        assert 0 < share < 0.0105  # the limit holds at the source's size; resizing moves it a little


def test_apply_is_quick_enough_for_the_training_loop(sequences: list[ObjectSequence]) -> None:
    paster, frames = Paster(sequences, SIZE, PseudoAnomalies(probability=1.0)), background()
    for video in range(20):
        paster.apply(video, frames, window(400), 400, 0, 0)
    begun = time.process_time()
    for k in range(400):
        paster.apply(k % 20, frames, window(k + 3), k + 3, 0, k)
    assert (time.process_time() - begun) / 400 < 1e-3


def test_grey_blending_leaves_grey_video_grey(sequences: list[ObjectSequence]) -> None:
    frames = np.repeat(background(3, 1), 3, axis=3)
    pasted = 0
    for key in range(30):
        changed = Paster(sequences, SIZE, PseudoAnomalies(probability=1.0, blend="grey", place="random")).apply(
            0, frames, window(40), 40, 0, key
        )
        assert changed is not None
        pasted += int((changed[0] != frames).any())
        assert (changed[0] == changed[0][..., :1]).all()
    assert pasted


def test_scale_bounds_the_size_of_what_is_pasted() -> None:
    steady = square([16] * 200)

    def sides(scale: tuple[float, float]) -> NDArray[np.float64]:
        paster = Paster(
            [steady], SIZE, PseudoAnomalies(probability=1.0, min_area=0.0, max_area=1.0, place="random", scale=scale)
        )
        masks = [paster.apply(v, background(), window(5), 5, 0, 0) for v in range(60)]
        return np.sqrt([m[1].sum() / 255 for m in masks if m is not None])

    small = sides((0.4, 0.6))
    assert small.max() < 16 * 0.6 + 1 and np.median(small) > 16 * 0.4 - 1
    assert np.median(sides((1.0, 1.5))) > small.max()
