"""Which stretches are learned from: all of a little video, an even sample of much, and nothing twice."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import oddframe.workflow.stretches as stretches_module
from oddframe.types import VideoInfo, Window
from oddframe.video.decode import VideoReader
from oddframe.video.encode import VideoWriter
from oddframe.video.sources import ArrayVideo, VideoSource
from oddframe.workflow.stretches import (
    LENGTH,
    NormalVideo,
    Stretch,
    divide,
    measure_videos,
    read_chunks,
    sample_stretches,
)
from tests.torture.cages import write_video

LENGTHS = st.lists(st.floats(5, 90_000), min_size=1, max_size=6)


def videos(lengths: list[float]) -> list[NormalVideo]:
    return [
        NormalVideo(VideoSource(str(n), Path(str(n)), "file"), VideoInfo(str(n), "", 64, 48, 25.0), seconds)
        for n, seconds in enumerate(lengths)
    ]


@given(LENGTHS, st.integers(0, 5))
def test_a_sample_stays_inside_the_videos_and_is_no_longer_than_asked(lengths: list[float], seed: int) -> None:
    found = sample_stretches(videos(lengths), 600.0, seed)
    assert sum(stretch.seconds for stretch in found) <= max(600.0, min(sum(lengths), 600.0)) + 1e-6
    for stretch in found:
        assert 0 <= stretch.start < stretch.stop <= stretch.video.seconds + 1e-6
    if sum(lengths) <= 600:
        assert [(s.start, s.stop) for s in found] == [(0.0, length) for length in lengths]


def test_a_sample_of_a_week_is_spread_over_all_of_it() -> None:
    week = videos([3600.0] * 168)
    found = sample_stretches(week, 1800.0, 0)
    hours = [int(stretch.video.source.name) for stretch in found]
    assert len(found) == 1800 // LENGTH and np.diff(hours).max() <= 4 and hours == sorted(hours)
    assert [s.start for s in sample_stretches(week, 1800.0, 1)] != [s.start for s in found]
    assert sample_stretches(week, 1800.0, 0) == found


@pytest.mark.parametrize("lengths", [[18.0], [30.0, 40.0], [60.0] * 12])
def test_every_second_is_held_out_once_and_never_learned_by_its_own_fold(lengths: list[float]) -> None:
    stretches = sample_stretches(videos(lengths), 1e6, 0)
    folds = divide(stretches, 2, 2.0)
    held = [part for _, own in folds for part in own]
    assert sum(part.seconds for part in held) == pytest.approx(sum(lengths))
    for learned, own in folds:
        assert learned and own
        for part in learned:
            for other in own:
                if part.video is other.video:
                    assert part.stop <= other.start - 2.0 or part.start >= other.stop + 2.0


def test_a_stretch_is_read_from_the_middle_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "long.mp4"
    with VideoWriter(path, (48, 64), 10.0) as writer:
        for n in range(400):
            writer.write(np.full((48, 64, 3), n % 200 + 20, np.uint8))
    source = VideoSource("long", path, "file")
    (video,), skipped = measure_videos([source])
    assert not skipped and video.seconds == pytest.approx(40.0)
    chunks = list(read_chunks(Stretch(video, 25.0, 31.0), Window((0,), (48, 64), colour="rgb")))
    times = np.concatenate([chunk.time for chunk in chunks])
    np.testing.assert_allclose(times, np.arange(250, 310) / 10, atol=1e-6)
    first = chunks[0].frames[0].mean()
    assert abs(first - (250 % 200 + 20)) < 3, "it is the frame of that time"
    with VideoReader(source, (48, 64), "rgb", start=25.0) as reader:
        frames = list(reader)
    assert len(frames) == 150 and frames[0].index == 0 and not reader.info.damage


def test_frames_in_memory_are_entered_in_the_middle_too() -> None:
    frames = np.arange(40, dtype=np.uint8).repeat(48 * 64).reshape(40, 48, 64)
    with VideoReader(ArrayVideo(frames, 10.0), (48, 64), "gray", start=2.0) as reader:
        got = list(reader)
    assert [round(frame.time, 6) for frame in got][:2] == [2.0, 2.1] and got[0].image[0, 0, 0] == 20


def test_a_header_that_promises_hours_is_held_against_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = VideoSource("v", write_video(tmp_path / "v.avi", 50), "file")
    assert sum(video.seconds for video in measure_videos([source])[0]) == pytest.approx(5.0, abs=0.2)
    real = stretches_module.probe
    monkeypatch.setattr(stretches_module, "probe", lambda s: replace(real(s), frames=10**6))
    assert sum(video.seconds for video in measure_videos([source])[0]) == pytest.approx(5.0, abs=0.2)
