"""Presets and options: a model's configuration is a frozen dataclass, and a recipe names what differs from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from oddframe.errors import RecipeError

Config = TypeVar("Config")


def configure(
    kind: type[Config], presets: Mapping[str, Mapping[str, Any]], preset: str, options: Mapping[str, Any]
) -> Config:
    """The configuration of a preset with single options changed; lists, as YAML has them, become tuples.

    Args:
        kind: a dataclass named after its model, such as SDMAEConfig.
        presets: name -> what differs from the defaults of `kind`.

    Raises:
        RecipeError: unknown preset or option, or whatever the configuration itself refuses.
    """
    model = kind.__name__.removesuffix("Config")
    if preset not in presets:
        raise RecipeError(f"{model} has no preset {preset!r}; there are: {', '.join(presets)}")
    known = [option.name for option in fields(kind)]  # type: ignore[arg-type]
    unknown = sorted(options.keys() - set(known))
    if unknown:
        raise RecipeError(f"{model} has no option {unknown[0]!r}; there are: {', '.join(known)}")
    listed = {name: tuple(value) if isinstance(value, list) else value for name, value in options.items()}
    chosen = {**presets[preset], **listed}
    for name, hint in get_type_hints(kind).items():
        if get_origin(hint) is Literal and name in chosen and chosen[name] not in get_args(hint):
            raise RecipeError(f"{model}: {name} is {chosen[name]!r}; choose {' or '.join(map(repr, get_args(hint)))}")
    return kind(**chosen)
