"""Intervals of frames, and the runs of flags that they are found by."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oddframe.errors import InputError
from oddframe.types import Interval, runs


def test_an_interval_begins_with_its_start_and_ends_before_its_stop() -> None:
    assert len(Interval(3, 5)) == 2 and len(Interval(0, 0)) == 0
    assert Interval(1, 9) < Interval(2, 3)


@pytest.mark.parametrize("ends", [(5, 2), (-1, 2)])
def test_what_is_no_interval_is_refused(ends: tuple[int, int]) -> None:
    with pytest.raises(InputError, match=f"frames {ends[0]} to {ends[1]} are not an interval"):
        Interval(*ends)


@given(st.lists(st.booleans(), max_size=60))
def test_runs_cover_exactly_what_is_true(flags: list[bool]) -> None:
    covered = np.zeros(len(flags), dtype=bool)
    for run in runs(flags):
        assert not covered[max(run.start - 1, 0) : run.stop].any()  # apart from the run before
        covered[run.start : run.stop] = True
    assert covered.tolist() == flags


def test_runs_take_labels_of_any_type() -> None:
    for kind in (np.int8, np.int64, np.uint8, bool):
        assert runs(np.array([1, 0, 0, 1, 1], kind)) == [Interval(0, 1), Interval(3, 5)]
    assert runs([]) == []
