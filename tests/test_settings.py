"""Parts of a recipe check themselves, wherever they are made."""

from __future__ import annotations

import pytest

from oddframe.errors import InputError, RecipeError
from oddframe.settings import Budget, PseudoAnomalies, Smoothing, TrainingPlan, parse_budget


@pytest.mark.parametrize(
    ("text", "budget"),
    [
        ("90s", Budget(90, "seconds")),
        ("30m", Budget(1800, "seconds")),
        ("30 min", Budget(1800, "seconds")),
        ("1.5h", Budget(5400, "seconds")),
        ("2000steps", Budget(2000, "steps")),
        ("1 step", Budget(1, "steps")),
        (" 5 Epochs ", Budget(5, "epochs")),
        ("0.5epochs", Budget(0.5, "epochs")),
    ],
)
def test_budgets_are_read(text: str, budget: Budget) -> None:
    assert parse_budget(text) == budget


@pytest.mark.parametrize("text", ["", "30", "m", "5e", "-3m", "0s", "1h30m", "3 weeks", "nan s", "1e3 steps"])
def test_other_budgets_are_refused(text: str) -> None:
    with pytest.raises(InputError, match="write a time"):
        parse_budget(text)


@pytest.mark.parametrize(
    "wrong",
    [
        {"batch_size": 0},
        {"precision": "fp16"},
        {"schedule": "step"},
        {"warmup": 1.0},
        {"warmup": -0.1},
        {"grad_clip": 0},
        {"seed": -1},
        {"holdout": 0},
    ],
)
def test_impossible_plans_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(RecipeError, match=rf"training\.{next(iter(wrong))}"):
        TrainingPlan(**wrong)  # type: ignore[arg-type]


def test_a_plan_reads_its_budget_when_it_is_made() -> None:
    assert TrainingPlan(budget="30m").length == Budget(1800, "seconds")
    assert TrainingPlan().length is None
    with pytest.raises(InputError, match="budget 'long': write a time"):
        TrainingPlan(budget="long")


@pytest.mark.parametrize(
    "wrong",
    [
        {"sequences": 0},
        {"probability": 1.5},
        {"min_area": 1.0},
        {"max_area": 0.0},
        {"blend": "red"},
        {"place": "left"},
        {"scale": (0.0, 1.0)},
    ],
)
def test_impossible_pseudo_anomalies_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(RecipeError, match=rf"pseudo\.{next(iter(wrong))}"):
        PseudoAnomalies(**wrong)  # type: ignore[arg-type]


def test_a_filter_with_a_centre_has_odd_taps() -> None:
    with pytest.raises(InputError, match="held smoothing needs an odd number of taps, not 36"):
        Smoothing("held", 36)
