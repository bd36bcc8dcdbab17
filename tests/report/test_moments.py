"""Normal moments: few, small, spread over all that was seen, and read back as they were written."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from oddframe.errors import BundleError
from oddframe.report import moments
from oddframe.report.moments import (
    MomentKeeper,
    choose_moments,
    load_moments,
    nearest_moment,
    save_moments,
)


def flat(value: int, shape: tuple[int, ...] = (96, 200, 3)) -> np.ndarray:
    return np.full(shape, value, np.uint8)


def kept(values: list[int]) -> MomentKeeper:
    keeper = MomentKeeper()
    for number, value in enumerate(values):
        keeper.see("cam", 2.0 * number, flat(value))
    return keeper


def test_one_candidate_in_two_seconds_and_one_at_the_start_of_every_stretch() -> None:
    keeper = MomentKeeper()
    for tick in range(50):
        keeper.see("a", tick * 0.1, flat(10))
    keeper.begin()
    keeper.see("b", 1.0, flat(10))
    assert [(moment.video, round(moment.time, 3)) for moment in keeper.moments] == [
        ("a", 0.0), ("a", 2.0), ("a", 4.0), ("b", 1.0),
    ]  # fmt: skip


@pytest.mark.parametrize("shape", [(96, 200, 3), (400, 100, 3), (30, 40, 3), (96, 200, 1)])
def test_pictures_are_small_and_keep_their_shape_and_colour(shape: tuple[int, ...]) -> None:
    keeper = MomentKeeper()
    red = flat(0, shape)
    red[..., 0] = 200
    keeper.see("a", 0.0, red)
    picture = cv2.imdecode(np.frombuffer(keeper.moments[0].jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    height, width = picture.shape[:2]
    assert max(height, width) <= 160 and height / width == pytest.approx(shape[0] / shape[1], rel=0.02)
    blue, _, own = picture.reshape(-1, 3).mean(axis=0)
    assert abs(own - 200) < 4 and abs(blue - (200 if shape[2] == 1 else 0)) < 4


def test_those_that_are_chosen_stand_for_all() -> None:
    chosen = choose_moments(kept([10] * 30 + [11] * 30 + [120, 250]).moments, 3, seed=0)
    assert sorted(int(moment.look.mean()) // 100 for moment in chosen) == [0, 1, 2]
    assert len(choose_moments(kept([10, 10, 10]).moments, 3, seed=0)) == 1, "copies are one moment"
    assert choose_moments([], 3, 0) == [] and choose_moments(kept([1]).moments, 0, 0) == []


def test_all_pictures_together_stay_small(monkeypatch: pytest.MonkeyPatch) -> None:
    candidates = kept([10, 60, 120, 180, 240]).moments
    monkeypatch.setattr(moments, "MOST_BYTES", sum(len(moment.jpeg) for moment in candidates[:3]))
    assert 1 <= len(choose_moments(candidates, 5, seed=0)) <= 3


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    chosen = choose_moments(kept([10, 120, 240]).moments, 3, seed=0)
    save_moments(tmp_path, chosen)
    again = load_moments(tmp_path)
    assert [(one.video, one.time, one.jpeg) for one in again] == [(one.video, one.time, one.jpeg) for one in chosen]
    assert all(np.array_equal(one.look, other.look) for one, other in zip(again, chosen, strict=True))
    assert int(nearest_moment(again, flat(230, (48, 64, 3))).look.mean()) == 240
    save_moments(tmp_path, [])
    assert load_moments(tmp_path) == [] and not any(tmp_path.iterdir())


@pytest.mark.parametrize("fault", ["cut", "other", "empty", "parts"])
def test_a_damaged_file_is_one_line(tmp_path: Path, fault: str) -> None:
    save_moments(tmp_path, choose_moments(kept([10, 120, 240]).moments, 3, seed=0))
    path = tmp_path / moments.NAME
    if fault == "parts":
        with np.load(path) as whole:
            np.savez(path, **{**whole, "time": whole["time"][:1]})
    else:
        path.write_bytes({"cut": path.read_bytes()[:200], "other": b"no archive", "empty": b""}[fault])
    with pytest.raises(BundleError, match=r"moments\.npz: damaged .* remove the file") as raised:
        load_moments(tmp_path)
    assert "\n" not in str(raised.value)
