"""What a reader has to keep in mind at once: few parameters to a function, and one class to a name."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "src" / "oddframe"
MODULES = sorted(PACKAGE.rglob("*.py"))
MOST_PARAMETERS = 7


def crowded(source: str) -> Iterator[tuple[str, int]]:
    """Functions of a module's text with too many parameters, `self` and `cls` not counted, and how many they have."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            names = [each.arg for each in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)]
            count = len([name for name in names if name not in ("self", "cls")])
            if count > MOST_PARAMETERS:
                yield node.name, count


@pytest.mark.parametrize("path", MODULES, ids=lambda p: p.relative_to(PACKAGE).as_posix())
def test_no_function_has_more_than_seven_parameters(path: Path) -> None:
    place = path.relative_to(PACKAGE).as_posix()
    if place.startswith("cli/"):
        return  # the signature of a command is its interface: one parameter for each option
    found = dict(crowded(path.read_text(encoding="utf-8")))
    assert not found, f"group them in a dataclass: {found}"


def test_no_two_classes_share_a_name() -> None:
    places = defaultdict(list)
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                places[node.name].append(path.relative_to(PACKAGE).as_posix())
    assert not {name: where for name, where in places.items() if len(where) > 1}


def test_parameters_of_every_kind_are_counted() -> None:
    source = """
class Thing:
    def __init__(self, a, b, /, c, d, *more, e, f, g, **others): ...
    async def wide(self, a, b, /, c, d, *, e, f, g, h): ...
"""
    assert list(crowded(source)) == [("wide", 8)]
