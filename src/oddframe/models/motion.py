"""How things move between two frames: flow, and what it says of cells of 4x4 pixels and of groups of them.

Sources: dense inverse search (Kroeger et al., "Fast Optical Flow using Dense Inverse Search", ECCV 2016) as OpenCV
computes it; descriptors per place after Adam et al. (PAMI 2008) and Ramachandra and Jones (WACV 2020).

    f = -DIS(g_t to g_{t-1}) * r       displacement in pixels a reference interval, at the pixels of g_t      (1)
    phi                                share of a cell's pixels with |f| > 0.25: the active ones              (2)
    h, (p, q)                          sums of |f| and of f over the active pixels of a cell, over 16         (3)
    M                                  largest |f| of a cell after a mean over 5x5 pixels                     (4)
    speed    = (B5 h / (B5 phi + 0.02), B3 M)                                                                 (5)
    velocity = (B3 p, B3 q) / (B3 phi + 0.02)                                                                 (6)
    object   = (ln n, ln height/width, sum h / (sum phi + 0.02), sum (p, q) / (sum phi + 0.02), max M)        (7)

B_k is the mean over k x k cells, r the reference interval over the frame's own. Speed and velocity belong to cells with
phi > 0.05. An object is a group of at least two cells with phi > 0.3 that touch each other, corners included.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

CELL = 4  # pixels
ACTIVE = 0.25  # pixels a reference interval
BUSY, SOLID = 0.05, 0.3  # share of active pixels: of a cell that is described, of a cell of an object
SHRINK = 0.02
SPEED, VELOCITY, OBJECT = 2, 2, 6  # widths of the descriptors


@dataclass(frozen=True)
class Motion:
    """What moves in one frame.

    Attributes:
        cells: (n,) int64 flat numbers of the cells that are described.
        speed: (n, 2), equation (5).
        velocity: (n, 2), equation (6).
        objects: (m, 6), equation (7).
        centroids: (m, 2) row and column of the objects, in cells.
        members: (h, w) int32 number of the object that a cell belongs to, from 1; 0 for none.
    """

    cells: NDArray[np.int64]
    speed: Array
    velocity: Array
    objects: Array
    centroids: Array
    members: NDArray[np.int32]


_OWN = threading.local()  # flow engines hold buffers and cannot be copied: one for each thread, outside all detectors


def flow_between(before: NDArray[np.uint8], now: NDArray[np.uint8]) -> Array:
    """(H, W, 2) displacement (x, y) in pixels from `before` to `now`, at the pixels of `now`; both (H, W) grey."""
    engine: Any = getattr(_OWN, "engine", None)
    if engine is None:
        engine = _OWN.engine = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)
        engine.setFinestScale(0)
    flow: NDArray[np.float32] = np.negative(engine.calc(now, before, None))  # None: no initial flow
    return flow


def describe(flow: Array) -> Motion:
    """Descriptors of the cells and objects of a flow field (H, W, 2), H and W multiples of 4."""
    shape = flow.shape[1] // CELL, flow.shape[0] // CELL
    u, v = cv2.split(flow)
    length = np.sqrt(u * u + v * v)  # the last bit of cv2.magnitude differs with the place of an array in memory
    active = (length > ACTIVE).astype(np.float32)
    sums = cv2.resize(cv2.merge([active, length * active, u * active, v * active]), shape, interpolation=cv2.INTER_AREA)
    peak = np.ascontiguousarray(
        cv2.dilate(cv2.blur(length, (5, 5)), np.ones((CELL, CELL), np.uint8), anchor=(0, 0))[::CELL, ::CELL]
    )
    phi = np.ascontiguousarray(sums[..., 0])
    cells = np.flatnonzero(phi > BUSY)
    near, wide = cv2.blur(sums, (3, 3)).reshape(-1, 4)[cells], cv2.blur(sums, (5, 5)).reshape(-1, 4)[cells]
    mean_peak = cv2.blur(peak, (3, 3)).ravel()[cells]
    speed = np.stack([wide[:, 1] / (wide[:, 0] + SHRINK), mean_peak], axis=1)
    velocity = near[:, 2:] / (near[:, :1] + SHRINK)
    objects, centroids, members = _objects(np.asarray(sums, np.float32), np.asarray(peak, np.float32))
    return Motion(cells, speed, velocity, objects, centroids, members)


def _objects(sums: Array, peak: Array) -> tuple[Array, Array, NDArray[np.int32]]:
    """Objects, their centroids, and the object of every cell."""
    solid = (sums[..., 0] > SOLID).astype(np.uint8)
    count, labels, stats, centroids = cv2.connectedComponentsWithStats(solid, connectivity=8)
    large = stats[:, cv2.CC_STAT_AREA] >= 2
    large[0] = False
    if not large.any():
        return np.zeros((0, OBJECT), np.float32), np.zeros((0, 2), np.float32), np.zeros_like(labels)
    flat = labels.ravel()
    totals = np.stack([np.bincount(flat, sums[..., k].ravel(), count) for k in range(4)], axis=1)
    highest = np.zeros(count)
    np.maximum.at(highest, flat.astype(np.int64), peak.ravel())
    number = np.where(large, np.cumsum(large), 0).astype(np.int32)
    totals, stats = totals[large], stats[large].astype(np.float64)
    shape = stats[:, cv2.CC_STAT_HEIGHT] / stats[:, cv2.CC_STAT_WIDTH]
    means = totals[:, 1:] / (totals[:, :1] + SHRINK)
    described = np.column_stack([np.log(stats[:, cv2.CC_STAT_AREA]), np.log(shape), means, highest[large]])
    return described.astype(np.float32), centroids[large, ::-1].astype(np.float32), number[labels]
