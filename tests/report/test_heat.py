from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from oddframe.report.heat import Heat
from oddframe.types import FrameScores, VideoInfo

GREY = np.full((60, 80, 3), 120, dtype=np.uint8)


def video(maps: NDArray[np.float64], score: NDArray[np.float64]) -> FrameScores:
    n = len(maps)
    info = VideoInfo("v", "v.mp4", 80, 60, 25.0)
    return FrameScores("v", np.arange(n), np.arange(n) / 25, {}, score, info, map=maps.astype(np.float16))


def change(heat: Heat, position: int) -> NDArray[np.int64]:
    """How much each pixel of a grey picture is coloured."""
    return np.abs(heat.blend(GREY, position).astype(np.int64) - GREY).max(axis=2)


def noise(frames: int) -> NDArray[np.float64]:
    return np.random.default_rng(3).normal(10, 1, (frames, 6, 8))


def test_calm_video_stays_calm() -> None:
    heat = Heat(video(noise(200), np.zeros(200)), threshold=1.0)
    strongest = [change(heat, position).max() for position in range(200)]
    assert np.median(strongest) == 0
    assert np.quantile(strongest, 0.95) < 60


def test_a_hot_place_is_red_and_the_rest_untouched() -> None:
    maps, score = noise(200), np.zeros(200)
    maps[100:120, 1:3, 5:7] = 30.0
    score[100:120] = 2.0
    picture = Heat(video(maps, score), threshold=1.0).blend(GREY, 110)
    blue, _, red = (int(value) for value in picture[20, 60])
    assert red - blue > 80
    assert np.abs(picture[40:, :40].astype(int) - GREY[40:, :40]).max() <= 2


def test_one_scale_for_the_whole_video() -> None:
    maps, score = noise(50), np.zeros(50)
    maps[20:30, 2, 2] = 20.0
    maps[5] = maps[25]  # the same map on a frame that is not an alarm
    score[20:30] = 2.0
    heat = Heat(video(maps, score), threshold=1.0)
    assert (heat.blend(GREY, 5) == heat.blend(GREY, 25)).all()


def test_an_alarm_from_end_to_end_still_shows_where() -> None:
    maps = noise(50)
    maps[:, 2:4, 2:4] = 20.0
    heat = Heat(video(maps, np.full(50, 2.0)), threshold=1.0)
    hot = change(heat, 25)
    assert hot[30, 30] > 50
    assert hot[:10].max() <= 2


def test_flat_maps_and_a_single_frame_paint_nothing() -> None:
    one = video(np.full((1, 6, 8), 4.0), np.zeros(1))
    for scores in (one, replace(one, score=np.full(1, 2.0))):
        assert change(Heat(scores, threshold=1.0), 0).max() == 0


def test_the_frame_itself_is_not_drawn_on() -> None:
    maps, score = noise(10), np.r_[np.zeros(9), 2.0]
    maps[9] = 50.0
    picture = GREY.copy()
    Heat(video(maps, score), threshold=1.0).blend(picture, 9)
    assert (picture == GREY).all()
