"""The plan of a benchmark: a YAML file with data sets, systems, seeds and protocols.

    data:
      street: {train: street/training/videos, test: "folder:street/testing"}
    systems:
      memae: {recipe: memae-small, set: [options.width=2], budget: 200steps}
    seeds: [0, 1, 2]
    protocols: [honest, paper/memae]

Paths are relative to the folder of the plan. The whole plan, including every recipe, is checked when it is read, so
errors are found before anything is trained.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError, field_validator

from oddframe.errors import InputError
from oddframe.evaluation.baselines import BASELINES
from oddframe.evaluation.protocols import get_protocol
from oddframe.models.registry import entry
from oddframe.reading.guard import reading
from oddframe.reading.tables import read_text
from oddframe.reading.yaml_values import yaml_value
from oddframe.recipes import Part, Recipe, load_recipe
from oddframe.suggest import among

CONSTANT = "constant"
NAME = re.compile(r"[\w.-]*\w[\w.-]*")


class DataPart(Part):
    """A data set: `train` is normal video as for `fit`, and `test` is a labelled set as NAME:PATH."""

    train: str
    test: str


class SystemPart(Part):
    """A system: a recipe (a name or a YAML file), changes to it as for `fit --set`, and the training budget."""

    recipe: str
    set: tuple[str, ...] = ()
    budget: str | None = None


class Plan(Part):
    """A checked plan.

    Attributes:
        data, systems: data sets and systems by name.
        seeds: training seeds.
        protocols: protocols for all systems to which they apply. If empty: `honest` and the protocols of each system.
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
                raise ValueError(f"{name!r} becomes a file name: use letters, digits, dots, dashes and underscores")
            if name in (CONSTANT, *BASELINES):
                raise ValueError(f"{name} is a baseline, in every table already; choose another name")
        return named

    @field_validator("seeds")
    @classmethod
    def _seeds(cls, seeds: tuple[int, ...]) -> tuple[int, ...]:
        if len(set(seeds)) < len(seeds) or min(seeds) < 0:
            raise ValueError("give each seed once, 0 or above")
        return seeds

    def recipe(self, name: str, seed: int) -> Recipe:
        """The recipe of a system with this seed.

        Raises:
            RecipeError: the recipe does not exist or is wrong.
        """
        part = self.systems[name]
        budget = [f"training.budget={part.budget}"] if part.budget else []
        return load_recipe(part.recipe, [*part.set, *budget, f"training.seed={seed}"])


def load_plan(path: str | Path) -> Plan:
    """Read and check a plan.

    Raises:
        InputError: there is no such file, a key or a protocol is unknown, a value is impossible, a protocol is for a
            system that is not in the plan, or a system is weakly supervised.
        RecipeError: a recipe does not exist, or the changes make it impossible.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: there is no such plan")
    with reading(path, "not a YAML file", "correct it"):
        content = yaml_value(read_text(path))
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
    for protocol in plan.protocols:
        owner = get_protocol(protocol).system
        if owner is not None and owner not in models:
            raise InputError(
                f"{path}: protocol {protocol} is for the scores of {owner}, which is not among the systems"
            )


def _below(folder: Path, part: DataPart) -> DataPart:
    reader, colon, place = part.test.partition(":")
    test = f"{reader}:{folder / place}" if colon else str(folder / part.test)
    return DataPart(train=str(folder / part.train), test=test)


def _with_file(folder: Path, part: SystemPart) -> SystemPart:
    """The part with the path of its recipe, if it is a file below the folder of the plan; otherwise unchanged."""
    file = folder / part.recipe
    return part.model_copy(update={"recipe": str(file)}) if file.is_file() else part


def _first(error: ValidationError) -> str:
    """The first error and its place. For an unknown key, the message names the most similar one."""
    first = error.errors()[0]
    *parents, last = [str(part) for part in first["loc"]]
    key = ".".join([*parents, last])
    if first["type"] != "extra_forbidden":
        return f"{key}: {first['msg'].removeprefix('Value error, ')}"
    parts: dict[str, type[Part]] = {"data": DataPart, "systems": SystemPart}
    part = parts[parents[0]] if parents else Plan
    return f"{key}: no such key{among(last, part.model_fields)}"
