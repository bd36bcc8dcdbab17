"""Length and progress of the stages of a run: plain arithmetic without torch.

The length of a stage is a number of steps, or of seconds if the budget is a time. Everything that changes during a
stage (learning rate, held-out measurements, log lines) depends on its progress in [0, 1], and therefore scales with the
budget.
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
    """The length of one stage: a number of `steps`, or from `start` to `end` in seconds on the clock of the run.

    `marks` is the number of measurements on held-out samples, evenly spread over the stage.
    """

    marks: int
    steps: int | None = None
    start: float = 0.0
    end: float = 0.0

    def progress(self, step: int, elapsed: float) -> float:
        """Progress of the stage, in [0, 1], after `step` steps of the stage and `elapsed` seconds of the run."""
        if self.steps is not None:
            return min(1.0, step / self.steps) if self.steps else 1.0
        if step == 0:
            return 0.0  # a stage makes at least one step, even if its time is already over
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
    """The length of stage number `stage`, which begins after `elapsed` seconds of the run.

    A stage of length 0 has no steps. Every other stage has at least one step. If a stage takes more time than planned,
    the next stage has less.

    Args:
        stage: number of the stage.
        lengths: length of every stage in `unit`. With a budget, lengths are shares of the budget.
        unit: unit of `lengths`.
        steps_per_epoch: steps of an epoch of this stage.
        budget: length of the whole run; None for the sum of `lengths`.
        elapsed: seconds of the run before the stage.
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
    """Progress of the whole run, in [0, 1], when stage number `stage` is at `progress`."""
    ends = [0, *accumulate(lengths)]
    return (ends[stage] + progress * lengths[stage]) / ends[-1]


def rate_factor(schedule: Schedule, warmup: float, progress: float) -> float:
    """Factor of the learning rate at `progress` in [0, 1] of a stage."""
    if progress < warmup:
        return 0.01 + 0.99 * progress / warmup  # it starts at 1 %, so that the first step has an effect
    if schedule == "constant":
        return 1.0
    return 0.5 * (1 + cos(pi * (progress - warmup) / (1 - warmup)))


def crossed(before: float, after: float, *marks: int) -> bool:
    """Whether (before, after] contains one of the points k/n, k = 1..n, for any n of `marks`."""
    tolerance = 1e-9  # k/n * n is not always k
    return any(floor(before * n + tolerance) < floor(after * n + tolerance) for n in marks)
