"""What a shell does to standard output and standard error ends in one line or in silence, never in a traceback."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

ODDFRAME = f"{sys.executable} -m oddframe"

# What the shell runs -> exit statuses that are right, and what standard error says.
SHELLS: dict[str, tuple[set[int], str]] = {
    "{} recipes >&-": ({0, 2}, ""),
    "{} recipes 2>&-": ({0}, ""),
    "{} recipes >&- 2>&-": ({0, 2}, ""),
    "{} absent 2>&-": ({2}, ""),
    "{} recipes >/dev/full": ({2}, "No space left on device"),
    "{} recipes --json >/dev/full": ({2}, "No space left on device"),
    "{} score nothing nothing --out x 2>/dev/full": ({2}, ""),
    "{} recipes | head -1; exit ${{PIPESTATUS[0]}}": ({0, 141}, ""),
    "{} recipes --json | true; exit ${{PIPESTATUS[0]}}": ({0, 141}, ""),
    "{} recipes < /dev/zero": ({0}, ""),
    "{} recipes <&-": ({0}, ""),
    "LC_ALL=C PYTHONIOENCODING=ascii {} score nothing $'caf\\xe9\\x1b[31m' --out x": ({2}, "nothing"),
}


@pytest.mark.slow
@pytest.mark.parametrize("line", SHELLS)
def test_a_shell(line: str, tmp_path: os.PathLike[str]) -> None:
    statuses, says = SHELLS[line]
    command = ["bash", "-c", line.format(ODDFRAME)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, timeout=180)
    error = done.stderr.decode()
    assert done.returncode in statuses, error
    assert "Traceback" not in error and "Exception ignored" not in error and says in error
    assert len(error.splitlines()) <= 1 and not any(ord(letter) < 32 and letter != "\n" for letter in error)
