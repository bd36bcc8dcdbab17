"""Mutated label files, tables, arrays and checkpoints, in a process of its own: no traceback, no hang, no nonsense."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
def test_mutated_files_are_read_or_refused_in_one_line() -> None:
    script = Path(__file__).resolve().parents[2] / "benchmarks" / "fuzz_tables.py"
    command = [sys.executable, str(script), "--minutes", "0.8", "--cases", "4000", "--seed", "2"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=400)
    assert done.returncode == 0, done.stdout[-3000:]
    assert " 0 faults" in done.stdout
