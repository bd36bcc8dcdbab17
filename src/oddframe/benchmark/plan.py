"""The plan of a benchmark: a YAML file that says which systems meet which data sets, with which seeds.

    data:
      street: {train: street/training/videos, test: "folder:street/testing"}
    systems:
      memae: {recipe: memae-small, set: [options.width=2], budget: 200steps}
    seeds: [0, 1, 2]
    protocols: [honest, paper/memae]

Paths are relative to the plan's folder. It is checked when it is read, down to every recipe: what can be known to be
wrong is said before anything is trained.
"""

from __future__ import annotations

import re
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml
from pydantic import Field, ValidationError, field_validator

from oddframe.errors import InputError
from oddframe.evaluation.protocols import get_protocol
from oddframe.models.registry import entry
from oddframe.recipes import Loader, Part, Recipe, load_recipe

BASELINES = ("constant", "frame_difference", "optical_flow")
NAME = re.compile(r"[\w.-]*\w[\w.-]*")


class DataPart(Part):
    """A data set: `train`, normal video as `fit` takes it, and `test`, a labelled set as NAME:PATH."""

    train: str
    test: str


class SystemPart(Part):
    """A system: a recipe by name or YAML file, changes to it as `fit --set` takes them, and the budget of training."""

    recipe: str
    set: tuple[str, ...] = ()
    budget: str | None = None


class Plan(Part):
    """A checked plan.

    Attributes:
        protocols: those that every system is evaluated under, if it is theirs; empty: `honest` and each system's own.
    """

    data: dict[str, DataPart] = Field(min_length=1)
    systems: dict[str, SystemPart] = Field(min_length=1)
    seeds: tuple[int, ...] = Field((0,), min_length=1)
    protocols: tuple[str, ...] = ()

    @field_validator("data", "systems")
    @classmethod
    def _names(cls, named: dict[str, Any]) -> dict[str, Any]:
        for name in named:
            if not NAME.fullmatch(name):
                raise ValueError(f"{name!r} names files: use letters, digits, dots, dashes and underscores")
            if name in BASELINES:
                raise ValueError(f"{name} is a baseline, in every table already; choose another name")
        return named

    @field_validator("seeds")
    @classmethod
    def _seeds(cls, seeds: tuple[int, ...]) -> tuple[int, ...]:
        if len(set(seeds)) < len(seeds) or min(seeds) < 0:
            raise ValueError("give each seed once, 0 or above")
        return seeds

    def recipe(self, name: str, seed: int) -> Recipe:
        """The recipe that a system is trained with.

        Raises:
            RecipeError: there is none, or it is wrong.
        """
        part = self.systems[name]
        budget = [f"training.budget={part.budget}"] if part.budget else []
        return load_recipe(part.recipe, [*part.set, *budget, f"training.seed={seed}"])


def load_plan(path: str | Path) -> Plan:
    """Read and check a plan.

    Raises:
        InputError: no such file, an unknown key, an impossible value, an unknown protocol, one of a system that the
            plan does not have, or a weakly supervised system.
        RecipeError: a recipe that does not exist, or that the changes make impossible.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: there is no such plan")
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), Loader)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not a YAML file: {str(error).splitlines()[0]}") from None
    if not isinstance(content, dict):
        raise InputError(f"{path}: a plan is a mapping with the keys {', '.join(Plan.model_fields)}")
    try:
        plan = Plan.model_validate(content)
    except ValidationError as error:
        raise InputError(f"{path}: {_first(error)}") from None
    folder = path.parent
    data = {name: _below(folder, part) for name, part in plan.data.items()}
    systems = {name: _with_file(folder, part) for name, part in plan.systems.items()}
    plan = plan.model_copy(update={"data": data, "systems": systems})
    _check(path, plan)
    return plan


def _check(path: Path, plan: Plan) -> None:
    models = set()
    for name in plan.systems:
        recipe = plan.recipe(name, plan.seeds[0])
        models.add(recipe.model)
        if entry(recipe.model).kind == "bags":
            raise InputError(
                f"{path}: systems.{name}: {recipe.model} learns from labelled videos and features, which a benchmark "
                "does not offer; use `oddframe fit` and `oddframe evaluate` with --features"
            )
    for needed in plan.protocols:
        owner = get_protocol(needed).system
        if owner is not None and owner not in models:
            raise InputError(f"{path}: protocol {needed} is for the scores of {owner}, which is not among the systems")


def _below(folder: Path, part: DataPart) -> DataPart:
    reader, colon, place = part.test.partition(":")
    test = f"{reader}:{folder / place}" if colon else str(folder / part.test)
    return DataPart(train=str(folder / part.train), test=test)


def _with_file(folder: Path, part: SystemPart) -> SystemPart:
    """A recipe that is a file lies below the plan's folder; else it is the name of a built-in one."""
    file = folder / part.recipe
    return part.model_copy(update={"recipe": str(file)}) if file.is_file() else part


def _first(error: ValidationError) -> str:
    """The first thing that is wrong, and where; with the nearest key where one is unknown."""
    first = error.errors()[0]
    *parents, last = [str(part) for part in first["loc"]]
    key = ".".join([*parents, last])
    if first["type"] != "extra_forbidden":
        return f"{key}: {first['msg'].removeprefix('Value error, ')}"
    parts: dict[str, type[Part]] = {"data": DataPart, "systems": SystemPart}
    part = parts[parents[0]] if parents else Plan
    near = get_close_matches(last, part.model_fields, 1)
    hint = f"did you mean {near[0]}?" if near else f"there are: {', '.join(part.model_fields)}"
    return f"{key}: no such key; {hint}"
