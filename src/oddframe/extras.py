"""Libraries that not every installation has."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from oddframe.errors import InputError


def imported(library: str, extra: str) -> Any:
    """A library that comes with an extra of oddframe.

    Raises:
        InputError: it is not installed.
    """
    try:
        return import_module(library)
    except ImportError:
        raise InputError(f'this needs the library {library}: pip install "oddframe[{extra}]"') from None
