"""Waits for what another thread or process does."""

from __future__ import annotations

import time
from collections.abc import Callable

PATIENCE = 60.0  # seconds; a loaded machine is slow


def until(what: Callable[[], object], seconds: float = PATIENCE) -> None:
    """Wait for something to hold."""
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it did not come to hold"
        time.sleep(0.01)
