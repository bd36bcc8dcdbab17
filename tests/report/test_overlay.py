from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from oddframe.errors import VideoError
from oddframe.report.overlay import picture_size, write_overlay
from oddframe.types import FrameScores, VideoInfo
from oddframe.video.decode import VideoReader
from oddframe.video.sources import VideoSource

if TYPE_CHECKING:
    from tests.report.conftest import Scene

THRESHOLD = 1.0
Film = tuple[NDArray[np.uint8], NDArray[np.float64]]


def read(path: Path) -> Film:
    with VideoReader(VideoSource(path.stem, path, "file")) as reader:
        frames = list(reader)
    return np.stack([frame.image for frame in frames]), np.array([frame.time for frame in frames])


@pytest.fixture(scope="module")
def overlay(scene: Scene, tmp_path_factory: pytest.TempPathFactory) -> Film:
    path = tmp_path_factory.mktemp("overlay") / "overlay.mp4"
    write_overlay(path, scene.source, scene.scores, THRESHOLD, scene.events)
    assert [file.name for file in path.parent.iterdir()] == ["overlay.mp4"]
    return read(path)


def redness(pixels: NDArray[np.uint8]) -> float:
    """How much more red than blue, on average."""
    return float(pixels[..., 2].astype(float).mean() - pixels[..., 0].astype(float).mean())


def test_small_videos_are_enlarged_and_keep_their_times(scene: Scene, overlay: Film) -> None:
    frames, times = overlay
    assert frames.shape[0] == len(scene.time)
    assert frames.shape[2] == 320
    assert 240 < frames.shape[1] < 340  # picture and strip
    assert np.allclose(times, scene.time, atol=1e-3)


def test_heat_shows_where_and_when_it_is_abnormal(overlay: Film) -> None:
    frames, _ = overlay
    where = np.s_[90:150, 210:270]  # cells 2..3 x 5..6 of the 6 x 8 grid, on a picture of 240 x 320
    assert redness(frames[(25, *where)]) > 40
    assert abs(redness(frames[(5, *where)])) < 6
    assert abs(redness(frames[25][60:240, :120])) < 6


def test_the_cursor_runs_along_the_strip(scene: Scene, overlay: Film) -> None:
    frames, _ = overlay
    strips = frames[:, 265:, :].astype(int).min(axis=3)  # below the header; white only where the cursor is
    places = strips.mean(axis=1).argmax(axis=1)
    expected = np.interp(scene.time, [0, scene.time[-1]], [5, 314])
    assert np.abs(places - expected).max() <= 3


def test_the_curve_ahead_is_dimmer_than_the_curve_played(overlay: Film) -> None:
    frames, _ = overlay
    strip = np.s_[262:, 10:60]
    assert frames[(-1, *strip)].mean() > frames[(0, *strip)].mean() + 1


def test_an_event_is_announced_while_it_lasts(overlay: Film) -> None:
    frames, _ = overlay
    tags = [redness(frame[8:20, 8:55]) > 60 for frame in frames]
    assert tags == [20 <= index < 30 for index in range(len(frames))]


def test_frames_without_score_and_scores_without_map(scene: Scene, tmp_path: Path) -> None:
    kept = slice(4, -3)
    old = scene.scores
    scores = FrameScores("gate", old.frame[kept], old.time[kept], {}, old.score[kept], old.info)
    write_overlay(tmp_path / "o.mp4", scene.source, scores, THRESHOLD, [])
    frames, _ = read(tmp_path / "o.mp4")
    assert len(frames) == len(scene.time)
    assert abs(redness(frames[25][60:240])) < 6


def test_nothing_is_left_of_an_overlay_that_failed(scene: Scene, tmp_path: Path) -> None:
    gone = replace(scene.source, path=tmp_path / "gone.mp4")
    with pytest.raises(VideoError):
        write_overlay(tmp_path / "o.mp4", gone, scene.scores, THRESHOLD, scene.events)
    assert list(tmp_path.iterdir()) == []


@given(st.integers(16, 4096), st.integers(16, 4096))
def test_picture_size(width: int, height: int) -> None:
    down, across = picture_size(VideoInfo("v", "v.mp4", width, height, None))
    assert down % 2 == across % 2 == 0
    assert max(down, across) <= 960
    assert across >= 318 or down >= 958 or across >= width - 1  # wide enough, unless that makes it too tall
    assert abs(across * height - down * width) <= 2 * max(width, height)  # same shape, up to rounding


def test_picture_size_of_usual_videos() -> None:
    sizes = {(160, 120): (240, 320), (360, 240): (240, 360), (1920, 1080): (540, 960), (1080, 1920): (960, 540)}
    assert {s: picture_size(VideoInfo("v", "v.mp4", *s, None)) for s in sizes} == sizes


@pytest.mark.slow
@pytest.mark.realdata
@pytest.mark.parametrize("name", ["rotated_90.mp4", "odd_351x239_mpeg4.avi", "hevc_10bit.mp4", "corrupt_middle.mp4"])
def test_unusual_real_videos_keep_their_shape_and_every_frame(name: str, shared_data: Path, tmp_path: Path) -> None:
    source = VideoSource("v", shared_data / "videos" / "broken" / name, "file")
    with VideoReader(source, size=(30, 40)) as reader:
        time = np.array([frame.time for frame in reader])
    info = reader.info
    scores = FrameScores("v", np.arange(len(time)), time, {}, np.linspace(0, 2, len(time)), info)
    write_overlay(tmp_path / "o.mp4", source, scores, THRESHOLD, [])
    frames, times = read(tmp_path / "o.mp4")
    height, width = picture_size(info)
    assert len(frames) == info.frames
    assert (frames.shape[2], frames.shape[1] > height) == (width, True)
    assert abs(width / height - info.width / info.height) < 0.02
    assert np.allclose(times, time, atol=1e-3)
