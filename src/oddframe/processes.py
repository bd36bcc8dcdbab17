"""Processes beside this one, for work on many files.

They are spawned, not forked: a fork of a process that runs threads can hang.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from types import ModuleType
from typing import Any

SPAWN = get_context("spawn")


def cores() -> int:
    """Cores for the arithmetic of this process: what OMP_NUM_THREADS says, as for torch, or those it may run on."""
    wish = os.environ.get("OMP_NUM_THREADS", "")
    if wish.isdecimal() and int(wish) > 0:
        return int(wish)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def process_pool(workers: int, begin: Callable[..., object] | None = None, *arguments: Any) -> ProcessPoolExecutor:
    """A pool whose processes start at the first `submit`; make that one under `main_hidden`.

    An interrupt is this process's to handle: the others do not notice it.

    Args:
        begin: called with `arguments` in every process before its first task. They may hold what `SPAWN` makes to be
            shared between processes.
    """
    return ProcessPoolExecutor(workers, SPAWN, _begin, (begin, arguments))


@contextmanager
def main_hidden() -> Iterator[None]:
    """Hide the script that was started from the processes that start in this block.

    A spawned process imports it, and it would run again if it has no `__main__` guard. Workers need nothing of it.
    """
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def _begin(begin: Callable[..., object] | None, arguments: tuple[Any, ...]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if begin is not None:
        begin(*arguments)
