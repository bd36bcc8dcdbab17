"""The order of frames by their names: one rule, and a note where another rule would give another order."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oddframe.video.order import in_order


def shuffled(names: Sequence[str]) -> list[str]:
    mixed = list(names)
    random.Random(7).shuffle(mixed)
    return mixed


NATURAL = {
    "plain": [f"f{n}.png" for n in range(120)],
    "padded, and one digit more": [f"f{n:02d}.png" for n in range(120)],
    "minus as a dash": [f"frame-{n}.png" for n in range(1, 12)],
    "other words at the end": [*(f"a_{n}.png" for n in range(5)), "cover_1.png", "z_100.png"],
    "dates with the year first": [f"2024-1-{d}_5-{m}.png" for d in (1, 9, 10) for m in (1, 9, 10)],
    "dates with points": [f"2024.1.{d}.png" for d in range(1, 12)],
    "decimals of one length": [f"1.{n:02d}.png" for n in range(12)],
    "letters that are no hexadecimal digits": [f"{n}{side}.png" for n in (9, 10, 11) for side in "lr"],
}


@pytest.mark.parametrize("names", NATURAL.values(), ids=NATURAL)
def test_where_the_names_leave_no_doubt_natural_order_stands_without_a_note(names: list[str]) -> None:
    order = in_order(shuffled(names))
    assert list(order.names) == names
    assert order.notes == ()


OTHER = {
    "seconds as Python prints them": ("decimal", [f"{round(1700000000 + n * 0.05, 2)}.png" for n in range(30)]),
    "decimals after a word": ("decimal", [f"cam_{1.05 + n * 0.05:.10g}.png" for n in range(30)]),
    "decimals after a clock": ("decimal", [f"2024-01-31_12-00-{s}.png" for s in ("05.0", "05.05", "05.1", "06.0")]),
    "padded hexadecimal": ("hexadecimal", [f"{n:04x}.png" for n in range(20)]),
    "hexadecimal between words": ("hexadecimal", [f"v_{n:08x}_cam.png" for n in range(5, 30)]),
    "hexadecimal without zeros": ("hexadecimal", [f"{n:x}.png" for n in range(40)]),
    "negative": ("numbers", [f"{n}.png" for n in range(-5, 12)]),
    "negative decimals": ("numbers", [f"{n * 0.5}.png" for n in range(-5, 12)]),
    "exponents": ("numbers", [f"{n * 1e-5}.png" for n in range(30)]),
    "the day first": ("day first", [f"{d:02d}-{m:02d}-2024.png" for m in (1, 2) for d in (1, 15, 31)]),
    "the month first over two years": ("month first", ["01-15-2024.png", "12-31-2024.png", "01-01-2025.png"]),
    "a clock of twelve hours": (
        "dates",
        [f"2024-01-31 {h:02d}-00-00 {half}M.png" for half in "AP" for h in (12, 1, 3, 11)],
    ),
}


@pytest.mark.parametrize(("rule", "names"), OTHER.values(), ids=OTHER)
def test_names_that_say_more_than_natural_order_are_followed_and_noted(rule: str, names: list[str]) -> None:
    order = in_order(shuffled(names))
    assert list(order.names) == names
    (note,) = order.notes
    assert rule in note and "where natural order is" in note


def test_counters_after_a_point_are_no_decimals_and_a_note_says_so() -> None:
    names = [f"1.{n}.png" for n in range(1, 30)]
    order = in_order(shuffled(names))
    assert list(order.names) == names
    assert order.notes[0].startswith("the numbers after the point are taken as counters, so that 1.10.png comes after")


def test_series_with_the_same_numbers_are_noted() -> None:
    names = [f"{side}_{n:02d}.png" for side in ("left", "right") for n in range(3)]
    order = in_order(shuffled(names))
    assert list(order.names) == names
    assert order.notes[0].startswith("the names are of 2 series with the same numbers (left_, right_)")


def test_numbers_padded_to_different_lengths_are_noted() -> None:
    order = in_order(["010.png", "3.png", "02.png", "1.png"])
    assert order.names == ("1.png", "02.png", "3.png", "010.png")
    assert "zeros in front to different lengths" in order.notes[0]


def test_a_number_that_stands_twice_is_noted() -> None:
    order = in_order(["2.png", "1.png", "01.png", "1.jpg"])
    assert any("stands in more than one name" in note for note in order.notes)


@settings(deadline=None)
@given(st.lists(st.text("019a.-_e", min_size=1, max_size=6), unique=True, max_size=12), st.randoms())
def test_the_order_does_not_depend_on_the_order_of_the_names(names: list[str], shuffle: random.Random) -> None:
    files = [f"{name}.png" for name in names]
    order = in_order(files)
    assert sorted(order.names) == sorted(files)
    shuffle.shuffle(files)
    assert in_order(files) == order


@pytest.mark.parametrize(
    ("numbers", "says"),
    [
        ([*range(1, 11), *range(12, 41)], "1 of the frames numbered 1 to 40 are missing, first 11"),
        ([0, 1, 2, 900, 901], "897 of the frames numbered 0 to 901 are missing, first 3"),
        ([*range(0, 50, 5), *range(60, 90, 5)], "2 of the frames numbered 0 to 85 are missing, first 50"),
        ([*range(0, 50, 5)], ""),
        ([*range(30)], ""),
        ([3, 17, 18, 40, 77], ""),  # no counter
    ],
)
def test_missing_numbers_are_noted(numbers: list[int], says: str) -> None:
    for form in ("{:04d}.png", "cam1_{:06d}.jpg", "{}.png"):
        notes = in_order(form.format(number) for number in numbers).notes
        assert [note.split("; ")[0] for note in notes] == ([says] if says else [])


def test_a_clock_in_the_names_is_no_number() -> None:
    assert in_order(f"cam_20240131_1010{second:02d}.png" for second in (57, 58, 59)).notes == ()
    assert in_order([f"20240131-1010{s}.png" for s in (57, 58, 59)] + ["20240131-101100.png"]).notes == ()
