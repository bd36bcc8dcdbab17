"""Progress on standard error: bars on a terminal, a plain line every ten seconds elsewhere.

Functions that take long show it unasked, in Python as on the command line. A block of `progress_bars(shown=False)`
around them keeps them silent:

    with progress_bars(shown=False):
        oddframe.adapt(run, "camera7.mp4")
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

PLAIN_SECONDS = 10


class Bars:
    """One bar for each kind of work.

    Args:
        shown: whether anything is shown at all.
    """

    def __init__(self, shown: bool = True) -> None:
        self.shown = shown
        self.console = Console(stderr=True)
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self.bars = Progress(*columns, console=self.console, disable=not (shown and self.console.is_terminal))
        self.tasks: dict[str, TaskID] = {}
        self.last = time.monotonic()

    def __call__(self, what: str, done: int, total: int | None) -> None:
        """Say that `done` of `total` steps of `what` are made."""
        if not self.shown:
            return
        if self.console.is_terminal:
            if what not in self.tasks:
                self.tasks[what] = self.bars.add_task(what, total=total)
            self.bars.update(self.tasks[what], completed=done, total=total)
        elif time.monotonic() - self.last > PLAIN_SECONDS:
            self.last = time.monotonic()
            print(f"{what}: {done}" + (f" of {total}" if total else ""), file=sys.stderr, flush=True)


_open: ContextVar[Bars | None] = ContextVar("bars of the block around", default=None)


@contextmanager
def progress_bars(shown: bool = True) -> Iterator[Bars]:
    """Bars that are gone from the screen when the block ends; within another such block, the bars of that one."""
    around = _open.get()
    if around is not None:
        yield around
        return
    bars = Bars(shown)
    token = _open.set(bars)
    try:
        with bars.bars:
            yield bars
    finally:
        _open.reset(token)
