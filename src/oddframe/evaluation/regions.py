"""Localisation metrics: region-based and track-based detection criterion (RBDC, TBDC), from boxes or anomaly maps.

Implemented from the definition in Ramachandra and Jones, Street Scene: A new dataset and evaluation protocol for video
anomaly detection, WACV 2020. A detected region is correct if it overlaps a true region of its frame with an IoU of at
least 0.1; otherwise it is a false positive. A true region is detected if a detected region overlaps it with this IoU; a
detected region may match several true regions. A track is the regions of one anomaly through a video. It is detected if
at least 10 % of its regions are. The shares of detected regions and tracks are curves over the false positives per
frame, as the threshold falls. The metrics are the areas under these curves from 0 to 1 false positive per frame.

The definition leaves some points open. Here the curve starts at (0, 0). It is straight between the points of
neighbouring thresholds, so the order of equal scores has no effect. It is constant after the last point. With maps, the
number of false positives can decrease as the threshold falls; then the best share at that many false positives or fewer
counts.

Boxes are (left, top, right, bottom) in pixels, right and bottom exclusive.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from oddframe.errors import InputError
from oddframe.evaluation.auc import ranks

IOU = 0.1
"""Minimum overlap (IoU) of a detected region with a true region."""

TRACK_PART = 10
"""A track is detected if at least one of this many of its regions is detected."""

_NEIGHBOURS = np.zeros((3, 3, 3), bool)
_NEIGHBOURS[1] = True
"""Connectivity within a frame: a pixel is connected with its eight neighbours."""

_PERSISTING = _NEIGHBOURS.copy()
_PERSISTING[:, 1, 1] = True
"""Connectivity in time: a pixel is also connected with the same pixel in the previous and the next frame."""


@dataclass(frozen=True)
class TrueRegions:
    """The anomalous regions of one video.

    Attributes:
        frames: number of frames of the video, including frames without regions.
        frame: (R,) frame of each region, 0-based.
        box: (R, 4) boxes.
        track: (R,) number of the track of each region, unique within the video.
    """

    frames: int
    frame: NDArray[np.integer]
    box: NDArray[np.number]
    track: NDArray[np.integer]


@dataclass(frozen=True)
class FoundRegions:
    """The detections in one video: (D,) frame of each, 0-based, (D, 4) box, (D,) score, higher = more anomalous."""

    frame: NDArray[np.integer]
    box: NDArray[np.number]
    score: NDArray[np.floating]


@dataclass(frozen=True)
class RegionResult:
    """Metrics of detected regions.

    Attributes:
        rbdc, tbdc: 0..1, the areas under the two curves; nan without true regions, 0 without detections.
        regions, tracks, frames: numbers of true regions, of true tracks, and of all frames.
        threshold: (K,) in falling order.
        false_positives: (K,) false positives per frame at each threshold.
        region_share, track_share: (K,) detected share of the true regions and tracks; nan if there are none.
    """

    rbdc: float
    tbdc: float
    regions: int
    tracks: int
    frames: int
    threshold: NDArray[np.float64]
    false_positives: NDArray[np.float64]
    region_share: NDArray[np.float64]
    track_share: NDArray[np.float64]


def box_detection(videos: Sequence[tuple[TrueRegions, FoundRegions]]) -> RegionResult:
    """RBDC and TBDC of scored boxes. They are exact: every score that occurs is a threshold.

    Raises:
        InputError: there is no video, a box has no area, a frame is beyond the video, arrays differ in length, or a
            score is NaN.
    """
    for number, (true, found) in enumerate(videos):
        _check(number, true.frames, true.frame, true.box, true.track)
        _check(number, true.frames, found.frame, found.box, found.score)
    scores = np.concatenate([np.zeros(0), *(found.score for _, found in videos)])
    place, levels = ranks(scores)
    thresholds = np.empty(levels)
    thresholds[place] = scores
    false, regions, tracks = (np.zeros(levels, np.int64) for _ in range(3))
    ends = np.cumsum([len(found.score) for _, found in videos], dtype=np.int64)
    for (true, found), rank in zip(videos, np.split(place, ends)[:-1], strict=True):
        of_true, of_found = _matches(true, found.frame, found.box)
        best = np.full(len(true.frame), -1)
        np.maximum.at(best, of_true, rank[of_found])
        right = np.zeros(len(rank), bool)
        right[of_found] = True
        alarmed = _ranks_of_tracks(true.track, best)
        false += np.bincount(rank[~right], minlength=levels)
        regions += np.bincount(best[best >= 0], minlength=levels)
        tracks += np.bincount(alarmed[alarmed >= 0], minlength=levels)
    counts = [np.cumsum(count[::-1]) for count in (false, regions, tracks)]
    return _result([true for true, _ in videos], thresholds[::-1], *counts)


def map_detection(
    videos: Sequence[tuple[TrueRegions, NDArray[np.floating], tuple[int, int]]],
    thresholds: Sequence[float] | int = 100,
) -> RegionResult:
    """RBDC and TBDC of anomaly maps. At every threshold, `regions_of_map` gives the detected regions.

    Args:
        videos: true regions; (N, h, w) maps at the grid of the detector, one per frame; and (height, width) of the
            video in pixels, the unit of its boxes.
        thresholds: the thresholds, or their number. A number is spread over the values of the maps, such that the share
            of cells above the thresholds grows evenly on a logarithmic scale, from one cell to half of all cells. Then
            the result depends only on the order of the values.

    Raises:
        InputError: there is no video or no threshold, maps are not one per frame, or a value is NaN.
    """
    for number, (true, maps, _) in enumerate(videos):
        _check(number, true.frames, true.frame, true.box, true.track)
        if maps.ndim != 3 or len(maps) != true.frames or not maps[0].size:
            raise InputError(f"video {number}: maps {maps.shape} are not one (h, w) for each of {true.frames} frames")
        if np.isnan(maps).any():
            raise InputError(f"video {number}: {int(np.isnan(maps).sum())} values of its maps are not numbers")
    chosen = _spread([maps for _, maps, _ in videos], thresholds) if isinstance(thresholds, int) else thresholds
    levels = np.unique(np.asarray(chosen, np.float64))[::-1]
    if not len(levels) or np.isnan(levels).any():
        raise InputError("give at least one threshold, and only numbers")
    false, regions, tracks = (np.zeros(len(levels), np.int64) for _ in range(3))
    for true, maps, size in videos:
        for k, level in enumerate(levels):
            frame, box = regions_of_map(maps, level, size)
            of_true, of_found = _matches(true, frame, box)
            best = np.full(len(true.frame), -1)
            best[of_true] = 0
            false[k] += len(frame) - len(np.unique(of_found))
            regions[k] += np.count_nonzero(best == 0)
            tracks[k] += np.count_nonzero(_ranks_of_tracks(true.track, best) == 0)
    return _result([true for true, _, _ in videos], levels, false, regions, tracks)


def regions_of_map(
    maps: NDArray[np.floating], threshold: float, size: tuple[int, int]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The regions of (N, h, w) maps: connected cells of one frame that reach the threshold; corners connect.

    Args:
        maps: (N, h, w).
        threshold: minimum value of a cell.
        size: (height, width) of the video in pixels. The grid of the map covers the whole picture.

    Returns:
        (D,) frames and (D, 4) enclosing boxes in pixels of the video.
    """
    labels, count = ndimage.label(np.asarray(maps) >= np.float64(threshold), _NEIGHBOURS)
    frame, box = _boxes(labels, count)
    down, across = size[0] / maps.shape[1], size[1] / maps.shape[2]
    return frame, box * [across, down, across, down]


def regions_of_masks(masks: ArrayLike) -> TrueRegions:
    """True regions from (N, H, W) pixel masks, anomalous where not 0; see `oddframe.datasets.masks.read_masks`.

    A region is the box around connected pixels of one frame; corners connect. Masks have no tracks, so regions belong
    to one track if they share pixels in consecutive frames. Two people who touch become one track, and a person who
    leaves the picture and returns becomes two. This rule is oddframe's. If a data set has tracks, use those instead.

    Raises:
        InputError: the masks do not have the shape (N, H, W).
    """
    inside = np.asarray(masks) != 0
    if inside.ndim != 3:
        raise InputError(f"masks of shape {inside.shape} are not (frames, height, width)")
    labels, count = ndimage.label(inside, _NEIGHBOURS)
    frame, box = _boxes(labels, count)
    persisting, _ = ndimage.label(inside, _PERSISTING)
    track = np.zeros(count, np.int64)
    track[labels[inside] - 1] = persisting[inside]
    return TrueRegions(len(inside), frame, box, track)


def _boxes(labels: NDArray[np.int32], count: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Frame and box, in cells, of each of the regions 1..count. Every region lies in one frame."""
    found = ndimage.find_objects(labels, count)
    frame = np.array([where[0].start for where in found], np.int64)
    corners = [(x.start, y.start, x.stop, y.stop) for _, y, x in found]
    return frame, np.array(corners, np.float64).reshape(-1, 4)


def _matches(
    true: TrueRegions, frame: NDArray[np.integer], box: NDArray[np.number]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Positions of the true and of the detected region, for every pair with enough overlap."""
    order = np.argsort(frame, kind="stable")
    start = np.searchsorted(frame, true.frame, "left", sorter=order)
    count = np.searchsorted(frame, true.frame, "right", sorter=order) - start
    a = np.repeat(np.arange(len(count)), count)
    b = order[np.arange(len(a)) - np.repeat(np.cumsum(count) - count - start, count)]
    of_true, of_found = np.asarray(true.box, np.float64), np.asarray(box, np.float64)
    true_box, found_box = of_true[a], of_found[b]
    sides = np.minimum(true_box[:, 2:], found_box[:, 2:]) - np.maximum(true_box[:, :2], found_box[:, :2])
    shared = sides.clip(min=0).prod(axis=1)
    united = _area(of_true)[a] + _area(of_found)[b] - shared
    enough = shared / united >= IOU  # a division, because 0.1 * 70 is more than 7 in floating point
    return a[enough], b[enough]


def _area(box: NDArray[np.float64]) -> NDArray[np.float64]:
    return (box[:, 2] - box[:, 0]) * (box[:, 3] - box[:, 1])


def _ranks_of_tracks(track: NDArray[np.integer], best: NDArray[np.int64]) -> NDArray[np.int64]:
    """The highest rank at which each track is detected, or -1; `best` is the highest rank of each region."""
    order = np.lexsort((-best, track))
    _, start, count = np.unique(track[order], return_index=True, return_counts=True)
    needed = -(-count // TRACK_PART)
    chosen: NDArray[np.int64] = best[order][start + needed - 1]
    return chosen


def _result(
    true: Sequence[TrueRegions],
    thresholds: NDArray[np.float64],
    false: NDArray[np.int64],
    regions: NDArray[np.int64],
    tracks: NDArray[np.int64],
) -> RegionResult:
    """The result from the numbers of false positives, detected regions and tracks at each threshold."""
    frames = sum(video.frames for video in true)
    if not frames:
        raise InputError("there are no videos to evaluate")
    all_regions = sum(len(video.frame) for video in true)
    all_tracks = sum(len(np.unique(video.track)) for video in true)
    rate = false / frames
    region_share = regions / all_regions if all_regions else np.full(len(rate), np.nan)
    track_share = tracks / all_tracks if all_tracks else np.full(len(rate), np.nan)
    return RegionResult(
        rbdc=_area_up_to_one(rate, region_share) if all_regions else float("nan"),
        tbdc=_area_up_to_one(rate, track_share) if all_tracks else float("nan"),
        regions=all_regions,
        tracks=all_tracks,
        frames=frames,
        threshold=thresholds,
        false_positives=rate,
        region_share=region_share,
        track_share=track_share,
    )


def _area_up_to_one(rate: NDArray[np.float64], share: NDArray[np.float64]) -> float:
    """Area under the curve through (0, 0) and the given points, from rate 0 to 1; see the docstring of the module."""
    order = np.lexsort((share, rate))
    x, y = np.append(0, rate[order]), np.append(0, np.maximum.accumulate(share[order]))
    beyond = int(np.searchsorted(x, 1, "right"))
    last = y[beyond - 1]
    if beyond < len(x):
        last += (y[beyond] - last) * (1 - x[beyond - 1]) / (x[beyond] - x[beyond - 1])
    return float(np.trapezoid(np.append(y[:beyond], last), np.append(x[:beyond], 1)))


def _spread(maps: Sequence[NDArray[np.floating]], count: int) -> NDArray[np.float64]:
    """Choose `count` values of the maps as thresholds; see `map_detection`."""
    if count < 1 or not maps:
        return np.zeros(0)
    values = np.concatenate([grid.ravel() for grid in maps])
    above = np.unique(np.geomspace(1, max(len(values) // 2, 1), count).round().astype(np.int64))
    return np.partition(values, len(values) - above)[len(values) - above].astype(np.float64)


def _check(
    number: int, frames: int, frame: NDArray[np.integer], box: NDArray[np.number], other: NDArray[np.number]
) -> None:
    """Raise an InputError if the regions of a video are not valid."""
    if frame.ndim != 1 or box.shape != (len(frame), 4) or other.shape != frame.shape:
        raise InputError(
            f"video {number}: {frame.shape} frames, {box.shape} boxes and {other.shape} tracks or scores are not one "
            "of each per region"
        )
    strange = frame[(frame < 0) | (frame >= frames)]
    if len(strange):
        raise InputError(f"video {number}: a region in frame {strange[0]}, but it has {frames} frames, counted from 0")
    # The negated comparison also finds corners that are NaN.
    empty = ~((box[:, 2] > box[:, 0]) & (box[:, 3] > box[:, 1]) & np.isfinite(box).all(axis=1))
    if empty.any():
        raise InputError(
            f"video {number}: the box {box[empty][0].tolist()} has no area; give left, top, right, bottom in pixels"
        )
