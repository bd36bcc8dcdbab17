"""Text in a given width: paragraphs, terms with their meaning, and tables. A word is never broken.

A table that does not fit, even with its text wrapped, becomes a block for each row: the first value, and below it a
line for each other column. What is wider than the terminal, such as a long path, is left to the terminal to wrap.
"""

from __future__ import annotations

import shutil
import unicodedata
from collections.abc import Sequence
from textwrap import wrap

GAP = 2  # letters between two columns
MOST_LINES = 4  # of a cell whose text is wrapped; a table that needs more becomes blocks
LEAST_WIDTH, MOST_WIDTH = 40, 100  # of paragraphs and help


def terminal_width() -> int:
    """Columns of the terminal, or of the variable COLUMNS; 80 where neither is known."""
    return max(LEAST_WIDTH, shutil.get_terminal_size((80, 24)).columns)


def wide(text: str) -> int:
    """Columns that a text takes on a terminal: letters of East Asia take two, marks on letters none."""
    return sum(
        0 if unicodedata.combining(letter) else 2 if unicodedata.east_asian_width(letter) in "WF" else 1
        for letter in text
    )


def paragraph(text: str, width: int, indent: str = "", later: str | None = None) -> list[str]:
    """A text as lines of at most `width` columns, unless a word is longer.

    Args:
        indent: before the first line.
        later: before the other lines; None: `indent`.
    """
    return wrap(
        text, width, initial_indent=indent, subsequent_indent=indent if later is None else later,
        break_long_words=False, break_on_hyphens=False,
    ) or [indent.rstrip()]  # fmt: skip


def definitions(rows: Sequence[tuple[str, str]], width: int) -> list[str]:
    """Terms with their meaning, such as options: side by side where there is room, otherwise the meaning below."""
    most = min(max((wide(term) for term, _ in rows), default=0), width * 2 // 5)
    beside = 2 + most + GAP
    lines: list[str] = []
    for term, meaning in rows:
        if width < 72 or wide(term) > most:
            lines.append(f"  {term}")
            column = 6 if width < 72 else beside
            lines += paragraph(meaning, width, " " * column) if meaning else []
        else:
            first = f"  {term}{' ' * (most - wide(term) + GAP)}"
            lines += paragraph(meaning, width, first, " " * beside) if meaning else [first.rstrip()]
    return lines


def table(
    columns: Sequence[str], rows: Sequence[Sequence[str]], numbers: Sequence[str] = (), width: int | None = None
) -> list[str]:
    """A table as lines.

    Args:
        columns: their names; columns without a name are possible.
        rows: text without control characters.
        numbers: names of columns that are aligned to the right and never wrapped.
        width: in columns of the terminal; None: as wide as it gets, so that a row is one line.
    """
    natural = [max(wide(row[place]) for row in (columns, *rows)) for place in range(len(columns))]
    widths = natural if width is None else _narrowed(columns, rows, numbers, natural, width)
    if widths is None:
        return _blocks(columns, rows, width or MOST_WIDTH)
    lines: list[str] = []
    for row in (columns, *rows):
        cells = [
            [cell] if wide(cell) <= room else paragraph(cell, room) for cell, room in zip(row, widths, strict=True)
        ]
        for number in range(max(map(len, cells))):
            parts = [cell[number] if number < len(cell) else "" for cell in cells]
            placed = [
                " " * (room - wide(part)) + part if name in numbers else part + " " * (room - wide(part))
                for part, room, name in zip(parts, widths, columns, strict=True)
            ]
            lines.append((" " * GAP).join(placed).rstrip())
    return lines


def _narrowed(
    columns: Sequence[str], rows: Sequence[Sequence[str]], numbers: Sequence[str], natural: list[int], width: int
) -> list[int] | None:
    """Widths with which the table fits, or None. The widest text is wrapped first; words stay whole."""
    least = [
        max(wide(word) for row in (columns, *rows) for word in (row[place].split() or [""]))
        for place in range(len(columns))
    ]
    for place, name in enumerate(columns):
        if name in numbers:
            least[place] = max(least[place], max((wide(row[place]) for row in rows), default=0))
    widths, room = list(natural), width - GAP * (len(columns) - 1)
    while sum(widths) > room:
        spare = [place for place in range(len(columns)) if widths[place] > least[place]]
        if not spare:
            return None
        widths[max(spare, key=widths.__getitem__)] -= 1
    tallest = max(
        (
            len(paragraph(cell, room))
            for row in rows
            for cell, room in zip(row, widths, strict=True)
            if wide(cell) > room
        ),
        default=1,
    )
    return widths if tallest <= MOST_LINES else None


def _blocks(columns: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> list[str]:
    """A block for each row. The title is the first value, with those before it whose columns have no name."""
    first = next((place for place, name in enumerate(columns) if name), 0)
    names = max((wide(name) for name in columns[first + 1 :]), default=0)
    lines: list[str] = []
    for row in rows:
        lines += [*([""] if lines else []), " ".join(cell for cell in row[: first + 1] if cell)]
        for name, cell in zip(columns[first + 1 :], row[first + 1 :], strict=True):
            if cell:
                head = f"  {name}{' ' * (names - wide(name) + GAP)}"
                lines += paragraph(cell, width, head, " " * wide(head))
    return lines
