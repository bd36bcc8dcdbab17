"""Places to ignore: as people write or paint them, as cells and as pixels."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oddframe.datasets.windows import GREY, ignored_pixels, paint_over
from oddframe.errors import InputError
from oddframe.models.ignored import IgnoredPlace, ignored_cells, load_places
from oddframe.types import Window

CLOCK = IgnoredPlace("clock", ((0.0, 0.0), (0.5, 0.0), (0.5, 0.25), (0.0, 0.25)))
share = st.floats(0, 1)


@given(st.lists(st.tuples(share, share), min_size=3, max_size=12), st.integers(1, 9), st.integers(1, 9))
def test_cells_are_those_whose_middle_a_place_holds(
    corners: list[tuple[float, float]], rows: int, columns: int
) -> None:
    place = IgnoredPlace("a", tuple(corners))
    expected = [[place.holds((c + 0.5) / columns, (r + 0.5) / rows) for c in range(columns)] for r in range(rows)]
    assert ignored_cells([place], (rows, columns)).tolist() == expected


def test_no_place_is_no_cell_and_no_pixel() -> None:
    assert not ignored_cells([], (4, 6)).any()
    assert ignored_pixels((), (4, 6)) is None
    frames = np.full((2, 4, 6, 3), 9, np.uint8)
    paint_over(frames, Window((0,), (4, 6)))
    assert (frames == 9).all()


def test_only_what_is_ignored_is_painted_over() -> None:
    frames = np.arange(2 * 8 * 8 * 3, dtype=np.uint8).reshape(2, 8, 8, 3)
    kept = frames.copy()
    paint_over(frames, Window((0,), (8, 8), ignored=(CLOCK,)))
    assert (frames[:, :2, :4] == GREY).all()
    assert np.array_equal(frames[:, 2:], kept[:, 2:]) and np.array_equal(frames[:, :, 4:], kept[:, :, 4:])


def test_a_file_has_the_form_of_the_block_in_a_configuration(tmp_path: Path) -> None:
    path = tmp_path / "zones.yaml"
    path.write_text("clock: [0, 0, 0.5, 0.25]\nroad: [[0, 0.7], [1, 0.6], [1, 1]]\n")
    clock, road = load_places(path)
    assert clock == CLOCK and (road.name, len(road.corners)) == ("road", 3)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("clock: [0, 0, 2, 1]", "clock: 2 is no share of the picture"),
        ("clock: [0.5, 0, 0.2, 1]", "clock: write [left, top, right, bottom], with left below right"),
        ("clock: 3", "clock: write"),
        ("clock: [[0, 0], [0.5, 0.5], [1, 1]]", "clock: all corners lie on a line"),
        ("- [0, 0, 1, 1]", "write a name for each place"),
        ("{}", "there is no place to ignore"),
        ("a: [0, 0, 1, 1]", "cover the whole picture"),
        ("a: [0, 0, 1, 1", "not a file of places to ignore"),
        ("a: &a [*a]", "not a file of places to ignore"),
    ],
)
def test_a_bad_file_is_one_line(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "zones.yaml"
    path.write_text(text)
    with pytest.raises(InputError) as raised:
        load_places(path)
    assert words in str(raised.value) and "zones.yaml" in str(raised.value) and "\n" not in str(raised.value)


@pytest.mark.slow
def test_a_mask_ignores_what_is_white_and_nothing_else(tmp_path: Path) -> None:
    mask = np.zeros((90, 160), np.uint8)
    mask[:20, :50] = 255
    cv2.circle(mask, (110, 50), 30, 255, -1)
    mask[45:55, 105:115] = 0  # a hole
    mask[80:, 0:4] = 255
    path = tmp_path / "mask.png"
    cv2.imwrite(str(path), mask)
    places = load_places(path)
    assert len(places) == 3
    cells = ignored_cells(places, mask.shape)
    differ = cells != (mask > 0)
    edge = cv2.dilate(cv2.morphologyEx(mask, cv2.MORPH_GRADIENT, np.ones((3, 3))), np.ones((3, 3))) > 0
    assert not (differ & ~edge).any() and differ.mean() < 0.01
    assert ignored_cells(places, (1800, 3200))[:390, 0].all(), "at the edge of a finer picture as well"
    assert not cells[50, 110] and cells[0, 0] and cells[89, 0] and cells[30, 110]


@pytest.mark.parametrize("fault", ["grey", "black", "white", "broken", "absent"])
def test_a_bad_mask_is_one_line(tmp_path: Path, fault: str) -> None:
    path = tmp_path / "mask.png"
    ramp = np.tile(np.arange(160, dtype=np.uint8), (90, 1))
    pictures = {"grey": ramp + 50, "black": ramp * 0, "white": ramp * 0 + 255}
    words = {"grey": "neither black nor white", "black": "no place to ignore", "white": "whole picture"}
    if fault in pictures:
        cv2.imwrite(str(path), pictures[fault])
    elif fault == "broken":
        path.write_bytes(b"no picture")
    with pytest.raises(InputError) as raised:
        load_places(path)
    assert words.get(fault, "mask.png") in str(raised.value) and "\n" not in str(raised.value)
