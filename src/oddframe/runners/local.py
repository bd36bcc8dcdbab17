"""The runner of this machine: processes that share its cores."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from oddframe.errors import InputError
from oddframe.processes import Count, Killed, cores, run_tasks

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True)
class LocalRunner:
    """Processes beside this one, or this one alone. A `Runner`.

    Attributes:
        workers: processes; with 1 this process does the work, on all cores.
        threads: cores of a process; None divides those of the machine.

    Raises:
        InputError: there is no process.
    """

    workers: int = 1
    threads: int | None = None
    shared = False

    def __post_init__(self) -> None:
        if self.workers < 1:
            raise InputError(f"workers is {self.workers}; it must be at least 1")

    def own(self, tasks: Sequence[T]) -> list[T]:
        return list(tasks)

    def run(
        self,
        begin: Callable[[], Callable[[T, Count], R]],
        tasks: Sequence[T],
        tell: Callable[[float], None] | None = None,
    ) -> Generator[tuple[T, R | Killed]]:
        if self.workers == 1:
            return run_tasks(begin, tasks, 1, tell)
        threads = self.threads or max(1, cores() // self.workers)
        return run_tasks(partial(begin_on, threads, begin), tasks, self.workers, tell)


def begin_on(threads: int, begin: Callable[[], Callable[[T, Count], R]]) -> Callable[[T, Count], R]:
    """Begin in a spawned process whose libraries use `threads` cores; they read this when they are loaded."""
    os.environ["OMP_NUM_THREADS"] = str(threads)
    return begin()
