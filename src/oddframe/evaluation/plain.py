"""Results as JSON takes them."""

from __future__ import annotations

import math
from typing import Any


def plain(value: Any) -> Any:
    """The same with nan as None, through dictionaries as `dataclasses.asdict` makes them."""
    if isinstance(value, dict):
        return {key: plain(inner) for key, inner in value.items()}
    return None if isinstance(value, float) and math.isnan(value) else value
