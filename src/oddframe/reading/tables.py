"""The one reader of tables and texts that people write. The rules are the same for every CSV:

- UTF-8, with or without a byte order mark; UTF-16 and UTF-32 with one. Any end of line. Names are compared in NFC.
- The first line names the columns, in any order and case; blanks and hyphens in a name count as underscores. A line
  `sep=;` before it, as spreadsheets write it, is obeyed.
- Columns are separated by comma, semicolon or tab: by the one that stands most often in the first line.
- Blanks around a cell do not count. Lines without any text are skipped, and so are columns without a name.
- A whole number may be written 20, 20.0 or 2e1. A decimal comma, a sign of thousands, or anything else is refused.
- A row may end early: what is missing is empty. A row with more cells than columns is refused, and so is a column that
  stands twice, a quote that is never closed, and a cell that goes on in the next line.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from oddframe.errors import InputError
from oddframe.reading.guard import reading
from oddframe.types import Interval

BOUNDS = (("start_frame", "end_frame"), ("start", "end"))
"""Names of the columns that hold the first and the last frame of an interval."""

SEPARATORS = ",;\t"
MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
BLANKS = "\ufeff\u200b\u200e\u200f\u2060"
"""Characters that nobody sees and that `str.strip` leaves."""

WHOLE = re.compile(r"[+-]?\d+(?:\.\d*)?(?:[eE][+-]?\d{1,3})?", re.ASCII)
LARGEST_TEXT = 1 << 26
"""Bytes of a text or a table."""
LARGEST = 2**53
"""Numbers above it are no frame numbers, and floats no longer tell them apart."""


@dataclass(frozen=True)
class CSVRow:
    """A row of a table.

    Attributes:
        cells: column -> text without blanks around it, in NFC; every column of the table is there.
        where: file and line, for messages.
    """

    cells: dict[str, str]
    where: str

    def __getitem__(self, column: str) -> str:
        """The text in a column; empty if the row or the table lacks it."""
        return self.cells.get(column, "")

    def whole(self, column: str) -> int:
        """The whole number in a column.

        Raises:
            InputError: there is none. The message names file, line and column.
        """
        return whole_number(self[column], f"{self.where}, column {column}")

    def interval(self, names: tuple[str, str]) -> Interval:
        """The interval whose first and last frame stand in two columns, counted from 0; both belong to it.

        Raises:
            InputError: the frames are not whole numbers with 0 <= first <= last.
        """
        first, last = (self.whole(name) for name in names)
        if not 0 <= first <= last:
            kind = "the last frame comes before the first" if first > last else "frames are counted from 0"
            raise InputError(f"{self.where}: frames {first} to {last} are not an interval: {kind}; correct the line")
        return Interval(first, last + 1)


@dataclass(frozen=True)
class CSVTable:
    """A table: its file, its columns in lower case, and its rows."""

    file: Path
    columns: tuple[str, ...]
    rows: tuple[CSVRow, ...]

    def require(self, *choices: Sequence[str]) -> None:
        """Check that the table has all columns of at least one choice.

        Raises:
            InputError: it has not. The message names the columns that it has.
        """
        if not any(set(names) <= set(self.columns) for names in choices):
            wanted = " or ".join(",".join(names) for names in choices)
            raise InputError(
                f"{self.file}: the first line must name the columns {wanted}; it names: "
                f"{', '.join(self.columns) or 'none'}"
            )


def read_table(file: Path) -> CSVTable:
    """Read a CSV by the rules on top of this module.

    Raises:
        InputError: there is no such file, or it breaks a rule. The message names file and line.
    """
    lines = read_lines(file)
    first = next((number for number, line in enumerate(lines) if line.strip()), 0)
    if given := re.fullmatch(r"sep=(.)", lines[first].strip(" \"'")):
        separator, lines[first] = given[1], ""
    else:
        unquoted = re.sub(r'"[^"]*"', "", lines[first])
        separator = max(SEPARATORS, key=unquoted.count)  # the first of them where two are as frequent
    text = "\n".join(_tight(line) for line in lines)
    reader = csv.reader(io.StringIO(text), delimiter=separator, skipinitialspace=True, strict=True)
    columns: list[str] | None = None
    rows, before = [], 0
    try:
        for cells in reader:
            line, before = before + 1, reader.line_num
            where = f"{file}, line {line}"
            texts = [_plain(cell) for cell in cells]
            if not any(texts):
                continue
            if reader.line_num > line:
                raise InputError(f"{where}: a cell goes on until line {reader.line_num}; close its quote, on one line")
            if columns is None:
                columns = [_column(text) for text in texts]
                twice = next((name for name in columns if name and columns.count(name) > 1), None)
                if twice is not None:
                    raise InputError(f"{where}: column {twice} stands twice; keep one of them")
            else:
                rows.append(_row(texts, columns, where))
    except csv.Error as error:
        raise InputError(
            f"{file}, line {before + 1}: not a line of a CSV ({error}); close every quote, and double it inside a cell"
        ) from error
    return CSVTable(file, tuple(name for name in columns or () if name), tuple(rows))


def _row(texts: list[str], columns: list[str], where: str) -> CSVRow:
    if any(texts[len(columns) :]):
        raise InputError(
            f"{where}: {len(texts)} cells for {len(columns)} columns; write numbers without a decimal comma, and put a "
            "name with a separator in it between quotes"
        )
    texts += [""] * (len(columns) - len(texts))
    return CSVRow({name: text for name, text in zip(columns, texts, strict=False) if name}, where)


def _tight(line: str) -> str:
    """A line without the blanks that stand between a closing quote and the next separator."""
    return re.sub(r'"[ ]+(?=[,;\t]|$)', '"', line) if line.count('"') % 2 == 0 else line


def _plain(cell: str) -> str:
    """The text of a cell in NFC, without what nobody sees around it."""
    return unicodedata.normalize("NFC", cell.strip().strip(BLANKS).strip())


def _column(text: str) -> str:
    return re.sub(r"[\s-]+", "_", text.casefold())


def read_text(file: Path) -> str:
    """The text of a file without its byte order mark; UTF-8 where it has none.

    Raises:
        InputError: there is no such file, it is longer than `LARGEST_TEXT`, or in another encoding. The message names
            the line.
    """
    with reading(file, "cannot be read as text"):
        if file.stat().st_size > LARGEST_TEXT:
            raise InputError(f"{file}: {file.stat().st_size:,} bytes are more than the {LARGEST_TEXT:,} of a text")
        data = file.read_bytes()
        mark, encoding = next((known for known in MARKS if data.startswith(known[0])), (b"", "utf-8"))
        try:
            text = data[len(mark) :].decode(encoding)
        except UnicodeDecodeError as error:
            line = data[: len(mark) + error.start].count(b"\n") + 1
            raise InputError(
                f"{file}, line {line}: not {encoding.upper()} ({error.reason} at byte {len(mark) + error.start}); save "
                "the file as UTF-8"
            ) from error
        if "\0" in text:
            raise InputError(f"{file}: holds zero bytes, which no text in UTF-8 does; save the file as UTF-8")
        return text


def read_lines(file: Path) -> list[str]:
    """The lines of a text, at least one; see `read_text`. Windows, Unix and old Macs end a line in their own ways."""
    return re.split(r"\r\n|\r|\n", read_text(file))


def bounds(table: CSVTable) -> tuple[str, str] | None:
    """The two columns that hold the first and the last frame of an interval; None if they are missing."""
    return next((names for names in BOUNDS if set(names) <= set(table.columns)), None)


def whole_number(text: str, where: str) -> int:
    """The whole number that a text says: 20, 20.0 and 2e1 are, 20.5, "20,0" and "" are not.

    Raises:
        InputError: it says none. The message names the text and `where`.
    """
    text = text.strip()
    if not text:
        raise InputError(f"{where}: empty; write a whole number")
    if not WHOLE.fullmatch(text):
        if re.fullmatch(r"[+-]?[\d.]+,[\d,.]*", text, re.ASCII):
            raise InputError(f"{where}: {text!r} has a comma in it; write a whole number without one")
        raise InputError(f"{where}: {text!r} is not a whole number")
    # A float would round large numbers before they are refused.
    value = int(text) if text.lstrip("+-").isdecimal() and len(text) < 20 else float(text)
    if value != int(min(max(value, -LARGEST), LARGEST)) or abs(value) >= LARGEST:
        raise InputError(f"{where}: {text!r} is not a whole number")
    return int(value)
