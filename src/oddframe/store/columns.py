"""Types of columns that both databases keep alike: any text, and plain values as JSON."""

from __future__ import annotations

import json
import math
import re
from typing import Any

from sqlalchemy import Dialect, Text
from sqlalchemy.types import TypeDecorator

# PostgreSQL takes no NUL, and neither database takes halves of letters, which stand for the bytes of file names that
# are not UTF-8. Letters for private use at the very end of Unicode stand in for them. These letters themselves, which
# hardly any text has, are written as the one before them and a letter of another place.
_ESCAPE, _SHIFT = 0x10F7FE, 0x10F000
_STAND_INS: dict[int, int | str] = {
    **{code: chr(_ESCAPE) + chr(code - _SHIFT) for code in range(_ESCAPE, 0x110000)},
    0: 0x10F7FF,
    **{code: code + 0x10F800 - 0xD800 for code in range(0xD800, 0xE000)},
}
_WRITTEN = re.compile("\U0010f7fe([\u07fe-\u0fff])|[\U0010f7ff-\U0010ffff]")


def _meant(found: re.Match[str]) -> str:
    if found[1]:
        return chr(ord(found[1]) + _SHIFT)
    return chr(0 if ord(found[0]) == 0x10F7FF else ord(found[0]) - 0x10F800 + 0xD800)


class AnyText(TypeDecorator[str]):
    """Text of any letters, NUL and file names that are not UTF-8 included. It comes back as it was."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        return value if value is None else value.translate(_STAND_INS)

    def process_result_value(self, value: str | None, dialect: Dialect) -> str | None:
        return value if value is None or value.isascii() else _WRITTEN.sub(_meant, value)


class Json(TypeDecorator[Any]):
    """Plain values as JSON in ASCII. The same text in both databases, and no letter that either of them refuses.

    Numbers that JSON does not have, NaN and the infinities, become null.
    """

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        return None if value is None else json.dumps(_finite(value), allow_nan=False)

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:
        return None if value is None else json.loads(value)


def _finite(value: Any) -> Any:
    """The same values, with None for numbers that are not finite."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {name: _finite(one) for name, one in value.items()}
    return [_finite(one) for one in value] if isinstance(value, list | tuple) else value
