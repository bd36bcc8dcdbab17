"""Streaming scores: the same whatever the batch, in order, bounded, and post-processed to the last frame."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import numpy as np
import pytest
import torch

from oddframe.datasets.prefetch import prefetch
from oddframe.errors import VideoError
from oddframe.models.frame_difference import FrameDifference
from oddframe.models.sdmae import SDMAE
from oddframe.runtime.torch import TorchRuntime
from oddframe.scoring.combine import ScoreRule
from oddframe.scoring.smooth import Smoothing
from oddframe.scoring.stream import collect, score_frames
from oddframe.types import Combination
from oddframe.video.decode import Frame

TINY = {"patch": 4, "size": (16, 32), "encoder_width": 16, "decoder_width": 16, "heads": 2}


def video(length: int, size: tuple[int, int] = (16, 32)) -> list[Frame]:
    images = np.random.default_rng(0).integers(0, 256, (length, *size, 3), dtype=np.uint8)
    return [Frame(i, i * 0.04 + 0.001 * (i % 3), image) for i, image in enumerate(images)]


def sdmae(**options: object) -> TorchRuntime:
    torch.manual_seed(0)
    return TorchRuntime(SDMAE.from_preset("paper", **{**TINY, **options}), "cpu")


@pytest.mark.parametrize("length", [1, 3, 5, 40])
def test_scores_do_not_depend_on_the_batch(length: int) -> None:
    runtime, frames = sdmae(), video(length)
    maps: list[np.ndarray] = []
    wanted = collect(score_frames(runtime, frames, 1), maps)
    assert wanted.index.tolist() == list(range(length)) and np.concatenate(maps).shape == (length, 4, 8)
    assert list(wanted.components) == ["teacher", "student", "class", "map_max"]
    for batch in (2, 7, 64):
        got_maps: list[np.ndarray] = []
        got = collect(score_frames(runtime, frames, batch), got_maps)
        assert np.array_equal(got.index, wanted.index) and np.array_equal(got.time, wanted.time)
        for name, values in wanted.components.items():
            # In units of the component: an absolute tolerance would let a small one be anything.
            np.testing.assert_allclose(got.components[name], values, rtol=1e-4, atol=1e-6 * np.abs(values).max())
        np.testing.assert_allclose(
            np.concatenate(got_maps).astype(float), np.concatenate(maps).astype(float), rtol=5e-3, atol=1e-3
        )


def test_map_max_is_the_maximum_of_the_filtered_maps() -> None:
    runtime, frames = sdmae(map_filter=None), video(12)
    plain = collect(score_frames(runtime, frames, 4)).components["map_max"]
    filtered = collect(score_frames(sdmae(map_filter=(9, 1, 1)), frames, 4)).components["map_max"]
    assert filtered.max() <= plain.max() and filtered.std() < plain.std()


def test_presets_without_a_map_keep_their_components() -> None:
    torch.manual_seed(0)
    runtime = TorchRuntime(SDMAE.from_preset("code", **TINY), "cpu")
    maps: list[np.ndarray] = []
    assert list(collect(score_frames(runtime, video(9), 4), maps).components) == ["teacher", "student"] and not maps


def test_frame_difference_is_what_it_says() -> None:
    frames = video(6)
    got = collect(score_frames(TorchRuntime(FrameDifference((16, 32)), "cpu"), frames)).components["difference"]
    images = [frame.image.astype(float) for frame in frames]
    wanted = [np.abs(images[max(t - 1, 0) if t else 0] - images[t + 1 if t < 5 else t]).mean() for t in range(6)]
    np.testing.assert_allclose(got, wanted, rtol=1e-6)


def test_a_rule_weights_then_smooths() -> None:
    rule = ScoreRule(Combination({"a": 2.0, "b": -1.0}), Smoothing("none"))
    assert rule({"a": np.array([1.0, 2]), "b": np.array([1.0, 1]), "c": np.array([9.0, 9])}).tolist() == [1, 3]


def test_an_empty_video_is_an_error() -> None:
    with pytest.raises(VideoError, match="no frame"):
        collect(score_frames(sdmae(), []))


def test_prefetch_keeps_order_bounds_and_errors() -> None:
    made: list[int] = []
    closed = threading.Event()

    def numbers() -> Iterator[int]:
        try:
            for i in range(100):
                made.append(i)
                yield i
        finally:
            closed.set()

    ahead = prefetch(numbers(), depth=2)
    assert [next(ahead) for _ in range(5)] == [0, 1, 2, 3, 4]
    assert len(made) <= 5 + 2 + 1
    ahead.close()
    assert closed.wait(2) and len(made) < 100

    def broken() -> Iterator[int]:
        yield 1
        raise VideoError("damaged")

    seen = []
    with pytest.raises(VideoError, match="damaged"):
        for item in prefetch(broken()):
            seen.append(item)
    assert seen == [1]
