"""Conversion of results to values that JSON allows."""

from __future__ import annotations

import math
from typing import Any


def plain(value: Any) -> Any:
    """Replace nan by None, also inside the dictionaries that `dataclasses.asdict` makes."""
    if isinstance(value, dict):
        return {key: plain(inner) for key, inner in value.items()}
    return None if isinstance(value, float) and math.isnan(value) else value
