"""The plan of a benchmark: a YAML file with data sets, systems, seeds, protocols and claims.

    data:
      street: {train: street/training/videos, test: "folder:street/testing"}
    base: {recipe: memae-small, budget: 200steps}
    systems:
      memae: {}
      narrow: {set: [options.width=2]}
    seeds: [0, 1, 2]
    protocols: [honest, paper/memae]
    claims:
      - {better: memae, than: narrow, paper: "section 4: wider is better"}

Paths are relative to the folder of the plan. The whole plan, including every recipe, is checked when it is read, so
errors are found before anything is trained.

The plans in the folder `ablations` rebuild the ablation tables of publications in small; see `find_plan`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Self, TypeVar

from pydantic import Field, ValidationError, field_validator, model_validator

from oddframe.errors import InputError
from oddframe.evaluation.baselines import BASELINES
from oddframe.evaluation.protocols import get_protocol
from oddframe.models.registry import entry
from oddframe.reading.guard import reading
from oddframe.reading.tables import read_text
from oddframe.reading.yaml_values import yaml_value
from oddframe.recipes import Part, Recipe, load_recipe
from oddframe.suggest import among

FOLDER = Path(__file__).parent.resolve()
CONSTANT = "constant"
NAME = re.compile(r"(?=.{1,100}$)[\w.-]*\w[\w.-]*")
Seed = Annotated[int, Field(strict=True, ge=0, lt=2**63)]
OWN_KEYS = {"training.seed": "seeds", "training.budget": "budget"}  # of a recipe, and what a plan says in their place


class StreetPart(Part):
    """A street that is rendered where it is needed (see `oddframe data world`), and kept in the cache.

    Attributes:
        seed: of the street, which is tested.
        videos, test_videos, seconds: numbers and length of its videos.
        kinds: of anomalies to plant; empty for all.
        learn_from: seeds of other streets, whose normal videos are learned from in place of its own, `videos` of each;
            its own are then there for systems with `shots`.
    """

    seed: Seed = 0
    videos: int = Field(8, ge=1)
    test_videos: int = Field(8, ge=1)
    seconds: float = Field(20, ge=1)
    kinds: tuple[str, ...] = ()
    learn_from: tuple[Seed, ...] = ()


class ToyPart(Part):
    """Labelled bags that are made where they are needed (see `oddframe.datasets.toy_bags`).

    Attributes:
        seed: of the bags.
        bags, test_bags: normal bags, and as many anomalous ones, to learn from and to test.
    """

    seed: Seed = 0
    bags: int = Field(120, ge=2)
    test_bags: int = Field(80, ge=1)


class DataPart(Part):
    """A data set: files, or what is made where it is needed.

    Attributes:
        train: normal video as for `fit`; with `features`, labelled videos as for `fit`: a CSV or NAME:PATH.
        test: a labelled set as NAME:PATH; with `features`, a CSV or NAME:PATH of a weakly labelled one.
        features: feature stores of labelled videos, as for `fit --features`.
        normal: one normal video of the camera of the test set, for systems with `shots`.
        street, toy: made in place of `train` and `test`.
    """

    train: str | None = None
    test: str | None = None
    features: tuple[str, ...] = ()
    normal: str | None = None
    street: StreetPart | None = None
    toy: ToyPart | None = None

    @property
    def bags(self) -> bool:
        """Whether these are labelled videos with features, and not video."""
        return bool(self.features) or self.toy is not None

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        made = [name for name in ("street", "toy") if getattr(self, name) is not None]
        given = [name for name in ("train", "test", "features", "normal") if getattr(self, name)]
        if len(made) > 1 or (made and given):
            raise ValueError(
                f"{', '.join((*made, *given))}: give files, or a street, or a toy; not more than one of them"
            )
        for name in ("train", "test"):
            if not made and getattr(self, name) is None:
                raise ValueError(f"{name} is missing: give train and test, or a street or a toy that is made")
        return self


class BasePart(Part):
    """What systems have in common that do not say otherwise.

    Attributes:
        recipe: a name or a YAML file.
        set: changes to it, as for `fit --set`.
        budget: as for `fit --budget`; None takes the recipe's own.
    """

    recipe: str | None = None
    set: tuple[str, ...] = ()
    budget: str | None = None


class SystemPart(BasePart):
    """A system: recipe and budget take the place of those of `base`, and changes come after those of `base`.

    Attributes:
        shots: adapt the trained system to so many windows of normal video of the camera that is tested.
    """

    shots: int | None = Field(None, ge=1)


Named = TypeVar("Named", bound=BasePart)


class ClaimPart(Part):
    """What somebody claims: one system of the plan is better than another.

    Attributes:
        better, than: names of the systems.
        paper: where, and with which figures.
        data: the data set that it is looked at on; None: all.
    """

    better: str
    than: str
    paper: str = ""
    data: str | None = None


class Plan(Part):
    """A checked plan.

    Attributes:
        data, systems: data sets and systems by name.
        base: what the systems have in common.
        seeds: training seeds.
        protocols: protocols for all systems to which they apply. If empty: `honest` and the protocols of each system.
        claims: which system is said to be better than which.
    """

    data: dict[str, DataPart] = Field(min_length=1)
    base: BasePart = BasePart()
    systems: dict[str, SystemPart] = Field(min_length=1)
    seeds: tuple[Seed, ...] = Field((0,), min_length=1)
    protocols: tuple[str, ...] = ()
    claims: tuple[ClaimPart, ...] = ()

    @field_validator("data", "systems")
    @classmethod
    def _names(cls, named: dict[str, Any]) -> dict[str, Any]:
        for name in named:
            if not NAME.fullmatch(name):
                raise ValueError(
                    f"{name!r} becomes a file name: use letters, digits, dots, dashes and underscores, at most 100"
                )
            if name in (CONSTANT, *BASELINES):
                raise ValueError(f"{name} is a baseline, in every table already; choose another name")
        return named

    @field_validator("seeds")
    @classmethod
    def _seeds(cls, seeds: tuple[int, ...]) -> tuple[int, ...]:
        if len(set(seeds)) < len(seeds):
            raise ValueError("give each seed once")
        return seeds

    @model_validator(mode="after")
    def _whole(self) -> Self:
        for name, part in self.systems.items():
            if part.recipe is None and self.base.recipe is None:
                raise ValueError(f"systems.{name}: has no recipe, and base has none either")
        for number, claim in enumerate(self.claims):
            where = f"claims.{number}"
            for name in (claim.better, claim.than):
                if name not in self.systems:
                    raise ValueError(f"{where}: there is no system {name!r}{among(name, self.systems)}")
            if claim.better == claim.than:
                raise ValueError(f"{where}: {claim.better} cannot be better than itself")
            if claim.data is not None and claim.data not in self.data:
                raise ValueError(f"{where}: there is no data set {claim.data!r}{among(claim.data, self.data)}")
        return self

    def recipe(self, name: str, seed: int) -> Recipe:
        """The recipe of a system with this seed.

        Raises:
            RecipeError: the recipe does not exist or is wrong.
        """
        part, base = self.systems[name], self.base
        length = part.budget or base.budget
        budget = [f"training.budget={length}"] if length else []
        recipe = part.recipe or base.recipe
        assert recipe is not None, "seen to when the plan was read"
        return load_recipe(recipe, [*base.set, *part.set, *budget, f"training.seed={seed}"])


def find_plan(path: Path) -> Path:
    """The file of a plan: the file itself, or the built-in one of this name, such as "ablations/sdmae.yaml".

    Raises:
        InputError: there is neither.
    """
    if path.is_file():
        return path
    built_in = FOLDER / path.with_suffix(".yaml") if path.name else FOLDER
    if not path.is_absolute() and built_in.is_file() and FOLDER in built_in.resolve().parents:
        return built_in
    raise InputError(f"{path}: there is no such plan{among(str(path), built_in_plans())}")


def built_in_plans() -> list[str]:
    """Names of the built-in plans, as `find_plan` takes them."""
    return sorted(file.relative_to(FOLDER).as_posix() for file in FOLDER.rglob("*.yaml"))


def load_plan(path: str | Path, changes: Sequence[str] = (), budget: str | None = None) -> Plan:
    """Read and check a plan.

    Args:
        path: see `find_plan`.
        changes: to the recipes of all systems, after those of the plan, as for `fit --set`.
        budget: of all systems, in place of that of the plan.

    Raises:
        InputError: there is no such file, a key or a protocol is unknown, a value is impossible, a protocol is for a
            system that is not in the plan, or systems and data do not go together.
        RecipeError: a recipe does not exist, or the changes make it impossible.
    """
    path = find_plan(Path(path))
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
    systems = {
        name: _with_file(folder, part).model_copy(
            update={"set": (*part.set, *changes), "budget": budget or part.budget}
        )
        for name, part in plan.systems.items()
    }
    plan = plan.model_copy(update={"data": data, "systems": systems, "base": _with_file(folder, plan.base)})
    _check(path, plan)
    return plan


def _check(path: Path, plan: Plan) -> None:
    models = set()
    for name, part in plan.systems.items():
        for change in (*plan.base.set, *part.set):
            if instead := OWN_KEYS.get(change.partition("=")[0].strip()):
                raise InputError(f"{path}: systems.{name}: {change}: a plan says this for all systems, as {instead}")
        recipe = plan.recipe(name, plan.seeds[0])
        models.add(recipe.model)
        bags = entry(recipe.model).kind == "bags"
        for data, own in plan.data.items():
            if bags and not own.bags:
                raise InputError(
                    f"{path}: systems.{name}: {recipe.model} learns from labelled videos and features; give "
                    f"data.{data} features, or a toy"
                )
            if own.bags and not bags:
                raise InputError(
                    f"{path}: systems.{name}: {recipe.model} learns from the frames of normal video, and data.{data} "
                    "is labelled videos with features"
                )
            elsewhere = own.normal is not None or (own.street is not None and own.street.learn_from)
            if part.shots is not None and not elsewhere:
                raise InputError(
                    f"{path}: systems.{name}: shots are windows of normal video of the camera that is tested, which "
                    f"nothing was learned from; give one such video as data.{data}.normal, or learn_from of a street"
                )
    for protocol in plan.protocols:
        owner = get_protocol(protocol).system
        if owner is not None and owner not in models:
            raise InputError(
                f"{path}: protocol {protocol} is for the scores of {owner}, which is not among the systems"
            )


def _below(folder: Path, part: DataPart) -> DataPart:
    def placed(text: str | None) -> str | None:
        named = re.fullmatch(r"([\w-]+:)(.+)", text or "")
        return text and (f"{named[1]}{folder / named[2]}" if named else str(folder / text))

    def store(text: str) -> str:
        name, equals, place = text.rpartition("=")
        return f"{name}{equals}{placed(place)}"

    update = {name: placed(getattr(part, name)) for name in ("train", "test", "normal")}
    return part.model_copy(update={**update, "features": tuple(map(store, part.features))})


def _with_file(folder: Path, part: Named) -> Named:
    """The part with the path of its recipe, if it is a file below the folder of the plan; otherwise unchanged."""
    file = folder / (part.recipe or "")
    return part.model_copy(update={"recipe": str(file)}) if file.is_file() else part


def _first(error: ValidationError) -> str:
    """The first error and its place; a key that is not known before one that is missing, because it may be that one
    misspelled. Its message names the most similar one."""
    errors = error.errors()
    first = next((one for one in errors if one["type"] == "extra_forbidden"), errors[0])
    places = [str(part) for part in first["loc"]]
    message = first["msg"].removeprefix("Value error, ")
    if first["type"] != "extra_forbidden":
        return ": ".join(filter(None, [".".join(places), message]))
    *parents, last = places
    part: type[Part] = Plan
    if parents:
        parts: dict[str, type[Part]] = {
            "data": DataPart, "street": StreetPart, "toy": ToyPart, "base": BasePart, "systems": SystemPart,
            "claims": ClaimPart,
        }  # fmt: skip
        part = parts[parents[2] if parents[2:] else parents[0]]
    return f"{'.'.join(places)}: no such key{among(last, part.model_fields)}"
