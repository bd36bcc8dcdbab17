"""A network that gives all segments of a video one score has learnt to tell videos apart and nothing else."""

from __future__ import annotations

from warnings import warn

import torch
from torch import Tensor

COLLAPSED = 0.01  # standard deviation of the scores within a video, mean over videos, below which that is so
PATIENCE, WATCHED = 150, 50  # steps in which scores may begin to differ, and steps that are averaged over
GROWING = 2.0  # times the average before: scores that come to differ late are given more time


class CollapseWatch:
    """Says so, once, when the scores within a video still do not differ after `PATIENCE` steps, or no longer do.

    The first steps do not count: every network begins with scores near 0.5. It looks at the mean of the last `WATCHED`
    steps, every `WATCHED` steps, so that a GPU is seldom waited for, and is content while that mean is growing.

    Args:
        who: begins the message.
        advice: ends it.
    """

    def __init__(self, who: str, advice: str) -> None:
        self.who, self.advice, self.steps, self.warned = who, advice, 0, False
        self.recent: list[Tensor] = []

    def step(self, spread: Tensor) -> None:
        """Note the spread of a training step's scores."""
        self.steps += 1
        self.recent = [*self.recent[1 - 2 * WATCHED :], spread]
        if self.warned or self.steps < PATIENCE or self.steps % WATCHED:
            return
        before, mean = torch.stack(self.recent).unflatten(0, (2, WATCHED)).mean(1).tolist()
        if mean < COLLAPSED and mean <= GROWING * before:
            self.warned = True
            warn(
                f"{self.who}: after {self.steps} steps the scores within a video deviate by {mean:.1g}: they may tell "
                f"videos apart, but not moments; {self.advice}",
                RuntimeWarning,
                stacklevel=2,
            )
