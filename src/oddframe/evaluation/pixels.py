"""Pixel-level metrics: ROC AUC over all pixels, and the pixel-level criterion of UCSD.

Maps have the grid of the detector (h, w), and masks have the size of the picture (H, W). A pixel takes the value of the
cell that contains its centre, without interpolation. For that reason maps need not be enlarged: the anomalous pixels of
each cell are counted, and every figure is exact.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from oddframe.errors import InputError
from oddframe.evaluation.auc import ranks, roc_auc_of

Pair = tuple[ArrayLike, ArrayLike]
"""(N, H, W) masks, anomalous where not 0, and (N, h, w) maps of the same N frames, higher = more anomalous."""


def pixel_auc(videos: Sequence[Pair]) -> float:
    """ROC AUC of all pixels of all frames of all videos together, 0..1; nan if all or none of them are anomalous.

    A high value is easier to reach than for frames. If a tenth of the picture is anomalous in a tenth of the frames, a
    pixel AUC of 0.99 can still mean ten false positive pixels for every true positive.

    Raises:
        InputError: masks and maps are not of the same frames, or a value of a map is NaN.
    """
    anomalous, pixels = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    values = [np.zeros(0)]
    for number, (masks, maps) in enumerate(videos):
        mask, grid = _checked(number, masks, maps)
        inside, size = _pixels_by_cell(mask, grid.shape[1:])
        anomalous.append(inside.ravel())
        pixels.append(np.tile(size.ravel(), len(grid)))
        values.append(grid.ravel())
    place, levels = ranks(np.concatenate(values))
    positives = np.bincount(place, np.concatenate(anomalous), levels)
    return roc_auc_of(np.bincount(place, np.concatenate(pixels), levels) - positives, positives)


def pixel_criterion(videos: Sequence[Pair], share: float = 0.4) -> tuple[NDArray[np.int8], NDArray[np.float64]]:
    """UCSD's pixel-level criterion as labels and scores of frames, for `roc_auc`, `equal_error_rate` and the others.

    Mahadevan et al., CVPR 2010, and Li et al., TPAMI 2014: an anomalous frame is detected if at least 40 % of its
    anomalous pixels are detected. The score of an anomalous frame is therefore the highest threshold at which this
    holds. In a normal frame every detected pixel is a false alarm, so its score is the maximum of its map. The false
    alarm rate counts normal frames only. An anomalous frame with detections in the wrong place is only a miss. The
    "rate of detection" at equal error in publications is 1 - `equal_error_rate`.

    A map that is high everywhere gets a good result here. RBDC (`oddframe.evaluation.regions`) does not have this flaw.

    Args:
        videos: masks and maps of each video.
        share: required share of the anomalous pixels of a frame, above 0 and at most 1.

    Returns:
        Labels and scores of all frames of all videos in order.

    Raises:
        InputError: as in `pixel_auc`, or `share` is out of range.
    """
    if not 0 < share <= 1:
        raise InputError(f"the share of anomalous pixels must be above 0 and at most 1, not {share:g}")
    labels, scores = [np.zeros(0, np.int8)], [np.zeros(0)]
    for number, (masks, maps) in enumerate(videos):
        mask, grid = _checked(number, masks, maps)
        inside, _ = _pixels_by_cell(mask, grid.shape[1:])
        flat, weight = grid.reshape(len(grid), -1), inside.reshape(len(grid), -1)
        order = np.argsort(-flat, axis=1)
        found = np.cumsum(np.take_along_axis(weight, order, 1), axis=1)
        # The subtraction allows for rounding errors: 0.4 of 5 pixels are 2, not 2.0000000000000004.
        needed = np.ceil(share * found[:, -1:] - 1e-9)
        reached = np.argmax(found >= needed, axis=1)  # 0, the maximum, in normal frames
        labels.append((found[:, -1] > 0).astype(np.int8))
        scores.append(np.take_along_axis(flat, np.take_along_axis(order, reached[:, None], 1), 1)[:, 0])
    return np.concatenate(labels), np.concatenate(scores)


def _checked(number: int, masks: ArrayLike, maps: ArrayLike) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    mask, grid = np.asarray(masks) != 0, np.asarray(maps, np.float64)
    if mask.ndim != 3 or grid.ndim != 3 or len(mask) != len(grid) or not grid[:1].size:
        raise InputError(f"video {number}: masks {mask.shape} and maps {grid.shape} are not one of each per frame")
    if mask.shape[1] < grid.shape[1] or mask.shape[2] < grid.shape[2]:
        raise InputError(f"video {number}: maps {grid.shape} are larger than the masks {mask.shape}; shrink the maps")
    if np.isnan(grid).any():
        raise InputError(f"video {number}: {int(np.isnan(grid).sum())} values of its maps are not numbers")
    return mask, grid


def _pixels_by_cell(mask: NDArray[np.bool_], grid: tuple[int, ...]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(N, h, w) anomalous pixels in each cell, and (h, w) pixels in each cell."""
    top, left = (_first_pixels(size, cells) for size, cells in zip(mask.shape[1:], grid, strict=True))
    rows = np.add.reduceat(mask, top, axis=1, dtype=np.int64)
    size = np.outer(np.diff(top, append=mask.shape[1]), np.diff(left, append=mask.shape[2]))
    return np.add.reduceat(rows, left, axis=2), size


def _first_pixels(size: int, cells: int) -> NDArray[np.int64]:
    """The first of `size` pixels in each of `cells` cells: pixel p lies in cell floor((p + 1/2) cells / size)."""
    return np.searchsorted((2 * np.arange(size) + 1) * cells // (2 * size), np.arange(cells))
