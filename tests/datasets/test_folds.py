"""Folds: every second is held out once, nothing near it is learned, and every fold sees all times of the day."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oddframe.datasets.folds import Stretch, folds, learned
from oddframe.errors import InputError

LENGTHS = st.lists(st.floats(30, 5000), min_size=1, max_size=6)


def total(stretches: list[Stretch]) -> float:
    return sum(last - first for _, first, last in stretches)


@settings(deadline=None)
@given(LENGTHS, st.integers(2, 6), st.floats(60, 900), st.floats(0, 2), st.integers(0, 99))
def test_every_second_is_held_out_exactly_once(
    lengths: list[float], count: int, block_s: float, gap_s: float, seed: int
) -> None:
    made = folds(lengths, count, block_s, gap_s, seed)
    for video, length in enumerate(lengths):
        edges = sorted(stretch[1:] for fold in made for stretch in fold if stretch[0] == video)
        assert edges[0][0] == 0 and edges[-1][1] == length
        assert all(one[1] == other[0] for one, other in pairwise(edges))
    assert all(fold == sorted(fold) and total(fold) > 0 for fold in made)


@settings(deadline=None)
@given(LENGTHS, st.integers(2, 6), st.floats(60, 900), st.floats(0, 2), st.integers(0, 99))
def test_nothing_within_the_gap_is_learned_and_all_else_is(
    lengths: list[float], count: int, block_s: float, gap_s: float, seed: int
) -> None:
    for fold in folds(lengths, count, block_s, gap_s, seed):
        kept = learned(lengths, fold, gap_s)
        assert kept
        for video, first, last in kept:
            assert 0 <= first < last <= lengths[video]
            for _, start, stop in (stretch for stretch in fold if stretch[0] == video):
                assert last <= start - gap_s or first >= stop + gap_s
        lost = sum(lengths) - total(kept) - total(fold)
        assert -1e-6 <= lost <= 2 * gap_s * len(fold) + 1e-6


def test_blocks_last_as_long_as_asked_and_short_videos_stay_whole() -> None:
    made = folds([1000, 90, 3000], 4, 300, 1)
    stretches = sorted(stretch for fold in made for stretch in fold)
    assert len(made) == 4
    assert (1, 0.0, 90) in stretches
    assert all(last - first >= 300 for video, first, last in stretches if video != 1)


def test_folds_are_interleaved_over_the_day() -> None:
    made = folds([24 * 3600.0], 4, 600, 1, seed=3)
    assert [total(fold) for fold in made] == pytest.approx([6 * 3600] * 4)
    for fold in made:
        for hour in range(0, 24, 2):  # twelve blocks, of which each fold has three
            inside = sum(max(0, min(b, (hour + 2) * 3600) - max(a, hour * 3600)) for _, a, b in fold)
            assert inside == pytest.approx(1800)


def test_one_short_clip_is_cut_all_the_same() -> None:
    made = folds([18.0], 3, 300, 0.5)
    assert sorted(stretch for fold in made for stretch in fold) == [(0, 0, 6), (0, 6, 12), (0, 12, 18)]
    middle = next(fold for fold in made if fold == [(0, 6, 12)])
    assert learned([18.0], middle, 0.5) == [(0, 0, 5.5), (0, 12.5, 18)]


def test_fewer_blocks_than_folds_make_fewer_folds() -> None:
    assert len(folds([100.0, 120.0], 5, 300, 1)) == 2


def test_folds_are_seeded() -> None:
    one, again, other = (folds([7200.0], 4, 300, 1, seed) for seed in (1, 1, 2))
    assert one == again != other


def test_what_cannot_be_folded_is_refused() -> None:
    with pytest.raises(InputError, match="leave nothing to learn from"):
        folds([3.0], 2, 300, 2)
    for lengths, count, block_s, gap_s in (([10.0], 1, 5, 0), ([10.0], 2, 0, 0), ([10.0], 2, 5, -1)):
        with pytest.raises(InputError, match="folds need count >= 2"):
            folds(lengths, count, block_s, gap_s)
    for lengths in ([], [10.0, 0.0], [float("nan")]):
        with pytest.raises(InputError, match="longer than 0 seconds"):
            folds(lengths, 2, 5, 0)
