"""Peak memory of a piece of work within a process."""

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
    """Peak memory in MiB: resident, and what torch allocated on the GPU (None without one); set at the block's end."""

    mib: float = 0.0
    gpu_mib: float | None = None


@contextmanager
def peak_memory() -> Iterator[Peak]:
    """Measure the peak memory of this process within the block; other processes, such as decoders, are not counted.

    Linux can set the peak back to what is resident now. Where that is not possible, the peak is that of the process
    since it began.
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
    """torch.cuda, where torch is at work and has a GPU; it is not imported for the question."""
    torch = sys.modules.get("torch")
    return torch.cuda if torch is not None and torch.cuda.is_available() else None


def _reset() -> bool:
    try:
        CLEAR.write_text("5", encoding="ascii")  # see proc(5): sets the peak resident set size back
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
