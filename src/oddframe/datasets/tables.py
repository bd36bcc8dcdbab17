"""Reading of CSV files that users write: columns in any order and case, and errors with the line number."""

from __future__ import annotations

import csv
from pathlib import Path

from oddframe.errors import InputError
from oddframe.types import Interval

BOUNDS = (("start_frame", "end_frame"), ("start", "end"))
"""Names of the columns that hold the first and the last frame of an interval."""


def read_table(file: Path) -> tuple[list[str], list[dict[str, str]]]:
    """The columns of a CSV in lower case, and its rows. Each row also has its line number under the key `line`.

    Raises:
        InputError: there is no such file, or it is not a CSV in UTF-8.
    """
    try:
        with file.open(newline="", encoding="utf-8-sig") as stream:
            reader = csv.DictReader(stream, skipinitialspace=True)
            columns = [name.strip().lower() for name in reader.fieldnames or ()]
            reader.fieldnames = columns
            return columns, [{**row, "line": str(reader.line_num)} for row in reader]
    except OSError as error:
        raise InputError(f"{file}: cannot be read ({error.strerror})") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{file}: not a CSV in UTF-8 ({error})") from error


def bounds(columns: list[str]) -> tuple[str, str] | None:
    """The two columns that hold the first and the last frame of an interval; None if they are missing."""
    return next((names for names in BOUNDS if set(names) <= set(columns)), None)


def read_interval(row: dict[str, str], names: tuple[str, str], file: Path) -> Interval:
    """The interval of a row. Its first and last frame are counted from 0, and both belong to the interval.

    Raises:
        InputError: the frames are not whole numbers with 0 <= first <= last.
    """
    first, last = (whole_number(row, name, file) for name in names)
    if not 0 <= first <= last:
        raise InputError(f"{file}, line {row['line']}: frames {first} to {last} are not an interval")
    return Interval(first, last + 1)


def whole_number(row: dict[str, str], column: str, file: Path) -> int:
    """The number in a column of a row from `read_table`.

    Raises:
        InputError: the number is missing or not a whole number. The message names the line.
    """
    try:
        return int(row[column])
    except (ValueError, TypeError):
        raise InputError(f"{file}, line {row['line']}: {column} is {row[column]!r}, not a whole number") from None
