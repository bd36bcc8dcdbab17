"""Names of cameras as names of folders, and as parts of MQTT topics."""

from __future__ import annotations

import hashlib
import re

_OTHERS = re.compile(r"[^A-Za-z0-9._-]")
_LONGEST = 64


def safe_name(name: str) -> str:
    """A name of letters, digits, ".", "_" and "-" that stands for a camera and for no other one.

    A name that consists of them, and begins with none of the signs, is kept. Of any other the rest becomes "_", and
    eight digits of a hash follow, because two names may differ in nothing else.
    """
    plain = _OTHERS.sub("_", name).strip("._-")[:_LONGEST]
    return plain if plain and plain == name else f"{plain or 'camera'}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"
