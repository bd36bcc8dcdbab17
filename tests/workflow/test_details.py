"""Details of a test set: a set of a single video has an interval too."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from oddframe.datasets.labelled import LabelledSet, LabelledVideo
from oddframe.evaluation.protocols import HONEST
from oddframe.scoring.combine import ScoreRule
from oddframe.scoring.promise import Promise
from oddframe.scoring.smooth import Smoothing
from oddframe.types import Combination, Event, FrameScores, VideoInfo
from oddframe.video.sources import VideoSource
from oddframe.workflow.details import hold_against, measure


@pytest.mark.parametrize("fps, block", [(5.0, 50), (25.0, 250), (0.05, 1)])
def test_one_video_is_resampled_in_blocks_of_ten_seconds(fps: float, block: int) -> None:
    frames, rng = 1200, np.random.default_rng(0)
    labels = (np.arange(frames) % 100 < 20).astype(np.int8)
    components = {"a": rng.normal(size=frames) + labels}
    info = VideoInfo("a", "a", 8, 8, None)
    scores = FrameScores("a", np.arange(frames), np.arange(frames) / fps, components, components["a"], info)
    labelled = LabelledSet("set", (LabelledVideo(VideoSource("a", Path("a.mp4"), "file"), labels),))
    rule = ScoreRule(Combination({"a": 1.0}, scale="none"), Smoothing("none"))
    found = measure([scores], labelled, HONEST, rule, None)
    assert found.micro_auc.block == block
    assert found.micro_auc.low < found.micro_auc.value < found.micro_auc.high


PROMISE = Promise(2.0, 5.0, 4.0, 10.0, 20, 2.8, 0.95, 0.01, 1.0, "counted")


def hour(times: np.ndarray) -> FrameScores:
    zeros = np.zeros(len(times))
    return FrameScores("a", np.arange(len(times)), times, {"a": zeros}, zeros, VideoInfo("a", "a", 8, 8, None))


def event(start: int, end: int) -> Event:
    return Event("a", start, start, end, float(start), float(start), float(end), 9.0)


def test_alarms_on_normal_frames_are_held_against_the_promise() -> None:
    scores = hour(np.arange(3600.0))
    labels = {"a": (np.arange(3600) >= 3000).astype(np.int8)}
    events = [event(100, 110), event(500, 1200), event(2990, 3100), event(3200, 3300)]
    found = hold_against(PROMISE, [scores], labels, events)
    assert found.alarms == 1 + 3 + 0 + 0, "700 s of alarm count as three; what touches an anomaly is no false alarm"
    assert found.hours == pytest.approx(3000 / 3600) and found.per_hour == pytest.approx(4.8)
    assert found.share == pytest.approx((11 + 701 + 10) / 3000)
    assert found.sentence() == (
        "promised 2 alarms per hour, and one can be 95 % sure that the true rate is below 2.8 per hour; had 4.8 per "
        "hour (4 alarms in 50 min of normal "
        "frames, 24.1% of it in alarm)"
    )


def test_one_endless_alarm_is_not_no_alarm() -> None:
    labels = {"a": (np.arange(3600) >= 3590).astype(np.int8)}
    found = hold_against(PROMISE, [hour(np.arange(3600.0))], labels, [event(0, 3599)])
    assert found.alarms == 11 and found.share == 1.0


def test_a_pause_is_no_time_without_alarms() -> None:
    times = np.concatenate([np.arange(600.0), 90_000 + np.arange(600.0)])
    found = hold_against(PROMISE, [hour(times)], {"a": np.zeros(1200, np.int8)}, [])
    assert found.hours == pytest.approx(1200 / 3600) and found.verdict == "fits"


def test_a_set_without_normal_frames_has_no_rate() -> None:
    found = hold_against(PROMISE, [hour(np.arange(60.0))], {"a": np.ones(60, np.int8)}, [event(1, 5)])
    assert found.hours == 0 and np.isnan(found.per_hour) and found.verdict == "unknown"
    assert found.sentence().endswith("the test set has no normal frames")
