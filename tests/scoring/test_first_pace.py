"""The rate that a filter in seconds goes by is the pace of the first frames, which a stream and a file know alike."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from oddframe.errors import VideoError
from oddframe.scoring.combine import ScoreRule, ScoreStream
from oddframe.scoring.smooth import first_pace, smooth
from oddframe.settings import Smoothing
from oddframe.types import Combination, VideoInfo
from oddframe.video.decode import Frame
from oddframe.video.pauses import PACED
from oddframe.video.rate import PacedFrames, paced

SECONDS = Smoothing("causal", 19, 5.6, rate=12.5)
RULE = ScoreRule(Combination({"a": 1.0}), SECONDS)
INFO = VideoInfo("cam", "rtsp://cam", 64, 32, None)


def stamps(
    rate: float, count: int, pauses: dict[int, float] | None = None, later: float | None = None
) -> NDArray[np.float64]:
    """(N,) seconds at this rate, with pauses before some frames, and at another rate from frame 60 on."""
    steps = np.full(count, 1 / rate)
    if later is not None:
        steps[60:] = 1 / later
    for number, seconds in (pauses or {}).items():
        steps[number] += seconds
    steps[0] = 0
    return np.cumsum(steps)


VIDEOS = {
    "even": stamps(25, 150), "slow": stamps(5, 90), "faster later": stamps(10, 150, later=30),
    "a pause among the first frames": stamps(25, 120, {3: 40.0, 20: 5.0}),
    "short": stamps(10, 20), "one": stamps(10, 1),
    "rounded": np.round(stamps(29.97, 100), 3), "exactly as many": stamps(10, PACED),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("time", VIDEOS.values(), ids=list(VIDEOS))
@settings(deadline=None, max_examples=25)
@given(cuts=st.lists(st.integers(1, 40), min_size=1, max_size=12))
def test_scores_do_not_depend_on_how_a_video_is_cut(time: NDArray[np.float64], cuts: list[int]) -> None:
    values = np.random.default_rng(0).normal(size=len(time))
    stream, got, start = ScoreStream(RULE), [], 0
    for length in cuts * len(time):
        got.append(stream.push({"a": values[start : start + length]}, time[start : start + length]))
        start += length
    got.append(stream.flush())
    whole = RULE({"a": values}, time)
    assert np.concatenate(got).tobytes() == whole.tobytes() and len(whole) == len(time)
    assert whole.tobytes() == smooth(values, SECONDS, time).tobytes()


def test_scores_wait_for_the_rate_and_then_for_nothing() -> None:
    time = stamps(10, 60)
    stream, done = ScoreStream(RULE), 0
    for number in range(60):
        done += len(stream.push({"a": np.ones(1)}, time[number : number + 1]))
        assert done == (number + 1 if number + 1 >= PACED else 0)
    for how in (Smoothing("causal", 19, 5.6), Smoothing("none", rate=12.5)):
        frames = ScoreStream(ScoreRule(Combination({"a": 1.0}), how))
        assert len(frames.push({"a": np.ones(1)}, time[:1])) == 1


def test_a_constant_rate_is_that_of_the_whole_video() -> None:
    for rate in (5, 10, 12.5, 23.976, 25, 29.97, 30, 50, 59.94):
        time = np.round(stamps(rate, 400), 3)
        assert SECONDS.at(first_pace(time)) == SECONDS.at(rate), rate
    assert first_pace(VIDEOS["a pause among the first frames"]) == pytest.approx(25)
    assert first_pace(stamps(10, 1)) is None


def picked(time: NDArray[np.float64], learned: float | None, info: VideoInfo = INFO) -> list[int]:
    frames = [Frame(number, float(moment), np.zeros((1, 1, 1), np.uint8)) for number, moment in enumerate(time)]
    return [frame.index for frame in paced(frames, info, learned)]


def test_frames_are_picked_by_the_rate_of_the_first_ones() -> None:
    assert picked(stamps(25, 100), 25.0) == list(range(100)) == picked(stamps(25, 100), None)
    assert picked(stamps(50, 100), 25.0) == list(range(0, 100, 2))
    wrong = VideoInfo("cam", "cam.mp4", 64, 32, 25.0)  # a header that is not true
    assert picked(stamps(50, 100), 25.0, wrong) == list(range(0, 100, 2))
    assert picked(stamps(10, 20), 25.0, VideoInfo("cam", "f", 64, 32, 25.0, rate="assumed")) == list(range(20))
    assert picked(stamps(10, 1), 25.0) == [0]
    with pytest.raises(VideoError, match="rtsp://cam: 10 frames/s, fewer than the 25"):
        picked(stamps(10, 40), 25.0)


def test_picked_frames_wait_for_the_rate_alone() -> None:
    chosen, done = PacedFrames(INFO, 10.0), 0
    for number, moment in enumerate(stamps(10, 50)):
        done += len(chosen.push(Frame(number, float(moment), np.zeros((1, 1, 1), np.uint8))))
        assert done == (number + 1 if number + 1 >= PACED else 0)
