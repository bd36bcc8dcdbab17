"""How much a command tells besides its results: `--quiet` and `--verbose`."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Sequence, Set
from contextlib import contextmanager, nullcontext
from pathlib import Path

from oddframe.cli.faults import without_credentials
from oddframe.cli.versions import version_lines
from oddframe.errors import InputError
from oddframe.places import default_cache_root
from oddframe.progress import progress_bars
from oddframe.spelling import visible

FLAGS = frozenset({"--quiet", "--verbose", "--debug"})
"""Options that may stand anywhere on the command line."""


@contextmanager
def told_of(words: Sequence[str], flags: Set[str]) -> Iterator[None]:
    """A block around a command, in which progress is shown or not; with --verbose, what it cost is told at its end.

    Raises:
        InputError: both --quiet and --verbose are given.
    """
    if {"--quiet", "--verbose"} <= flags:
        raise InputError("--quiet and --verbose exclude each other; give one of them")
    if "--verbose" not in flags:
        with progress_bars(visible=False) if "--quiet" in flags else nullcontext():
            yield
        return
    import logging

    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(name)s: %(message)s")
    _tell(
        [
            *version_lines(),
            f"folder {Path.cwd()}",
            f"cache {default_cache_root()}",
            f"command {without_credentials(' '.join(words))}",
        ]
    )
    wall, before = time.monotonic(), os.times()
    try:
        yield
    finally:
        after = os.times()
        cpu = sum(getattr(after, part) - getattr(before, part) for part in ("user", "system"))
        children = sum(
            getattr(after, f"children_{part}") - getattr(before, f"children_{part}") for part in ("user", "system")
        )
        _tell([f"time {time.monotonic() - wall:.1f} s; processor {cpu:.1f} s, of workers {children:.1f} s{_memory()}"])


def _memory() -> str:
    """The most memory that this process had, in words; empty where the system does not say."""
    try:
        import resource
    except ImportError:  # Windows
        return ""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return f"; memory {most / (1 << 20 if sys.platform == 'darwin' else 1 << 10):.0f} MiB at most"


def _tell(lines: Sequence[str]) -> None:
    for line in lines:
        print(f"verbose: {visible(line)}", file=sys.stderr)
