"""A digest of what something remembers: equal digests mean that two of them go on alike, bit for bit."""

from __future__ import annotations

import hashlib
import struct
from collections import deque
from typing import Any

import numpy as np


def digest(memory: object) -> str:
    """32 hexadecimal digits of plain values, arrays, sequences, dictionaries, and objects of them.

    Raises:
        TypeError: it holds something else, which nothing can be said of.
    """
    found = hashlib.sha256()
    _add(found, memory)
    return found.hexdigest()[:32]


def _add(found: Any, value: object) -> None:
    if value is None or isinstance(value, bool | int | str | bytes):
        found.update(f"{type(value).__name__} {value!r}\n".encode("utf-8", "surrogateescape"))
    elif isinstance(value, np.ndarray | np.generic):
        array = np.ascontiguousarray(value)
        found.update(f"array {array.dtype.str} {array.shape}\n".encode())
        found.update(array.tobytes())
    elif isinstance(value, float):
        found.update(b"float " + struct.pack("<d", value))
    elif isinstance(value, list | tuple | deque):
        found.update(f"sequence {len(value)}\n".encode())
        for one in value:
            _add(found, one)
    elif isinstance(value, dict):
        _add(found, sorted(value.items()))
    elif hasattr(value, "__dict__") and type(value).__module__.startswith("oddframe."):
        found.update(f"object {type(value).__qualname__}\n".encode())
        _add(found, vars(value))
    else:
        raise TypeError(f"a {type(value).__name__} has no digest")
