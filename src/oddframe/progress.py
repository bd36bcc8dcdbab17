"""Progress on standard error: bars on a terminal, a plain line every ten seconds elsewhere.

Functions that take long show it unasked, in Python as on the command line. A block of `progress_bars(visible=False)`
around them keeps them silent:

    with progress_bars(visible=False):
        oddframe.adapt(run, "camera7.mp4")
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

PLAIN_SECONDS = 10

ProgressCall = Callable[[str, int, int | None], None]
"""Called with the name of the work, steps done, and steps in all where that is known."""


class Bars:
    """A bar for each kind of work; a `ProgressCall`.

    Args:
        visible: whether anything is shown at all.
    """

    def __init__(self, visible: bool = True) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        self.visible = visible
        self.console = Console(stderr=True)
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self.bars = Progress(*columns, console=self.console, disable=not (visible and self.console.is_terminal))
        self.tasks: dict[str, Any] = {}
        self.last = time.monotonic()

    def __call__(self, what: str, done: int, total: int | None) -> None:
        """Show that `done` of `total` steps of `what` are made."""
        if not self.visible:
            return
        if self.console.is_terminal:
            if what not in self.tasks:
                self.tasks[what] = self.bars.add_task(what, total=total)
            self.bars.update(self.tasks[what], completed=done, total=total)
        elif time.monotonic() - self.last > PLAIN_SECONDS:
            self.last = time.monotonic()
            print(f"{what}: {done}" + (f" of {total}" if total else ""), file=sys.stderr, flush=True)


_around: ContextVar[Bars | None] = ContextVar("bars of the block around", default=None)


@contextmanager
def progress_bars(visible: bool = True) -> Iterator[Bars]:
    """Bars that are gone from the screen when the block ends; within another such block, the bars of that one."""
    around = _around.get()
    if around is not None:
        yield around
        return
    bars = Bars(visible)
    token = _around.set(bars)
    try:
        with bars.bars:
            yield bars
    finally:
        _around.reset(token)


@contextmanager
def shown(progress: ProgressCall | bool) -> Iterator[ProgressCall | None]:
    """What a function of the Python API shows its progress with.

    Args:
        progress: a function of the caller's, True for bars, or False for nothing.
    """
    if progress is True:
        with progress_bars() as bars:
            yield bars
    else:
        yield progress or None
