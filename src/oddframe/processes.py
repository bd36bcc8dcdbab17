"""Worker processes for work on many files.

They are spawned, not forked, because a fork of a process that runs threads can hang.
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
    """Number of cores for the arithmetic of this process.

    It is OMP_NUM_THREADS where that is set, as for torch; otherwise the number of cores that the process may run on.
    """
    threads = os.environ.get("OMP_NUM_THREADS", "")
    if threads.isdecimal() and int(threads) > 0:
        return int(threads)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def process_pool(workers: int, begin: Callable[..., object] | None = None, *arguments: Any) -> ProcessPoolExecutor:
    """A pool of worker processes. They start at the first `submit`; call it inside `main_hidden`.

    Only the parent process handles an interrupt; the workers ignore it.

    Args:
        workers: number of processes.
        begin: called with `arguments` in every process before its first task.
        arguments: for `begin`. They may hold objects of `SPAWN` that processes share, such as locks and queues.
    """
    return ProcessPoolExecutor(workers, SPAWN, _begin, (begin, arguments))


@contextmanager
def main_hidden() -> Iterator[None]:
    """Hide the main script from processes that start inside this block.

    A spawned process imports the main script, which would run again if it has no `__main__` guard. Workers do not need
    the script.
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
