"""Places of a picture in which nobody wants to be told of anything: as cells of a map, and as people write them.

A file of places is YAML: names, and below each [left, top, right, bottom] or a list of corners, in shares of the
picture. The block `ignore` of a configuration of `oddframe watch` has the same form. Instead of such a file an image
will do, black but for the places, which are white.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from oddframe.datasets.windows import ignored_pixels
from oddframe.errors import InputError
from oddframe.reading.guard import reading
from oddframe.reading.images import read_picture
from oddframe.reading.tables import read_text
from oddframe.reading.yaml_values import yaml_value
from oddframe.types import IgnoredPlace as IgnoredPlace  # of the ground floor, since windows have places as well

Corner = tuple[float, float]
IMAGES = (".png", ".bmp", ".pgm", ".tif", ".tiff", ".jpg", ".jpeg", ".webp")
DARK, BRIGHT = 64, 191  # grey values that count as black up to, and as white from
GREY_SHARE = 0.02  # of an image that may lie between them, as the edges of what was drawn or compressed do
MOST_CORNERS = 100
FINEST = 1.5  # pixels by which an outline may be simplified


def ignored_cells(places: Iterable[IgnoredPlace], grid: tuple[int, int]) -> NDArray[np.bool_]:
    """(h, w) which cells of a map of this grid have their middle inside one of the places."""
    found = ignored_pixels(tuple(places), grid)
    return np.zeros(grid, bool) if found is None else found


def load_places(path: str | Path) -> tuple[IgnoredPlace, ...]:
    """The places of a file: YAML, or an image with white places.

    Raises:
        InputError: there is no such file, it is neither, it names no place, or a place has an impossible form. The
            message names the place.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: there is no such file of places to ignore")
    places = _places_of_image(path) if path.suffix.lower() in IMAGES else _places_of_text(path)
    if not places:
        raise InputError(f"{path}: there is no place to ignore in it; leave --ignore out, or add one")
    if ignored_cells(places, (64, 64)).all():
        raise InputError(f"{path}: its places cover the whole picture, so that nothing is left to look at")
    return places


def places_to_ignore(values: Any) -> tuple[IgnoredPlace, ...]:
    """The places of a mapping from names to corners; see `corners_of`.

    Raises:
        ValueError: it is no such mapping. The message names the place.
    """
    if not isinstance(values, dict):
        raise ValueError("write a name for each place, and below it [left, top, right, bottom] or a list of corners")
    found = []
    for name, place in values.items():
        try:
            found.append(IgnoredPlace(str(name), corners_of(place)))
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
    return tuple(found)


def corners_of(place: Any) -> tuple[Corner, ...]:
    """The corners (x, y) of a place that is given as [left, top, right, bottom], or as a list of corners.

    Raises:
        ValueError: it is neither.
    """
    form = "write [left, top, right, bottom], or at least three corners [x, y], in shares of the picture from 0 to 1"
    values = list(place) if isinstance(place, list | tuple) else []
    if len(values) == 4 and all(map(_is_share, values)):
        left, top, right, bottom = map(float, values)  # 0 and 0.0 are one place, also for identities of scores
        if not (left < right and top < bottom):
            raise ValueError("write [left, top, right, bottom], with left below right and top below bottom")
        return (left, top), (right, top), (right, bottom), (left, bottom)
    corners = [tuple(corner) for corner in values if isinstance(corner, list | tuple)]
    numbers = [number for corner in corners for number in corner] if corners else values
    outside = [number for number in numbers if _is_number(number) and not _is_share(number)]
    if outside:
        raise ValueError(f"{str(outside[0])[:20]} is no share of the picture; {form}")
    whole = len(corners) == len(values) and all(len(corner) == 2 for corner in corners)
    if len(corners) < 3 or not whole or not all(map(_is_share, numbers)):
        raise ValueError(form)
    found = tuple((float(x), float(y)) for x, y in corners)
    if np.linalg.matrix_rank(np.subtract(found[1:], found[0])) < 2:
        raise ValueError(f"all corners lie on a line, so that the place covers nothing; {form}")
    return found


def _is_number(value: Any) -> bool:
    return isinstance(value, float | int) and not isinstance(value, bool)


def _is_share(value: Any) -> bool:
    return _is_number(value) and 0 <= value <= 1


def _places_of_text(path: Path) -> tuple[IgnoredPlace, ...]:
    with reading(path, "not a file of places to ignore", "correct it"):
        values = yaml_value(read_text(path))
    try:
        return places_to_ignore(values)
    except ValueError as error:
        raise InputError(f"{path}: {error}") from None


def _places_of_image(path: Path) -> tuple[IgnoredPlace, ...]:
    """The white places of an image, each with its outline. A hole is cut out of a place by a line that leads to its
    outline and back, since what a line crosses twice it does not cross."""
    grey = read_picture(path, cv2.IMREAD_GRAYSCALE, "no mask that can be read")
    unclear = float(((grey > DARK) & (grey < BRIGHT)).mean())
    if unclear > GREY_SHARE:
        raise InputError(
            f"{path}: {unclear:.0%} of it is neither black nor white; draw the places to ignore in white on black"
        )
    height, width = grey.shape
    # A border of black gives outlines at the edge of the picture; twice the size, they run between pixels.
    large = np.kron((grey >= BRIGHT).astype(np.uint8), np.ones((2, 2), np.uint8))
    if not large.any():
        return ()
    outlines, tree = cv2.findContours(np.pad(large, 1), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)

    def corners(number: int) -> list[Corner]:
        points = cv2.approxPolyDP(outlines[number], 2 * FINEST, closed=True)[:, 0]
        ends = 2 * width, 2 * height  # a place at the edge of the mask goes to the edge of the picture
        shares = np.where(points <= 1, 0.0, np.where(points >= ends, 1.0, (points - 0.5) / ends))
        return [(float(x), float(y)) for x, y in shares]

    found: list[IgnoredPlace] = []
    for number, (_, _, child, parent) in enumerate(tree[0].tolist()):
        whole = corners(number)
        if parent >= 0 or len(whole) < 3:
            continue
        start = whole[0]
        while child >= 0:
            hole = corners(child)
            if len(hole) >= 3:
                whole += [start, *hole, hole[0]]
            child = tree[0][child][0]
        if len(whole) > MOST_CORNERS:
            raise InputError(
                f"{path}: an outline has {len(whole)} corners, more than {MOST_CORNERS}; draw simpler places"
            )
        found.append(IgnoredPlace(f"mask {len(found) + 1}", tuple(whole)))
    return tuple(found)
