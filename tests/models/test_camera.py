"""`camera`: one scale for all parts, in every light that it knows, and no endless alarm in one that it does not."""

from __future__ import annotations

import numpy as np
import pytest

from oddframe.datasets.windows import stream_chunks
from oddframe.errors import BundleError, RecipeError
from oddframe.models.camera import FEWEST, FOLLOW, LIGHT, UNSURE, CameraDetector
from oddframe.models.reasons import Reason
from oddframe.types import VideoInfo
from oddframe.video.decode import Frame

INFO = VideoInfo("camera", "camera.mp4", 64, 48, 10.0)
TINY = {"height": 48, "monitors": {"height": 16}, "scene": {"rows": 4, "columns": 8}}


def camera(**options: object) -> CameraDetector:
    return CameraDetector.for_video(INFO, **{"parts": ("monitors", "scene"), **TINY, **options})


def levelled(modes: int = 1) -> CameraDetector:
    """Every component has mean 10 and deviation 2 in the first mode, 100 and 20 in the second."""
    detector = camera()
    count = len(detector.components)
    detector.levels = np.stack([np.tile([10.0 * 10**k, 2.0 * 10**k], (count, 1)) for k in range(modes)])
    detector.map_levels = np.tile([0.0, 1.0], (2, 1))
    return detector


def rows(detector: CameraDetector, *values: float) -> np.ndarray:
    return np.repeat(np.array(values)[:, None], len(detector.components), axis=1)


def test_a_component_is_deviations_above_its_mean_in_the_mode_of_the_frame() -> None:
    detector = levelled(2)
    found = detector.standing(np.arange(4) / 10, np.array([0, 0, 1, 1]), rows(detector, 14.0, 4.0, 140.0, 14.0))
    assert found[:, 0].tolist() == [2.0, 0.0, 2.0, 0.0], "what is more usual than the mean counts as the mean"


def test_a_light_that_was_never_learned_is_no_endless_alarm() -> None:
    detector = levelled()
    times = np.arange(0, 4 * FOLLOW, 0.5)
    noise = np.random.default_rng(0).normal(0, 1, len(times))
    found = detector.standing(times, np.full(len(times), -1), rows(detector, *(60 + noise)))
    speed = found[:, 0]
    assert speed[0] == 0 and speed.mean() < 1 and speed.max() < 4, "it is judged against what it has been since"
    light = list(detector.components).index(LIGHT)
    assert (found[:, light] > 20).all(), "the component of the light itself still tells"


def test_what_is_odd_in_an_unknown_light_is_still_odd() -> None:
    detector = levelled()
    times = np.arange(0, 2 * FOLLOW, 0.5)
    values = np.where(np.arange(len(times)) == len(times) - 1, 90.0, 60.0)
    found = detector.standing(times, np.full(len(times), -1), rows(detector, *values))
    assert found[-1, 0] > 8 and found[-2, 0] < 0.1


def test_an_unknown_light_is_judged_less_sharply_than_any_that_was_learned() -> None:
    detector, mode = levelled(), np.array([0, -1])
    widest = detector.levels[:, 0, 1].max()  # type: ignore[index]
    detector.standing(np.array([0.0]), mode[1:], rows(detector, 60.0))
    found = detector.standing(np.array([1e-6]), mode[1:], rows(detector, 60.0 + 3 * widest))[0, 0]
    assert found <= 3 / UNSURE and UNSURE > 1


def test_a_known_light_comes_back_to_its_own_scale() -> None:
    detector = levelled()
    detector.standing(np.arange(3) / 10, np.array([-1, -1, -1]), rows(detector, 60.0, 60.0, 60.0))
    assert detector.standing(np.array([0.3]), np.array([0]), rows(detector, 12.0))[0, 0] == 1.0


def test_standing_does_not_depend_on_the_cut() -> None:
    whole, cut = levelled(2), levelled(2)
    random = np.random.default_rng(1)
    times, modes = np.arange(60) / 5, random.integers(-1, 2, 60)
    values = random.normal(50, 30, (60, len(whole.components)))
    wanted = whole.standing(times, modes, values)
    got = [cut.standing(times[a:b], modes[a:b], values[a:b]) for a, b in ((0, 1), (1, 17), (17, 18), (18, 60))]
    assert np.array_equal(np.concatenate(got), wanted)


def test_a_mode_seldom_seen_takes_the_levels_of_all() -> None:
    detector = camera()
    count = 10 * FEWEST
    modes = np.array([0] * (count - 3) + [1] * 3)
    values = np.random.default_rng(2).normal(5, 1, (count, len(detector.components)))
    values[modes == 1] += 100
    detector.set_levels(modes, values, values / 2, np.ones((count, 2)))
    assert detector.levels is not None and detector.levels.shape[0] == 2
    speed, look = (list(detector.components).index(name) for name in ("speed", "look"))
    np.testing.assert_allclose(detector.levels[1, speed], [values[:, speed].mean(), values[:, speed].std() / 2])
    np.testing.assert_allclose(detector.levels[0, speed, 0], values[modes == 0, speed].mean())
    np.testing.assert_allclose(detector.levels[0, look, 0], np.quantile(values[modes == 0, look], 0.9))
    assert detector.levels[:, list(detector.components).index(LIGHT)].tolist() == [[1.0, 0.1], [1.0, 0.1]]


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ({"parts": ("monitor",)}, "name some of patches, monitors, scene"),
        ({"parts": ()}, "parts are"),
        ({"parts": ("scene", "scene")}, "each once"),
        ({"monitor": {}}, "camera has no option 'monitor'"),
    ],
)
def test_options_are_checked(options: dict[str, object], fault: str) -> None:
    with pytest.raises(RecipeError, match=fault):
        camera(**options)


def test_the_map_tells_of_components_that_are_shown_alone() -> None:
    detector = camera()
    rng = np.random.default_rng(0)
    frames = rng.integers(90, 110, (40, 48, 64, 3)).astype(np.uint8)
    video = [Frame(n, n / 10, image) for n, image in enumerate(frames)]
    detector.begin_learning(0)
    for chunk in stream_chunks(iter(video), detector.window, 8):
        detector.learn(chunk)
    detector.finish_learning()
    found: list[np.ndarray] = []
    for shown in (list(detector.components), ["speed"], ["look"]):
        detector.show(shown)
        other = camera()
        other.load_state(detector.state())
        assert other.shown == frozenset(shown)
        other.begin_video()
        maps = [other.score(chunk).map for chunk in stream_chunks(iter(video), other.window, 8)]
        found.append(np.concatenate([one for one in maps if one is not None]))
    everything, speed, look = found
    detector.show(["speed"])
    values = np.zeros((3, len(detector.components)))
    values[:, list(detector.components).index("dwell")] = 50
    assert (detector.shown_peaks(values, np.full((3, 2), 7.0)) < [1, 8]).all(), "dwell is not shown"
    detector.show(["speed", "dwell"])
    assert (detector.shown_peaks(values, np.full((3, 2), 7.0))[:, 0] == 50).all()
    assert (everything >= np.maximum(speed, look)).all() and not np.array_equal(speed, look)
    assert not np.array_equal(everything, speed)


def test_a_state_without_levels_is_refused() -> None:
    with pytest.raises(BundleError, match="levels is missing"):
        camera().load_state({})


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "odd"),
        (10.5, "odd"),  # hardly more than usual
        (300.0, "odd, 3.0 times as far from it as the oddest place of a usual frame"),
        (2e6, "odd, more than 10 times as far from it as the oddest place of a usual frame"),
    ],
)
def test_a_reason_without_a_number_is_held_against_a_usual_frame(
    value: float | None, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The mode in which the component is highest as a rule is what counts."""
    detector = levelled(2)
    monkeypatch.setattr(detector.parts["monitors"], "explain", lambda *_: Reason("odd", None, value))
    found = detector.explain("speed", [])
    assert found is not None and (found.words, found.part) == (words, "monitors")
    assert detector.look_back("dwell") > detector.look_back("speed")


def test_pictures_of_normal_moments_are_an_option() -> None:
    assert camera().moments == 50 and camera(moments=0).moments == 0
    with pytest.raises(RecipeError, match="moments is -1"):
        camera(moments=-1)
