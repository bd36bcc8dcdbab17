"""The detector that CONTRIBUTING shows, from an empty package to a score, with the commands that it shows."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FENCED = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
ODDFRAME = [sys.executable, "-c", "from oddframe.cli import main; main()"]


def blocks() -> dict[str, str]:
    """Language -> text of the code blocks of CONTRIBUTING that have one."""
    found = FENCED.findall((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"))
    assert len(found) == len(dict(found)) == 3, "one block each of toml, python and sh"
    return dict(found)


def run(words: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    """A command in a folder, where packages that were installed into `folder/installed` can be imported."""
    path = os.pathsep.join([str(folder / "installed"), str(ROOT / "src")])
    environment = {**os.environ, "PYTHONPATH": path, "ODDFRAME_CACHE": str(folder / "cache")}
    return subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def install(folder: Path, package: Path) -> None:
    """`pip install`, without a network and without touching this environment."""
    offline = ["--no-index", "--no-deps", "--no-build-isolation", "--no-cache-dir", "--disable-pip-version-check"]
    words = [sys.executable, "-m", "pip", "install", *offline, "--target", str(folder / "installed"), str(package)]
    done = run(words, folder)
    assert not done.returncode, done.stderr


def write_package(folder: Path, name: str, code: str) -> Path:
    """A package of one module, registered under `name`."""
    package = folder / f"package-{name}"
    package.mkdir()
    (package / "pyproject.toml").write_text(blocks()["toml"].replace("ahead", name), encoding="utf-8")
    (package / f"oddframe_{name}.py").write_text(code, encoding="utf-8")
    return package


@pytest.mark.slow
def test_the_detector_of_contributing_goes_from_an_empty_package_to_a_score(tmp_path: Path) -> None:
    code = blocks()["python"]
    assert len(code.splitlines()) <= 120
    told: dict[str, str] = {}
    commands = [shlex.split(line) for line in blocks()["sh"].splitlines()]
    for words in commands:
        if words[:2] == ["pip", "install"]:
            install(tmp_path, write_package(tmp_path, "ahead", code))
            continue
        if "export" in words and not find_spec("onnxscript"):
            continue
        program = {"oddframe": ODDFRAME, "python": [sys.executable]}[words[0]]
        done = run([*program, *words[1:]], tmp_path)
        assert not done.returncode, f"{shlex.join(words)}\n{done.stdout}\n{done.stderr}"
        told[words[1]] = done.stdout
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
    install(tmp_path, write_package(tmp_path, "ahead", blocks()["python"]))
    install(tmp_path, write_package(tmp_path, "torn", "import a_library_that_nobody_has"))
    listed = run([*ODDFRAME, "models", "--json"], tmp_path)
    assert not listed.returncode, listed.stderr
    rows = {row["model"]: row for row in json.loads(listed.stdout)}
    line = "model torn of package oddframe-torn cannot be loaded: ModuleNotFoundError: No module named"
    assert rows["torn"]["broken"].startswith(line) and {"sdmae", "ahead"} <= rows.keys()
    assert "broken" not in rows["ahead"] and "broken: model torn" in run([*ODDFRAME, "models"], tmp_path).stdout
    recipes = run([*ODDFRAME, "recipes"], tmp_path)
    assert not recipes.returncode and "ahead-small" in recipes.stdout
    fit = run([*ODDFRAME, "fit", ".", "--model", "torn", "--out", "run"], tmp_path)
    assert fit.returncode == 2 and line in fit.stderr and "Traceback" not in fit.stderr
