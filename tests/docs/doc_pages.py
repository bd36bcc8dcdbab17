"""The pages of the documentation, and the code blocks in them.

A comment in the line before a block says what is special about it:

    <!-- test: skip, REASON -->           it is not run
    <!-- test: elsewhere FILE -->         the test FILE runs it
    <!-- test: slow -->                   its page is run by the slow tests
    <!-- test: file NAME -->              it is written to the file NAME
    <!-- test: status N -->               its command ends with exit status N
    <!-- test: change A -> B -->          it is run with B in the place of A

`<!-- test: start with NAMES -->` at the top of a page says what lies in its folder when it begins; see `conftest.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
RUN = ("bash", "python")
SHOWN = ("text", "yaml", "json", "toml", "nginx", "dockerfile")  # no programs
MARKS = ("skip", "elsewhere", "slow", "file", "status", "change")
MARK = re.compile(r"^<!-- test: (\w+),? ?(.*?) -->$")
FENCE = re.compile(r"^( *)```(\w*)$")


@dataclass(frozen=True)
class Block:
    """A code block.

    Attributes:
        line: of the page, where it begins.
        mark: what its comment says, one of `MARKS`, or empty; `words` are what follows it.
    """

    page: str
    line: int
    language: str
    text: str
    mark: str = ""
    words: str = ""

    @property
    def place(self) -> str:
        return f"{self.page}:{self.line}"

    @property
    def runs(self) -> bool:
        """Whether a test executes it."""
        return self.language in RUN and self.mark not in ("skip", "elsewhere", "file")


@dataclass(frozen=True)
class Page:
    """A page: its path below the repository, its text, what lies in its folder at the start, and its blocks."""

    name: str
    text: str
    start: tuple[str, ...]
    blocks: tuple[Block, ...]

    @property
    def slow(self) -> bool:
        return any(block.mark == "slow" for block in self.blocks)


def pages() -> list[Page]:
    """README and all pages below `docs`."""
    files = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    return [read_page(file) for file in files]


def read_page(file: Path) -> Page:
    """A page with its blocks.

    Raises:
        ValueError: a block without a language, with one that is not known, or with an unknown mark.
    """
    name, text = file.relative_to(ROOT).as_posix(), file.read_text(encoding="utf-8")
    start = re.search(r"^<!-- test: start with (.*) -->$", text, re.MULTILINE)
    return Page(name, text, tuple(start[1].split()) if start else (), tuple(blocks_of(name, text)))


def blocks_of(name: str, text: str) -> Iterator[Block]:
    """The blocks of a page."""
    lines = text.splitlines()
    number = 0
    while number < len(lines):
        fence = FENCE.match(lines[number])
        if fence is None:
            after_gap = number == 0 or not lines[number - 1].strip()
            if after_gap and re.match(r"(?: {4}|\t)\S", lines[number]) and not in_list(lines, number):
                raise ValueError(f"{name}:{number + 1}: an indented block; put it between fences with a language")
            number += 1
            continue
        begin, indent = number, fence[1]
        number += 1
        while lines[number] != f"{indent}```":
            number += 1
        body = "".join(f"{line.removeprefix(indent)}\n" for line in lines[begin + 1 : number])
        mark = MARK.match(lines[begin - 1].strip()) if begin else None
        if fence[2] not in (*RUN, *SHOWN):
            raise ValueError(f"{name}:{begin + 1}: the language {fence[2]!r} is not one of {', '.join((*RUN, *SHOWN))}")
        if mark and mark[1] not in MARKS and mark[1] != "start":
            raise ValueError(f"{name}:{begin}: the mark {mark[1]!r} is not one of {', '.join(MARKS)}")
        own = mark if mark and mark[1] != "start" else None
        yield Block(name, begin + 1, fence[2], body, own[1] if own else "", own[2] if own else "")
        number += 1


def in_list(lines: list[str], number: int) -> bool:
    """Whether an indented line goes on a list."""
    for line in reversed(lines[:number]):
        if line.strip() and not line.startswith(" "):
            return bool(re.match(r"([-*]|\d+\.) ", line))
    return False
