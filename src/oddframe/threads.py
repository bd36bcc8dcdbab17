"""How many threads torch and NumPy compute with, beside whatever else the machine does.

The threads of torch wait for one another by spinning. Where another program keeps a core busy, one of them spins while
the one that it waits for does not run, and work takes ten to a hundred times its time. ONNX Runtime and OpenVINO do not
suffer so. Therefore torch leaves alone the cores that others use, and takes them back when they are free. The small
matrix products of fitted detectors are faster on one thread even on an idle machine.

Scores of one-class detectors do not depend on it: each core takes windows of its own (see `oddframe.runtime.torch`).
Training does, in its last bits: gradients are summed in another order. OMP_NUM_THREADS=1 gives the same bits anywhere.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from threadpoolctl import ThreadpoolController

INTERVAL = 0.25  # seconds between two looks at the load
STAT = Path("/proc/stat")
SLIGHT = 0.3  # cores that others may use before a whole one is left to them


class Load:
    """What other processes use of the cores that this process may run on. Only Linux tells."""

    def __init__(self) -> None:
        self.cpus = {f"cpu{number}" for number in os.sched_getaffinity(0)} if STAT.exists() else set()
        self._before = self._now()

    def cores(self) -> float | None:
        """How many cores others used since the last call, on average; None where it is not known or too soon to say."""
        now, before = self._now(), self._before
        if now is None or before is None or now[0] - before[0] < INTERVAL:
            return None
        self._before = now
        passed, idle, own = (new - old for new, old in zip(now, before, strict=True))
        return max(0.0, (len(self.cpus) * passed - idle - own) / passed)

    def _now(self) -> tuple[float, float, float] | None:
        """Seconds: of the clock, that the cores were idle, and that this process computed; each from some beginning."""
        if not self.cpus:
            return None
        rows = [line.split() for line in STAT.read_text("ascii").splitlines()]
        idle = sum(int(row[4]) + int(row[5]) for row in rows if row and row[0] in self.cpus)
        return time.monotonic(), idle / os.sysconf("SC_CLK_TCK"), time.process_time()


def beside(others: float, most: int) -> int:
    """How many of `most` threads compute fastest where others use so many cores: at least one."""
    return max(1, most - round(others + 0.5 - SLIGHT))


class TorchThreads:
    """The number of threads of torch in this process: at most what torch begins with, fewer beside busy neighbours."""

    def __init__(self) -> None:
        import torch  # fitted detectors do without it

        self.most = torch.get_num_threads()
        self.number = self.most
        self._load = Load()

    def settle(self) -> None:
        """Look at the load, where that is due, and set the number of threads; call it between pieces of work."""
        import torch

        if self.most == 1:
            return
        others = self._load.cores()
        if others is not None:
            spare = len(self._load.cpus) - self.most  # cores that torch was told not to use
            self.number = beside(max(0.0, others - spare), self.most)
        torch.set_num_threads(self.number)  # always: one part of it belongs to the calling thread, another to all


@cache
def torch_threads() -> TorchThreads:
    """Those of this process."""
    return TorchThreads()


def settle_threads() -> None:
    """`TorchThreads.settle` for this process. In a process that never calls it, torch keeps its number."""
    torch_threads().settle()


@cache
def _libraries() -> ThreadpoolController:
    return ThreadpoolController()


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Inside this block, matrix products of NumPy run on the thread that asks for them."""
    with _libraries().limit(limits=1, user_api="blas"):
        yield
