"""Training windows from cached videos in any order, and the split into training and held-out frames."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from oddframe.datasets.windows import ignored_pixels, paint_over, positions
from oddframe.errors import InputError
from oddframe.types import Window

if TYPE_CHECKING:
    from oddframe.datasets.pseudo import Paster


class Decoded(Protocol):
    """A video with random access to its frames: `frames` (N, H, W, C) uint8, in memory or memory-mapped."""

    @property
    def frames(self) -> NDArray[np.uint8]: ...


@dataclass(frozen=True)
class Clips:
    """B windows of training video.

    Attributes:
        frames: (B, T, H, W, C) uint8 at `window.offsets`, pseudo-anomalies pasted in.
        target: (B, T', H, W, C) uint8 clean frames at `window.target`.
        context: (B, T'', H, W, C) uint8 clean frames at `window.context`; T'' may be 0.
        pasted: (B, H, W) uint8, mask of the object pasted into the scored frame: 255 inside, grey at its edge, 0
            elsewhere.
        key: (B,) int64, the keys given to `ClipSet.batch`.
    """

    frames: NDArray[np.uint8]
    target: NDArray[np.uint8]
    context: NDArray[np.uint8]
    pasted: NDArray[np.uint8]
    key: NDArray[np.int64]


class Looked(NamedTuple):
    """Which frames B windows consist of.

    Attributes:
        videos: (B,) numbers of the videos.
        scored: (B,) numbers of the scored frames in their videos.
        frames: (B, T + T' + T'') numbers, in their videos, of the frames at offsets, target and context of the window.
    """

    videos: NDArray[np.int64]
    scored: NDArray[np.int64]
    frames: NDArray[np.int64]


class ClipSet:
    """All windows of some videos, numbered in order: video after video, frame after frame.

    Only frames inside the range of a video are scored, but their windows may reach into the rest of the video. For
    that reason `split_holdout` leaves a gap.

    Attributes:
        videos, window, paster: as given.
    """

    def __init__(
        self,
        videos: Sequence[Decoded],
        window: Window,
        ranges: Sequence[range] | None = None,
        paster: Paster | None = None,
        tracks: Sequence[Sequence[NDArray[np.int64]]] | None = None,
    ) -> None:
        """Number the windows.

        Args:
            videos: the decoded videos.
            window: the frames that belong to a scored frame.
            ranges: frames of each video that may be scored; None for all frames.
            paster: pastes pseudo-anomalies into input frames.
            tracks: of each video its stretches without a pause, each the rising numbers of the frames that follow one
                another at the rate of the detector. No window reaches from one into another. None: every video is one
                stretch of all its frames.

        Raises:
            InputError: no window is left.
        """
        self.videos = videos
        self.window = window
        self.paster = paster
        if tracks is None:
            tracks = [[np.arange(len(video.frames))] for video in videos]
        self._tracks, self._of_video = [], list[int]()
        allowed = []
        for number, stretches in enumerate(tracks):
            for track in stretches:
                first, stop = 0, len(track)
                if ranges is not None:
                    first, stop = np.searchsorted(track, [ranges[number].start, ranges[number].stop]).tolist()
                whole = window.scorable(len(track))
                first = max(first, whole.start)
                allowed.append(range(first, max(first, min(stop, whole.stop))))
                self._tracks.append(track)
                self._of_video.append(number)
        self._lengths = np.array([len(track) for track in self._tracks], np.int64)
        self._starts = np.array([r.start for r in allowed], np.int64)
        self._bounds = np.cumsum([0, *map(len, allowed)])
        if not len(self):
            raise InputError("no window fits into the videos: they are too short, or nothing of them is left to use")

    def __len__(self) -> int:
        return int(self._bounds[-1])

    @property
    def groups(self) -> list[range]:
        """The sample numbers of each video that has samples."""
        first = np.searchsorted(self._of_video, np.arange(len(self.videos) + 1))  # its first stretch
        return [range(start, stop) for start, stop in pairwise(self._bounds[first].tolist()) if start < stop]

    def locate(self, samples: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """(B,) video number and (B,) number of the scored frame in that video, for each sample."""
        stretch, place = self._place(samples)
        pairs = [(self._of_video[s], self._tracks[s][p]) for s, p in zip(stretch, place, strict=True)]
        videos, frames = np.array(pairs, np.int64).reshape(-1, 2).T
        return videos, frames

    def _place(self, samples: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """(B,) number of the stretch and (B,) place of the scored frame in it."""
        stretch = np.searchsorted(self._bounds, samples, side="right") - 1
        return stretch, samples - self._bounds[stretch] + self._starts[stretch]

    def look_up(self, samples: NDArray[np.int64]) -> Looked:
        """Which frames the windows of these samples (B,) consist of."""
        window = self.window
        offsets = (*window.offsets, *window.target, *window.context)
        stretch, place = self._place(samples)
        within = positions(window, place, offsets, self._lengths[stretch])
        numbers = np.stack([self._tracks[s][row] for s, row in zip(stretch, within, strict=True)])
        return Looked(*self.locate(samples), numbers)

    def batch(self, samples: NDArray[np.int64], keys: NDArray[np.int64], epoch: int) -> Clips:
        """Gather windows.

        Args:
            samples: (B,) numbers below `len(self)`, in any order.
            keys: (B,) seeds of the random choices for each sample.
            epoch: seeds pseudo-anomalies that change from epoch to epoch.
        """
        window = self.window
        inputs, targets = len(window.offsets), len(window.target)
        videos, scored, numbers = self.look_up(samples)
        gathered = np.empty((*numbers.shape, *window.size, window.channels), np.uint8)
        frames, target, context = np.split(gathered, [inputs, inputs + targets], axis=1)
        pasted = np.zeros((len(samples), *window.size), np.uint8)
        for row, (video, frame, key) in enumerate(zip(videos, scored, keys, strict=True)):
            # Frames go directly from the memory map to their place. Mode "clip" needs no buffer, mode "raise" does.
            np.take(self.videos[video].frames, numbers[row], axis=0, out=gathered[row], mode="clip")
            if self.paster is not None:
                change = self.paster.apply(int(video), frames[row], numbers[row, :inputs], int(frame), epoch, int(key))
                if change is not None:
                    frames[row], pasted[row] = change
        paint_over(gathered, window)
        ignored = ignored_pixels(window.ignored, window.size)
        if ignored is not None:
            pasted[:, ignored] = 0
        return Clips(frames, target, context, pasted, keys)


def scored_frames(window: Window, tracks: Sequence[NDArray[np.int64]], block: range) -> int:
    """How many frames of a block of a video get a score where the block is scored as if it were a video of its own.

    Args:
        tracks: of the video; see `ClipSet`.
    """
    inside = (int(((track >= block.start) & (track < block.stop)).sum()) for track in tracks)
    return sum(len(window.scorable(length)) for length in inside)


def split_holdout(lengths: Sequence[int], fraction: float, gap: int, seed: int) -> tuple[list[range], list[range]]:
    """Hold out about `fraction` of normal video, to measure progress and to calibrate the threshold.

    With five or more videos, whole videos are held out, chosen by `seed`. With fewer videos, the last block of each is
    held out, and the `gap` frames before it are not used, so that no window of one part sees frames of the other part.
    A video that is too short to be divided is used for training.

    Args:
        lengths: frames of each video.
        fraction: 0 <= fraction < 1.
        gap: at least the look-back plus the look-ahead of the window.
        seed: of the choice of videos.

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
    target, taken = fraction * sum(lengths), 0
    order = np.random.default_rng(seed).permutation(len(lengths)).tolist()
    chosen = []
    for video in order[:-1]:
        if abs(taken + lengths[video] - target) < abs(taken - target):
            taken += lengths[video]
            chosen.append(video)
    for video in chosen or [min(order, key=lambda video: lengths[video])]:
        train[video], held[video] = range(0), range(lengths[video])
    return train, held
