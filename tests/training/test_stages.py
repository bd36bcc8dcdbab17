"""How long stages last and how far they have come."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oddframe.settings import Budget
from oddframe.training.stages import (
    StageSpan,
    crossed,
    fraction_done,
    rate_factor,
    span_of_stage,
)


def test_without_a_budget_stages_keep_their_epochs() -> None:
    spans = [span_of_stage(stage, [100, 40], "epochs", 7, None, elapsed=5.0) for stage in range(2)]
    assert [span.steps for span in spans] == [700, 280]
    assert [span.marks for span in spans] == [20, 20]
    assert span_of_stage(0, [3], "epochs", 7, None, 0.0).marks == 3
    assert span_of_stage(0, [30], "steps", 7, None, 0.0) == StageSpan(marks=5, steps=30)


@given(
    epochs=st.lists(st.integers(1, 200), min_size=1, max_size=5),
    steps=st.integers(1000, 10**6),
    unit=st.sampled_from(["steps", "epochs"]),
)
def test_stages_share_all_steps_of_a_budget(epochs: list[int], steps: int, unit: str) -> None:
    budget = Budget(steps if unit == "steps" else steps / 10, unit)  # type: ignore[arg-type]
    lengths = [span_of_stage(stage, epochs, "epochs", 10, budget, 0.0).steps or 0 for stage in range(len(epochs))]
    assert sum(lengths) == steps
    for length, share in zip(lengths, epochs, strict=True):
        assert length == pytest.approx(steps * share / sum(epochs), abs=1)


def test_every_stage_has_a_step_unless_it_has_no_epochs() -> None:
    budget = Budget(1, "steps")
    assert [span_of_stage(stage, [100, 1, 0], "epochs", 10, budget, 0.0).steps for stage in range(3)] == [1, 1, 0]


def test_progress_by_steps() -> None:
    span = StageSpan(marks=4, steps=8)
    assert [span.progress(step, 1e9) for step in (0, 2, 8, 9)] == [0, 0.25, 1, 1]


def test_progress_by_the_clock() -> None:
    budget = Budget(100, "seconds")
    first, second = (
        span_of_stage(stage, [3, 1], "epochs", 10, budget, elapsed) for stage, elapsed in ((0, 0.0), (1, 80.0))
    )
    assert [first.progress(1, t) for t in (0, 30, 75, 90)] == [0, 0.4, 1, 1]
    # The first stage overran by five seconds; the second still ends on time.
    assert [second.progress(1, t) for t in (80, 90, 100)] == [0, 0.5, 1]
    late = span_of_stage(1, [3, 1], "epochs", 10, budget, elapsed=120.0)
    assert (late.progress(0, 120.0), late.progress(1, 120.1)) == (0, 1)


def test_fraction_of_the_whole_run() -> None:
    assert [fraction_done(*where) for where in ((0, [3, 1], 0.0), (0, [3, 1], 0.5), (1, [3, 1], 1.0))] == [0, 0.375, 1]


def test_rate_factors() -> None:
    assert [rate_factor("constant", 0.0, p) for p in (0.0, 0.5, 1.0)] == [1, 1, 1]
    assert [rate_factor("constant", 0.5, p) for p in (0.0, 0.25, 0.5)] == pytest.approx([0.01, 0.505, 1])
    assert [rate_factor("cosine", 0.0, p) for p in (0.0, 0.5, 1.0)] == pytest.approx([1, 0.5, 0])
    assert [rate_factor("cosine", 0.2, p) for p in (0.2, 0.6, 1.0)] == pytest.approx([1, 0.5, 0])


@given(marks=st.integers(1, 300), steps=st.integers(1, 3000))
def test_each_mark_is_crossed_once_and_the_last_at_the_end(marks: int, steps: int) -> None:
    crossings = [n for n in range(steps) if crossed(n / steps, (n + 1) / steps, marks)]
    assert len(crossings) == min(marks, steps)
    assert crossings[-1] == steps - 1


@given(st.integers(1, 20), st.integers(1, 999))
def test_as_many_marks_as_epochs_fall_on_the_ends_of_epochs(epochs: int, per_epoch: int) -> None:
    steps = epochs * per_epoch
    crossings = [n + 1 for n in range(steps) if crossed(n / steps, (n + 1) / steps, epochs)]
    assert crossings == list(range(per_epoch, steps + 1, per_epoch))


def test_any_of_several_kinds_of_marks_counts() -> None:
    assert crossed(0.3, 0.4, 2, 3)
    assert not crossed(0.34, 0.49, 2, 3)
