"""What a reader has to keep in mind at once: few parameters to a function, and one class to a name."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1] / "src" / "oddframe"
MODULES = sorted(PACKAGE.rglob("*.py"))
MOST_PARAMETERS = 7


@cache
def nodes() -> dict[str, list[ast.AST]]:
    """All that stands in each module, by its path below the package."""
    return {
        path.relative_to(PACKAGE).as_posix(): list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
        for path in MODULES
    }


def crowded(module: Iterable[ast.AST]) -> Iterator[tuple[str, int]]:
    """Functions of a module with too many parameters, `self` and `cls` not counted, and how many they have."""
    for node in module:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            names = [each.arg for each in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)]
            count = len([name for name in names if name not in ("self", "cls")])
            if count > MOST_PARAMETERS:
                yield node.name, count


def test_no_function_has_more_than_seven_parameters() -> None:
    found: dict[str, int] = {}
    for place, module in nodes().items():
        if not place.startswith("cli/"):  # the signature of a command is its interface: one parameter for each option
            found |= {f"{place}: {name}": count for name, count in crowded(module)}
    assert not found, "group them in a dataclass"


def test_no_two_classes_share_a_name() -> None:
    places = defaultdict(list)
    for place, module in nodes().items():
        for node in module:
            if isinstance(node, ast.ClassDef):
                places[node.name].append(place)
    assert not {name: where for name, where in places.items() if len(where) > 1}


def test_parameters_of_every_kind_are_counted() -> None:
    source = """
class Thing:
    def __init__(self, a, b, /, c, d, *more, e, f, g, **others): ...
    async def wide(self, a, b, /, c, d, *, e, f, g, h): ...
"""
    assert list(crowded(ast.walk(ast.parse(source)))) == [("wide", 8)]
