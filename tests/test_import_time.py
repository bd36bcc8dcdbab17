"""What needs no heavy library loads none, so that it answers at once."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = {
    "torch", "cv2", "av", "matplotlib", "scipy", "openvino", "onnxruntime", "lightning_fabric", "transformers",
    "sqlalchemy", "alembic", "psycopg", "fastapi", "uvicorn", "rich",
}  # fmt: skip
COMMAND = "import sys; sys.argv = ['oddframe', *{words!r}]; from oddframe.cli import main; main()"

# What is started -> whether numpy may be loaded: the list of models and a check of a path have to look into things.
START = {
    "import oddframe": False,
    "oddframe --help": False,
    "oddframe --version": False,
    "oddframe --version --json": False,
    "oddframe score --help": False,
    "oddframe score run nothing.mp4": False,
    "oddframe score nowhere video.mp4": False,
    "oddframe fit nothing": False,
    "oddframe models": True,
}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a folder `run`."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run").mkdir()
    return tmp_path


def statement(start: str) -> str:
    words = start.split()
    return start if words[0] == "import" else COMMAND.format(words=words[1:])


@pytest.mark.parametrize("start", START)
def test_loads_nothing_heavy(start: str, place: Path) -> None:
    # Python itself lists every module as it is imported, however the process ends.
    done = subprocess.run([sys.executable, "-X", "importtime", "-c", statement(start)], capture_output=True, text=True)
    assert done.returncode == (2 if "noth" in start or "nowhere" in start else 0), done.stderr
    loaded = {line.rpartition("|")[2].strip().split(".")[0] for line in done.stderr.splitlines() if "|" in line}
    assert "oddframe" in loaded
    assert not loaded & (HEAVY if START[start] else HEAVY | {"numpy"})


MOST_TIMES = 2.8


@pytest.mark.slow
@pytest.mark.parametrize(
    "start", ["oddframe --help", "oddframe --version", "oddframe score run nothing.mp4", "oddframe models"]
)
def test_costs_little_more_than_numpy_and_typer(start: str, place: Path) -> None:
    """A ratio of two times of the same minute, so that a slow or busy machine changes both."""
    least = least_seconds("import numpy, typer; from pydantic import TypeAdapter")  # typer checks with it
    assert least_seconds(statement(start)) < MOST_TIMES * least


OUT = "--out o"
WRONG = [
    f"fit nowhere {OUT}", f"fit . --model nope {OUT}", f"fit . --recipe nope {OUT}", f"fit . --set training.x=1 {OUT}",
    f"fit . --budget soon {OUT}", f"fit . --device gpu {OUT}", f"score nowhere v.mp4 {OUT}",
    f"score . nowhere {OUT}", f"score . . --runtime nope {OUT}", f"score . . --device gpu {OUT}",
    f"score . . --threshold nan {OUT}", "watch nowhere test:", "watch",
    "watch --config nowhere", "evaluate nowhere --data folder:.", "evaluate . --data folder:nowhere",
    "evaluate . --data folder:. --rule nope", "calibrate nowhere . --in-place", "calibrate . nowhere --in-place",
    "adapt nowhere .", "adapt . nowhere", "export nowhere --to onnx", "export . --to nope", "bench nowhere .",
    "bench . nowhere", f"benchmark nowhere {OUT}", f"features clip nowhere {OUT}",
    f"features clip . --weights nowhere {OUT}", f"import-checkpoint sdmae nowhere {OUT}", "data check nowhere",
    "review nowhere", "events list --store nowhere", "events mark normal x --store nowhere", "events list --store mysql://h/d",
    "data info nowhere", "runs nowhere", "cache clean --kind nope", "new detector 9", "new recipe x --like nope",
    "data info ucsd-pd2:x", f"demo --recipe nope {OUT}", f"demo --budget soon {OUT}",
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("command", WRONG)
def test_wrong_arguments_are_refused_before_torch_is_loaded(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    program = "import sys; from oddframe.cli import main; sys.modules['torch'] = None; main()"
    done = subprocess.run([sys.executable, "-c", program, *command.split()], capture_output=True, text=True)
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and "[torch]" not in done.stderr
    assert not list(tmp_path.iterdir())


def least_seconds(statement: str) -> float:
    """Processor time, interpreter start included: the same as the clock on an idle machine."""
    return min(processor_seconds(statement) for _ in range(3))


def processor_seconds(statement: str) -> float:
    before = os.times()
    subprocess.run([sys.executable, "-c", statement], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system
