"""Tiny files that the tests of the readers make their layouts of."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from scipy.io import savemat

from oddframe.video.encode import VideoWriter


def frames(folder: Path, count: int, first: int = 0, suffix: str = ".png") -> Path:
    """A folder of `count` images, numbered from `first`."""
    folder.mkdir(parents=True)
    for number in range(count):
        cv2.imwrite(str(folder / f"{first + number:03d}{suffix}"), np.full((6, 8), number, np.uint8))
    return folder


def video(path: Path, count: int, rate: float = 10.0) -> Path:
    """A video of `count` frames."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with VideoWriter(path, (32, 32), rate) as writer:
        for number in range(count):
            writer.write(np.full((32, 32, 3), 10 * number, np.uint8))
    return path


def array(path: Path, values: object) -> Path:
    """An .npy file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, np.asarray(values))
    return path


def volume(labels: Sequence[int]) -> np.ndarray:
    """(N, 6, 8) masks with one pixel in every frame labelled 1."""
    masks = np.zeros((len(labels), 6, 8), np.uint8)
    masks[:, 2, 3] = labels
    return masks


def cell(items: Sequence[object]) -> np.ndarray:
    """What MATLAB calls a cell."""
    found = np.empty((1, len(items)), object)
    for number, item in enumerate(items):
        found[0, number] = item
    return found


def intervals_mat(path: Path, intervals: Sequence[Sequence[tuple[int, int]]]) -> Path:
    """The .mat of the ano_pred benchmark: `gt`, an array 2 x K for every video."""
    path.parent.mkdir(parents=True, exist_ok=True)
    savemat(path, {"gt": cell([np.array(own, float).reshape(-1, 2).T for own in intervals])})
    return path


def masks_mat(path: Path, labels: Sequence[int]) -> Path:
    """The .mat of Avenue: `volLabel`, a mask for every frame."""
    path.parent.mkdir(parents=True, exist_ok=True)
    savemat(path, {"volLabel": cell(list(volume(labels)))})
    return path
