"""What `fit` does before the first step, whatever the system learns from: it looks at the folder to leave a run in."""

from __future__ import annotations

import json
from pathlib import Path

from oddframe.atomic import write_text
from oddframe.bundle import META
from oddframe.errors import InputError
from oddframe.recipes import Recipe

RECIPE = "recipe.json"


def check_out(out: Path, resume: bool) -> None:
    """A folder that holds no bundle, or one to go on with.

    Raises:
        InputError: it holds one.
    """
    if not resume and (out / META).exists():
        raise InputError(f"{out}: already holds a bundle; choose another --out, or pass --resume to go on with it")


def note_recipe(recipe: Recipe, out: Path) -> None:
    """Keep the recipe of a run that begins."""
    write_text(out / RECIPE, recipe.model_dump_json(indent=2) + "\n")


def check_recipe(recipe: Recipe, out: Path, resume: bool) -> None:
    """A run is resumed under the recipe that it was begun with, or not at all.

    Raises:
        InputError: the recipe in `out` is another; the message names the first part that differs.
    """
    if not resume or not (out / RECIPE).is_file():
        return
    begun, expected = json.loads((out / RECIPE).read_text(encoding="utf-8")), recipe.model_dump(mode="json")
    different = [key for key in expected if begun.get(key) != expected[key]]
    if different:
        raise InputError(
            f"{out}: was begun with another {different[0]}; resume with the same recipe, or choose another --out"
        )
