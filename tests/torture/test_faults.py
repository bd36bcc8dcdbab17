from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
def test_faults_under_writes_cost_one_line_and_no_result() -> None:
    """A sample; `python tests/torture/faults.py` tries every call with every kind of fault."""
    script = Path(__file__).with_name("faults.py")
    commands = ["features", "in place", "score", "fit"]
    words = ["--in-turn", "--every", "15", "--seconds", "60", "--commands", ",".join(commands)]
    done = subprocess.run([sys.executable, script, *words], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert [line.split("|")[1].strip() for line in done.stdout.splitlines()[2:]] == commands
