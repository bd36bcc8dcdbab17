"""`import oddframe` and `oddframe --help` answer at once, which they can only do without the heavy libraries."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

HEAVY = {"torch", "cv2", "av", "matplotlib"}
LIMIT_S = 0.5

START = {
    "import oddframe": "import oddframe",
    "oddframe --help": "import sys; sys.argv = ['oddframe', '--help']; from oddframe.cli import main; main()",
}


@pytest.mark.parametrize("statement", START.values(), ids=START)
def test_loads_nothing_heavy(statement: str) -> None:
    # Python itself lists every module as it is imported, however the process ends.
    done = subprocess.run([sys.executable, "-X", "importtime", "-c", statement], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    loaded = {line.rpartition("|")[2].strip().split(".")[0] for line in done.stderr.splitlines() if "|" in line}
    assert "oddframe" in loaded
    assert not loaded & HEAVY


@pytest.mark.parametrize("statement", START.values(), ids=START)
def test_starts_in_under_half_a_second(statement: str) -> None:
    # Processor time, interpreter start included: the same as the clock on an idle machine, and unmoved by a busy one.
    best = min(processor_seconds(statement) for _ in range(3))
    assert best < LIMIT_S


def processor_seconds(statement: str) -> float:
    before = os.times()
    subprocess.run([sys.executable, "-c", statement], check=True, stdout=subprocess.DEVNULL)
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system
