"""Dwell on grids of cells."""

from __future__ import annotations

import numpy as np
import pytest

from oddframe.models.dwell import RESTED, SETTLING, DwellLearning, Foreground, Normal, Stay
from oddframe.models.timing import TICK

GRID = np.random.default_rng(0).uniform(40, 180, (12, 16)).astype(np.float32)
NOTHING = np.zeros(GRID.shape, bool)  # moves


def learned(seconds: float = 40, seed: int = 0, lights: tuple[float, ...] = (1.0,)) -> Normal:
    """Of a place where nothing ever stays."""
    learner, rng = DwellLearning(seed), np.random.default_rng(1)
    for light in lights:
        learner.begin_video()
        for n in range(round(seconds / TICK)):
            learner.push(n * TICK, (GRID * light + rng.normal(0, 0.5, GRID.shape)).astype(np.float32), NOTHING)
    return learner.finish()


def with_object(grid: np.ndarray, value: float = 60) -> np.ndarray:
    seen = grid.copy()
    seen[4:6, 5:7] += value
    return seen


def foregrounds(normal: Normal, *grids: np.ndarray) -> list[np.ndarray]:
    """Of frames of one video in which nothing moves."""
    front = Foreground()
    return [front.push(normal.compare(grid.astype(np.float32)), NOTHING, TICK) for grid in grids]


def where_the_object_is() -> np.ndarray:
    expected = np.zeros(GRID.shape, bool)
    expected[4:6, 5:7] = True
    return expected


def test_stay_is_the_share_of_the_last_five_seconds() -> None:
    stay, there = Stay(), np.ones((1, 1), bool)
    found = [
        float(stay.push(n * TICK, there if n < 50 else ~there, there, TICK if n else 0.0)[0, 0, 0]) for n in range(80)
    ]
    assert found[:26:5] == pytest.approx([0, 0.2, 0.4, 0.6, 0.8, 1.0])
    assert found[40] == pytest.approx(1) and found[61] == pytest.approx(0.52) and found[79] == 0


def test_rest_grows_while_something_stands_still_and_falls_four_times_as_fast() -> None:
    stay, there = Stay(), np.ones((1, 1), bool)
    found = [
        float(stay.push(n * TICK, there if n < 40 else ~there, ~there, TICK if n else 0.0)[1, 0, 0]) for n in range(60)
    ]
    assert found[:26:5] == pytest.approx([0, 0.2, 0.4, 0.6, 0.8, 1.0])
    assert found[39] == pytest.approx(1) and found[41] == pytest.approx(1 - 2 * 0.16) and found[47] == 0


def test_a_crowd_that_passes_stays_but_does_not_rest() -> None:
    stay, there = Stay(), np.ones((1, 1), bool)
    for n in range(50):
        share, rest = stay.push(n * TICK, there, there, TICK)[:, 0, 0]
    assert share == pytest.approx(1) and rest == 0


def test_foreground_is_where_something_is() -> None:
    normal = learned()
    np.testing.assert_allclose(normal.background[0], GRID, atol=0.3)
    (bright,) = foregrounds(normal, with_object(GRID))
    settled = round(SETTLING / TICK) + 1
    *_, empty, dim = foregrounds(normal, *[GRID * 0.8 + 5] * settled, with_object(GRID) * 0.8 + 5)
    np.testing.assert_array_equal(bright, where_the_object_is())
    np.testing.assert_array_equal(dim, where_the_object_is())
    assert not empty.any()


def test_every_light_that_was_learned_has_its_background() -> None:
    dark = GRID[::-1] / GRID  # another pattern at another brightness
    learner = DwellLearning(0)
    for video, grid in enumerate((GRID, 20 * dark)):
        learner.begin_video()
        for n in range(60):
            noise = np.random.default_rng((video, n)).normal(0, 0.3, GRID.shape)
            learner.push(n * TICK, (grid + noise).astype(np.float32), NOTHING)
    normal = learner.finish()
    assert len(normal.background) == 2
    for grid in (GRID, (20 * dark).astype(np.float32)):
        empty, full = foregrounds(normal, grid, with_object(grid))
        assert not empty.any() and full.sum() == 4


def test_a_light_that_was_never_learned_tells_nothing() -> None:
    normal = learned()
    assert normal.compare(np.ascontiguousarray(with_object(250 - GRID))) is None
    assert not foregrounds(normal, with_object(250 - GRID))[0].any()


def washed_out(grid: np.ndarray) -> np.ndarray:
    """Under a shutter that is open too long: some cells get less bright than the others."""
    bright = 1.3 * grid
    bright[8:11, 10:15] *= 0.85
    return bright


def test_what_another_exposure_does_to_single_cells_is_no_foreground() -> None:
    seen = foregrounds(learned(), GRID, washed_out(GRID), washed_out(GRID * 1.02), washed_out(GRID * 0.99), GRID)
    assert not any(one.any() for one in seen)
    compared = learned().compare(washed_out(GRID).astype(np.float32))
    assert compared is not None and (np.abs(compared.residual) > compared.tolerance).sum() > 10, "it is tested"


def test_a_light_at_the_edge_of_a_learned_one_does_not_come_and_go() -> None:
    settled = round(SETTLING / TICK) + 1
    edge = [washed_out(GRID) / 1.3 * gain for gain in (1.13, 1.07) * 5]
    seen = foregrounds(learned(), GRID, *[washed_out(GRID) / 1.3 * 1.13] * settled, *edge)
    assert not any(one.any() for one in seen[-len(edge) :])


def test_something_put_down_in_another_light_is_seen_and_what_was_there_before_is_not_forgotten() -> None:
    dark, settled = GRID * 0.6, round(SETTLING / TICK) + 1
    *_, later = foregrounds(learned(), GRID, *[dark] * settled, with_object(GRID) * 0.6)
    there = [with_object(GRID)] * (round(RESTED / TICK) + 1)
    *_, before = foregrounds(learned(), GRID, *there, with_object(GRID) * 0.6, with_object(GRID) * 0.5)
    np.testing.assert_array_equal(later, where_the_object_is())
    np.testing.assert_array_equal(before, where_the_object_is())


def test_somebody_who_walks_by_while_the_light_changes_leaves_nothing_behind() -> None:
    front, normal = Foreground(), learned()
    walker = where_the_object_is()
    bright = washed_out(GRID).astype(np.float32)
    front.push(normal.compare(GRID), NOTHING, TICK)
    with_walker = np.where(walker, np.float32(20), bright)
    assert front.push(normal.compare(with_walker), walker, TICK)[walker].all(), "what moves is still foreground"
    assert not front.push(normal.compare(bright), NOTHING, TICK).any()
    assert not front.push(normal.compare(bright), NOTHING, TICK).any()


def test_somebody_who_stands_for_a_moment_while_the_light_changes_leaves_nothing_behind() -> None:
    """In cells that this light itself makes foreground, which no look at the background of another light tells."""
    walker = np.zeros(GRID.shape, bool)
    walker[9:11, 11:13] = True
    bright = washed_out(GRID).astype(np.float32)
    person = np.float32(250)  # brighter, while this light makes the cells darker
    standing = [np.where(walker, person, GRID)] * 3 + [np.where(walker, person, bright)]
    *_, gone, _ = foregrounds(learned(), GRID, *standing, bright, bright)
    assert not gone.any()


def test_what_is_remembered_does_not_depend_on_what_was_long_ago() -> None:
    """Parts of a video that are scored apart are joined where their states are equal."""
    normal, fronts = learned(), [Foreground(), Foreground()]
    for grid in [GRID] * 5 + [washed_out(GRID)] * 60 + [with_object(GRID)] * 30:
        fronts[0].push(normal.compare(grid.astype(np.float32)), NOTHING, TICK)
    for front in fronts:
        for _ in range(round(RESTED / TICK) + 2):
            front.push(normal.compare(with_object(GRID).astype(np.float32)), NOTHING, TICK)
    for name, value in vars(fronts[0]).items():
        np.testing.assert_array_equal(value, vars(fronts[1])[name], err_msg=name)


def test_what_stays_where_nobody_stays_is_many_deviations_and_where_somebody_often_stays_few() -> None:
    learner, there = DwellLearning(0), np.zeros(GRID.shape, bool)
    there[4:6, 5:7] = True
    rng = np.random.default_rng(2)
    for n in range(600):
        grid = with_object(GRID) if n % 150 < 60 else GRID
        learner.push(n * TICK, (grid + rng.normal(0, 0.5, GRID.shape)).astype(np.float32), NOTHING)
    stay = np.stack([there, there]).astype(np.float32)
    usual = learner.finish().unusual(stay).max(axis=(1, 2))
    unusual = learned().unusual(stay).max(axis=(1, 2))
    assert (unusual > 15).all() and (3 * usual < 15).all()


def test_memory_of_learning_is_bounded_and_its_sample_is_the_seeds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("oddframe.models.dwell.KEPT", 600)
    held = []
    for seed in (0, 0, 1):
        learner = DwellLearning(seed)
        for n in range(3000):
            learner.push(n * TICK, GRID, NOTHING)
        assert sum(map(len, learner._blocks.values())) <= 600
        held.append(list(learner._blocks))
    assert held[0] == held[1] != held[2]


def test_stretches_shorter_than_five_seconds_do_not_make_everything_dwell() -> None:
    learner, rng = DwellLearning(0), np.random.default_rng(3)
    for video in range(60):  # of two seconds each; in a third of them somebody is there all the time
        learner.begin_video()
        for n in range(10):
            grid = with_object(GRID) if video % 3 == 0 else GRID
            learner.push(n * TICK, (grid + rng.normal(0, 0.5, GRID.shape)).astype(np.float32), NOTHING)
    there = np.zeros((2, *GRID.shape), np.float32)
    there[:, 4:6, 5:7] = 1
    assert learner.finish().unusual(there).max() < 6 < learned(2).unusual(there).max()
