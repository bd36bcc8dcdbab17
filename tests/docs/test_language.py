"""Plain English: what once stood in the documentation and was hard to read does not come back."""

from __future__ import annotations

import re

import pytest
from doc_pages import ROOT, pages

# Half a sentence of each is enough.
RIDDLES = (
    "What it makes of them shows", "alarms you will bear", "So much normal video can support",
    "its likeness to a pasted",
    "threshold came about", "say there how frames", "is no matter of one system", "detector can do that has to",
    "stands on each system's page", "is hard where normal video hardly varies", "as it was not", "will have it",
)  # fmt: skip
PLACES = [*(page.name for page in pages()), "CONTRIBUTING.md", "SECURITY.md"]


@pytest.mark.parametrize("name", PLACES)
def test_pages_have_no_riddles_and_no_dots_that_trail_off(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    words = re.sub(r"^( *)```.*?^\1```$|`[^`\n]*`", "", text, flags=re.MULTILINE | re.DOTALL)
    assert not [riddle for riddle in RIDDLES if riddle in text]
    assert "…" not in words and not re.findall(r"\w\.\.\.", words)


def test_the_program_has_none_either() -> None:
    for file in (ROOT / "src").rglob("*.py"):
        text = file.read_text(encoding="utf-8")
        assert not [riddle for riddle in RIDDLES if riddle in text], file
