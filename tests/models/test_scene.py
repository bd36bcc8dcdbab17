"""Scene on a still place in several lights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from moving import INFO, check_shapes, chunks, cut, learn, same, score, texture

from oddframe.errors import BundleError, InputError, RecipeError
from oddframe.models.scene import LASTS, NOTICE, SceneDetector
from oddframe.video.decode import Frame

SIZE = 64, 128
OPTIONS = {"looks": 60, "sample": 400}
Picture = np.ndarray


def ground() -> Picture:
    """(64, 128, 3) float: a place with patches of colour."""
    patches = np.random.default_rng(4).uniform(60, 160, (8, 16, 3)).repeat(8, axis=0).repeat(8, axis=1)
    return patches + texture(5, SIZE, 0)[..., None]


def infrared(picture: Picture) -> Picture:
    """Another look of the same place: no colour, dark surfaces bright."""
    return np.repeat(230 - 0.9 * picture[..., 1:2], 3, axis=2)


def with_object(picture: Picture, row: int = 40, column: int = 80) -> Picture:
    seen = picture.copy()
    seen[row : row + 12, column : column + 12] = 250 - seen[row : row + 12, column : column + 12]
    return seen


def film(look: Callable[[float], Picture], seconds: float, fps: float = 5.0, seed: int = 0) -> list[Frame]:
    frames = []
    for n in range(round(seconds * fps)):
        noise = np.random.default_rng((seed, n)).normal(0, 2, (*SIZE, 3))
        frames.append(Frame(n, n / fps, np.clip(np.rint(look(n / fps) + noise), 0, 255).astype(np.uint8)))
    return frames


GROUND, NIGHT = ground(), infrared(ground())
DAY = film(lambda t: GROUND * (1 + 0.03 * np.sin(t)), 30, seed=1)
CHANGE = film(lambda t: GROUND if t < 3 else NIGHT, 15)


def scored(detector: SceneDetector, frames: list[Frame]) -> dict[str, np.ndarray]:
    return dict(score(detector, chunks(frames, detector.window)).components)


@pytest.fixture(scope="module")
def day() -> SceneDetector:
    detector = SceneDetector.for_video(INFO, **OPTIONS)
    learn(detector, [DAY])
    return detector


@pytest.fixture(scope="module")
def usual(day: SceneDetector) -> dict[str, float]:
    """The largest of each component over normal video that was not learned."""
    found = scored(day, film(lambda t: GROUND * (1 + 0.03 * np.cos(t)), 20, seed=2))
    return {name: float(values.max()) for name, values in found.items()}


def test_scores_have_the_shapes_of_the_contract(day: SceneDetector) -> None:
    check_shapes(day, score(day, chunks(DAY[:20], day.window)), 20)


def test_what_was_never_at_a_place_raises_place_and_look_and_the_map_says_where(
    day: SceneDetector, usual: dict[str, float]
) -> None:
    result = score(day, chunks(film(lambda t: with_object(GROUND), 4), day.window))
    assert result.components["place"].min() > 3 * usual["place"]
    assert result.components["look"].min() > 2 * usual["look"]
    assert result.components["light"].max() < 1
    assert result.map is not None
    row, column = np.unravel_index(int(result.map[5].argmax()), result.map[5].shape)
    assert 40 <= row * 4 + 2 <= 52 and 80 <= column * 4 + 2 <= 92


def test_what_was_often_at_a_place_is_a_known_look() -> None:
    detector = SceneDetector.for_video(INFO, **OPTIONS)
    learn(detector, [film(lambda t: with_object(GROUND) if t % 5 < 1 else GROUND, 30)])
    known = scored(detector, film(lambda t: with_object(GROUND), 4, seed=3))
    elsewhere = scored(detector, film(lambda t: with_object(GROUND, 8, 16), 4, seed=3))
    for name in ("look", "place"):
        assert known[name].max() < 0.5 * elsewhere[name].min(), name


@pytest.mark.parametrize(("gain", "offset"), [(0.85, 8), (1.15, -10), (0.9, 0)])
def test_a_step_of_exposure_raises_no_local_component(
    day: SceneDetector, usual: dict[str, float], gain: float, offset: float
) -> None:
    found = scored(day, film(lambda t: GROUND if t < 3 else GROUND * gain + offset, 8))
    assert found["place"].max() < 1.5 * usual["place"] and found["look"].max() < 1.5 * usual["look"]


def test_an_object_that_comes_with_a_step_of_exposure_is_still_strange(
    day: SceneDetector, usual: dict[str, float]
) -> None:
    frames = film(lambda t: GROUND if t < 3 else with_object(GROUND) * 0.85 + 8, 8)
    found = scored(day, frames)
    assert found["place"][15:].min() > 3 * usual["place"] and found["look"][15:].min() > 2 * usual["look"]


def test_flicker_raises_no_component(day: SceneDetector, usual: dict[str, float]) -> None:
    found = scored(day, film(lambda t: GROUND * (1 + 0.1 * np.sin(20 * t)), 20))
    assert found["place"].max() < 1.5 * usual["place"] and found["look"].max() < 1.5 * usual["look"]
    assert found["light"].max() < 1


@pytest.mark.parametrize("gain", [0.6, 1.6])
def test_an_exposure_of_what_is_known_is_no_new_light(day: SceneDetector, gain: float) -> None:
    found = scored(day, film(lambda t: GROUND if t < 2 else GROUND * gain, 6))
    assert found["light"].max() <= 1


def test_a_large_change_of_exposure_is_told_as_light_and_not_as_a_strange_place(
    day: SceneDetector, usual: dict[str, float]
) -> None:
    found = scored(day, film(lambda t: GROUND * 0.4, 5))
    assert found["light"][round(5 * LASTS) + 1 :].min() > 1
    assert found["place"].max() < 2 * usual["place"]


@pytest.mark.parametrize("gain", [0.6, 1.5])
def test_an_exposure_of_a_new_light_that_became_known_is_no_further_light(day: SceneDetector, gain: float) -> None:
    known = NOTICE + 2
    frames = film(lambda t: NIGHT if t < known else NIGHT * gain, known + 4)
    found = scored(day, frames)
    time = np.array([frame.time for frame in frames])
    assert found["light"][(time > LASTS + 0.1) & (time < NOTICE - 0.5)].min() > 1, "the light itself is told"
    assert found["light"][time > known].max() <= 1


def test_a_flash_is_no_new_light(day: SceneDetector) -> None:
    found = scored(day, film(lambda t: NIGHT if 2 < t < 2 + 0.7 * LASTS else GROUND, 5))
    assert found["light"].max() <= 1


def test_an_unseen_light_is_told_once_and_then_judged_relative(day: SceneDetector, usual: dict[str, float]) -> None:
    def look(time: float) -> Picture:
        if time < 5:
            return GROUND
        return with_object(NIGHT) if time >= 30 else NIGHT

    frames = film(look, 34)
    found = scored(day, frames)
    time = np.array([frame.time for frame in frames])
    told = (time > 5 + LASTS + 0.1) & (time < 5 + NOTICE - 0.5)
    later = (time > 5 + NOTICE + 0.5) & (time < 30)
    assert found["light"][told].min() > 1 and found["light"][time < 5].max() < 1
    assert found["light"][later].max() < 1
    assert found["place"][time < 30].max() < 2 * usual["place"]
    assert found["look"][time < 30].max() < 2 * usual["look"]
    assert found["place"][time > 31].min() > 3 * usual["place"]
    chunk = next(iter(chunks(frames, day.window, len(frames))))
    np.testing.assert_array_equal(day.mode_of(chunk), np.where(time < 5, 0, -1))


def test_a_light_that_comes_back_is_not_told_again(day: SceneDetector) -> None:
    frames = film(lambda t: NIGHT if 2 <= t < 16 or t >= 20 else GROUND, 30)
    light = scored(day, frames)["light"]
    time = np.array([frame.time for frame in frames])
    assert light[(time > 2 + LASTS + 0.1) & (time < 10)].min() > 1 and light[time >= 20].max() < 1


def test_the_background_of_a_new_light_follows_slowly(day: SceneDetector, usual: dict[str, float]) -> None:
    def look(time: float) -> Picture:
        return with_object(NIGHT) if time > 20 else NIGHT  # something is put down and stays

    frames = film(look, 200, fps=1.0)
    place = scored(day, frames)["place"]
    assert place[22] > 3 * usual["place"]  # not at once
    assert place[-1] < 0.3 * place[22]  # after three time constants


def test_a_covered_lens_is_told_and_does_not_alarm_for_ever(day: SceneDetector, usual: dict[str, float]) -> None:
    frames = film(lambda t: np.full((*SIZE, 3), 12.0), 40)
    found = scored(day, frames)
    assert found["light"][round(5 * LASTS) + 1 : 20].min() > 1 and found["light"][60:].max() < 1
    assert found["place"][60:].max() < 2 * usual["place"]


@pytest.fixture(scope="module")
def both() -> SceneDetector:
    detector = SceneDetector.for_video(INFO, **OPTIONS)
    learn(detector, [DAY, film(lambda t: NIGHT, 20, seed=3)])
    return detector


def test_modes_are_found_and_normal_in_each_is_normal(both: SceneDetector) -> None:
    assert len(both.state()["background"]) == 2
    for look in (GROUND, NIGHT):
        normal = scored(both, film(lambda t, look=look: look, 5, seed=7))  # type: ignore[misc]
        strange = scored(both, film(lambda t, look=look: with_object(look), 5, seed=7))  # type: ignore[misc]
        assert normal["light"].max() < 1
        assert strange["place"].min() > 3 * normal["place"].max()
        assert strange["look"].min() > 2 * normal["look"].max()


def test_the_mode_of_a_frame_depends_on_that_frame_alone(both: SceneDetector) -> None:
    looks = {0: GROUND, 1: NIGHT, 2: np.full((*SIZE, 3), 5.0)}
    frames = film(lambda t: looks[round(t * 5) % 3], 6)
    whole = next(iter(chunks(frames, both.window, 100)))
    modes = both.mode_of(whole)
    assert sorted({*modes.tolist()}) == [-1, 0, 1] and (modes[2::3] == -1).all()
    assert len(set(modes[0::3])) == 1 and len(set(modes[1::3])) == 1
    pieces = [both.mode_of(piece) for piece in cut(frames, both.window, [1, 4, 2])]
    np.testing.assert_array_equal(np.concatenate(pieces), modes)


@pytest.mark.slow
@settings(deadline=None, max_examples=10)
@given(lengths=st.lists(st.integers(1, 20), max_size=6))
def test_any_cutting_into_chunks_gives_the_same_bits(day: SceneDetector, lengths: list[int]) -> None:
    same(score(day, cut(CHANGE, day.window, [])), score(day, cut(CHANGE, day.window, lengths)))


def test_learning_is_the_same_to_the_bit_however_it_is_cut() -> None:
    states = []
    for batch in (1, 7, 64):
        detector = SceneDetector.for_video(INFO, looks=20, sample=50)
        learn(detector, [DAY, DAY[:30]], seed=5, batch=batch)
        states.append(detector.state())
    for other in states[1:]:
        for name, value in states[0].items():
            np.testing.assert_array_equal(other[name], value, err_msg=name)


def test_the_state_makes_the_same_detector(both: SceneDetector) -> None:
    other = SceneDetector.for_video(INFO, **OPTIONS)
    assert other.state() == {}
    other.load_state({name: value.copy() for name, value in both.state().items()})
    same(score(both, chunks(DAY[:20], both.window)), score(other, chunks(DAY[:20], other.window)))


def test_a_state_of_another_grid_or_with_a_hole_is_refused(day: SceneDetector) -> None:
    state = day.state()
    with pytest.raises(BundleError, match="background"):
        SceneDetector.for_video(INFO, rows=8).load_state(state)
    del state["modes.reach"]
    with pytest.raises(BundleError, match=r"modes\.reach"):
        SceneDetector.for_video(INFO).load_state(state)


def test_frames_of_another_size_and_order_of_colours_are_brought_to_its_own(day: SceneDetector) -> None:
    frames = DAY[:15]
    large = [Frame(f.index, f.time, f.image[..., ::-1].repeat(5, axis=0).repeat(4, axis=1)) for f in frames]
    other = SceneDetector.for_video(INFO, **OPTIONS, colour="bgr")
    other.load_state(day.state())
    window = replace(day.window, offsets=(-1, 0), size=(320, 512))
    a, b = score(day, chunks(frames, day.window)), score(other, chunks(large, window))
    for name, values in a.components.items():
        np.testing.assert_allclose(b.components[name], values, rtol=0.2, err_msg=name)


def test_grey_video_is_learned_and_scored() -> None:
    grey = [Frame(f.index, f.time, f.image[..., 1:2].copy()) for f in DAY]
    detector = SceneDetector.for_video(INFO, **OPTIONS)
    learn(detector, [grey])
    strange = film(lambda t: with_object(GROUND), 4)
    found = scored(detector, [Frame(f.index, f.time, f.image[..., 1:2].copy()) for f in strange])
    assert found["place"].min() > 3 * scored(detector, grey)["place"].max()


def test_too_little_video_is_an_error() -> None:
    with pytest.raises(InputError, match="too few"):
        learn(SceneDetector.for_video(INFO), [DAY[:3]])


def test_options_are_checked() -> None:
    for options in ({"rows": 2}, {"looks": 0}, {"size": 3}, {"colour": "gray"}):
        with pytest.raises(RecipeError):
            SceneDetector.for_video(INFO, **options)
