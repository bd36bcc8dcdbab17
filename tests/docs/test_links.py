"""Links of pages, and pages that the program names, exist; every page stands in the menu of the site."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from doc_pages import ROOT, pages

from oddframe import __version__

PAGES = pages()
OTHERS = [
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    *(f"benchmarks/results/{file.name}" for file in (ROOT / "benchmarks" / "results").glob("*.md")),
]
CODE = re.compile(r"^( *)```.*?^\1```$|`[^`\n]+`", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]*)\)")


def slug(heading: str) -> str:
    """The anchor that GitHub and MkDocs make of a heading."""
    words = re.sub(r"\[([^]]*)\]\([^)]*\)|`", r"\1", heading.strip().lower())
    return re.sub(r"\s", "-", re.sub(r"[^\w\s-]", "", words))


def anchors(file: Path) -> set[str]:
    text = re.sub(r"^( *)```.*?^\1```$", "", file.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    return {slug(heading) for heading in re.findall(r"^#+ (.*)$", text, re.MULTILINE)}


@pytest.mark.parametrize("name", [*(page.name for page in PAGES), *OTHERS])
def test_no_link_is_dead(name: str) -> None:
    text = CODE.sub("", (ROOT / name).read_text(encoding="utf-8"))
    dead = []
    for link in LINK.findall(text):
        if re.match(r"[a-z]+:", link):
            continue
        target, _, fragment = link.partition("#")
        file = (ROOT / name).parent / target if target else ROOT / name
        if not file.exists() or (fragment and file.suffix == ".md" and fragment not in anchors(file)):
            dead.append(link)
    assert not dead


def test_pages_that_the_program_names_exist() -> None:
    named = {}
    for file in [
        *(ROOT / "src").rglob("*.py"),
        *(ROOT / "src").rglob("*.yaml"),
        *(ROOT / "benchmarks").glob("*.py"),
        ROOT / "pyproject.toml",
        ROOT / "CHANGELOG.md",
    ]:
        for page in re.findall(r"docs/[\w/-]+\.md", file.read_text(encoding="utf-8")):
            named[page] = file
    assert len(named) > 5
    assert not {page: str(file) for page, file in named.items() if not (ROOT / page).is_file()}


def test_every_page_stands_in_the_menu_once() -> None:
    menu = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))["nav"]

    def leaves(value: object) -> list[str]:
        if isinstance(value, str):
            return [value]
        return [leaf for item in (value.values() if isinstance(value, dict) else value) for leaf in leaves(item)]

    listed = [leaf for leaf in leaves(menu) if not leaf.startswith("repository/")]
    assert sorted(listed) == sorted(page.name.removeprefix("docs/") for page in PAGES if page.name != "README.md")


def test_the_citation_has_the_version_of_the_program() -> None:
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))["version"] == __version__
