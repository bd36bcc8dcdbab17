"""A part of `benchmarks/fuzz_video.py`: damaged files give no traceback, no hang, and accounts that add up."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "fuzz_video.py"


@pytest.mark.slow
def test_damaged_files_are_refused_or_accounted_for(tmp_path: Path) -> None:
    command = [
        sys.executable,
        str(SCRIPT),
        "--minutes",
        "3",
        "--files",
        "200",
        "--seed",
        "7",
        "--keep",
        str(tmp_path / "kept"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    counts = json.loads(done.stdout)
    assert counts["files"] > 50 and counts["frames"] > 1000 and counts["with losses"] > 10 and counts["failed"] == []
