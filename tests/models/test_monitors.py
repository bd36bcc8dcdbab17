"""Monitors on squares that move at known speeds."""

from __future__ import annotations

import copy
import pickle
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from moving import INFO, SIDE, check_shapes, chunks, crossing, cut, film, learn, same, score

from oddframe.errors import BundleError, InputError, RecipeError
from oddframe.models.monitors import Monitors
from oddframe.types import VideoInfo
from oddframe.video.decode import Frame

SMALL = {"exemplars": 300, "rows": 4000}
NORMAL = [film(crossing(speed, start=start), 10) for speed, start in ((14, 20.0), (20, 60.0), (26, 0.0))]
MIDDLE = slice(20, 60)  # frames in which the square is inside the picture, and means over time are complete


@pytest.fixture(scope="module")
def fitted() -> Monitors:
    detector = Monitors.for_video(INFO, **SMALL)
    learn(detector, NORMAL)
    return detector


def scored(detector: Monitors, frames: list[Frame]) -> dict[str, np.ndarray]:
    return dict(score(detector, chunks(frames, detector.window)).components)


@pytest.fixture(scope="module")
def usual(fitted: Monitors) -> dict[str, float]:
    """The largest of each component over all that was learned."""
    found = [scored(fitted, video) for video in NORMAL]
    return {name: max(float(one[name].max()) for one in found) for name in fitted.components}


@pytest.mark.slow
def test_scores_have_the_shapes_of_the_contract(fitted: Monitors) -> None:
    found = score(fitted, chunks(NORMAL[0], fitted.window))
    check_shapes(fitted, found, len(NORMAL[0]))
    assert fitted.window.size == (120, 160) and fitted.map_grid == (30, 40)


@pytest.mark.slow
def test_a_speed_between_those_that_were_learned_is_normal(fitted: Monitors, usual: dict[str, float]) -> None:
    found = scored(fitted, film(crossing(23, start=40.0), 6))
    assert np.median(found["speed"][MIDDLE]) < usual["speed"]
    assert np.median(found["velocity"][MIDDLE]) < usual["velocity"]


def test_double_speed_scores_above_everything_that_was_learned(fitted: Monitors, usual: dict[str, float]) -> None:
    found = scored(fitted, film(crossing(52, start=0.0), 6))
    moving = slice(10, 24)
    for name in ("speed", "velocity", "objects"):
        assert found[name][moving].min() > 1.2 * usual[name], name


def test_the_wrong_direction_is_seen_by_velocity_and_not_by_speed(fitted: Monitors, usual: dict[str, float]) -> None:
    found = scored(fitted, film(crossing(-20, start=160.0), 6))
    assert found["velocity"][MIDDLE].min() > 1.5 * usual["velocity"]
    assert np.median(found["speed"][MIDDLE]) < 1.2 * usual["speed"]


def test_motion_where_nothing_ever_moved_is_unusual_and_the_map_says_where(
    fitted: Monitors, usual: dict[str, float]
) -> None:
    result = score(fitted, chunks(film(crossing(20, y=92.0, start=40.0), 4), fitted.window))
    assert result.components["speed"][10:].min() > 1.2 * usual["speed"]
    assert result.map is not None
    row, column = np.unravel_index(int(result.map[20].argmax()), result.map[20].shape)
    x = crossing(20, start=40.0)(2.0)[0]  # type: ignore[index]
    assert 92 - 8 <= row * 4 <= 92 + SIDE + 8 and x - 8 <= column * 4 <= x + SIDE + 8


@pytest.mark.slow
def test_an_object_that_stops_raises_dwell_after_seconds_and_is_silent_in_speed(
    fitted: Monitors, usual: dict[str, float]
) -> None:
    def path(time: float) -> tuple[float, float]:
        return min(20 * time, 60.0), 48.0  # stops after three seconds

    found = scored(fitted, film(path, 12))
    for name in ("speed", "velocity", "objects"):  # noise may move single cells
        assert np.median(found[name][36:]) == 0 and found[name][40:].max() < 0.5 * usual[name], name
    assert found["dwell"][:40].max() < 1.5 * usual["dwell"]
    assert found["dwell"][80:].min() > 2 * usual["dwell"]
    assert (np.diff(found["dwell"][40:75]) > -1e-6).all()


@pytest.mark.slow
def test_flicker_and_steps_of_exposure_do_not_raise_dwell(fitted: Monitors, usual: dict[str, float]) -> None:
    def gain(time: float) -> float:
        return 1 + 0.1 * np.sin(3 * time) if time < 6 else 0.7

    found = scored(fitted, film(crossing(20, start=40.0), 12, gain=gain))
    assert found["dwell"].max() < 1.5 * max(usual["dwell"], 1.0)


@pytest.mark.slow
def test_the_same_motion_at_another_frame_rate_has_the_same_scores(fitted: Monitors) -> None:
    fast = crossing(40, start=0.0)
    here, there = (scored(fitted, film(fast, 4, fps)) for fps in (10.0, 20.0))
    for name in ("speed", "velocity"):
        assert np.median(there[name][20:60]) == pytest.approx(np.median(here[name][10:30]), rel=0.15), name


def test_the_reference_is_the_pace_of_the_first_video() -> None:
    detector = Monitors.for_video(replace(INFO, fps=None), **SMALL)
    learn(detector, [film(crossing(20), 3, 20.0), film(crossing(20), 3, 10.0)])
    assert detector.state()["interval"] == pytest.approx(0.05)


@pytest.mark.slow
@settings(deadline=None, max_examples=5)
@given(lengths=st.lists(st.integers(1, 12), max_size=6))
def test_any_cutting_into_chunks_gives_the_same_bits(fitted: Monitors, lengths: list[int]) -> None:
    frames = NORMAL[2][:20]
    whole = score(fitted, cut(frames, fitted.window, []))
    same(whole, score(fitted, cut(frames, fitted.window, lengths)))


def test_learning_is_the_same_to_the_bit_however_it_is_cut() -> None:
    states = []
    for batch in (1, 9):
        detector = Monitors.for_video(INFO, **SMALL)
        learn(detector, [video[:25] for video in NORMAL[:2]], seed=5, batch=batch)
        states.append(detector.state())
    for other in states[1:]:
        assert other.keys() == states[0].keys()
        for name, value in states[0].items():
            np.testing.assert_array_equal(other[name], value, err_msg=name)


def test_the_seed_chooses_the_exemplars() -> None:
    first = []
    for seed in (0, 1):
        detector = Monitors.for_video(INFO, exemplars=20, rows=200)
        learn(detector, [NORMAL[0][:40]], seed=seed)
        first.append(detector.state()["speed.exemplars"])
    assert not np.array_equal(*first)


def test_the_state_makes_the_same_detector(fitted: Monitors) -> None:
    other = Monitors.for_video(INFO, **SMALL)
    assert other.state() == {}
    other.load_state({name: value.copy() for name, value in fitted.state().items()})
    frames = NORMAL[1][:20]
    same(score(fitted, chunks(frames, fitted.window)), score(other, chunks(frames, other.window)))


def test_a_state_of_other_frames_or_with_a_hole_is_refused(fitted: Monitors) -> None:
    state = fitted.state()
    wide = Monitors.for_video(VideoInfo("wide", "wide.mp4", 400, 120, 10.0), **SMALL)
    with pytest.raises(BundleError, match="dwell"):
        wide.load_state(state)
    del state["objects.scale"]
    with pytest.raises(BundleError, match=r"objects\.scale"):
        Monitors.for_video(INFO, **SMALL).load_state(state)


@pytest.mark.parametrize("colour", ["rgb", "bgr"])
def test_frames_of_another_size_and_colour_are_brought_to_its_own(fitted: Monitors, colour: str) -> None:
    frames = NORMAL[1][:25]
    large = [Frame(f.index, f.time, f.image.repeat(2, axis=0).repeat(2, axis=1).repeat(3, axis=2)) for f in frames]
    other = Monitors.for_video(INFO, **SMALL, colour=colour)
    other.load_state(fitted.state())
    window = replace(fitted.window, offsets=(-1, 0), size=(240, 320), colour="rgb")
    same(score(fitted, chunks(frames, fitted.window)), score(other, chunks(large, window)))


def test_colours_are_taken_in_their_order() -> None:
    red = np.zeros((120, 160, 3), np.uint8)
    red[..., 0] = 200
    greys = []
    for colour in ("rgb", "bgr"):
        detector = Monitors.for_video(INFO, colour=colour)
        chunk = next(iter(chunks([Frame(0, 0.0, red)], detector.window)))
        greys.append(next(iter(detector._greys(chunk)))[0].mean())
    assert greys == pytest.approx([0.299 * 200, 0.114 * 200], abs=1)


def test_the_size_keeps_the_aspect_ratio_of_the_video() -> None:
    assert Monitors.for_video(VideoInfo("a", "a", 360, 240, None)).window.size == (120, 180)
    assert Monitors.for_video(VideoInfo("a", "a", 1920, 1080, None), height=60).window.size == (60, 108)


def test_a_pause_is_no_motion(fitted: Monitors) -> None:
    before, after = NORMAL[2][:20], NORMAL[2][35:40]  # the square is elsewhere after the pause
    found = scored(fitted, [*before, *(Frame(f.index, f.time - 1.0, f.image) for f in after)])
    assert found["speed"][19] > 0 and found["speed"][20] == found["objects"][20] == 0


def test_it_can_be_copied_and_pickled_while_it_scores(fitted: Monitors) -> None:
    pieces = list(chunks(NORMAL[0][:30], fitted.window, 10))
    fitted.begin_video()
    fitted.score(pieces[0])
    others = [copy.deepcopy(fitted), pickle.loads(pickle.dumps(fitted))]
    expected = fitted.score(pieces[1])
    for other in others:
        same(other.score(pieces[1]), expected)


def test_where_nothing_moved_in_all_learning_every_motion_is_unusual() -> None:
    detector = Monitors.for_video(INFO, **SMALL)
    learn(detector, [film(lambda t: None, 4)])
    found = scored(detector, film(crossing(20), 4))
    assert all(np.isfinite(values).all() for values in found.values())
    assert found["speed"][20:].min() > 1


def test_too_little_video_is_an_error() -> None:
    detector = Monitors.for_video(INFO, **SMALL)
    with pytest.raises(InputError, match="too few"):
        learn(detector, [film(crossing(20), 0.5)])
    with pytest.raises(InputError, match="too few"):
        learn(detector, [])


def test_options_are_checked() -> None:
    for options in ({"height": 50}, {"exemplars": 0}, {"speed": 3}, {"colour": "red"}):
        with pytest.raises(RecipeError):
            Monitors.for_video(INFO, **options)


def test_learning_again_forgets_what_was_learned() -> None:
    again, once = Monitors.for_video(INFO, **SMALL), Monitors.for_video(INFO, **SMALL)
    learn(again, [film(crossing(-50), 2)])
    for detector in (again, once):
        learn(detector, [NORMAL[0][:25]])
    for name, value in once.state().items():
        np.testing.assert_array_equal(again.state()[name], value, err_msg=name)
