"""Windows for training: drawn in any order from cached videos, and the part of them that is held out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from oddframe.datasets.windows import positions
from oddframe.errors import InputError
from oddframe.types import Window

if TYPE_CHECKING:
    from oddframe.datasets.pseudo import Paster


class Decoded(Protocol):
    """A video whose frames can all be reached: `frames` (N, H, W, C) uint8, in memory or memory-mapped."""

    @property
    def frames(self) -> NDArray[np.uint8]: ...


@dataclass(frozen=True)
class Clips:
    """B windows of training video.

    Attributes:
        frames: (B, T, H, W, C) uint8 at `window.offsets`, pseudo-anomalies pasted in.
        target: (B, T', H, W, C) uint8 clean frames at `window.target`.
        context: (B, T'', H, W, C) uint8 clean frames at `window.context`; T'' may be 0.
        pasted: (B, H, W) uint8, what was pasted over the scored frame: 255 inside, grey at the rim, 0 elsewhere.
        key: (B,) int64 the keys that were given.
    """

    frames: NDArray[np.uint8]
    target: NDArray[np.uint8]
    context: NDArray[np.uint8]
    pasted: NDArray[np.uint8]
    key: NDArray[np.int64]


class ClipSet:
    """All windows of some videos, numbered in order: video after video, frame after frame.

    Only frames inside a video's range are scored, yet their windows may reach beyond it into the rest of the video;
    `split_holdout` leaves a gap for that reason.
    """

    def __init__(
        self,
        videos: Sequence[Decoded],
        window: Window,
        ranges: Sequence[range] | None = None,
        paster: Paster | None = None,
    ) -> None:
        """Number the windows.

        Args:
            ranges: frames of each video that may be scored; None for all.
            paster: puts pseudo-anomalies into input frames.

        Raises:
            InputError: not one window is left.
        """
        self._videos = videos
        self._window = window
        self._paster = paster
        self._lengths = np.array([len(video.frames) for video in videos], np.int64)
        allowed = [window.scorable(int(length)) for length in self._lengths]
        if ranges is not None:
            allowed = [
                range(max(a.start, r.start), max(a.start, r.start, min(a.stop, r.stop)))
                for a, r in zip(allowed, ranges, strict=True)
            ]
        self._starts = np.array([r.start for r in allowed], np.int64)
        self._bounds = np.cumsum([0, *map(len, allowed)])
        if not len(self):
            raise InputError("no window fits into the videos: they are too short, or nothing of them is left to use")

    def __len__(self) -> int:
        return int(self._bounds[-1])

    @property
    def groups(self) -> list[range]:
        """The sample numbers of each video that has any."""
        return [range(first, stop) for first, stop in pairwise(self._bounds.tolist()) if first < stop]

    def locate(self, samples: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Numbers of the video, and of the scored frame in it, of each sample."""
        video = np.searchsorted(self._bounds, samples, side="right") - 1
        return video, samples - self._bounds[video] + self._starts[video]

    def batch(self, samples: NDArray[np.int64], keys: NDArray[np.int64], epoch: int) -> Clips:
        """Gather windows.

        Args:
            samples: (B,) numbers below `len(self)`, in any order.
            keys: (B,) seed what is random about each sample.
            epoch: for pseudo-anomalies that change from epoch to epoch.
        """
        window = self._window
        inputs, targets = len(window.offsets), len(window.target)
        offsets = (*window.offsets, *window.target, *window.context)
        videos, scored = self.locate(samples)
        numbers = positions(window, scored, offsets, self._lengths[videos])
        gathered = np.empty((*numbers.shape, *window.size, window.channels), np.uint8)
        frames, target, context = np.split(gathered, [inputs, inputs + targets], axis=1)
        pasted = np.zeros((len(samples), *window.size), np.uint8)
        for row, (video, frame, key) in enumerate(zip(videos, scored, keys, strict=True)):
            # Straight from the memory map into place; mode "clip" spares the buffer that "raise" would need.
            np.take(self._videos[video].frames, numbers[row], axis=0, out=gathered[row], mode="clip")
            if self._paster is not None:
                change = self._paster.apply(int(video), frames[row], numbers[row, :inputs], int(frame), epoch, int(key))
                if change is not None:
                    frames[row], pasted[row] = change
        return Clips(frames, target, context, pasted, keys)


def split_holdout(lengths: Sequence[int], fraction: float, gap: int, seed: int) -> tuple[list[range], list[range]]:
    """Hold out about `fraction` of normal video to measure progress and to calibrate on.

    With five videos or more, whole videos are held out, drawn by `seed`; with fewer, the last block of each, and `gap`
    frames before it are used for nothing, so that no window of one part sees frames of the other. A video too short to
    be divided is used for training.

    Args:
        lengths: frames of each video.
        fraction: 0 <= fraction < 1.
        gap: at least the look-back plus the look-ahead of the window.

    Returns:
        For each video the frames to train on and the frames held out; either may be empty.

    Raises:
        InputError: `fraction` is out of range.
    """
    if not 0 <= fraction < 1:
        raise InputError(f"the held-out fraction has to be at least 0 and below 1, not {fraction}")
    train = [range(length) for length in lengths]
    held = [range(length, length) for length in lengths]
    if fraction == 0:
        return train, held
    if len(lengths) < 5:
        for video, length in enumerate(lengths):
            block = max(1, round(fraction * length))
            if length - block - gap > 0:
                train[video], held[video] = range(length - block - gap), range(length - block, length)
        return train, held
    wanted, taken = fraction * sum(lengths), 0
    order = np.random.default_rng(seed).permutation(len(lengths)).tolist()
    chosen = []
    for video in order[:-1]:
        if abs(taken + lengths[video] - wanted) < abs(taken - wanted):
            taken += lengths[video]
            chosen.append(video)
    for video in chosen or [min(order, key=lambda video: lengths[video])]:
        train[video], held[video] = range(0), range(lengths[video])
    return train, held
