"""Reader of re-packaged test sets: frames or videos under testing/, and labels in one file or in one file per video.

    testing/frames/NAME/*.jpg, testing/videos/NAME.avi, testing_videos/NAME.avi (or under test/), or testing/NAME/
    frame_labels_X.npy    (N,) or (1, N): one 0/1 per frame of all videos, in natural order of their names
    X.mat                 `gt`, a cell of one array (2, K) per video: first and last frame of K intervals, counted
                          from 1; the last frame belongs to the interval
    labels/NAME.npy, test_frame_mask/NAME.npy, frame_masks/NAME.npy    one 0/1 per frame of one video

Images are read in natural order of their names; the number of the first image does not matter. Numbers in `gt` count
them from 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from oddframe.datasets.label_files import arrays_by_name, find, read_array, stored_pairs
from oddframe.datasets.labelled import LabelledVideo, labels_from_intervals, video_length
from oddframe.datasets.names import video_name
from oddframe.errors import InputError
from oddframe.reading.arrays import cells_of, load_mat
from oddframe.reading.guard import reading
from oddframe.types import Interval
from oddframe.video.search import find_videos
from oddframe.video.sources import VideoSource

TESTING = ("testing/frames", "testing/videos", "testing_videos", "test/frames", "test/videos", "testing")
MASKS = ("test_pixel_mask", "pixel_masks", "testing_label_mask", "masks")
FRAME_MASKS = ("test_frame_mask", "frame_masks")
"""Usual names of the folder of files NAME.npy with one 0 or 1 per frame."""
PER_VIDEO = (*FRAME_MASKS, "labels")

Labels = dict[str, NDArray[np.int8]]
"""(N,) labels of every video by its name."""


def testing_folder(root: Path) -> Path | None:
    """The folder of the test videos: at most two folders below `root`, or frames/ or videos/ directly in `root`."""
    # Deeper down, frames/ may be the folder of the training videos.
    direct = (root / name for name in ("frames", "videos"))
    return find(root, TESTING) or next((folder for folder in direct if folder.is_dir()), None)


def find_testing(root: Path) -> tuple[list[VideoSource], list[str]]:
    """The test videos of `testing_folder`, and a note if some of them lie one folder too deep.

    Raises:
        InputError: there is no folder of test videos, or it holds no video.
    """
    place = testing_folder(root)
    if place is None:
        raise InputError(f"{root}: no test videos; looked for {', '.join(TESTING)} in it and up to two folders below")
    beside = {*MASKS, *PER_VIDEO}
    sources = [s for s in find_videos(place) if not beside & set(s.path.relative_to(place).parts)]
    if not sources:
        raise InputError(f"{place}: no test videos in this folder; put one video or folder of frames for each there")
    short = [PurePosixPath(source.name).name for source in sources]
    nested = [source for source, name in zip(sources, short, strict=True) if source.name != name]
    if not nested or len(set(short)) < len(short):
        return sources, []
    note = (
        f"{nested[0].path}: lies deeper than {place}/NAME ({len(nested)} of {len(sources)} videos do), and was read as "
        f"{PurePosixPath(nested[0].name).name}; move its frames up"
    )
    return [replace(source, name=name) for source, name in zip(sources, short, strict=True)], [note]


def lengths_of(sources: Sequence[VideoSource]) -> dict[str, int]:
    """Number of frames of every video: images of a folder, or frames that decode."""
    return {source.name: video_length(source) for source in sources}


def read_joined(file: Path, lengths: dict[str, int]) -> tuple[Labels, list[str]]:
    """The labels of all videos from one .npy or .mat file, and notes.

    Args:
        file: the label file.
        lengths: number of frames of every video, in the order of the file.

    Raises:
        InputError: the file cannot be read, or holds labels for another number of videos or frames.
    """
    notes = order_notes(list(lengths), file)
    if file.suffix == ".npy":
        return split_labels(read_array(file), lengths, file), notes
    intervals = read_gt(file)
    if len(intervals) != len(lengths):
        raise InputError(f"{file}: labels of {len(intervals)} videos, but there are {len(lengths)}; a clip is missing")
    labels = {}
    for (name, length), stretches in zip(lengths.items(), intervals, strict=True):
        labels[name] = labels_from_intervals(stretches, length)
        last = max((interval.stop for interval in stretches), default=0)  # counted from 1
        if last > length:
            notes.append(f"{file}: labels frames up to {last} of {name}, which has {length}; the rest was ignored")
    return labels, notes


def split_labels(values: NDArray[np.int8], lengths: dict[str, int], file: Path) -> Labels:
    """Split labels (N,) of all videos, one after the other, by video.

    Raises:
        InputError: there are not as many labels as frames. The message names `file`.
    """
    if len(values) != sum(lengths.values()):
        raise InputError(
            f"{file}: {len(values)} labels for {sum(lengths.values())} frames of {len(lengths)} videos; "
            "there must be one per frame, in the order of the videos' names"
        )
    ends = np.cumsum(list(lengths.values()))
    return dict(zip(lengths, np.split(values, ends[:-1]), strict=True))


def read_gt(file: Path) -> list[list[Interval]]:
    """The intervals of every video in a .mat file with `gt`, not clipped to the videos.

    The file counts frames from 1, and the last frame belongs to the interval.

    Raises:
        InputError: there is no `gt` in the file, or an entry is not pairs of first and last frame.
    """
    what = "no intervals can be read from it"
    found = []
    gt = load_mat(file, "gt", what)
    with reading(file, what, "make gt a cell of one array 2 x intervals per video"):
        for number, array in enumerate(cells_of(gt), 1):
            pairs = stored_pairs(array, 0, f"video {number}")
            if any(not 1 <= first <= last for first, last in pairs):
                raise ValueError(f"video {number}: {pairs} are not intervals counted from 1")
            found.append([Interval(first - 1, last) for first, last in pairs])
    return found


def order_notes(names: Sequence[str], file: Path) -> list[str]:
    """A note if names have another order when they are sorted as text, as many programs do.

    Args:
        names: in natural order, the order in which labels of all videos in one file are taken.
        file: the label file.
    """
    for other in (sorted(names), sorted(names, key=lambda name: f"{name}.")):  # file names go on with a dot
        at = next((n for n, (own, text) in enumerate(zip(names, other, strict=True)) if own != text), None)
        if at is not None:
            return [
                f"{file}: its labels are taken in natural order of the names ({names[at]} is video number {at + 1}); "
                f"sorted as text that is {other[at]}: make sure that the file was made in natural order"
            ]
    return []


def read_per_video(folder: Path, lengths: dict[str, int]) -> Labels:
    """The labels from a folder of files NAME.npy. `lengths` is the number of frames of every video.

    Raises:
        InputError: a file is missing or does not hold one 0 or 1 per frame.
    """
    files = arrays_by_name(folder)
    missing = [name for name in lengths if video_name(name) not in files]
    if missing:
        raise InputError(
            f"{folder / missing[0]}.npy: missing; {len(missing)} of {len(lengths)} test videos have no labels"
        )
    labels = {name: read_array(files[video_name(name)]) for name in lengths}
    check_lengths(labels, lengths, folder)
    return labels


def check_lengths(labels: Labels, lengths: dict[str, int], where: Path) -> None:
    """Check that there is one label per frame.

    Raises:
        InputError: a video has another number of labels. The message names `where`, the video, and how many there are.
    """
    odd = [name for name, length in lengths.items() if len(labels[name]) != length]
    if odd:
        more = f", and so with {len(odd) - 1} more videos" if len(odd) > 1 else ""
        raise InputError(
            f"{where}: {len(labels[odd[0]])} labels for {lengths[odd[0]]} frames of {odd[0]}{more}; there must be one "
            "per frame: were all frames extracted, and labels and frames made from the same release?"
        )


def join(root: Path, sources: Sequence[VideoSource], labels: Labels) -> tuple[LabelledVideo, ...]:
    """The videos with their labels and, if there are masks below `root`, their masks."""
    folder = find(root, MASKS)
    videos = []
    for number, source in enumerate(sources, 1):
        masks = None
        if folder is not None:
            # The names of Avenue's masks have the number of the clip without leading zeros.
            named = [folder / f"{source.name}{suffix}" for suffix in (".npy", ".npz", "")]
            named.append(folder / f"{int(source.name) if source.name.isdecimal() else number}_label.mat")
            masks = next((path for path in named if path.exists()), None)
        videos.append(LabelledVideo(source, labels[source.name], masks))
    return tuple(videos)
