"""The wheel stands alone: all files that the program reads, a description without dead links, no advice that fails."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

from oddframe.extras import EXTRA_OF, how_to_install

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "src" / "oddframe"
tomllib = pytest.importorskip("tomllib")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    pytest.importorskip("hatchling", reason="needs hatchling: pip install hatchling")
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (path,) = folder.glob("*.whl")
    return zipfile.ZipFile(path)


def test_every_file_of_the_package_is_in_the_wheel(wheel: zipfile.ZipFile) -> None:
    wanted = {path.relative_to(ROOT / "src").as_posix() for path in PACKAGE.rglob("*") if path.is_file()}
    wanted = {name for name in wanted if "__pycache__" not in name}
    assert wanted <= set(wheel.namelist())
    for name in (
        "py.typed",
        "recipes/camera.yaml",
        "models/facts.json",
        "templates/detector.py.txt",
        "report/report.css",
    ):
        assert f"oddframe/{name}" in wheel.namelist()
    assert not [name for name in wheel.namelist() if name.startswith(("tests/", "src/"))]


def test_the_description_has_no_link_into_the_repository(wheel: zipfile.ZipFile) -> None:
    (name,) = [name for name in wheel.namelist() if name.endswith("/METADATA")]
    about = Parser().parsestr(wheel.read(name).decode("utf-8"))
    text = about.get_payload()
    assert about["Name"] == "oddframe" and about["Description-Content-Type"] == "text/markdown"
    assert text.startswith("# oddframe") and len(text) > 2000
    assert not re.findall(r"\]\((?!https?://|#)[^)]*\)", text)
    assert "Typing :: Typed" in about.get_all("Classifier")


def test_the_program_starts_from_the_wheel_alone(wheel: zipfile.ZipFile, tmp_path: Path) -> None:
    wheel.extractall(tmp_path / "installed")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "installed")}
    told = subprocess.run(
        [sys.executable, "-m", "oddframe", "models"], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert told.returncode == 0 and "sdmae" in told.stdout, told.stderr


def test_nothing_tells_people_to_install_a_name_that_no_index_has() -> None:
    """Until the name is published, `pip install oddframe` brings nothing, or what a stranger has put there."""
    advice = re.compile(r"pip install\b[^\n`&#]*[\"' ]oddframe(\[|[\"' ]|$)")
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md"), *PACKAGE.rglob("*.py")]
    found = {
        f"{path.relative_to(ROOT)}: {line.strip()}"
        for path in pages
        for line in path.read_text(encoding="utf-8").splitlines()
        if advice.search(line)
    }
    assert not found
    assert advice.search('pip install "oddframe[torch]"') and advice.search("pip install oddframe")


def test_advice_names_extras_that_there_are() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    assert set(EXTRA_OF.values()) <= set(extras)
    assert how_to_install("live").startswith('pip install ".[live]" in a checkout')
    used = set(
        re.findall(
            r'imported\("[\w.]+", "(\w+)"\)', "".join(p.read_text(encoding="utf-8") for p in PACKAGE.rglob("*.py"))
        )
    )
    assert used and used <= set(extras)


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("See [the page](docs/a.md).", "See the page."),
        ("![a street](docs/images/a.jpg)\n\nText", "Text"),
        ("[site](https://example.org/x) and [part](#part)", "[site](https://example.org/x) and [part](#part)"),
        ("![badge](https://example.org/b.svg)", "![badge](https://example.org/b.svg)"),
    ],
)
def test_links_into_the_repository_leave_their_words(text: str, left: str) -> None:
    pytest.importorskip("hatchling", reason="needs hatchling: pip install hatchling")
    spec = importlib.util.spec_from_file_location("hatch_build", ROOT / "hatch_build.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.standing_alone(text) == left
