"""Presets and options: a model's configuration is a frozen dataclass, and a recipe names what differs from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, TypeVar, get_type_hints

from pydantic import ValidationError

from oddframe.errors import RecipeError
from oddframe.reading.records import adapter
from oddframe.suggest import among

Config = TypeVar("Config")


def configure(
    kind: type[Config], presets: Mapping[str, Mapping[str, Any]], preset: str, options: Mapping[str, Any]
) -> Config:
    """The configuration of a preset with single options changed, each checked against the type of its field.

    Args:
        kind: a dataclass named after its model, such as SDMAEConfig.
        presets: name -> what differs from the defaults of `kind`.

    Raises:
        RecipeError: unknown preset or option, a value of another type, or whatever the configuration itself refuses.
    """
    model = kind.__name__.removesuffix("Config")
    if preset not in presets:
        raise RecipeError(f"{model} has no preset {preset!r}{among(preset, presets)}")
    known = [option.name for option in fields(kind)]  # type: ignore[arg-type]
    unknown = sorted(options.keys() - set(known))
    if unknown:
        raise RecipeError(f"{model} has no option {unknown[0]!r}{among(unknown[0], known)}")
    chosen = {**presets[preset], **options}
    for name, hint in get_type_hints(kind).items():
        if name in options:
            try:
                chosen[name] = adapter(hint).validate_python(options[name])
            except ValidationError as error:
                raise RecipeError(f"{model}: {name} is {options[name]!r}: {error.errors()[0]['msg']}") from None
    return kind(**chosen)


def check_size(model: str, size: tuple[int, int], multiple: int, margin: int = 0) -> None:
    """A size (height, width) that the network's strides divide, and a margin of a map that leaves something of it.

    Raises:
        RecipeError: it is not.
    """
    height, width = size
    if height < multiple or width < multiple or height % multiple or width % multiple:
        raise RecipeError(f"{model}: size {height}x{width} must be multiples of {multiple}")
    if not 0 <= 2 * margin < min(size):
        raise RecipeError(f"{model}: map_margin {margin} must be at least 0 and leave something of {height}x{width}")
