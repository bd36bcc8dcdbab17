"""The site is built without a dead link, and asks no other host for anything."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from importlib.util import find_spec
from pathlib import Path

import pytest
from doc_pages import ROOT, pages

pytestmark = pytest.mark.slow
ASKED = {
    "script": "src",
    "img": "src",
    "iframe": "src",
    "source": "src",
    "video": "src",
    "audio": "src",
    "link": "href",
}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built as `make docs` builds it."""
    if not find_spec("mkdocs") or not find_spec("material"):
        pytest.skip("mkdocs-material is not installed: pip install '.[docs]'")
    folder = tmp_path_factory.mktemp("site")
    words = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


class Asked(HTMLParser):
    """What a browser fetches to show a page."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag in ASKED and values.get("rel") not in ("canonical", "prev", "next"):
            self.found.append(values.get(ASKED[tag]) or "")


def test_every_page_is_there(site: Path) -> None:
    wanted = [page.name.removeprefix("docs/").removesuffix(".md") for page in pages() if page.name != "README.md"]
    assert not [name for name in wanted if not (site / f"{name}.html").is_file()]
    assert (site / "repository" / "CHANGELOG.html").is_file()
    assert "--alarms-per-hour" in (site / "reference" / "commands.html").read_text(encoding="utf-8")
    assert "batch_size" in (site / "reference" / "recipes.html").read_text(encoding="utf-8")


def test_no_page_and_no_style_asks_another_host(site: Path) -> None:
    files = list(site.rglob("*.html"))
    assert len(files) > 60
    for file in files:
        asked = Asked()
        asked.feed(file.read_text(encoding="utf-8"))
        assert not [url for url in asked.found if re.match(r"(https?:)?//", url)], file
    for file in site.rglob("*.css"):
        text = file.read_text(encoding="utf-8")
        assert not re.findall(r"(?:url\(|@import)\s*[\"']?(?:https?:)?//", text), file
