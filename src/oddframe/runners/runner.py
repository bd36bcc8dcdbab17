"""The interface of a runner: who does the tasks of a command, and which of them are its own."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from typing import Protocol, TypeVar

from oddframe.processes import Count, Killed

T = TypeVar("T")
R = TypeVar("R")


class Runner(Protocol):
    """Does tasks, and yields their results as they come.

    Attributes:
        shared: other machines write into the same folder at the same time, each its own share of the work.
        workers: tasks that are done side by side on this machine; with 1, this process does them itself.
    """

    @property
    def shared(self) -> bool: ...

    @property
    def workers(self) -> int: ...

    def own(self, tasks: Sequence[T]) -> list[T]:
        """Those of a list of tasks that this runner is here for. The list is the same on all machines."""

    def run(
        self,
        begin: Callable[[], Callable[[T, Count], R]],
        tasks: Sequence[T],
        tell: Callable[[float], None] | None = None,
    ) -> Generator[tuple[T, R | Killed]]:
        """Do tasks; yield each with its result as soon as it is done. Close this iterator, or exhaust it.

        Args:
            begin: called once in every process; returns the function that does a task. All of it can be pickled.
            tasks: they are begun in this order.
            tell: called now and then with the sum of what the tasks have counted, where the runner hears of it.

        Yields:
            Every task with its result, or with `Killed` where each process that worked on it died.

        Raises:
            OddframeError: no process lives long enough to do a task.
            Exception: what `begin` or a task raised.
        """
