"""Drift of the score: a change of its minutes is told, events and short video are not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from oddframe.scoring.drift import FEWEST, LIMIT, DriftFinder, NormalScore, normal_score
from oddframe.scoring.findings import find_drift, held_by
from oddframe.scoring.sentinel import FaultChange
from oddframe.types import CameraFault, Event, FrameScores, VideoInfo

FPS = 5.0
INFO = VideoInfo("cam", "cam.mp4", 64, 48, FPS, key="k")


def curve(minutes: float, seed: int = 0, rise: float = 0.0) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Scores with a slow wave and noise; `rise` is added from the middle on."""
    time = np.arange(round(minutes * 60 * FPS)) / FPS
    rng = np.random.default_rng(seed)
    wave = 0.3 * np.sin(time / 97) + 0.2 * np.sin(time / 41 + 1)
    return time, 5 + wave + rng.normal(0, 0.5, len(time)) + rise * (time > time[-1] / 2)


@pytest.fixture(scope="module")
def normal() -> NormalScore:
    found = normal_score([curve(10), curve(10, 1)])
    assert found is not None
    return found


def found(normal: NormalScore, time: NDArray[np.float64], score: NDArray[np.float64]) -> list[FaultChange]:
    finder = DriftFinder(normal, INFO, "b")
    return finder.push(np.arange(len(time)), time, score) + finder.flush()


def test_hours_of_normal_scores_do_not_drift(normal: NormalScore) -> None:
    assert found(normal, *curve(300, 2)) == []


@pytest.mark.parametrize("rise", [2.0, -2.0])
def test_a_change_of_the_level_is_told_once_with_what_to_do(normal: NormalScore, rise: float) -> None:
    changes = found(normal, *curve(60, 3, rise))
    assert [change.kind for change in changes if change.kind != "updated"] == ["opened", "closed"]
    fault = changes[-1].fault
    assert fault.kind == "drift" and "learn again" in fault.words
    assert ("up" if rise > 0 else "down") in fault.words
    assert 30 * 60 < fault.start_s < 40 * 60 and fault.end_s > 58 * 60


def test_events_do_not_make_a_drift(normal: NormalScore) -> None:
    """A strong event of 20 seconds in every minute."""
    time, score = curve(60, 4)
    assert found(normal, time, score + 50 * (time % 60 < 20)) == []


def test_a_drift_that_is_over_closes(normal: NormalScore) -> None:
    time, score = curve(90, 5)
    changes = found(normal, time, score + 3 * ((time > 1200) & (time < 2400)))
    (closing,) = [change.fault for change in changes if change.kind == "closed"]
    assert 2400 <= closing.end_s < 4200


def test_it_does_not_depend_on_how_the_scores_are_cut(normal: NormalScore) -> None:
    time, score = curve(40, 6, 3.0)
    frame, finder = np.arange(len(time)), DriftFinder(normal, INFO, "b")
    told = []
    for start in range(0, len(time), 77):
        part = slice(start, start + 77)
        told += finder.push(frame[part], time[part], score[part])
    assert told + finder.flush() == found(normal, time, score)


def test_the_sums_of_a_camera_go_on_after_a_disconnection(normal: NormalScore) -> None:
    time, score = curve(4, 7)
    finder = DriftFinder(normal, INFO, "b")
    kinds = []
    for stretch in range(6):
        finder.begin(replace(INFO, key=f"k{stretch}"))
        kinds += [c.kind for c in finder.push(np.arange(len(time)), time, score + 2.5) + finder.flush()]
    assert "opened" in kinds


def test_too_little_video_says_nothing() -> None:
    assert normal_score([curve(FEWEST - 1)]) is None
    assert normal_score([curve(0.4, seed) for seed in range(20)]) is None


def test_the_limit_lies_beyond_what_held_out_video_does() -> None:
    time, score = curve(60, 8)
    wild = normal_score([(time, score + 3 * np.sin(time / 1500))])
    assert wild is not None and wild.limit >= LIMIT
    assert found(wild, time, score + 3 * np.sin(time / 1500)) == []


def test_the_scores_of_a_file_are_judged_the_same(normal: NormalScore) -> None:
    time, score = curve(60, 9, 2.0)
    scores = FrameScores("cam", np.arange(len(time)), time, {"x": score}, score, INFO, "b")
    (fault,) = find_drift(scores, normal)
    assert fault == found(normal, time, score)[-1].fault


def test_a_drift_holds_no_event_and_a_moved_camera_does() -> None:
    event = Event("v", 0, 1, 2, 10.0, 10.5, 11.0, 3.0)
    moved = CameraFault("v", "moved", 0, 9, 4.0, 10.2, 1.5, "words")
    assert held_by([moved], event) == "moved"
    assert held_by([replace(moved, end_s=9.9)], event) == "" == held_by([replace(moved, start_s=11.1)], event)
    assert held_by([replace(moved, kind="drift")], event) == ""
    assert held_by([moved, replace(moved, kind="frozen")], event) == "frozen, moved"
