"""Detectors that take marked-normal windows in, and leave places out: what falls, what stays, and what never rises."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from moving import INFO, chunks, crossing, film, learn, score
from numpy.typing import NDArray

from oddframe.errors import BundleError, RecipeError
from oddframe.models.camera import CameraDetector
from oddframe.models.detector import Batch
from oddframe.models.exemplars import covering_radius, k_centre, lacking, nearest
from oddframe.models.fitted import FittedDetector
from oddframe.models.ignored import IgnoredPlace, ignored_cells
from oddframe.models.monitors import Monitors
from oddframe.models.patches import Patches
from oddframe.models.registry import create
from oddframe.models.scene import SceneDetector
from oddframe.video.decode import Frame

SLOW, FAST = film(crossing(15.0), 8), film(crossing(90.0), 3)
LOWER = IgnoredPlace("lower", ((0.0, 0.34), (1.0, 0.34), (1.0, 0.68), (0.0, 0.68)))  # where the square crosses


def colours(frames: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(B, H, W, 3) to (B, H / 16, W / 16, 3): the mean colours of a cell."""
    b, height, width = frames.shape[:3]
    return frames.reshape(b, height // 16, 16, width // 16, 16, 3).astype(np.float32).mean((2, 4))


def rgb(frames: Sequence[Frame], size: tuple[int, int]) -> list[Frame]:
    return [Frame(f.index, f.time, np.repeat(f.image[: size[0], : size[1]], 3, axis=2)) for f in frames]


def taken_in(detector: FittedDetector, frames: Sequence[Frame]) -> int:
    detector.begin_video()
    for chunk in chunks(frames, detector.window):
        detector.take_in(chunk)
    return detector.finish_taking_in()


@pytest.fixture
def monitors() -> Monitors:
    detector = Monitors.for_video(INFO, exemplars=300, rows=3000)
    learn(detector, [SLOW])
    return detector


def test_the_radius_of_a_coreset_covers_what_it_was_chosen_from() -> None:
    rows = np.random.default_rng(0).normal(size=(500, 4)).astype(np.float32)
    chosen = rows[k_centre(rows, 40, 0)]
    radius = covering_radius(chosen)
    gaps = np.linalg.norm(chosen[:, None] - chosen, axis=2)
    assert radius == pytest.approx(float(gaps[~np.eye(40, dtype=bool)].min()), rel=1e-4)
    assert nearest(rows, chosen).max() <= radius * (1 + 1e-4)
    assert covering_radius(chosen[:1]) == 0.0


def test_greedy_choice_goes_on_until_nothing_lies_outside() -> None:
    known = np.zeros((1, 2), np.float32)
    rows = np.array([[0.5, 0], [5, 0], [5.2, 0], [0, 9]], np.float32)
    assert lacking(rows, known, 1.0, 10).tolist() == [3, 2], "the farthest first; 5.0 lies near 5.2"
    assert lacking(rows, known, 1.0, 1).tolist() == [3]
    assert lacking(rows[:0], known, 1.0, 10).tolist() == []


@pytest.mark.slow
def test_motion_that_was_taken_in_is_usual_and_nothing_rises(monitors: Monitors) -> None:
    other = film(crossing(45.0, 20.0), 5)
    before, beside = (score(monitors, chunks(video, monitors.window)).components for video in (FAST, other))
    assert taken_in(monitors, FAST) > 0
    after, still = (score(monitors, chunks(video, monitors.window)).components for video in (FAST, other))
    for name in ("speed", "velocity", "objects"):
        assert after[name].mean() < 0.35 * before[name].mean(), name
    for name in before:
        assert (after[name] <= before[name] + 1e-6).all() and (still[name] <= beside[name] + 1e-6).all()
    assert still["speed"].mean() > 0.3 * beside["speed"].mean(), "what nobody marked stays unusual"


def test_what_was_learned_already_adds_nothing(monitors: Monitors) -> None:
    assert 0 < taken_in(monitors, FAST[:3]) < 300, "no memory is full"
    assert taken_in(monitors, FAST[:3]) == 0
    assert monitors.finish_taking_in() == 0, "nothing was taken in"


@pytest.mark.slow
def test_a_camera_takes_in_part_by_part_and_its_state_goes_round() -> None:
    options = {"monitors": {"exemplars": 300, "rows": 3000}, "parts": ("monitors", "scene"), "height": 120}
    detector = CameraDetector.for_video(INFO, **options)
    learn(detector, [rgb(SLOW, (120, 160))])
    fast = rgb(FAST, (120, 160))
    before = score(detector, chunks(fast, detector.window)).components
    taken_in(detector, fast)
    detector.ignore([LOWER])
    after = score(detector, chunks(fast, detector.window))
    assert all((after.components[name] <= before[name] + 1e-6).all() for name in before)
    other = CameraDetector.for_video(INFO, **options)
    other.load_state(detector.state())
    again = score(other, chunks(fast, other.window))
    for name in before:
        np.testing.assert_array_equal(again.components[name], after.components[name])
    assert other.places[0].corners == LOWER.corners
    with pytest.raises(BundleError, match="ignored has another shape"):
        other.load_state({**detector.state(), "ignored": np.zeros((3, 2))})
    detector.ignore([])
    assert "ignored" not in detector.state()


def test_patches_that_were_taken_in_are_usual() -> None:
    size = (112, 160)
    detector = Patches.for_video(INFO, network=colours, size=size, memory=60, sample=400, learning_rate=5.0)
    learn(detector, [rgb(SLOW, size)])
    strange = rgb(film(lambda t: (60.0, 5.0), 4), size)
    before = score(detector, chunks(strange, detector.window)).components["patch"]
    new = taken_in(detector, strange)
    after = score(detector, chunks(strange, detector.window)).components["patch"]
    assert 0 < new <= 60 and after.max() < 0.5 * before.max()
    other = Patches.for_video(INFO, network=colours, size=size, memory=60, sample=400, learning_rate=5.0)
    other.load_state(detector.state())
    np.testing.assert_array_equal(score(other, chunks(strange, other.window)).components["patch"], after)


def test_a_look_that_was_taken_in_is_known() -> None:
    detector = SceneDetector.for_video(INFO)
    learn(detector, [rgb(SLOW, (120, 160))])
    strange = rgb(film(lambda t: (60.0, 5.0), 6), (120, 160))
    before = score(detector, chunks(strange, detector.window)).components
    assert taken_in(detector, strange) > 0
    after = score(detector, chunks(strange, detector.window)).components
    assert after["look"].mean() < 0.6 * before["look"].mean()
    assert after["place"].mean() < 0.6 * before["place"].mean()
    elsewhere = rgb(film(lambda t: (120.0, 80.0), 3), (120, 160))
    assert score(detector, chunks(elsewhere, detector.window)).components["place"].mean() > before["place"].mean() / 3


@pytest.mark.slow
@pytest.mark.parametrize("kind", [Monitors, SceneDetector, Patches])
def test_an_ignored_place_says_nothing_in_components_map_and_reasons(kind: type[FittedDetector]) -> None:
    size = (112, 160)
    small = {"network": colours, "size": size, "memory": 60, "sample": 400, "learning_rate": 5.0}
    detector = kind.for_video(INFO, **(small if kind is Patches else {}))
    learn(detector, [rgb(SLOW, size)])
    name = next(iter(detector.components)) if kind is not SceneDetector else "place"
    usual = score(detector, chunks(rgb(SLOW, size)[:60], detector.window)).components[name].mean()
    odd = rgb(film(lambda t: (20 + 80 * t % 100, 45.0), 5), size)
    before = score(detector, chunks(odd, detector.window))
    detector.ignore([LOWER])
    after = score(detector, chunks(odd, detector.window))
    assert (after.components[name] <= before.components[name] + 1e-6).all()
    assert after.components[name].mean() - usual < 0.4 * (before.components[name].mean() - usual)
    assert after.map is not None and detector.ignored is not None
    inside, outside = after.map[:, detector.ignored], after.map[:, ~detector.ignored]
    assert (inside.max(axis=1) <= outside.max(axis=1) + 1e-6).all()
    reason = detector.explain(name, list(chunks(odd, detector.window)))
    if reason is not None and reason.place is not None:
        left, top, right, bottom = reason.place
        assert not LOWER.holds((left + right) / 2, (top + bottom) / 2)


def test_cells_are_ignored_by_their_middles() -> None:
    half = IgnoredPlace("left", ((0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0)))
    assert ignored_cells([half], (2, 4)).tolist() == [[True, True, False, False]] * 2
    assert not ignored_cells([], (2, 4)).any()


def test_a_detector_without_a_memory_says_so() -> None:
    class Plain(Monitors):
        take_in = FittedDetector.take_in

    with pytest.raises(RecipeError, match="no memory that could take in"):
        Plain.for_video(INFO).take_in(next(chunks(SLOW, Monitors.for_video(INFO).window)))
    network = create("mnad", "code", size=(32, 32), width=4, items=0)
    with pytest.raises(RecipeError, match="no memory that could take in"):
        network.one_class("this").take_in(Batch(torch.zeros(1), torch.zeros(1), torch.zeros(1)))


def test_mnad_rewrites_its_items_and_nothing_else() -> None:
    torch.manual_seed(0)
    model = create("mnad", "code", size=(32, 32), width=4).one_class("this").eval()
    generator = torch.Generator().manual_seed(1)
    frames = torch.randint(0, 256, (3, 4, 32, 32, 3), dtype=torch.uint8, generator=generator)
    batch = Batch(frames, frames[:, :1], torch.arange(3))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    distance = model.score(batch).components["memory"].mean()
    model.take_in(batch)
    changed = {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    assert changed == {"memory"}
    assert model.score(batch).components["memory"].mean() < distance
    assert not any(parameter.grad is not None for parameter in model.parameters())
