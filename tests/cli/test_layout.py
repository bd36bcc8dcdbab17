"""Text fits the width that it is laid out for, and no word of it is broken."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from oddframe.cli.layout import definitions, paragraph, table, wide

COLUMNS = ["model", "paper", "input", "parameters", "GFLOP/frame"]
ROWS = [
    [
        "camera",
        "PatchCore, CVPR 2022; monitors per place, PAMI 2008 and WACV 2020; its own sum",
        "frames at 640x360",
        "0",
        "0",
    ],
    ["sdmae", "Ristea et al., Self-Distilled Masked Auto-Encoders, CVPR 2024", "frames t-3 t t+3", "3,042,817", "12.1"],
]
WIDTHS = [40, 60, 80, 120]


def words_of(lines: Sequence[str]) -> list[str]:
    return " ".join(lines).split()


@pytest.mark.parametrize("width", WIDTHS)
def test_a_table_fits_and_keeps_its_words(width: int) -> None:
    lines = table(COLUMNS, ROWS, ["parameters", "GFLOP/frame"], width)
    assert max(map(wide, lines)) <= width
    for row in ROWS:
        for cell in row:
            assert all(word in words_of(lines) for word in cell.split()), cell


def test_a_table_that_fits_has_a_line_for_each_row_and_numbers_to_the_right() -> None:
    lines = table(["video", "frames"], [["gate", "7"], ["yard", "1200"]], ["frames"], 80)
    assert lines == ["video  frames", "gate        7", "yard     1200"]


def test_without_a_width_every_row_is_one_line() -> None:
    assert len(table(COLUMNS, ROWS, (), None)) == 1 + len(ROWS)


def test_what_does_not_fit_becomes_blocks_with_a_line_for_each_column() -> None:
    lines = table(["run", "where", "size"], [["a" * 30, "b" * 30, "1"], ["c", "", "2"]], ["size"], 40)
    assert lines == ["a" * 30, "  where  " + "b" * 30, "  size   1", "", "c", "  size   2"]


def test_a_column_without_a_name_joins_the_title_of_its_block() -> None:
    assert table(["", "bundle", "id"], [["*", "x" * 30, "y" * 30]], (), 40)[0] == f"* {'x' * 30}"


def test_wide_letters_count_twice_and_marks_not_at_all() -> None:
    assert (wide("カメラ"), wide("e\u0301"), wide("abc")) == (6, 1, 3)
    first, second = table(["video", "n"], [["カメラ", "1"]], ["n"], 80)
    assert wide(first) == wide(second)


@pytest.mark.parametrize("width", WIDTHS)
def test_options_stand_beside_their_meaning_or_above_it(width: int) -> None:
    rows = [
        ("--alarms-per-hour NUMBER", "Accepted false alarms per hour of normal video. [default: 1]"),
        ("-h, --help", "Help."),
    ]
    lines = definitions(rows, width)
    assert max(map(wide, lines)) <= width and "--alarms-per-hour" in words_of(lines)
    assert (lines[0].strip() == "--alarms-per-hour NUMBER") == (width < 72)


def test_a_long_word_is_left_whole() -> None:
    assert paragraph("x" * 100, 40) == ["x" * 100]
    assert paragraph("", 40) == [""]
