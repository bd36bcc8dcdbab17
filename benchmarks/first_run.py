"""A newcomer's first minutes: the wheel in an empty environment, the first block of README, its report in Chromium.

    python benchmarks/first_run.py FOLDER

FOLDER is new: it gets the wheel, the environment, the files of the block, and the pictures of the report. Torch is
installed as `constraints.txt` has it. Prints the seconds of every step as one JSON document.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

from report_picture import draw

ROOT = Path(__file__).resolve().parents[1]


def main() -> None:
    """Build, install, run, draw."""
    folder = Path(sys.argv[1]).absolute()
    folder.mkdir(parents=True)
    python, took = folder / "venv" / "bin" / "python", {}

    def step(name: str, *words: str | Path) -> None:
        # The environment holds nothing but the wheel, and no module of the checkout.
        alone = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "VIRTUAL_ENV")}
        path = os.pathsep.join([str(python.parent), alone["PATH"]])
        begun = time.monotonic()
        subprocess.run(words, check=True, cwd=folder, env={**alone, "PATH": path}, stdout=sys.stderr)
        took[name] = round(time.monotonic() - begun, 1)

    step("wheel", sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", folder, ROOT)
    (wheel,) = folder.glob("oddframe-*.whl")
    step("environment", sys.executable, "-m", "venv", folder / "venv")
    step("install", python, "-m", "pip", "install", "-q", "-c", ROOT / "constraints.txt", f"{wheel}[backbone]")
    for line in first_block():
        step(line, "bash", "-c", line)
    step("oddframe --version", "bash", "-c", "oddframe --version")
    draw(folder / "scores" / "report.html", folder)
    print(json.dumps({"seconds": took, "megabytes_of_wheel": round(wheel.stat().st_size / 1e6, 2)}, indent=1))


def first_block() -> list[str]:
    """The commands of the first block of README."""
    found = re.search(r"```bash\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None
    return found[1].splitlines()


if __name__ == "__main__":
    main()
