"""Greedy k-centre, nearest exemplars and samples of a stream."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oddframe.datasets.hashing import hash64
from oddframe.models.exemplars import Reservoir, k_centre, nearest


def rows_of(seed: int, count: int, width: int = 3) -> np.ndarray:
    return np.random.default_rng(seed).normal(5, 10, (count, width)).astype(np.float32)


def plain_k_centre(rows: np.ndarray, count: int, first: int) -> list[int]:
    """Gonzalez 1985 in float64, word for word."""
    chosen = [first]
    while len(chosen) < count:
        gap = np.linalg.norm(rows[:, None].astype(np.float64) - rows[chosen], axis=2).min(axis=1)
        chosen.append(int(gap.argmax()))
    return chosen


def test_k_centre_takes_the_farthest_row_again_and_again() -> None:
    rows = rows_of(0, 200)
    chosen = k_centre(rows, 25, seed=4)
    assert chosen.tolist() == plain_k_centre(rows, 25, int(chosen[0]))


def test_k_centre_covers_every_row_within_the_distance_of_the_next_centre() -> None:
    rows = rows_of(1, 300)
    chosen = k_centre(rows, 31, seed=0)
    reach = nearest(rows, rows[chosen[:30]])
    assert reach.max() == reach[chosen[30]]


def test_k_centre_never_takes_copies() -> None:
    rows = np.repeat(rows_of(2, 7), 20, axis=0)
    chosen = k_centre(rows, 50, seed=0)
    assert len(chosen) == len(np.unique(rows[chosen], axis=0)) == 7


def test_k_centre_of_nothing_is_nothing() -> None:
    assert k_centre(np.zeros((0, 4), np.float32), 5, seed=0).shape == (0,)


def test_k_centre_depends_on_the_seed_alone() -> None:
    rows = rows_of(3, 500)
    assert k_centre(rows, 20, 7).tolist() == k_centre(rows.copy(), 20, 7).tolist()
    assert k_centre(rows, 20, 7)[0] != k_centre(rows, 20, 8)[0]


def test_nearest_is_the_distance_to_the_nearest() -> None:
    rows, exemplars = rows_of(4, 400), rows_of(5, 60)
    exact = np.linalg.norm(rows[:, None].astype(np.float64) - exemplars, axis=2).min(axis=1)
    np.testing.assert_allclose(nearest(rows, exemplars), exact, rtol=1e-5)


def test_nearest_does_not_lose_digits_far_from_the_origin() -> None:
    rows = rows_of(6, 50) + np.float32(3000)
    assert (nearest(rows, rows) == 0).all()


def test_nearest_searches_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    rows, exemplars = rows_of(7, 95), rows_of(8, 10)
    whole = nearest(rows, exemplars)
    monkeypatch.setattr("oddframe.models.exemplars.PRODUCT_VALUES", 100)
    np.testing.assert_allclose(nearest(rows, exemplars), whole, rtol=1e-6)


@settings(deadline=None, max_examples=30)
@given(st.lists(st.integers(0, 40), max_size=12), st.integers(1, 60))
def test_a_reservoir_keeps_the_same_rows_however_the_stream_is_cut(lengths: list[int], capacity: int) -> None:
    rows = np.arange(sum(lengths), dtype=np.float32)[:, None]
    held = Reservoir(1, capacity, seed=3)
    start = 0
    for length in lengths:
        held.add(rows[start : start + length])
        start += length
    expected = np.sort(np.argsort(hash64(3, np.arange(len(rows))))[:capacity])
    assert held.rows()[:, 0].astype(int).tolist() == expected.tolist()


def test_a_reservoir_holds_at_most_twice_its_capacity() -> None:
    held = Reservoir(1, 10, seed=0)
    for _ in range(100):
        held.add(np.zeros((7, 1), np.float32))
        assert sum(map(len, held._rows)) <= 20


def test_every_row_has_the_same_chance_in_a_reservoir() -> None:
    counts = np.zeros(40)
    for seed in range(500):
        held = Reservoir(1, 10, seed)
        held.add(np.arange(40, dtype=np.float32)[:, None])
        counts[held.rows()[:, 0].astype(int)] += 1
    assert counts.min() > 80 and counts.max() < 170
