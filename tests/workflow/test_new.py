"""What `oddframe new` writes can be used as it is."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest

from oddframe.recipes import load_recipe

ROOT = Path(__file__).resolve().parents[2]
Ask = Callable[..., Any]
FENCED = re.compile(r"^```(toml|python)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def example() -> dict[str, str]:
    """The files that people read, by language."""
    for page in (ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))):
        found = dict(FENCED.findall(page.read_text(encoding="utf-8")))
        if "oddframe_ahead" in found.get("toml", ""):
            return found
    raise AssertionError("no page shows the example")


def test_the_package_is_the_one_that_the_documentation_shows(ask: Ask) -> None:
    answer = ask("new", "detector", "ahead")
    assert answer.status == 0 and "next       pip install -e oddframe-ahead" in answer.out
    folder = Path("oddframe-ahead")
    assert (folder / "pyproject.toml").read_text() == example()["toml"]
    assert (folder / "oddframe_ahead.py").read_text() == example()["python"]


def test_a_package_of_another_name_is_a_detector_with_its_contracts(ask: Ask) -> None:
    assert ask("new", "detector", "night_watch", "--out", "mine").status == 0
    texts = "".join(path.read_text() for path in Path("mine").rglob("*") if path.is_file())
    assert "ahead" not in texts.lower()
    spec = spec_from_file_location("oddframe_night_watch", Path("mine/oddframe_night_watch.py"))
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    sys.modules["oddframe_night_watch"] = module
    try:
        spec.loader.exec_module(module)
        assert module.ENTRY.name == "night_watch" and "night_watch-small" in module.ENTRY.recipes
        from oddframe.testing import checks

        held = {check.name for check in checks(module.ENTRY)}
        assert len(held) > 5
        next(check for check in checks(module.ENTRY) if "shapes" in check.name or "score" in check.name)()
    finally:
        del sys.modules["oddframe_night_watch"]


@pytest.mark.slow
def test_its_own_tests_pass(ask: Ask) -> None:
    ask("new", "detector", "ahead")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-x", "-n", "0"]
    done = subprocess.run(
        command,
        cwd="oddframe-ahead",
        capture_output=True,
        text=True,
        env={**__import__("os").environ, "PYTHONPATH": f"{Path('oddframe-ahead').absolute()}:{ROOT / 'src'}"},
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", ["Ahead", "9x", "class", "sdmae", "a-b", ""])
def test_a_name_that_cannot_be_one_is_refused(name: str, ask: Ask, tmp_path: Path) -> None:
    answer = ask("new", "detector", name)
    assert answer.status == 2 and answer.err.count("\n") == 1 and not list(tmp_path.iterdir())


@pytest.mark.parametrize("like", ["camera", "sdmae-ped2", "std-cdda-ped2", "dakd-ucf-crime"])
def test_a_recipe_is_the_other_one_under_a_new_name(like: str, ask: Ask) -> None:
    answer = ask("new", "recipe", "mine", "--like", like)
    assert answer.status == 0, answer.err
    made, other = load_recipe("mine.yaml"), load_recipe(like)
    assert made == other.model_copy(update={"name": "mine", "summary": f"made from {like}"})
    text = Path("mine.yaml").read_text()
    assert all(f"\n{key}:" in text for key in ("model", "preset", "options", "pseudo", "training", "scoring"))


def test_nothing_is_overwritten(ask: Ask) -> None:
    ask("new", "recipe", "mine")
    Path("oddframe-ahead").mkdir()
    for words in (("recipe", "mine"), ("detector", "ahead"), ("recipe", "sdmae-small", "--out", "x.yaml")):
        answer = ask("new", *words)
        assert answer.status == 2 and "already" in answer.err
    assert not Path("x.yaml").exists()
