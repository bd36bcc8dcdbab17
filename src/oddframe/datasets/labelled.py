"""Labelled test sets: the data that evaluation needs, independent of the layout on disk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from oddframe.errors import InputError
from oddframe.types import Interval
from oddframe.video.decode import VideoReader, probe
from oddframe.video.sources import VideoSource, frame_files


@dataclass(frozen=True)
class LabelledVideo:
    """A test video.

    Attributes:
        source: the video.
        labels: (N,) int8, 0 normal or 1 anomalous, one per frame that can be decoded.
        masks: path of the pixel masks if there are any, in a format of `oddframe.datasets.masks`.
        left_out: frames that cannot be decoded, counted from 0 in the files. `labels` has no entries for them.
    """

    source: VideoSource
    labels: NDArray[np.int8]
    masks: Path | None = None
    left_out: tuple[int, ...] = ()


@dataclass(frozen=True)
class Counts:
    """Published numbers of a test set, for comparison with the files at hand; None where no certain number is known.

    Attributes:
        videos, frames, positives: test videos, their frames, and the anomalous frames among these.
        lengths: frames of every test video in order.
        training: videos and frames for training.
        source: where the numbers come from and how certain they are.
        masks_agree: labels and pixel masks come from one source, so that a difference between them is a fault.
    """

    videos: int
    frames: int
    positives: int | None
    source: str
    lengths: tuple[int, ...] = ()
    training: tuple[int, int] | None = None
    masks_agree: bool = True


@dataclass(frozen=True)
class LabelledSet:
    """A test set.

    Attributes:
        name: of the data set.
        videos: in natural order of their names.
        notes: remarks for the user about facts that can change a figure.
        published: published numbers of the whole set, if they are known.
    """

    name: str
    videos: tuple[LabelledVideo, ...]
    notes: tuple[str, ...] = ()
    published: Counts | None = None

    @property
    def frames(self) -> int:
        """Number of labelled frames of all videos."""
        return sum(len(video.labels) for video in self.videos)

    @property
    def positives(self) -> int:
        """Number of anomalous frames of all videos."""
        return sum(int(video.labels.sum()) for video in self.videos)


def header_length(source: VideoSource) -> int | None:
    """Number of frames by the header of a file, or number of images in a frame folder; None if the header lacks it.

    Raises:
        VideoError: the file cannot be opened.
    """
    return len(frame_files(source.path)) if source.kind == "frames" else probe(source).frames


def video_length(source: VideoSource) -> int:
    """Number of frames: `header_length`, or counted by decoding where the header lacks it.

    Raises:
        VideoError: the file cannot be opened.
    """
    promised = header_length(source)
    if promised is not None:
        return promised
    with VideoReader(source, size=(16, 16)) as frames:
        return sum(1 for _ in frames)


def as_labels(values: ArrayLike, where: Path) -> NDArray[np.int8]:
    """Convert values to labels of shape (N,), int8. Arrays of shape (1, N) and (N, 1) are accepted too.

    Raises:
        InputError: the values are not one row of 0 and 1. The message names `where`.
    """
    labels = np.asarray(values)
    if labels.size == 0 or labels.size not in labels.shape:  # a scalar is not a row either
        raise InputError(f"{where}: labels have the shape {labels.shape}; give one 0 or 1 per frame")
    if not np.isin(labels, (0, 1)).all():
        odd = labels[~np.isin(labels, (0, 1))].flat[0]
        raise InputError(f"{where}: labels must be 0 (normal) or 1 (anomalous), found {odd}")
    return labels.reshape(-1).astype(np.int8)


def labels_from_intervals(intervals: Sequence[Interval], length: int) -> NDArray[np.int8]:
    """(length,) labels: 1 within the intervals, which are clipped to the video, and 0 elsewhere."""
    labels = np.zeros(length, dtype=np.int8)
    for interval in intervals:
        labels[interval.start : interval.stop] = 1
    return labels
