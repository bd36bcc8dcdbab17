"""The runner of one machine among several that know nothing of each other: it does every n-th task of a list.

Any scheduler that can start the same command n times will do. Array jobs of SLURM and indexed jobs of Kubernetes tell
their number in the environment.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from oddframe.errors import InputError
from oddframe.processes import Count, Killed
from oddframe.runners.local import LocalRunner

T = TypeVar("T")
R = TypeVar("R")

AUTO = "auto"


@dataclass(frozen=True)
class Shard:
    """The share `number` of `of`, counted from 1.

    Raises:
        InputError: there is no such share.
    """

    number: int
    of: int

    def __post_init__(self) -> None:
        if not 1 <= self.number <= self.of:
            raise InputError(
                f"shard {self.number}/{self.of}: shares are counted from 1/{self.of} to {self.of}/{self.of}"
            )

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"


def parse_shard(text: str, environment: Mapping[str, str] = os.environ) -> Shard:
    """The share that "2/8" names. The number may be "auto", and so may both: then they come from the environment.

    SLURM: SLURM_ARRAY_TASK_ID, _COUNT, _MIN and _STEP. Kubernetes: JOB_COMPLETION_INDEX; it does not tell how many
    there are, so write "auto/8", or put the number into JOB_COMPLETIONS.

    Raises:
        InputError: it is no share, or the environment does not tell.
    """
    found = re.fullmatch(rf"(\d+|{AUTO})(?:/(\d+))?", text.strip())
    if found is None or (found[2] is None and found[1] != AUTO):
        raise InputError(f"shard {text!r}: write the number of the share and how many there are, such as 2/8, or auto")
    if found[1] != AUTO:
        return Shard(int(found[1]), int(found[2]))
    number, of = _surroundings(environment)
    if found[2] is not None:
        of = int(found[2])
    if of is None:
        raise InputError(
            "shard auto: the environment tells the number of this share and not how many there are; write auto/8 for "
            "eight, or set JOB_COMPLETIONS"
        )
    return Shard(number, of)


def _surroundings(environment: Mapping[str, str]) -> tuple[int, int | None]:
    """The number of this share, from 1, and how many there are, by the scheduler that started this process."""

    def number(name: str) -> int | None:
        value = environment.get(name, "")
        if value and not value.isdecimal():
            raise InputError(f"{name} is {value!r}; a number was expected")
        return int(value) if value else None

    task = number("SLURM_ARRAY_TASK_ID")
    if task is not None:
        first, step = number("SLURM_ARRAY_TASK_MIN") or 0, number("SLURM_ARRAY_TASK_STEP") or 1
        return (task - first) // step + 1, number("SLURM_ARRAY_TASK_COUNT")
    index = number("JOB_COMPLETION_INDEX")
    if index is not None:
        return index + 1, number("JOB_COMPLETIONS")
    raise InputError(
        "shard auto: this is no array job of SLURM (SLURM_ARRAY_TASK_ID) and no indexed job of Kubernetes "
        "(JOB_COMPLETION_INDEX); write the share, such as 2/8"
    )


@dataclass(frozen=True)
class ShardRunner:
    """Every n-th task, in processes of this machine. A `Runner`."""

    shard: Shard
    local: LocalRunner = field(default_factory=LocalRunner)
    shared = True

    @property
    def workers(self) -> int:
        return self.local.workers

    def own(self, tasks: Sequence[T]) -> list[T]:
        return list(tasks[self.shard.number - 1 :: self.shard.of])

    def run(
        self,
        begin: Callable[[], Callable[[T, Count], R]],
        tasks: Sequence[T],
        tell: Callable[[float], None] | None = None,
    ) -> Generator[tuple[T, R | Killed]]:
        return self.local.run(begin, tasks, tell)
