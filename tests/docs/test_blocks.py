"""Every code block of README and of the documentation runs, in order, page by page."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from doc_pages import ROOT, Block, Page, pages

PAGES = pages()
WITH_CODE = [page for page in PAGES if any(block.runs for block in page.blocks)]
SHELL = re.compile(r"[|&;<>$`(){}*?~=]")  # a line with one of these is for a shell
Ask = Callable[..., Any]


def logical_lines(text: str) -> list[str]:
    """The lines of a block without comments, each with what it goes on with after a backslash."""
    joined = re.sub(r"\\\n\s*", "", text)
    lines = [re.sub(r"(^|\s{2,})# .*$", "", line).strip() for line in joined.splitlines()]
    return [line for line in lines if line]


def run_bash(block: Block, text: str, ask: Ask, folder: Path) -> None:
    """Run commands of oddframe here, which spares them the start of Python, and everything else in a shell."""
    expected = int(block.words) if block.mark == "status" else 0
    lines = logical_lines(text)
    if all(line.startswith("oddframe ") and not SHELL.search(re.sub(r"'[^']*'", "", line)) for line in lines):
        for line in lines:
            answer = ask(*shlex.split(line)[1:])
            assert answer.status == expected, f"{block.place}: {line}\n{answer.out}\n{answer.err}"
        return
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(
        ["bash", "-e", "-o", "pipefail", "-c", text],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == expected, f"{block.place}\n{done.stdout}\n{done.stderr}"


def run_python(block: Block, text: str, names: dict[str, object]) -> None:
    try:
        exec(compile("\n" * block.line + text, block.page, "exec"), names)
    except Exception as error:
        raise AssertionError(f"{block.place}: {type(error).__name__}: {error}") from error


@pytest.mark.usefixtures("shorter_check")
@pytest.mark.parametrize(
    "page", [pytest.param(page, id=page.name, marks=[pytest.mark.slow] * page.slow) for page in WITH_CODE]
)
def test_the_code_of_a_page_runs_from_top_to_bottom(
    page: Page, lay: Callable[[str, Path], None], ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in page.start:
        lay(name, tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ODDFRAME_CACHE", str(tmp_path / "cache"))
    names: dict[str, object] = {"__name__": "__main__"}
    for block in page.blocks:
        text = block.text
        if block.mark == "change":
            old, new = block.words.split(" -> ")
            assert old in text, f"{block.place}: there is no {old!r} to change"
            text = text.replace(old, new)
        if block.mark == "file":
            (tmp_path / block.words).write_text(text, encoding="utf-8")
        elif block.runs and block.language == "bash":
            run_bash(block, text, ask, tmp_path)
        elif block.runs:
            run_python(block, text, names)


def test_blocks_that_are_not_run_say_why(capsys: pytest.CaptureFixture[str]) -> None:
    blocks = [block for page in PAGES for block in page.blocks if block.language in ("bash", "python")]
    skipped = [block for block in blocks if block.mark == "skip"]
    assert not [block.place for block in skipped if len(block.words.split()) < 3], "a reason has words"
    elsewhere = [block for block in blocks if block.mark == "elsewhere"]
    assert not [block.place for block in elsewhere if not (ROOT / block.words).is_file()]
    ran = sum(block.runs for block in blocks)
    assert ran + len(elsewhere) > 0.6 * len(blocks), "most blocks are run"
    with capsys.disabled():
        print(
            f"\n{len(PAGES)} pages, {len(blocks)} blocks of bash and Python: {ran} run, {len(elsewhere)} run by other "
            f"tests, {len(skipped)} skipped:"
        )
        for reason, count in Counter(block.words for block in skipped).most_common():
            print(f"  {count:3}  {reason}")
