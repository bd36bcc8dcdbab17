"""How the house is built, in numbers: the way to the network, tests of kinds, parameters, lines that are there twice.

    python benchmarks/house.py STREET

The `oddframe` that Python finds first is measured, so `PYTHONPATH=OTHER/src` measures another version. STREET is a
folder with training/videos and testing/videos (`oddframe data world STREET`).
"""

from __future__ import annotations

import ast
import contextlib
import io
import re
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import oddframe
from oddframe.cli import main

PACKAGE = Path(oddframe.__file__).parent
BLOCK = 6  # lines of code, without comments, docstrings and imports
KINDS = "Bundle|Exported|Detector|BagDetector|Signature|BagSignature"
KIND_TEST = re.compile(rf"(isinstance|issubclass)\(.*\b({KINDS})\b|(?<!def )(?<!\.)\bone_class\(")
REFUSAL = re.compile(r"\.(one_class|weakly_supervised)\(")
ENTRY = re.compile(r'\.kind [=!]= "(windows|bags|fitted)"')
TINY = "{size: [32, 64], patch: 8, encoder_width: 32, decoder_width: 16, heads: 2}"


def command(*words: object) -> None:
    """Run a command in this process; what it prints is dropped, unless it fails."""
    sys.argv = ["oddframe", *map(str, words)]
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        try:
            main()
        except SystemExit as left:
            if left.code:
                raise RuntimeError(said.getvalue()) from left


def own_functions(frame: FrameType | None) -> list[str]:
    """The functions of oddframe on a stack, the outermost first."""
    names = []
    while frame is not None:
        path = Path(frame.f_code.co_filename)
        if path.is_relative_to(PACKAGE):
            names.append(f"{path.relative_to(PACKAGE)}:{frame.f_code.co_qualname}")
        frame = frame.f_back
    return names[::-1]


def hops(street: Path) -> dict[str, list[str]]:
    """Functions on the stacks of the main thread and of the network's thread when `SDMAE.forward` begins."""
    from oddframe.models.sdmae import SDMAE

    stacks: dict[str, list[str]] = {}
    forward = SDMAE.forward

    def traced(self: SDMAE, *arguments: Any) -> Any:
        outermost = sys._current_frames()[threading.main_thread().ident or 0]
        here = sys._getframe(1)
        if not stacks:
            stacks["main thread"] = own_functions(outermost)
            stacks["network's thread"] = [*own_functions(here), "models/sdmae.py:SDMAE.forward"]
        return forward(self, *arguments)

    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        words = (
            "--model",
            "sdmae",
            "--set",
            f"options={TINY}",
            "--set",
            "training.batch_size=4",
            "--budget",
            "4steps",
            "--workers",
            1,
        )
        command("fit", street / "training/videos", "--recipe", "sdmae-small", *words, "--quantile", 0.9, "--out", run)
        SDMAE.forward = traced  # type: ignore[method-assign]
        try:
            video = sorted((street / "testing/videos").iterdir())[0]
            command("score", run, video, "--out", Path(folder) / "out", "--no-overlay")
        finally:
            SDMAE.forward = forward  # type: ignore[method-assign]
    return stacks


def functions(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Every function with the number of its parameters, `self` and `cls` not counted."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            names = [each.arg for each in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)]
            yield node.name, len([name for name in names if name not in ("self", "cls")])


def code_lines(text: str) -> list[str]:
    """The lines of a module's code in one form, without imports, docstrings and comments."""
    tree = ast.parse(text)
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            kept = [own for own in body if not isinstance(own, ast.Import | ast.ImportFrom)]
            prose = [own for own in kept if isinstance(own, ast.Expr) and isinstance(own.value, ast.Constant)]
            node.body = [own for own in kept if own not in prose] or [ast.Pass()]  # type: ignore[attr-defined]
    return [line.strip() for line in ast.unparse(tree).splitlines() if line.strip()]


def repeated(texts: dict[str, str]) -> tuple[int, int]:
    """Blocks of at least `BLOCK` lines that stand somewhere else before, and how many lines they have in all."""
    seen: set[tuple[str, ...]] = set()
    blocks = total = 0
    for text in texts.values():
        own = code_lines(text)
        windows = [tuple(own[i : i + BLOCK]) for i in range(len(own) - BLOCK + 1)]
        position = 0
        while position < len(windows):
            length = 0
            while position + length < len(windows) and windows[position + length] in seen:
                length += 1
            if length:
                blocks, total = blocks + 1, total + length + BLOCK - 1
            position += length + 1
        seen.update(windows)
    return blocks, total


def tests_of_kinds(texts: dict[str, str], pattern: re.Pattern[str]) -> str:
    """How many lines of the package a pattern fits, and in which files."""
    found = Counter(path for path, text in texts.items() for line in text.splitlines() if pattern.search(line))
    return f"{found.total()} in {len(found)} files: {', '.join(f'{path} {n}' for path, n in found.items())}"


def report(street: Path) -> None:
    """Print all of it."""
    texts = {path.relative_to(PACKAGE).as_posix(): path.read_text("utf-8") for path in sorted(PACKAGE.rglob("*.py"))}
    stacks = hops(street)
    for thread, names in stacks.items():
        print(f"{thread}:")
        print(*(f"    {name}" for name in names), sep="\n")
    unique = dict.fromkeys(name for names in stacks.values() for name in names)
    own = [name for name in unique if "<" not in name.rpartition(":")[2]]
    print(f"functions on the way, inner functions and comprehensions with their function: {len(own)}")
    print(f"tests of kinds: {tests_of_kinds(texts, KIND_TEST)}")
    print(f"refusals of the other kind: {tests_of_kinds(texts, REFUSAL)}")
    print(f"looks at the kind of a catalogue entry: {tests_of_kinds(texts, ENTRY)}")
    counts = [(n, path, f) for path, text in texts.items() for f, n in functions(ast.parse(text))]
    below = [row for row in counts if not row[1].startswith("cli/")]
    print(
        f"most parameters: {max(below)}; more than seven: {sum(row[0] > 7 for row in below)}; with cli: {max(counts)}"
    )
    print("repeated blocks of {} lines or more: {}, {} lines in all".format(BLOCK, *repeated(texts)))
    print(f"files: {len(texts)}, lines: {sum(text.count(chr(10)) for text in texts.values())}")


if __name__ == "__main__":
    report(Path(sys.argv[1]))
