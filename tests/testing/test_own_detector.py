"""The detector that the tutorial shows, from an empty package to a score, with the commands that it shows."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[2]
FENCED = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# One process for all commands: each of its own would import torch once more. What they print comes out as JSON.
COMMANDS = """
import io, json, sys
from contextlib import redirect_stderr, redirect_stdout
from oddframe.cli import main

answers = []
for words in json.loads(sys.argv[1]):
    out, err, status = io.StringIO(), io.StringIO(), 0
    with redirect_stdout(out), redirect_stderr(err):
        try:
            if words[0] == "python":
                exec(words[2], {})
            else:
                sys.argv = words
                main()
        except SystemExit as left:
            status = left.code or 0
    answers.append((status, out.getvalue(), err.getvalue()))
print(json.dumps(answers))
"""


class Answer(NamedTuple):
    """What a command left: its exit status, standard output and standard error."""

    status: int
    out: str
    err: str


def blocks() -> dict[str, str]:
    """Language -> text of the code blocks of the tutorial."""
    found = FENCED.findall((ROOT / "docs" / "tutorials" / "own-detector.md").read_text(encoding="utf-8"))
    assert len(found) == len(dict(found)) == 3, "one block each of toml, python and bash"
    return dict(found)


def run(words: list[str], folder: Path) -> str:
    """Standard output of a program in a folder, where packages that lie in `folder/installed` can be imported."""
    path = os.pathsep.join([str(folder / "installed"), str(ROOT / "src")])
    environment = {**os.environ, "PYTHONPATH": path, "ODDFRAME_CACHE": str(folder / "cache")}
    done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert not done.returncode, done.stderr
    return done.stdout


def told_by(commands: list[list[str]], folder: Path) -> list[Answer]:
    """What the commands leave, one after the other; the first word of each is `oddframe` or `python`."""
    return [
        Answer(*answer) for answer in json.loads(run([sys.executable, "-c", COMMANDS, json.dumps(commands)], folder))
    ]


def install(folder: Path, package: Path) -> None:
    """`pip install`, without a network and without touching this environment."""
    offline = ["--no-index", "--no-deps", "--no-build-isolation", "--no-cache-dir", "--disable-pip-version-check"]
    run([sys.executable, "-m", "pip", "install", *offline, "--target", str(folder / "installed"), str(package)], folder)


def lay_down(folder: Path, name: str, code: str) -> None:
    """What `pip install` leaves of a package of one module that is registered under `name`, without pip's seconds."""
    installed = folder / "installed"
    about = installed / f"oddframe_{name}-1.0.dist-info"
    about.mkdir(parents=True)
    (installed / f"oddframe_{name}.py").write_text(code, encoding="utf-8")
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: oddframe-{name}\nVersion: 1.0\n", encoding="utf-8")
    (about / "entry_points.txt").write_text(f"[oddframe.models]\n{name} = oddframe_{name}:ENTRY\n", encoding="utf-8")


def write_package(folder: Path, name: str, code: str) -> Path:
    """A package of one module, registered under `name`."""
    package = folder / f"package-{name}"
    package.mkdir()
    (package / "pyproject.toml").write_text(blocks()["toml"].replace("ahead", name), encoding="utf-8")
    (package / f"oddframe_{name}.py").write_text(code, encoding="utf-8")
    return package


@pytest.mark.slow
def test_the_detector_of_the_tutorial_goes_from_an_empty_package_to_a_score(tmp_path: Path) -> None:
    code = blocks()["python"]
    assert len(code.splitlines()) <= 120
    commands = [shlex.split(line) for line in blocks()["bash"].splitlines()]
    assert commands.pop(0) == ["pip", "install", "."]
    install(tmp_path, write_package(tmp_path, "ahead", code))
    commands = [words for words in commands if "export" not in words or find_spec("onnxscript")]
    told: dict[str, str] = {}
    for words, answer in zip(commands, told_by(commands, tmp_path), strict=True):
        assert not answer.status, f"{shlex.join(words)}\n{answer.out}\n{answer.err}"
        told[words[1]] = answer.out
    assert set(told) >= {"models", "recipes", "protocols", "data", "fit", "score", "evaluate", "-c"}
    assert re.search(r"^ahead .*frames t-2 t-1 at 64x128", told["models"], re.MULTILINE)
    assert re.search(r"^ahead-small +ahead ", told["recipes"], re.MULTILINE)
    assert "paper/ahead: the error, smoothed" in told["protocols"]
    assert "paper/ahead" in told["evaluate"] and "honest" in told["evaluate"]
    assert sorted(path.name for path in (tmp_path / "scores" / "scores").glob("*.npz")) == ["01.npz", "02.npz"]
    if find_spec("onnxscript"):
        assert (tmp_path / "exported").is_dir()


@pytest.mark.slow
def test_a_broken_package_is_named_and_disturbs_no_other(tmp_path: Path) -> None:
    lay_down(tmp_path, "ahead", blocks()["python"])
    lay_down(tmp_path, "torn", "import a_library_that_nobody_has")
    listed, shown, recipes, fit = told_by(
        [
            ["oddframe", "models", "--json"],
            ["oddframe", "models"],
            ["oddframe", "recipes"],
            ["oddframe", "fit", ".", "--model", "torn", "--out", "run"],
        ],
        tmp_path,
    )
    assert not listed.status, listed.err
    rows = {row["model"]: row for row in json.loads(listed.out)}
    line = "model torn of package oddframe-torn cannot be loaded: ModuleNotFoundError: No module named"
    assert rows["torn"]["broken"].startswith(line) and {"sdmae", "ahead"} <= rows.keys()
    assert "broken" not in rows["ahead"] and "broken: model torn" in shown.out
    assert not recipes.status and "ahead-small" in recipes.out
    assert fit.status == 2 and line in fit.err and "Traceback" not in fit.err
