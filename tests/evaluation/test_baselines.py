"""Baselines: each has the value that its definition gives, causal but for the frame difference, in one decoding."""

from __future__ import annotations

import numpy as np
import pytest

from oddframe.evaluation import baselines
from oddframe.evaluation.baselines import BASELINES, RunningMedian, baseline_scores, combination_of, median_of
from oddframe.models.optical_flow import FARNEBACK, SIZE
from oddframe.street.render import World
from oddframe.video.sources import ArrayVideo

H, W = baselines.SIZE


def video(values: list[int], patch: int = 0) -> ArrayVideo:
    """Flat grey frames of these values, the upper left quarter brighter by `patch`."""
    frames = np.stack([np.full((H, W, 3), value, np.uint8) for value in values])
    frames[:, : H // 2, : W // 2] += np.uint8(patch)
    return ArrayVideo(frames, fps=10.0, name="flat")


def measured(source: ArrayVideo, background: np.ndarray | None = None) -> dict[str, np.ndarray]:
    return baseline_scores(source, background).components


def test_values_by_hand() -> None:
    found = measured(video([10, 10, 40, 40, 40]))
    assert list(found) == ["frame_difference", "optical_flow", "clock", "running_median"]
    assert found["frame_difference"].tolist() == [0, 30, 30, 0, 0]  # before and after; beyond the ends the frame itself
    assert found["clock"].tolist() == [0, 1, 2, 3, 4]
    assert found["optical_flow"][0] == 0
    assert found["running_median"].tolist() == [0, 0, 30, 30, 30], "the next sample comes after half a second"


def test_one_frame_is_a_video() -> None:
    found = measured(video([10]))
    assert {name: values.tolist() for name, values in found.items()} == {name: [0.0] for name in found}


def test_the_median_of_normal_video_is_the_background_where_it_is_given() -> None:
    background = median_of([np.full((H // 2, W // 2), value, np.uint8) for value in (20, 30, 100)])
    found = measured(video([30, 90], patch=8), background)
    assert "running_median" not in found
    np.testing.assert_allclose(found["median_background"], [8 / 4, 60 + 8 / 4])


def test_the_running_median_forgets_after_a_minute_and_skips_what_is_close() -> None:
    running = RunningMedian()
    dark, bright = np.zeros((2, 2), np.uint8), np.full((2, 2), 200, np.uint8)
    for tick in range(40):
        assert running.push(tick * 0.1, dark).max() == 0
    assert len(running._kept) == 8, "two a second"
    assert running.push(4.0, bright).max() == 0, "one bright picture among eight dark ones"
    assert running.push(100.0, bright).min() == 200


def test_nothing_later_changes_a_value() -> None:
    """But for the frame difference, which looks one frame ahead."""
    frames = np.stack([frame.image for frame in World(5, (48, 84), 10.0).video(0, 4)])
    whole, cut = (baseline_scores(ArrayVideo(part, fps=10.0)).components for part in (frames, frames[:20]))
    for name, values in cut.items():
        last = 19 if name == "frame_difference" else 20
        np.testing.assert_array_equal(values[:last], whole[name][:last], name)


def test_one_decoding_serves_all(monkeypatch: pytest.MonkeyPatch) -> None:
    opened = []
    real = baselines.VideoReader

    def counted(*arguments: object) -> object:
        opened.append(arguments)
        return real(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(baselines, "VideoReader", counted)
    measured(video([1, 2, 3]))
    assert len(opened) == 1


def test_flow_is_that_of_the_detector_of_the_same_name() -> None:
    assert baselines.FARNEBACK == FARNEBACK and baselines.FLOW_SIZE == SIZE


def test_a_baseline_is_a_score_of_its_own() -> None:
    for name in BASELINES:
        assert combination_of(name).weights == {name: 1.0} and combination_of(name).scale == "none"
