"""Measurement of the peak memory of a block of code."""

from __future__ import annotations

import re
import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

CLEAR, STATUS = Path("/proc/self/clear_refs"), Path("/proc/self/status")


class Peak:
    """Peak memory in MiB: resident, and allocated by torch on the GPU (None without one)."""

    mib: float = 0.0
    gpu_mib: float | None = None


@contextmanager
def peak_memory() -> Iterator[Peak]:
    """Measure the peak memory of this process inside the block. Other processes, such as decoders, do not count.

    Linux can reset the peak to the memory that is resident now. If that is not possible, the result is the peak since
    the process began.
    """
    fresh = _reset()
    cuda = _cuda()
    if cuda is not None:
        cuda.reset_peak_memory_stats()
    peak = Peak()
    try:
        yield peak
    finally:
        peak.mib = _high_water() if fresh else peak_mib()
        peak.gpu_mib = cuda.max_memory_allocated() / (1 << 20) if cuda is not None else None


def _cuda() -> Any:
    """torch.cuda, if torch is already imported and has a GPU; otherwise None."""
    torch = sys.modules.get("torch")
    return torch.cuda if torch is not None and torch.cuda.is_available() else None


def _reset() -> bool:
    try:
        CLEAR.write_text("5", encoding="ascii")  # see proc(5): resets the peak resident set size
        return True
    except OSError:
        return False


def _high_water() -> float:
    found = re.search(r"VmHWM:\s+(\d+) kB", STATUS.read_text(encoding="ascii"))
    return int(found[1]) / 1024 if found else peak_mib()


def peak_mib() -> float:
    """Peak resident memory of this process so far, in MiB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1 << 20 if sys.platform == "darwin" else 1 << 10)
