"""Reasons in words: each number and each direction is that of what moved, against what moved there before."""

from __future__ import annotations

import numpy as np
import pytest
from moving import INFO, chunks, crossing, film, learn

from oddframe.models.monitors import Monitors
from oddframe.models.reasons import (
    Reason,
    explain_light,
    explain_object,
    explain_speed,
    explain_stay,
    explain_velocity,
    times,
    where,
)
from oddframe.models.scene import SceneDetector
from oddframe.video.decode import Frame

NEAR = np.array([[1.0, 2.0], [2.0, 4.0]])
RIGHT = np.array([[2.0, 0.0], [3.0, 0.1], [2.5, -0.1]])


@pytest.mark.parametrize(
    ("own", "near", "words"),
    [
        ([6.0, 8.0], NEAR, "moves 3.0 times as fast as anything seen at this place"),
        ([90.0, 8.0], NEAR, "moves more than 10 times as fast as anything seen at this place"),
        ([2.1, 4.0], NEAR, "moves at a speed that was not seen at this place"),
        ([0.1, 0.2], NEAR[:0], "moves where nothing was seen to move"),
    ],
)
def test_speeds(own: list[float], near: np.ndarray, words: str) -> None:
    assert explain_speed(np.array(own), near) == words


@pytest.mark.parametrize(
    ("own", "near", "words"),
    [
        ([-2.0, 0.0], RIGHT, "goes against the usual direction at this place"),
        ([0.1, 2.0], RIGHT, "goes in a direction that is not usual at this place"),
        ([6.0, 0.0], RIGHT, "goes 2.0 times as fast as anything seen to go this way at this place"),
        ([2.6, 0.0], RIGHT, "goes in a way that was not seen at this place"),
        ([2.0, 0.0], RIGHT * 0.09, "goes where nobody goes"),
        ([2.0, 0.0], RIGHT[:0], "goes where nobody goes"),
        ([0.1, 0.0], RIGHT, "hardly moves where others pass"),
    ],
)
def test_velocities(own: list[float], near: np.ndarray, words: str) -> None:
    assert explain_velocity(np.array(own), near) == words


def test_one_odd_exemplar_among_many_is_not_the_usual_direction() -> None:
    near = np.concatenate([np.repeat(RIGHT, 10, axis=0), [[-2.0, 0.0]]])
    assert explain_velocity(np.array([-2.0, 0.0]), near) == "goes against the usual direction at this place"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ((np.log(4), 0, 0), "a thing moves that is 4.0 times as large as any that moved at this place"),
        ((-np.log(4), 0, 0), "a thing moves that is smaller than any that moved at this place"),
        ((0, 2, 0), "a thing moves that is taller for its width than any that moved at this place"),
        ((0, -2, 0), "a thing moves that is wider for its height than any that moved at this place"),
        ((0, 0, 4), "a thing moves 3.0 times as fast as any that moved at this place"),
        ((0, 0, 0), "a thing moves whose size, shape and motion were not seen together at this place"),
    ],
)
def test_objects(change: tuple[float, float, float], words: str) -> None:
    usual = np.array([2.0, 0.5, 2.0, 2.0, 0.0, 3.0])
    assert explain_object(usual + [*change, 0, 0, 0], usual[None], np.ones(6)) == words
    assert explain_object(usual, np.zeros((0, 6)), np.ones(6)) == "a thing moves where none was seen to move"


def test_stays_and_lights() -> None:
    assert explain_stay(40.4, False, 0.01) == "something has stood for 40 s where nobody stays"
    assert explain_stay(60, True, 0.4) == "something has stood for at least 60 s where things stay for less time"
    day, night = np.log([[100.0, 50, 20], [20, 10, 4]])
    known = np.stack([day, night])
    start = "the scene has changed: not like any light it has learned "
    bright = explain_light(np.log([250.0, 50, 20]), known)
    assert bright == f"{start}(2.5 times as bright as in the nearest of them)"
    assert explain_light(np.log([50.0, 50, 20]), known) == f"{start}(2.0 times darker than in the nearest of them)"
    grey = explain_light(np.log([100.0, 50, 4]), known)
    assert grey == f"{start}(5.0 times less colour than in the nearest of them)"


def test_a_place_is_told_in_words_and_in_pixels() -> None:
    assert where((0.0, 0.0, 0.2, 0.2)) == "in the upper left"
    assert where((0.4, 0.4, 0.6, 0.6)) == "in the centre"
    assert where((0.9, 0.4, 1.0, 0.6)) == "on the right"
    assert where((0.4, 0.9, 0.6, 1.0)) == "in the lower centre"
    reason = Reason("something", (0.25, 0.5, 0.5, 1.0))
    assert reason.sentence(200, 100) == "something, in the lower centre (x 50 to 100, y 50 to 100)"
    assert Reason("the whole").sentence(200, 100) == "the whole" and times(2.04) == "2.0 times"


@pytest.fixture(scope="module")
def fitted() -> Monitors:
    detector = Monitors.for_video(INFO, exemplars=300, rows=4000)
    learn(detector, [film(crossing(speed, start=start), 8) for speed, start in ((14, 20.0), (20, 60.0))])
    return detector


def told(detector: Monitors, component: str, frames: list[Frame]) -> Reason:
    reason = detector.explain(component, chunks(frames, detector.window))
    assert reason is not None
    return reason


@pytest.mark.slow
def test_monitors_tell_speed_direction_and_place(fitted: Monitors) -> None:
    fast = told(fitted, "speed", film(crossing(60, start=24.0), 1.2))
    assert fast.words.startswith("moves ") and fast.words.endswith("times as fast as anything seen at this place")
    assert 2.2 < float(fast.words.split()[1]) < 3.8, "60 pixels a second where 20 was the fastest"
    back = told(fitted, "velocity", film(crossing(-20, start=100.0), 1.2))
    assert back.words == "goes against the usual direction at this place"
    assert back.place is not None and where(back.place) in ("in the centre", "on the left", "on the right")
    assert told(fitted, "speed", film(crossing(20, y=92.0, start=40.0), 1.2)).words == (
        "moves where nothing was seen to move"
    )


@pytest.mark.slow
def test_monitors_tell_how_long_something_has_stood(fitted: Monitors) -> None:
    def path(time: float) -> tuple[float, float] | None:
        return None if time < 2 else (min(40 * (time - 2), 60.0), 90.0)

    reason = told(fitted, "dwell", film(path, 16))
    assert reason.words.startswith("something has stood for ") and reason.words.endswith(" s where nobody stays")
    assert 11 <= int(reason.words.split()[4]) <= 15, "it stopped after 3.5 s"
    assert reason.place is not None and "lower" in where(reason.place)
    assert fitted.explain("dwell", chunks(film(lambda time: None, 6), fitted.window)) is None


def test_to_explain_does_not_disturb_what_is_being_scored(fitted: Monitors) -> None:
    pieces = list(chunks(film(crossing(20, start=30.0), 4), fitted.window))
    fitted.begin_video()
    whole = [fitted.score(piece).components["speed"] for piece in pieces]
    fitted.begin_video()
    again = []
    for piece in pieces:
        again.append(fitted.score(piece).components["speed"])
        fitted.explain("speed", [piece])
    np.testing.assert_array_equal(np.concatenate(whole), np.concatenate(again))


def test_scene_tells_which_place_has_changed_and_how() -> None:
    detector = SceneDetector.for_video(INFO, rows=8, columns=16)
    learn(detector, [film(lambda time: None, 6)])
    changed = film(lambda time: (8.0, 8.0), 0.2)  # the square is brighter than the ground
    reason = detector.explain("place", chunks(changed, detector.window))
    assert reason is not None and reason.words.startswith("a place is brighter than usual, by ")
    assert reason.place is not None and where(reason.place) == "in the upper left"
    dark = detector.explain("light", chunks(film(lambda time: None, 0.2, gain=lambda time: 0.25), detector.window))
    assert dark is not None and "darker than in the nearest of them" in dark.words
    known = detector.explain("light", chunks(changed, detector.window))
    assert known is None, "no word of a change of light where the light is one that was learned"
