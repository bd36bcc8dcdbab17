"""Four stops of the quickest commands at random moments; `kill.py` by hand goes through all commands for hours."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("kill.py")


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="processes are looked up in /proc")
def test_kills_lose_nothing_and_leave_nothing(tmp_path: Path) -> None:
    world = "data world"
    commands = (world, "score", world, "score --workers 2", world)
    command = (sys.executable, SCRIPT, "--kills", "4", "--minutes", "10", "--keep", tmp_path, "--commands", *commands)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert "4 runs, seed 0, 0 faults" in done.stdout
