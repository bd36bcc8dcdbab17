"""What to answer to a name that does not exist: the names that look like it, and all that there are."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

MOST = 2  # names that are suggested


def near(name: str, known: Iterable[str]) -> list[str]:
    """Known names that `name` may have been meant to be, the best one first. Upper and lower case do not matter."""
    by_lower = {each.lower(): each for each in known}
    return [by_lower[match] for match in get_close_matches(name.lower(), by_lower, MOST)]


def among(name: str, known: Iterable[str]) -> str:
    """The second half of a line about a name that does not exist.

    >>> among("sdmea", ["camera", "sdmae", "std"])
    '; did you mean sdmae? (there are: camera, sdmae, std)'
    >>> among("yolo", ["camera", "sdmae"])
    '; there are: camera, sdmae'
    """
    known = list(known)
    every = f"there are: {', '.join(known)}"
    close = near(name, known)
    return f"; did you mean {' or '.join(close)}? ({every})" if close else f"; {every}"


def one_of(value: str, allowed: Iterable[str]) -> str:
    """The second half of a line about a value that is none of the allowed ones.

    >>> one_of("fp23", ["fp32", "bf16"])
    '; did you mean fp32? (choose fp32 or bf16)'
    >>> one_of("double", ["fp32", "bf16", "int8"])
    '; choose fp32, bf16 or int8'
    """
    allowed = list(allowed)
    every = " or ".join([*([", ".join(allowed[:-1])] if allowed[1:] else []), allowed[-1]])
    close = near(value, allowed)
    return f"; did you mean {' or '.join(close)}? (choose {every})" if close else f"; choose {every}"
