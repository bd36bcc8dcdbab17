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

One gain does not hold for every cell: white gets no brighter, and a colour loses one channel before the others. So in
a light that is more than a tenth away from a learned one, a cell has a range of its own: what differs in it whenever it
rests within ten seconds after a step of the light, and nothing. Such a cell is foreground beyond half as much again as
this range. It is a range, because somebody may stand in the cell for one of these seconds. Cells that were foreground
and rested for a second before the step keep the range that they had, so that what was left behind is not forgotten
when a cloud passes.

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
# Logarithms of brightness: how far a learned light reaches, where it begins again, and a step of the light.
NEAR, BACK, STEP = 0.1, 0.05, 0.05
SWAY = np.float32(1.5)  # times its range that a cell may differ, because what differs grows until the next step
SETTLING = 10.0  # seconds after a step of the light in which the range is found
RESTED = 1.0  # seconds of rest as foreground, after which something counts as left behind


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


class Compared(NamedTuple):
    """A frame beside a background: (h, w) what differs, (h, w) how much of it is nothing, and ln of the gain."""

    residual: Array
    tolerance: Array
    brightness: float


@dataclass(frozen=True)
class Normal:
    """What is normal: (K, h, w) background and threshold of each mode, (2, h, w) mean and standard deviation."""

    background: Array
    threshold: Array
    mean: Array
    deviation: Array

    def compare(self, grid: Array) -> Compared | None:
        """(h, w) mean greys against the background that fits best, or None where none does."""
        best, least = None, FOREIGN
        for background, threshold in zip(self.background, self.threshold, strict=True):
            light = Balance.between(grid, background)
            residual = light.undo(grid) - background
            share = float((np.abs(residual) > threshold).mean())
            if share < least:
                # Brightening a dark picture brightens its noise.
                tolerance = threshold / np.float32(min(light.gain, 1.0))
                centre = float(background.mean())
                brightness = float(np.log(max(light.gain * centre + light.offset, 1.0) / max(centre, 1.0)))
                best, least = Compared(residual, tolerance, brightness), share
        return best

    def unusual(self, stay: Array) -> Array:
        """(2, h, w) dwell and still of equation (4)."""
        return np.asarray(np.maximum(stay - self.mean, 0) / np.sqrt(self.deviation**2 + np.float32(0.05**2)))


class Foreground:
    """Equation (1) frame by frame, without what a light that was not learned does to single cells."""

    def __init__(self) -> None:
        self._rested = np.zeros(0, np.float32)
        self._forget()

    def _forget(self) -> None:
        """The light is a learned one. Nothing is left, so that states are equal whatever light came before."""
        self._brightness: float | None = None  # of the light for which there is a range
        self._left = 0.0  # seconds in which the range is found
        self._range = np.zeros((2, 0), np.float32)
        self._waiting = np.zeros(0, bool)

    def push(self, compared: Compared | None, moving: NDArray[np.bool_], seconds: float) -> NDArray[np.bool_]:
        """(h, w) whether each cell of the next frame, which stands for `seconds`, is foreground.

        Args:
            compared: the frame beside the background; see `Normal.compare`.
            moving: (h, w) whether the cell moves.
        """
        if compared is None:
            return np.zeros(moving.shape, bool)
        residual = compared.residual
        if not self._rested.size:
            self._rested = np.zeros_like(residual)
        if abs(compared.brightness) <= (NEAR if self._brightness is None else BACK):
            self._forget()
            low = high = np.zeros_like(residual)
        else:
            if self._brightness is None or abs(compared.brightness - self._brightness) > STEP:
                if self._brightness is None:
                    self._range = np.zeros((2, *residual.shape), np.float32)
                self._waiting = self._rested < RESTED
                self._range[:, self._waiting] = 0
                self._brightness, self._left = compared.brightness, SETTLING
            if self._left > 0:
                rests = self._waiting & ~moving
                self._range[0] = np.where(rests, np.minimum(self._range[0], residual), self._range[0])
                self._range[1] = np.where(rests, np.maximum(self._range[1], residual), self._range[1])
                self._left = max(self._left - seconds, 0.0)
            low, high = SWAY * self._range
        foreground = np.asarray(np.maximum(low - residual, residual - high) > compared.tolerance, np.bool_)
        rested = np.minimum(self._rested + np.float32(seconds), np.float32(RESTED))
        self._rested = np.where(foreground & ~moving, rested, np.float32(0))
        return foreground


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
            stay, foreground = Stay(), Foreground()
            for time, since, _, moving in frames:
                share = stay.push(time, foreground.push(normal.compare(grids[number]), moving, since), moving, since)
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
