"""Paths: where things go in normal video of a fixed camera, frame by frame, as boxes.

The self-check lets a foreign object take such a path: where things go, and as fast, so that its look alone gives it
away. And it lets a thing stop on its path, so that its look is as usual and its stay is not. `own_objects` cuts things
out along their paths.

Source: background subtraction by the median of the frames, and connected components that are linked from one frame to
the next. This is no tracker: a path ends where two things touch. What it finds need not be all that moves.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from oddframe.video.decode import Frame

EVERY = 5  # frames between those that the median is taken of
FOREGROUND = 25  # grey values from the background
SMALLEST = 4e-4  # area of a thing, of the frame
NEAR = 0.04  # distance between successive middles, of the width
ALIKE = 2.0  # ratio of successive areas, at most
SECONDS = 1.0  # shortest path
FAR = 0.05  # length of the shortest path, of the width


class Box(NamedTuple):
    """A thing in one frame: number of the frame; row and column of its centre of mass and of its first pixels, its
    sides and its area in pixels."""

    frame: int
    row: float
    column: float
    top: int
    left: int
    height: int
    width: int
    area: int


Path = list[Box]
"""A thing in consecutive frames."""


def find_paths(frames: Sequence[Frame]) -> list[Path]:
    """The paths of things that move in consecutive frames, a box for each frame; in the order in which they begin."""
    background = background_of(frames)
    width = background.shape[1]
    paths: list[Path] = []
    open_paths: list[Path] = []
    for number, frame in enumerate(frames):
        continued = []
        for box in _things(number, np.abs(grey_of(frame.image) - background) > FOREGROUND):
            near = [(_distance(path[-1], box), k) for k, path in enumerate(open_paths)]
            fitting = [
                (distance, k)
                for distance, k in near
                if distance < NEAR * width and 1 / ALIKE < box.area / open_paths[k][-1].area < ALIKE
            ]
            if fitting:
                path = open_paths.pop(min(fitting)[1])
            else:
                path = []
                paths.append(path)
            path.append(box)
            continued.append(path)
        open_paths = continued
    shortest = SECONDS * len(frames) / max(frames[-1].time - frames[0].time, 1e-3)
    return [path for path in paths if len(path) >= shortest and _distance(path[0], path[-1]) > FAR * width]


def background_of(frames: Sequence[Frame]) -> NDArray[np.float32]:
    """(H, W) grey values of what stays: the median of every fifth frame."""
    return np.median(np.stack([grey_of(frame.image) for frame in frames[::EVERY]]), axis=0).astype(np.float32)


def grey_of(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(H, W) mean of the channels of (H, W, C)."""
    return np.asarray(image.mean(axis=2, dtype=np.float32), np.float32)


def _things(frame: int, foreground: NDArray[np.bool_]) -> list[Box]:
    """What stands out in one frame."""
    whole = cv2.morphologyEx(foreground.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8))
    count, _, stats, middles = cv2.connectedComponentsWithStats(whole)
    return [
        Box(frame, middles[k][1], middles[k][0], int(top), int(left), int(high), int(wide), int(area))
        for k, (left, top, wide, high, area) in enumerate(stats[:count])
        if k and area > SMALLEST * foreground.size
    ]


def _distance(a: Box, b: Box) -> float:
    return float(np.hypot(a.row - b.row, a.column - b.column))
