"""`camera`: one scale for all parts, in every light that it knows, and no endless alarm in one that it does not."""

from __future__ import annotations

import numpy as np
import pytest

from oddframe.errors import BundleError, RecipeError
from oddframe.models.camera import FEWEST, FOLLOW, LIGHT, CameraDetector
from oddframe.types import VideoInfo

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
    detector.set_levels(modes, values, np.ones((count, 2)))
    assert detector.levels is not None and detector.levels.shape[0] == 2
    np.testing.assert_allclose(detector.levels[1, 0], [values[:, 0].mean(), values[:, 0].std()])
    np.testing.assert_allclose(detector.levels[0, 0, 0], values[modes == 0, 0].mean())


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


def test_a_state_without_levels_is_refused() -> None:
    with pytest.raises(BundleError, match="levels is missing"):
        camera().load_state({})
