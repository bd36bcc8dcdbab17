"""Recipes: complete, named configurations of a run, one YAML file per system and dataset in this folder.
A model outside oddframe brings its own in its entry.

A recipe is everything `fit` needs to know besides the videos. It is checked when it is read: an unknown key or an
impossible value is an error, never ignored.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from copy import deepcopy
from dataclasses import fields
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from oddframe.errors import InputError, RecipeError
from oddframe.models.registry import entry, names, plugin_faults, plugin_names
from oddframe.reading.guard import reading
from oddframe.reading.records import refuse_infinite
from oddframe.reading.tables import read_text
from oddframe.reading.yaml_values import yaml_value
from oddframe.settings import PseudoAnomalies, Smoothing, TrainingPlan
from oddframe.suggest import among, near

FOLDER = Path(__file__).parent


class Part(BaseModel):
    """A part of a recipe: frozen, no key it does not know, and no number that is not finite."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


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
    """Names of the built-in recipes, and of those that plug-ins bring. Plug-ins that cannot be loaded are left out."""
    return [*_built_in(), *sorted(_plugin_recipes())]


def recipe_of(model: str) -> str:
    """The recipe that a model is trained with where none is named: its small one, or the one of its own name.

    Raises:
        RecipeError: there is no such model.
    """
    known = recipe_names()
    if model not in (*known, *names()) and f"{model}-small" not in known:
        raise RecipeError(f"there is no model {model!r}{among(model, names())}")
    return model if model in known else f"{model}-small"


def load_recipe(name: str, changes: Iterable[str] = ()) -> Recipe:
    """Read a recipe by name, or a YAML file by path, and apply `key=value` changes.

    A built-in recipe comes first, then a file, then the recipe of a plug-in.

    Args:
        name: "sdmae-small", or the path of a file.
        changes: dotted keys and YAML values: "training.batch_size=8", "options.size=[80, 160]".

    Raises:
        RecipeError: no such recipe, an unknown key, or an impossible value; the message names it.

    Examples:
        >>> load_recipe("mnad-small", ["training.batch_size=4"]).training.batch_size
        4
    """
    path = FOLDER / f"{name}.yaml"
    if not path.exists():
        path = Path(name)
    if path.is_file():
        return read_recipe(path.stem, read_text(path), changes, str(path))
    brought = _plugin_recipes(name)
    if name not in brought:
        broken = "".join(f"; {line}" for line in plugin_faults())
        raise RecipeError(f"there is no recipe {name!r} and no file of that name{among(name, recipe_names())}{broken}")
    return read_recipe(name, brought[name], changes)


def read_recipe(
    name: str, content: Mapping[str, Any] | str, changes: Iterable[str] = (), where: str | None = None
) -> Recipe:
    """A recipe from YAML text or a mapping, with `key=value` changes.

    Args:
        name: of a recipe that does not name itself.
        where: its origin in messages.

    Raises:
        RecipeError: it is not YAML, or an unknown key, or an impossible value.
    """
    where = where or f"recipe {name}"
    if isinstance(content, str):
        with reading(where, "not a YAML file", "correct it", RecipeError):
            values = yaml_value(content)
    else:
        values = deepcopy(dict(content))
    if not isinstance(values, dict):
        raise RecipeError(f"{where}: a recipe is a mapping of keys to values")
    values.setdefault("name", name)
    for change in changes:
        _apply(values, change)
    return parse_recipe(values, where)


def _built_in() -> list[str]:
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def _plugin_recipes(target: str = "") -> dict[str, Mapping[str, Any] | str]:
    """Name -> recipe, of all plug-ins that can be loaded, or of the one whose recipe is `wanted`."""
    found: dict[str, Mapping[str, Any] | str] = {}
    for model in plugin_names():
        with suppress(RecipeError):
            found.update({name: text for name, text in entry(model).recipes.items() if name not in found})
        if target in found:
            break
    return {name: text for name, text in found.items() if not (FOLDER / f"{name}.yaml").exists()}


def parse_recipe(content: dict[str, Any], where: str) -> Recipe:
    """Check a recipe's content; `where` names its origin in messages.

    Raises:
        RecipeError: an unknown key or an impossible value.
    """
    try:
        refuse_infinite(content.get("options"), "options")
        return Recipe.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        unknown = first["type"] in ("extra_forbidden", "unexpected_keyword_argument")
        what = f"there is no such key{_near(key)}" if unknown else first["msg"]
        raise RecipeError(f"{where}: {key}: {what}") from None
    except (InputError, ValueError) as error:
        raise RecipeError(f"{where}: {error}") from None


def _apply(content: dict[str, Any], change: str) -> None:
    key, equals, value = change.partition("=")
    if not equals or not key.strip():
        raise RecipeError(f"--set {change!r}: write key=value, for example training.batch_size=8")
    *parents, last = key.strip().split(".")
    place = content
    for parent in parents:
        place = place.setdefault(parent, {})
        if not isinstance(place, dict):
            raise RecipeError(f"--set {change!r}: {parent} has no keys below it")
    with reading(f"--set {change!r}", "not a value in YAML", "correct it", RecipeError):
        place[last] = yaml_value(value)


def _near(key: str) -> str:
    """What the unknown key may have been meant to be."""
    keys = [*Recipe.model_fields, *(f"scoring.{name}" for name in ScoringPart.model_fields)]
    for place, part in (("training", TrainingPlan), ("pseudo", PseudoAnomalies), ("scoring.smoothing", Smoothing)):
        keys += [f"{place}.{field.name}" for field in fields(part)]
    matches = near(key, keys) or [k for k in keys if k.endswith(f".{key}")]
    return f"; did you mean {matches[0]}?" if matches else f"; there are: {', '.join(keys)}"
