"""How long something stays at a place, and how long it stands still there: foreground against a median background.

    foreground = |mu' - b| > max(4 * 1.4826 MAD, 3)       mu: mean grey of a cell of 4x4 pixels                 (1)
    D          = share of the last 5 s in which the cell was foreground                                        (2)
    R          = seconds, over 5, that the cell has been foreground without motion: it grows up to 5 s while
                 that lasts, and falls four times as fast when it ends                                         (3)
    dwell      = (D - m)+ / sqrt(s^2 + 0.05^2), still the same of R                                            (4)

b, MAD, m and s come from training; m and s from the moments of D and of R, blurred over (1.5, 2.5) cells. mu' is mu
with the light's gain and offset taken out (`oddframe.models.light`). A crowd that passes keeps a cell in the foreground
as a suitcase does, so D is high for both; R is high for what does not move. On street 31 D tells things that were left
behind at AUC 0.76 and R at 0.98.

Beyond these equations: the camera may have several modes, each with a background of its own; a frame is compared with
the one that fits it best. Where none fits, because more than half of the cells would be foreground, the light is
unknown, and the frame tells nothing: no cell is foreground. Frames are looked at five times a second. D counts
seconds, so a cell that was not watched for five seconds yet has a low one.

Memory of learning is bounded: a random sample of blocks of at most 30 s is kept, 12,000 frames in all. Stretches that
are learned should last ten seconds or more; m and s are rough where they are shorter than five.

Shape letters: K modes of the camera, h x w cells; 2 is D and R, in this order.
"""

from __future__ import annotations

import heapq
from collections import deque
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from oddframe.datasets.hashing import hash64
from oddframe.models.light import Balance, find_modes, looks_of
from oddframe.models.timing import Ticks

Array = NDArray[np.float32]

SECONDS = 5.0
LEAK = 4.0
BLOCK, KEPT = 150, 12_000  # frames
FINE = 64  # steps of a grey value in what is kept
LEAST = 3.0  # grey values
FOREIGN = 0.5  # share of foreground at which the light is unknown
BLUR = 2.5, 1.5  # columns, rows


class Stay:
    """D and R of equations (2) and (3) from foregrounds in order of time."""

    def __init__(self) -> None:
        self._held: deque[tuple[float, Array]] = deque()
        self._rest: Array | None = None

    def push(self, time: float, foreground: NDArray[np.bool_], moving: NDArray[np.bool_], seconds: float) -> Array:
        """(2, h, w) D and R after a frame that stands for `seconds`.

        Args:
            foreground: (h, w) of equation (1).
            moving: (h, w) whether the cell moves.
        """
        self._held.append((time, foreground * np.float32(seconds / SECONDS)))
        while self._held[0][0] <= time - SECONDS + 1e-6:
            self._held.popleft()
        total = np.zeros(foreground.shape, np.float32)
        for _, grid in self._held:
            total += grid
        if self._rest is None:
            self._rest = np.zeros_like(total)
        step = np.float32(seconds / SECONDS)
        rests = foreground & ~moving
        self._rest = np.clip(self._rest + np.where(rests, step, -LEAK * step), 0, 1, dtype=np.float32)
        return np.stack([total, self._rest])


@dataclass(frozen=True)
class Normal:
    """What is normal: (K, h, w) background and threshold of each mode, (2, h, w) mean and standard deviation."""

    background: Array
    threshold: Array
    mean: Array
    deviation: Array

    def foreground(self, grid: Array) -> NDArray[np.bool_]:
        """Equation (1) for (h, w) mean greys, against the background that fits best."""
        best, least = np.zeros(grid.shape, bool), FOREIGN
        for background, threshold in zip(self.background, self.threshold, strict=True):
            found = np.abs(Balance.between(grid, background).undo(grid) - background) > threshold
            share = float(found.mean())
            if share < least:
                best, least = found, share
        return best

    def unusual(self, stay: Array) -> Array:
        """(2, h, w) dwell and still of equation (4)."""
        return np.asarray(np.maximum(stay - self.mean, 0) / np.sqrt(self.deviation**2 + np.float32(0.05**2)))


class _Seen(NamedTuple):
    """A frame that is kept: its time, the seconds that it stands for, greys in steps of 1 / `FINE`, and what moves."""

    time: float
    seconds: float
    grid: NDArray[np.uint16]
    moving: NDArray[np.bool_]


class DwellLearning:
    """Keeps blocks of normal video and makes a `Normal` of them."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._blocks: dict[int, list[_Seen]] = {}
        self._first_to_go: list[tuple[int, int]] = []  # a heap: minus priority, and number of each block
        self._open: list[_Seen] | None = None
        self._begun = self._held = 0
        self._ticks = Ticks()

    def begin_video(self) -> None:
        self._open, self._ticks = None, Ticks()

    def push(self, time: float, grid: Array, moving: NDArray[np.bool_]) -> None:
        """The next frame: (h, w) mean greys of its cells, and which of them move."""
        since = self._ticks.push(time)
        if since is None:
            return
        if self._open is None or len(self._open) == BLOCK:
            self._open = self._begin_block()
        self._open.append(_Seen(time, since, np.rint(grid * FINE).astype(np.uint16), moving))
        self._held += 1

    def _begin_block(self) -> list[_Seen]:
        """A new block, after those of highest priority number went where there is no room for it."""
        while self._held > KEPT - BLOCK:
            self._held -= len(self._blocks.pop(heapq.heappop(self._first_to_go)[1]))
        number, self._begun = self._begun, self._begun + 1
        heapq.heappush(self._first_to_go, (-int(hash64(self._seed, number)), number))
        self._blocks[number] = []
        return self._blocks[number]

    def finish(self) -> Normal:
        """What the blocks say; at least one frame was pushed."""
        fine = np.stack([frame.grid for frames in self._blocks.values() for frame in frames])
        grids = fine.astype(np.float32) / np.float32(FINE)
        _, owner = find_modes(looks_of(grids))
        learned = [_background(grids[owner == mode]) for mode in range(int(owner.max()) + 1)]
        background, threshold = (np.stack(part) for part in zip(*learned, strict=True))
        empty = np.zeros((2, *grids.shape[1:]), np.float32)
        normal = Normal(background, threshold, empty, empty)
        return Normal(background, threshold, *self._moments(normal, grids))

    def _moments(self, normal: Normal, grids: Array) -> tuple[Array, Array]:
        """Blurred mean and standard deviation of D and R over the frames that were watched for 5 s.

        Where blocks are too short for that, frames after one second take part, with the share of the time so far. It
        is larger than D or R, so that little video does not make alarms.
        """
        late, early, number = [], [], 0
        for frames in self._blocks.values():
            stay = Stay()
            for time, since, _, moving in frames:
                share = stay.push(time, normal.foreground(grids[number]), moving, since)
                watched = time - frames[0].time
                if watched >= SECONDS:
                    late.append(share)
                elif watched >= 1:
                    early.append(share * np.float32(SECONDS / watched))
                number += 1
        chosen = late if 3 * len(late) >= len(late) + len(early) else late + early
        if not chosen:
            return np.zeros_like(normal.mean), np.zeros_like(normal.mean)
        shares = np.stack(chosen)
        first, second = (np.stack([_blur(one) for one in part.mean(axis=0)]) for part in (shares, shares**2))
        return first, np.sqrt(np.maximum(second - first**2, 0))


def _background(grids: Array) -> tuple[Array, Array]:
    """Median of (N, h, w) grids in one light, and the threshold of foreground."""
    rough = np.median(grids, axis=0).astype(np.float32)
    even = np.stack([Balance.between(grid, rough).undo(grid) for grid in grids])
    background = np.median(even, axis=0).astype(np.float32)
    even -= background
    spread = np.median(np.abs(even, out=even), axis=0)
    return background, np.maximum(np.float32(4 * 1.4826) * spread, np.float32(LEAST)).astype(np.float32)


def _blur(grid: Array) -> Array:
    return np.asarray(cv2.GaussianBlur(grid, (0, 0), sigmaX=BLUR[0], sigmaY=BLUR[1]))
