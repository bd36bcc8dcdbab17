"""A run that is killed and resumed ends with the same bits as one that was left alone."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

DRIVER = Path(__file__).with_name("killed_runs.py")


@pytest.mark.slow
def test_killed_at_any_moment(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, DRIVER, tmp_path], capture_output=True, text=True, timeout=400)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["exit"] == 0
    assert result["kills"] >= 2
    taken_up = [tuple(where) for where in result["taken_up"]]
    assert taken_up == sorted(taken_up), "a resumed run has never less than it had"
    assert any(step > 0 for _, step in taken_up), "some kill struck within a stage"
    assert result["same"]
