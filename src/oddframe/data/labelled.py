"""Labelled test sets: what evaluation needs of a data set, whatever its layout on disk."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from oddframe.errors import InputError
from oddframe.video.sources import VideoSource


@dataclass(frozen=True)
class LabelledVideo:
    """A test video.

    Attributes:
        source: the video.
        labels: (N,) int8, 0 normal or 1 anomalous, one per frame.
        masks: pixel masks where they exist: an .npz with `masks` (N, H, W) of 0 and 1, or a folder of one image each.
    """

    source: VideoSource
    labels: NDArray[np.int8]
    masks: Path | None = None


@dataclass(frozen=True)
class LabelledSet:
    """A test set; `notes` are lines that the user should see because they can change a number."""

    name: str
    videos: tuple[LabelledVideo, ...]
    notes: tuple[str, ...] = ()


def as_labels(values: ArrayLike, where: Path) -> NDArray[np.int8]:
    """Values as labels of shape (N,); arrays of shape (1, N) and (N, 1) are taken too.

    Raises:
        InputError: naming `where`: not one row of 0 and 1.
    """
    labels = np.asarray(values)
    if labels.size == 0 or labels.size != max(labels.shape):
        raise InputError(f"{where}: labels have the shape {labels.shape}; give one 0 or 1 per frame")
    if not np.isin(labels, (0, 1)).all():
        odd = labels[~np.isin(labels, (0, 1))].flat[0]
        raise InputError(f"{where}: labels must be 0 (normal) or 1 (anomalous), found {odd}")
    return labels.reshape(-1).astype(np.int8)


def labels_from_intervals(intervals: list[tuple[int, int]], length: int) -> NDArray[np.int8]:
    """(length,) labels: 1 from first to last frame of every interval, 0-based and inclusive, clipped to the video."""
    labels = np.zeros(length, dtype=np.int8)
    for first, last in intervals:
        labels[max(first, 0) : max(last + 1, 0)] = 1
    return labels
