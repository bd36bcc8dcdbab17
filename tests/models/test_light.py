"""The light's gain and offset, and the modes of a camera."""

from __future__ import annotations

import numpy as np
import pytest

from oddframe.models.light import Balance, find_modes, looks_of

PICTURE = np.random.default_rng(0).uniform(20, 200, (16, 32)).astype(np.float32)


@pytest.mark.parametrize(("gain", "offset"), [(1.0, 0.0), (0.6, 10.0), (1.5, -20.0), (3.0, 0.0)])
def test_gain_and_offset_are_found(gain: float, offset: float) -> None:
    found = Balance.between(PICTURE * np.float32(gain) + np.float32(offset), PICTURE)
    assert found.gain == pytest.approx(gain, abs=0.01) and found.offset == pytest.approx(offset, abs=1.0)
    np.testing.assert_allclose(found.undo(PICTURE * np.float32(gain) + np.float32(offset)), PICTURE, atol=1.0)


def test_something_large_in_the_picture_is_not_light() -> None:
    seen = PICTURE * np.float32(0.8) + np.float32(5)
    seen[4:12, 5:20] = 250  # a quarter of the picture
    found = Balance.between(seen, PICTURE)
    assert found.gain == pytest.approx(0.8, abs=0.01) and found.offset == pytest.approx(5, abs=1.0)


def test_a_flat_background_has_only_an_offset() -> None:
    flat = np.full((16, 32), 90.0, np.float32)
    found = Balance.between(flat + 12, flat)
    assert found.gain == pytest.approx(1.0) and found.offset == pytest.approx(12)


def test_looks_do_not_see_something_large_in_the_picture() -> None:
    grey = np.random.default_rng(1).normal(100, 10, (1, 16, 32)).astype(np.float32)
    seen = grey.copy()
    seen[0, :4, :8] = 255
    assert np.abs(looks_of(seen) - looks_of(grey)).max() < 0.12


def looks_at(*groups: tuple[float, float, int]) -> np.ndarray:
    """Looks whose brightness has these means, deviations and counts."""
    rng = np.random.default_rng(2)
    bright = np.concatenate([rng.normal(mean, deviation, count) for mean, deviation, count in groups])
    return np.stack([bright, rng.normal(2, 0.02, len(bright)), rng.normal(1, 0.02, len(bright))], axis=1).astype(
        np.float32
    )


def test_modes_with_a_gap_between_them_are_told_apart_in_order_of_brightness() -> None:
    modes, owner = find_modes(looks_at((5.0, 0.03, 200), (3.0, 0.05, 50), (4.0, 0.04, 120)))
    np.testing.assert_allclose(modes.centre[:, 0], [3, 4, 5], atol=0.05)
    assert owner.tolist() == [2] * 200 + [0] * 50 + [1] * 120


@pytest.mark.parametrize("spread", [0.05, 0.3, 1.0])
def test_what_has_no_gap_is_one_mode(spread: float) -> None:
    looks = looks_at((4.0, spread, 400))
    assert len(find_modes(looks)[0].centre) == 1
    looks[:, 0] = np.linspace(4 - spread, 4 + spread, 400)  # dusk
    assert len(find_modes(looks)[0].centre) == 1


def test_a_few_pictures_are_no_mode() -> None:
    assert len(find_modes(looks_at((5.0, 0.03, 400), (3.0, 0.03, 10)))[0].centre) == 1


def test_a_light_beyond_the_reach_of_all_modes_belongs_to_none() -> None:
    modes, _ = find_modes(looks_at((5.0, 0.03, 200), (3.0, 0.05, 100)))
    assert modes.of(looks_at((5.0, 0.03, 5), (3.0, 0.03, 5), (4.0, 0.03, 5))).tolist() == [1] * 5 + [0] * 5 + [-1] * 5


def test_one_picture_is_one_mode() -> None:
    modes, owner = find_modes(looks_at((4.0, 0.0, 1)))
    assert len(modes.centre) == 1 and owner.tolist() == [0]
