"""The layout explains itself only while it holds: no import runs upward, and no file holds more than one idea."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1] / "src" / "oddframe"
MODULES = sorted(PACKAGE.rglob("*.py"))
MOST_LINES = 500
MOST_LINES_OF_A_MODEL = 700  # with its entry, its protocols and all that no other model uses

# From the ground up. A module imports from its own floor and from those below it.
FLOORS: list[set[str]] = [
    {"types", "account", "settings", "errors", "disk", "locks", "atomic", "processes", "threads"}
    | {"progress", "extras", "places", "tracing", "reading", "runners", "spelling", "suggest"},
    {"video"},
    {"datasets", "street"},
    {"models", "features", "recipes"},
    {"bundle"},
    {"runtime"},
    {"scoring", "training"},
    {"evaluation"},
    {"testing"},
    {"report", "benchmark", "store"},
    {"live"},
    {"workflow"},
    {"archive"},
    {"server"},
    {"cli", "__main__"},
]
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}


def room_of(path: Path) -> str:
    """The room a file lies in: the first folder, or the module itself, below src/oddframe."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def rooms_imported(source: str) -> Iterator[str]:
    """Rooms that a module's text imports from, wherever in the module the import stands."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"line {node.lineno}: write the import with its full name, not relative"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            package, _, rest = name.partition(".")
            if package == "oddframe" and rest and rest != "__version__":
                yield rest.split(".")[0]


def test_no_import_runs_upward() -> None:
    upward = []
    for path in MODULES:
        if path == PACKAGE / "__init__.py":
            continue  # the front door opens to every floor; test_import_time.py holds it to loading nothing
        room = room_of(path)
        assert room in FLOOR, f"say in FLOORS on which floor {room!r} lies"
        for other in rooms_imported(path.read_text(encoding="utf-8")):
            assert other in FLOOR, f"{path} imports oddframe.{other}: say in FLOORS on which floor it lies"
            if FLOOR[other] > FLOOR[room]:
                upward.append(f"{path.relative_to(PACKAGE)} imports {other}, which lies above {room}")
    assert not upward


def test_a_file_stays_short() -> None:
    long = {}
    for path in MODULES:
        lines = len(path.read_text(encoding="utf-8").splitlines())
        if lines > (MOST_LINES_OF_A_MODEL if path.parent == PACKAGE / "models" else MOST_LINES):
            long[path.relative_to(PACKAGE).as_posix()] = lines
    assert not long, "one idea each?"


def test_the_reader_of_imports_sees_every_form() -> None:
    source = """
import numpy, oddframe.video.decode as decode
from oddframe import __version__, workflow
from oddframe.types import Window
def late():
    from oddframe.cli import main
"""
    assert sorted(rooms_imported(source)) == ["cli", "types", "video", "workflow"]
