"""Labelled test sets: the data that evaluation needs, independent of the layout on disk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from oddframe.errors import InputError
from oddframe.types import Interval
from oddframe.video.decode import VideoReader, probe
from oddframe.video.opening import sound_length
from oddframe.video.rate import given_rate
from oddframe.video.sources import VideoSource, frame_files, with_levels


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
        notes: remarks for the user about facts that can change a figure. One is added where all frames have the same
            label.
        published: published numbers of the whole set, if they are known.
    """

    name: str
    videos: tuple[LabelledVideo, ...]
    notes: tuple[str, ...] = ()
    published: Counts | None = None

    def __post_init__(self) -> None:
        if self.frames and self.positives in (0, self.frames):
            label = "anomalous" if self.positives else "normal"
            note = f"all {self.frames} frames are labelled {label}, so no AUC can be computed; label both classes"
            object.__setattr__(self, "notes", (*self.notes, note))

    def at_levels(self, levels: tuple[float, float] | None) -> LabelledSet:
        """The same set, with videos that are read at these levels (see `VideoSource`)."""
        sources = with_levels([video.source for video in self.videos], levels)
        videos = (replace(video, source=own) for video, own in zip(self.videos, sources, strict=True))
        return replace(self, videos=tuple(videos))

    @property
    def frames(self) -> int:
        """Number of labelled frames of all videos."""
        return sum(len(video.labels) for video in self.videos)

    @property
    def positives(self) -> int:
        """Number of anomalous frames of all videos."""
        return sum(int(video.labels.sum()) for video in self.videos)


def with_rate(data: LabelledSet, fps: float | None) -> LabelledSet:
    """The same set, its frame folders and raw streams at `fps` frames/s; None leaves their rates as they are.

    Raises:
        InputError: `fps` is not above 0, or all videos have time stamps of their own.
    """
    if fps is None:
        return data
    sources = given_rate([replace(video.source, fps=None) for video in data.videos], fps)
    videos = [replace(video, source=source) for video, source in zip(data.videos, sources, strict=True)]
    return replace(data, videos=tuple(videos))


def without_rate(data: LabelledSet) -> LabelledSet:
    """The same set for a detector that learned from frames at an assumed rate: its frames are read in the same way."""
    if not any(video.source.timeless and video.source.fps for video in data.videos):
        return data
    videos = [
        replace(video, source=replace(video.source, fps=None)) if video.source.timeless else video
        for video in data.videos
    ]
    return replace(data, videos=tuple(videos))


def header_length(source: VideoSource) -> int | None:
    """Number of images in a frame folder, or an estimate for a file by its header; None if the header lacks it.

    Raises:
        VideoError: the file cannot be opened.
    """
    source.refuse_fault()
    return len(frame_files(source.path)) if source.kind == "frames" else probe(source).frames


def video_length(source: VideoSource) -> int:
    """Number of frames that decode, or number of images in a frame folder.

    A header counts frames that are hidden, lost or never written. So a file is decoded, unless its packets leave no
    doubt.

    Raises:
        VideoError: the file cannot be opened.
    """
    if source.kind == "frames":
        return len(frame_files(source.path))
    sound = sound_length(source.path)
    if sound is not None:
        return sound
    with VideoReader(source, size=(16, 16), colour="gray") as frames:
        return sum(1 for _ in frames)


def as_labels(values: ArrayLike, where: object) -> NDArray[np.int8]:
    """Convert values to labels of shape (N,), int8. Arrays of shape (1, N) and (N, 1) are accepted too.

    0 is normal, and 1, True or 255 (the white of a mask) is anomalous. Labels of -1 and 1 are refused: some programs
    call the anomaly -1, others 1.

    Raises:
        InputError: the values are not one row of 0 and 1. The message names `where`.
    """
    labels = np.asarray(values)
    if labels.size == 0 or labels.size not in labels.shape:  # a scalar is not a row either
        raise InputError(f"{where}: labels have the shape {labels.shape}; give one 0 or 1 per frame")
    if labels.dtype.kind not in "biuf":
        raise InputError(f"{where}: labels are of the type {labels.dtype}; give one 0 or 1 per frame")
    found = set(np.unique(labels).tolist())
    if found <= {-1, 1} and -1 in found:
        raise InputError(f"{where}: labels are -1 and 1, and either is somebody's anomaly; write 0 (normal) and 1")
    if not (found <= {0, 1} or found <= {0, 255}):
        row = labels.reshape(-1)
        number = int(np.argmin(np.isin(row, (0, 1))))
        raise InputError(
            f"{where}: labels must be 0 (normal) or 1 (anomalous), found {row[number]} at frame {number} (from 0)"
        )
    return np.asarray(labels.reshape(-1) != 0, np.int8)


def labels_from_intervals(intervals: Sequence[Interval], length: int) -> NDArray[np.int8]:
    """(length,) labels: 1 within the intervals, which are clipped to the video, and 0 elsewhere."""
    labels = np.zeros(length, dtype=np.int8)
    for interval in intervals:
        labels[interval.start : interval.stop] = 1
    return labels
