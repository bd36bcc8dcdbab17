"""Import of optional libraries, which not every installation has."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from oddframe.errors import InputError


def imported(library: str, extra: str) -> Any:
    """Import a library that an extra of oddframe installs.

    Raises:
        InputError: the library is not installed. The message gives the command that installs it.
    """
    try:
        return import_module(library)
    except ImportError:
        raise InputError(f'this needs the library {library}: pip install "oddframe[{extra}]"') from None
