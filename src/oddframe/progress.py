"""Progress on standard error: a bar on a terminal, elsewhere a plain line every ten seconds, where something is new,
and one at the end.

Functions that take long show it unasked, in Python as on the command line. A block of `progress_bars(visible=False)`
around them keeps them silent:

    with progress_bars(visible=False):
        oddframe.adapt(run, "camera7.mp4")
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import Any

from oddframe.spelling import visible

PLAIN_SECONDS = 10

ProgressCall = Callable[[str, int, int | None], None]
"""Called with the name of the work, steps done, and steps in all where that is known."""


class Bars:
    """One bar at a time, for the work that began last and is not done; a `ProgressCall`.

    Args:
        visible: whether anything is shown at all.
    """

    def __init__(self, visible: bool = True) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn

        self.visible = visible
        self.console = Console(stderr=True)
        columns = (TextColumn("{task.description}", markup=False), BarColumn(20), TextColumn("{task.fields[told]}"))
        self.bars = Progress(*columns, console=self.console, disable=not (visible and self.console.is_terminal))
        self.tasks: dict[str, Any] = {}  # in the order in which the work began
        self.last, self.said = time.monotonic(), ("", 0)

    def __call__(self, what: str, done: int, total: int | None, note: str = "") -> None:
        """Show that `done` of `total` steps of `what` are made; with `note`, that in place of the counted steps."""
        if not self.visible:
            return
        if self.console.is_terminal:
            self._draw(what, done, total, note)
        elif (what, done) != self.said and (
            time.monotonic() - self.last > PLAIN_SECONDS or (what == self.said[0] and total and done >= total)
        ):
            self.last, self.said = time.monotonic(), (what, done)
            _tell(f"{visible(what)}: {done}" + (f" of {total}" if total else ""))

    def _draw(self, what: str, done: int, total: int | None, note: str) -> None:
        if what not in self.tasks:
            if total and done >= total:
                return  # work that is done shows no bar once more
            self.tasks[what] = self.bars.add_task(visible(what), total=total, told="")
        number = self.tasks[what]
        self.bars.update(number, completed=done, total=total)
        task = next(one for one in self.bars.tasks if one.id == number)
        self.bars.update(number, told=note or pace(done, total, task.speed))
        if total and done >= total:
            self.bars.remove_task(self.tasks.pop(what))
        for name, other in self.tasks.items():
            self.bars.update(other, visible=name == next(reversed(self.tasks)))


def pace(done: float, total: float | None, per_second: float | None) -> str:
    """Steps done, their rate and the time that is left, as far as these are known.

    >>> pace(1200, 4800, 120.0)
    '1,200/4,800  120/s  0:30 left'
    """
    parts = [f"{done:,.0f}" if total is None else f"{done:,.0f}/{total:,.0f}"]
    if per_second:
        parts.append(f"{per_second:.3g}/s" if per_second < 1000 else f"{per_second:,.0f}/s")
        if total is not None:
            parts.append(f"{clock((total - done) / per_second)} left")
    return "  ".join(parts)


def clock(seconds: float) -> str:
    """A duration as 1:02 or 1:02:03."""
    minutes, second = divmod(max(0, round(seconds)), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02d}:{second:02d}" if hours else f"{minute}:{second:02d}"


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


def silent() -> bool:
    """Whether a block around says that nothing is to be shown besides results and errors, as with `--quiet`."""
    around = _around.get()
    return around is not None and not around.visible


def say(line: str, progress: ProgressCall | bool) -> None:
    """Print a line on standard error where progress is shown in bars or lines."""
    if progress is True and not silent():
        _tell(visible(line))


def _tell(line: str) -> None:
    """Print on standard error, if it takes anything: work goes on where nobody can be told of it."""
    with suppress(OSError):
        print(line, file=sys.stderr, flush=True)
