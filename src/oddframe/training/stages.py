"""How long each stage of a run lasts, and how far it has come: plain arithmetic, no torch.

A stage's length is counted in steps, or in seconds where the budget is a time. Everything that changes in the course of
a stage (learning rate, held-out measurements, log lines) hangs on its progress in [0, 1], and so scales with the budget
by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from math import ceil, cos, floor, pi
from typing import Literal

from oddframe.settings import Budget, Schedule

HELDOUT_MARKS = 20
LOG_LINES = 200


@dataclass(frozen=True)
class StageSpan:
    """The length of one stage: a number of `steps`, or from `start` to `end` on the run's clock in seconds.

    `marks` is how many times, evenly spread over the stage, the held-out samples are measured.
    """

    marks: int
    steps: int | None = None
    start: float = 0.0
    end: float = 0.0

    def progress(self, step: int, elapsed: float) -> float:
        """How much of the stage is done, in [0, 1], after `step` steps of it and `elapsed` seconds of the run."""
        if self.steps is not None:
            return min(1.0, step / self.steps) if self.steps else 1.0
        if step == 0:
            return 0.0  # a stage that begins when its time is over still makes one step
        if elapsed >= self.end:
            return 1.0
        return max(0.0, (elapsed - self.start) / (self.end - self.start))


def span_of_stage(
    stage: int,
    lengths: Sequence[int],
    unit: Literal["epochs", "steps"],
    steps_per_epoch: int,
    budget: Budget | None,
    elapsed: float,
) -> StageSpan:
    """The length of stage number `stage`, which begins `elapsed` seconds into the run.

    Args:
        lengths: of every stage, in `unit`: its length without a budget, its share of the budget otherwise.

    A stage of length 0 has no steps; every other stage has at least one. A stage that overran its time takes it from
    the next.
    """
    if lengths[stage] == 0:
        return StageSpan(marks=1, steps=0)
    before, after = (share / sum(lengths) for share in (sum(lengths[:stage]), sum(lengths[: stage + 1])))
    if budget is not None and budget.unit == "seconds":
        return StageSpan(marks=HELDOUT_MARKS, start=elapsed, end=after * budget.amount)
    if budget is None:
        steps = lengths[stage] * (steps_per_epoch if unit == "epochs" else 1)
    else:
        total = budget.amount * (steps_per_epoch if budget.unit == "epochs" else 1)
        steps = max(1, round(after * total) - round(before * total))
    return StageSpan(marks=min(HELDOUT_MARKS, ceil(steps / steps_per_epoch)), steps=steps)


def fraction_done(stage: int, lengths: Sequence[int], progress: float) -> float:
    """How much of the whole run is done when stage number `stage` has come to `progress`."""
    ends = [0, *accumulate(lengths)]
    return (ends[stage] + progress * lengths[stage]) / ends[-1]


def rate_factor(schedule: Schedule, warmup: float, progress: float) -> float:
    """What the learning rate is multiplied with at `progress` in [0, 1] of a stage."""
    if progress < warmup:
        return 0.01 + 0.99 * progress / warmup  # from 1 %, so that the first step is not wasted
    if schedule == "constant":
        return 1.0
    return 0.5 * (1 + cos(pi * (progress - warmup) / (1 - warmup)))


def crossed(before: float, after: float, *marks: int) -> bool:
    """Whether (before, after] holds one of the points k/n, k = 1..n, for any n of `marks`."""
    tolerance = 1e-9  # k/n * n is not always k
    return any(floor(before * n + tolerance) < floor(after * n + tolerance) for n in marks)
