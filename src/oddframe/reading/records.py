"""The one reader of records that oddframe writes as JSON and that people edit: types and finite numbers are checked."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import fields
from functools import cache
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

T = TypeVar("T")


@cache
def adapter(kind: Any) -> TypeAdapter[Any]:
    """What checks values of a type. Pydantic takes milliseconds to make it, and microseconds to use it."""
    return TypeAdapter(kind)


def read_object(text: str) -> dict[str, Any]:
    """The object in a JSON text. Python also reads and writes NaN and Infinity, which are no JSON.

    Raises:
        ValueError: the text is no JSON, holds something else, or a number that is not finite. The message names it.
    """
    found = json.loads(text)
    if not isinstance(found, dict):
        raise ValueError(f"it holds {_kind(found)}, not names with values in braces")
    refuse_infinite(found)
    return found


def finite(value: Any) -> Any:
    """A value of plain types for JSON, in which None stands for every number that is not finite."""
    if isinstance(value, Mapping):
        return {name: finite(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [finite(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def record_of(cls: type[T], content: Mapping[str, Any], strict: bool = True) -> T:
    """The value of a dataclass from its fields as JSON holds them.

    Args:
        cls: the dataclass.
        content: field -> value.
        strict: text is no number, and a field that does not exist is refused.

    Raises:
        ValueError: a field is missing or unknown, of another type, or no finite number. The message names the field.
    """
    unknown = set(content) - {field.name for field in fields(cls)}  # type: ignore[arg-type]
    if strict and unknown:
        raise ValueError(f"{min(unknown)}: there is no such field")
    refuse_infinite(content)
    try:
        found: T = adapter(cls).validate_json(json.dumps(content), strict=strict)  # type: ignore[arg-type]
        return found
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise ValueError(f"{place}: {first['msg']}") from None


def refuse_infinite(value: object, place: str = "") -> None:
    """See to it that every number of a value from JSON is finite.

    Raises:
        ValueError: one is not. The message names its place.
    """
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{place}: {value} is no finite number")
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list | tuple) else ()
    for name, part in parts:
        refuse_infinite(part, f"{place}.{name}" if place else str(name))


def check_types(content: Mapping[str, Any], types: Mapping[str, Any], within: str = "") -> None:
    """See to it that these fields of an object from JSON are there and of these types; `within` begins their names.

    Raises:
        ValueError: one is not. The message names it.
    """
    for name, kind in types.items():
        if name not in content:
            raise ValueError(f"{within}{name}: missing")
        try:
            adapter(kind).validate_json(json.dumps(content[name]), strict=True)
        except TypeError:  # YAML knows dates
            raise ValueError(f"{within}{name}: neither text nor a number; write a text in quotes") from None
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(part) for part in (name, *first["loc"]))
            raise ValueError(f"{within}{place}: {first['msg']}") from None


def _kind(value: object) -> str:
    return "a list" if isinstance(value, list) else "nothing" if value is None else f"one {type(value).__name__}"
