"""Files to start from: a package with a detector that holds every contract, or a recipe with every key."""

from __future__ import annotations

import keyword
import re
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import yaml

from oddframe.atomic import new_folder, write_text
from oddframe.errors import InputError
from oddframe.models.registry import names
from oddframe.recipes import FOLDER, Recipe, load_recipe

TEMPLATES = Path(__file__).parent.parent / "templates"
EXAMPLE = "ahead"  # what the detector of the templates is called

ABOUT = {
    "model": "the system; `oddframe models` lists them",
    "preset": "paper: what the paper says; code: what the authors' code does",
    "options": "what differs from the preset; the system refuses what it does not know",
    "pseudo": "pseudo-anomalies that are pasted into training clips",
    "training": "how all stages are trained",
    "scoring": "how components become a score, and scores become events",
}
"""Key of a recipe -> what it is."""


def new_detector(name: str, out: Path) -> list[Path]:
    """Write a package with a detector of this name, with a test of its contracts.

    Args:
        name: lower case letters, digits and underscores.
        out: folder for the package; it must not exist.

    Returns:
        The files, relative to `out`.

    Raises:
        InputError: the name cannot be one or is taken, or `out` exists.
    """
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or keyword.iskeyword(name):
        raise InputError(f"{name!r} cannot name a detector; use lower case letters, digits and underscores")
    if name in names():
        raise InputError(f"there is a model {name} already; choose another name")
    if out.exists():
        raise InputError(f"{out}: already exists; choose another --out")
    files = {
        "pyproject.toml": "pyproject.toml.txt",
        f"oddframe_{name}.py": "detector.py.txt",
        f"tests/test_{name}.py": "test_detector.py.txt",
        "README.md": "README.md.txt",
    }
    with new_folder(out) as folder:
        for file, template in files.items():
            path = folder / file
            path.parent.mkdir(exist_ok=True)
            write_text(path, _renamed((TEMPLATES / template).read_text(encoding="utf-8"), name))
    return [Path(file) for file in files]


def new_recipe(name: str, like: str, out: Path) -> Recipe:
    """Write a recipe with every key, its values those of another one.

    Args:
        name: of the new recipe.
        like: name of a recipe, or a YAML file.
        out: file to write; it must not exist.

    Raises:
        InputError: the name cannot be one or is taken, or `out` exists.
        RecipeError: there is no recipe `like`.
    """
    if not re.fullmatch(r"[A-Za-z0-9][\w.-]*", name):
        raise InputError(f"{name!r} cannot name a recipe; use letters, digits, dots, dashes and underscores")
    if (FOLDER / f"{name}.yaml").exists():
        raise InputError(f"there is a recipe {name} already; choose another name")
    if out.exists():
        raise InputError(f"{out}: already exists; choose another --out")
    recipe = load_recipe(like)
    values: dict[str, Any] = {**recipe.model_dump(mode="json"), "name": name, "summary": f"made from {recipe.name}"}
    lines = [
        f"# Every key of a recipe, with the values of {recipe.name}. Use it with: oddframe fit VIDEOS --recipe {out}"
    ]
    for key, value in values.items():
        part = getattr(recipe, key)
        note = ABOUT.get(key)
        lines += [*([f"# {note}"] if note else []), *_dumped({key: value}).splitlines()]
        if is_dataclass(part) and len(fields(part)) != len(value):
            raise AssertionError(f"{key} of a recipe has fields that are not written")
    write_text(out, "\n".join(lines) + "\n")
    return load_recipe(str(out))


def _renamed(text: str, name: str) -> str:
    camel = "".join(part.capitalize() for part in name.split("_"))
    return text.replace(EXAMPLE.capitalize(), camel).replace(EXAMPLE, name)


def _dumped(values: dict[str, Any]) -> str:
    return yaml.safe_dump(values, sort_keys=False, allow_unicode=True, default_flow_style=False)
