"""Recipes: complete, named configurations of a run, one YAML file per system and dataset in this folder.

A recipe is everything `fit` needs to know besides the videos. It is checked when it is read: an unknown key or an
impossible value is an error, never ignored.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from oddframe.errors import InputError, RecipeError
from oddframe.settings import PseudoAnomalies, Smoothing, TrainingPlan

FOLDER = Path(__file__).parent


class Loader(yaml.SafeLoader):
    """YAML as people write it: 1e-3 is a number, which YAML 1.1 takes for a text."""


Loader.add_implicit_resolver("tag:yaml.org,2002:float", re.compile(r"[-+]?\d+[eE][-+]?\d+$"), list("-+0123456789"))


class Part(BaseModel):
    """A part of a recipe: frozen, and no key it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ScoringPart(Part):
    """How raw components become the bundle's score (None: the detector's own weights), and how scores become events.

    `segment_seconds`, for systems that divide a video into segments: longer videos are scored in parts (None: never).
    """

    weights: dict[str, float] | None = None
    smoothing: Smoothing = Smoothing()
    merge_s: float = Field(2.0, ge=0)
    min_s: float = Field(0.0, ge=0)
    segment_seconds: float | None = Field(None, gt=0)


class Recipe(Part):
    """A complete configuration of one run.

    Its parts are the dataclasses that pasting, training and smoothing take; see `oddframe.settings`.
    """

    name: str
    summary: str
    model: str
    preset: str = "paper"
    options: dict[str, Any] = {}
    pseudo: PseudoAnomalies = PseudoAnomalies()
    training: TrainingPlan = TrainingPlan()
    scoring: ScoringPart = ScoringPart()


def recipe_names() -> list[str]:
    """Names of the built-in recipes."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def recipe_of(model: str) -> str:
    """The recipe that a model is trained with where none is named: its small one, or the one of its own name."""
    return model if model in recipe_names() else f"{model}-small"


def load_recipe(name: str, changes: Iterable[str] = ()) -> Recipe:
    """Read a built-in recipe by name, or a YAML file by path, and apply `key=value` changes.

    Args:
        name: "sdmae-small", or the path of a file.
        changes: dotted keys and YAML values: "training.batch_size=8", "options.size=[80, 160]".

    Raises:
        RecipeError: no such recipe, an unknown key, or an impossible value; the message names it.
    """
    path = FOLDER / f"{name}.yaml"
    if not path.exists():
        path = Path(name)
    if not path.is_file():
        raise RecipeError(f"there is no recipe {name!r}; there are: {', '.join(recipe_names())} (or give a YAML file)")
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), Loader)
    except yaml.YAMLError as error:
        raise RecipeError(f"{path}: not a YAML file: {str(error).splitlines()[0]}") from None
    if not isinstance(content, dict):
        raise RecipeError(f"{path}: a recipe is a mapping of keys to values")
    content.setdefault("name", path.stem)
    for change in changes:
        _apply(content, change)
    return parse_recipe(content, str(path))


def parse_recipe(content: dict[str, Any], where: str) -> Recipe:
    """Check a recipe's content; `where` names its origin in messages.

    Raises:
        RecipeError: an unknown key or an impossible value.
    """
    try:
        return Recipe.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        unknown = first["type"] in ("extra_forbidden", "unexpected_keyword_argument")
        what = f"there is no such key{_near(key)}" if unknown else first["msg"]
        raise RecipeError(f"{where}: {key}: {what}") from None
    except InputError as error:
        raise RecipeError(f"{where}: {error}") from None


def _apply(content: dict[str, Any], change: str) -> None:
    key, equals, value = change.partition("=")
    if not equals:
        raise RecipeError(f"--set {change!r}: write key=value, for example training.batch_size=8")
    *parents, last = key.strip().split(".")
    place = content
    for parent in parents:
        place = place.setdefault(parent, {})
        if not isinstance(place, dict):
            raise RecipeError(f"--set {change!r}: {parent} has no keys below it")
    place[last] = yaml.load(value, Loader)


def _near(key: str) -> str:
    """What the unknown key may have been meant to be."""
    known = [*Recipe.model_fields, *(f"scoring.{name}" for name in ScoringPart.model_fields)]
    for place, part in (("training", TrainingPlan), ("pseudo", PseudoAnomalies), ("scoring.smoothing", Smoothing)):
        known += [f"{place}.{field.name}" for field in fields(part)]
    matches = get_close_matches(key, known, 1) or [k for k in known if k.endswith(f".{key}")]
    return f"; did you mean {matches[0]}?" if matches else f"; there are: {', '.join(known)}"
