"""Pseudo-anomalies: foreign objects pasted into normal training video, as examples of anomalies.

Source: SDMAE (Ristea et al., CVPR 2024). In each video and epoch, objects cross the picture one after the other, so
all frames of a window show the same object in motion. A sample shows the object with a given probability. The schedule
is a pure function of the seed; the order of samples, batches and workers have no effect.

Departures from the released code, which writes an abnormal copy of every training video to disk once:
- the schedule is computed, not stored, and with `refresh` it changes every epoch;
- the object is added with saturation, because the uint8 sum of the code can wrap around at the blurred edge;
- the size rule is applied to the mask at the size of the source, not after resizing, so that the grey edge of a small
  frame does not count;
- `min_area`, `blend="alpha"` and `place="random"` are additions of oddframe.
"""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from oddframe.datasets.hashing import hash64
from oddframe.datasets.sequences import ObjectSequence, project, resize_matrix
from oddframe.errors import InputError
from oddframe.settings import Blend, PseudoAnomalies

RIM = 2  # pixels
DRAWS = 10_000  # attempts to find a sequence that fits before giving up
KEPT = 4096  # schedules in memory, each of one video in one epoch; the others are computed again


class _Pasted(NamedTuple):
    """Sequence number `sequence` begins in frame `start` of a video; `matrix` places it in the frame."""

    start: int
    sequence: int
    matrix: NDArray[np.float64]


class _Schedule(NamedTuple):
    """The pasted sequences of one video in one epoch, from its first frame to frame `end` - 1."""

    starts: list[int]
    pasted: list[_Pasted]
    end: int

    def at(self, frame: int) -> _Pasted:
        return self.pasted[bisect.bisect_right(self.starts, frame) - 1]


class Cutout(NamedTuple):
    """A picture to be laid over part of a frame, whose pixels become (pixel * (255 - alpha) + 127) // 255 + shown.

    Attributes:
        top, left: row and column of its first pixel in the frame.
        alpha: (h, w) uint8, how much of the frame it hides.
        shown: (h, w, C) uint8, what is added there, already multiplied by its mask.
    """

    top: int
    left: int
    alpha: NDArray[np.uint8]
    shown: NDArray[np.uint8]


class Pasting(NamedTuple):
    """What is pasted into one sample.

    Attributes:
        cutouts: one for each of its input frames; None where the object is out of sight.
        mask: row, column and mask (h, w) uint8 of the object in the scored frame; None where it is out of sight.
    """

    cutouts: tuple[Cutout | None, ...]
    mask: tuple[int, int, NDArray[np.uint8]] | None


class Paster:
    """Pastes object sequences into windows of frames.

    Args:
        sequences: the objects to paste. Every `source` has the same chance, and so has every sequence of a source.
        size: (height, width) of the frames.
        how: frequency, size limits and blending. Its fields `source` and `sequences` are not used here.
        seed: of all random choices.

    Raises:
        InputError: no sequence has a first frame whose area is between `how.min_area` and `how.max_area`.
    """

    def __init__(
        self,
        sequences: Sequence[ObjectSequence],
        size: tuple[int, int],
        how: PseudoAnomalies = PseudoAnomalies(),
        seed: int = 0,
    ) -> None:
        self._sequences = sequences
        self._size = size
        self._how = how
        self._scale = how.scale if how.place == "random" else (1.0, 1.0)
        self._seed = seed
        sources = sorted({sequence.source for sequence in sequences})
        self._by_source = [[k for k, s in enumerate(sequences) if s.source == source] for source in sources]
        self._schedules: dict[tuple[int, int], _Schedule] = {}
        if not any(self._length(sequence, zoom) for sequence in sequences for zoom in self._scale):
            raise InputError(
                f"none of {len(sequences)} object sequences begins with {how.min_area:.2%} to {how.max_area:.2%} of "
                "the frame; widen pseudo.min_area and pseudo.max_area or use other sequences"
            )

    def apply(
        self, video: int, frames: NDArray[np.uint8], positions: NDArray[np.int64], scored: int, epoch: int, key: int
    ) -> tuple[NDArray[np.uint8], NDArray[np.uint8]] | None:
        """Paste into the input frames of one sample.

        Args:
            video: number of the video.
            frames: (T, H, W, C) uint8, BGR or grey, with H and W as in `size`. They are not changed.
            positions: (T,) frame numbers of `frames` in the video.
            scored: number of the frame whose mask is returned.
            epoch: with `refresh`, decides which objects appear.
            key: decides whether this sample stays clean.

        Returns:
            Frames like `frames`, and the mask (H, W) uint8, 0..255, with a grey edge; None if the sample stays clean.
        """
        if not self.chosen(epoch, key):
            return None
        pasting = self.draw(video, positions, scored, epoch, frames.shape[-1])
        changed, mask = frames.copy(), np.zeros(self._size, np.uint8)
        for image, cutout in zip(changed, pasting.cutouts, strict=True):
            if cutout is not None:
                lay(image, cutout)
        if pasting.mask is not None:
            top, left, alpha = pasting.mask
            mask[top : top + alpha.shape[0], left : left + alpha.shape[1]] = alpha
        return changed, mask

    def chosen(self, epoch: int, keys: ArrayLike) -> NDArray[np.bool_]:
        """Which of the samples with these keys show an object; the others stay clean."""
        return np.asarray(hash64(self._seed, 1, epoch, keys) < self._how.probability * 2**63)

    def draw(self, video: int, positions: NDArray[np.int64], scored: int, epoch: int, colours: int) -> Pasting:
        """What `apply` pastes into a sample that is chosen, for whoever holds the frames.

        Args:
            colours: channels of the frames, 3 (BGR) or 1. The others are those of `apply`.
        """
        era = epoch if self._how.refresh else 0
        schedule = self._schedule(video, era, max(int(positions.max()), scored))
        objects = {n: self._object(schedule, n) for n in {scored, *positions.tolist()}}
        cutouts = tuple(
            None if (placed := objects[n]) is None else make_cutout(*placed, (*self._size, colours), self._how.blend)
            for n in positions.tolist()
        )
        seen = objects[scored]
        return Pasting(cutouts, None if seen is None else (seen[0], seen[1], seen[2][..., 3]))

    def _object(self, schedule: _Schedule, frame: int) -> tuple[int, int, NDArray[np.uint8]] | None:
        """Row, column and picture of the object in a frame of the video; None if it is out of sight."""
        pasted = schedule.at(frame)
        sequence, n = self._sequences[pasted.sequence], frame - pasted.start
        return project(sequence.crops[n], sequence.corners[n], pasted.matrix, self._size)

    def _schedule(self, video: int, era: int, last: int) -> _Schedule:
        """The schedule of a video, at least up to frame `last`.

        Several threads fetch training samples, so a schedule is never changed; a longer one replaces it.
        """
        schedule = self._schedules.get((video, era), _Schedule([], [], 0))
        if schedule.end > last:
            return schedule
        pasted, end = list(schedule.pasted), schedule.end
        while end <= last:
            appearance, length = self._draw(video, era, end)
            pasted.append(appearance)
            end += length
        if len(self._schedules) >= KEPT:
            self._schedules = {}
        self._schedules[video, era] = schedule = _Schedule([appearance.start for appearance in pasted], pasted, end)
        return schedule

    def _draw(self, video: int, era: int, start: int) -> tuple[_Pasted, int]:
        """Draw the object that appears in frame `start`, and the number of its frames within the size limits."""
        for attempt in range(DRAWS):
            chance = hash64(self._seed, 2, video, era, start, attempt, np.arange(6)) / 2.0**63
            source = self._by_source[int(chance[0] * len(self._by_source))]
            number = source[int(chance[1] * len(source))]
            sequence = self._sequences[number]
            matrix = resize_matrix(sequence.canvas, self._size)
            zoom = float(self._scale[0] * (self._scale[1] / self._scale[0]) ** chance[2])
            if self._how.place == "random":
                matrix = self._moved(sequence, matrix, zoom, chance[3:])
            length = min(self._length(sequence, zoom), self._inside(sequence, matrix))
            if length:
                return _Pasted(start, number, matrix), length
        raise InputError(
            "no object sequence within pseudo.min_area and pseudo.max_area was found in 10000 draws; widen these limits"
        )

    def _moved(
        self, sequence: ObjectSequence, matrix: NDArray[np.float64], zoom: float, chance: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """The matrix that scales a sequence, mirrors it with a chance of one half, and moves it to a random start."""
        y, x = _middles(sequence)[0]
        scale_x, scale_y = matrix[0, 0] * zoom * (1 if chance[0] < 0.5 else -1), matrix[1, 1] * zoom
        to_x, to_y = chance[1] * self._size[1], (0.1 + 0.8 * chance[2]) * self._size[0]
        return np.array([[scale_x, 0.0, to_x - scale_x * x], [0.0, scale_y, to_y - scale_y * y]])

    def _inside(self, sequence: ObjectSequence, matrix: NDArray[np.float64]) -> int:
        """Number of frames before the centre of the object leaves the picture."""
        y, x = _middles(sequence).T
        u, v = matrix[0, 0] * x + matrix[0, 2], matrix[1, 1] * y + matrix[1, 2]
        outside = np.flatnonzero((u < 0) | (u > self._size[1]) | (v < 0) | (v > self._size[0]))
        return int(outside[0]) if len(outside) else len(sequence)

    def _length(self, sequence: ObjectSequence, zoom: float) -> int:
        """Number of frames before the object first leaves the size limits."""
        area = sequence.area * zoom**2
        outside = np.flatnonzero((area < self._how.min_area) | (area > self._how.max_area))
        return int(outside[0]) if len(outside) else len(sequence)


def _middles(sequence: ObjectSequence) -> NDArray[np.float64]:
    """(n, 2) row and column of the centre of each crop on the canvas."""
    return sequence.corners + np.array([crop.shape[:2] for crop in sequence.crops]) / 2


def blend(image: NDArray[np.uint8], top: int, left: int, picture: NDArray[np.uint8], how: Blend) -> None:
    """Paste a picture (h, w, 4) into the image (H, W, C), in place."""
    lay(image, make_cutout(top, left, picture, image.shape, how))


def make_cutout(top: int, left: int, picture: NDArray[np.uint8], shape: tuple[int, ...], how: Blend) -> Cutout:
    """What a picture (h, w, 4) lays over a frame of the shape (H, W, C)."""
    colours = shape[2]
    if how == "code":
        top, left, picture = _with_rim(top, left, picture, shape)
        grey = cv2.GaussianBlur(cv2.cvtColor(picture[..., :3], cv2.COLOR_BGR2GRAY), (3, 3), 0)
        hidden = np.where(picture[..., 3] > 0, np.uint8(255), np.uint8(0))
        return Cutout(top, left, hidden, np.repeat(np.asarray(grey, np.uint8)[..., None], colours, axis=2))
    shown = picture[..., :3]
    if colours == 1 or how == "grey":
        shown = np.repeat(np.asarray(cv2.cvtColor(shown, cv2.COLOR_BGR2GRAY), np.uint8)[..., None], colours, axis=2)
    return Cutout(top, left, picture[..., 3], shown)


def lay(image: NDArray[np.uint8], cutout: Cutout) -> None:
    """Lay a picture over the image (H, W, C), in place; sums above 255 stay at 255."""
    height, width = cutout.alpha.shape
    part = image[cutout.top : cutout.top + height, cutout.left : cutout.left + width]
    kept = (part * (255 - cutout.alpha[..., None].astype(np.uint16)) + 127) // 255
    part[:] = np.minimum(kept + cutout.shown, 255)


def _with_rim(
    top: int, left: int, picture: NDArray[np.uint8], shape: tuple[int, ...]
) -> tuple[int, int, NDArray[np.uint8]]:
    """The picture with a border where the image continues, because the blur reaches one pixel beyond the picture."""
    height, width = picture.shape[:2]
    first_row, first_column = max(top - RIM, 0), max(left - RIM, 0)
    rows, columns = min(top + height + RIM, shape[0]) - first_row, min(left + width + RIM, shape[1]) - first_column
    wide = np.zeros((rows, columns, 4), np.uint8)
    wide[top - first_row :, left - first_column :][:height, :width] = picture
    return first_row, first_column, wide
