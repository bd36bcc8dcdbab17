"""Progress on standard error: bars on a terminal, a plain line every ten seconds elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

PLAIN_SECONDS = 10

ProgressCall = Callable[[str, int, int | None], None]
"""Called with the name of the work, steps done, and steps in all where that is known."""


class Bars:
    """A bar for each kind of work; a `ProgressCall`."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        self.console = Console(stderr=True)
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self.bars = Progress(*columns, console=self.console, disable=not self.console.is_terminal)
        self.tasks: dict[str, Any] = {}
        self.last = time.monotonic()

    def __call__(self, what: str, done: int, total: int | None) -> None:
        """Show that `done` of `total` steps of `what` are made."""
        if self.console.is_terminal:
            if what not in self.tasks:
                self.tasks[what] = self.bars.add_task(what, total=total)
            self.bars.update(self.tasks[what], completed=done, total=total)
        elif time.monotonic() - self.last > PLAIN_SECONDS:
            self.last = time.monotonic()
            print(f"{what}: {done}" + (f" of {total}" if total else ""), file=sys.stderr, flush=True)


@contextmanager
def progress_bars() -> Iterator[Bars]:
    """Bars that are gone from the screen when the block ends."""
    bars = Bars()
    with bars.bars:
        yield bars


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
