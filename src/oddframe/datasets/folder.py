"""Reader of the user's own test set, in one folder.

    PATH/videos/NAME.mp4            or PATH/frames/NAME/*.jpg, or the videos directly in PATH; folders may be nested
    PATH/labels/NAME.npy            one 0/1 per frame; or
    PATH/labels/NAME.txt            the same as text; or
    PATH/labels/NAME.csv            columns frame,label, or start,end: anomalous intervals; or
    PATH/intervals.csv              columns video,start_frame,end_frame; videos that are not listed are normal; or
    PATH/labels.npy                 one 0/1 per frame of all videos, one after the other in natural order of their names
    PATH/masks/NAME.npz             optional (or pixel_masks/): `masks`, (N, H, W) of 0 and 1; or NAME.npy, the array;
    PATH/masks/NAME/*.png           or a folder of one image per frame. Without labels, a frame is anomalous if its
                                    mask is not empty

Frames are counted from 0, and the last frame of an interval belongs to it. The first entry of an array of labels or
masks belongs to the first frame. Images of frames and masks are read in natural order of their names; the number of
the first image does not matter.
"""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from oddframe.datasets.labelled import (
    LabelledSet,
    LabelledVideo,
    as_labels,
    header_length,
    labels_from_intervals,
    video_length,
)
from oddframe.datasets.masks import anomalous_frames
from oddframe.datasets.repackaged import split_labels
from oddframe.datasets.tables import bounds, read_interval, read_table, whole_number
from oddframe.errors import InputError
from oddframe.types import Interval
from oddframe.video.sources import VideoSource, find_videos, frame_files

LABEL_SUFFIXES = (".npy", ".txt", ".csv")
MASK_FOLDERS = ("masks", "pixel_masks")


def read_folder(path: str | Path) -> LabelledSet:
    """Read a test set in the layout that the docstring of this module describes.

    Raises:
        InputError: there is no video, a video has no labels, or a label file is wrong. The message names the file.
        VideoError: a video cannot be opened, and its number of frames is needed.
    """
    root = Path(path)
    if not root.is_dir():
        raise InputError(f"{root}: no such folder")
    sources = _sources(root)
    intervals = _interval_table(root / "intervals.csv", {source.name for source in sources})
    joined = _joined_labels(root / "labels.npy", sources)
    notes = _stray_labels(root / "labels", {source.name for source in sources})
    videos = []
    for source in sources:
        masks = find_masks(root, source.name)
        if source.name in joined:
            labels = joined[source.name]
        else:
            labels, note = _labels(root, source, intervals, masks)
            notes += note
        videos.append(LabelledVideo(source, labels, masks))
    return LabelledSet(root.resolve().name, tuple(videos), tuple(notes))


def find_masks(root: Path, name: str) -> Path | None:
    """The masks of one video in a folder of masks: an array, or a folder of images."""
    for folder in MASK_FOLDERS:
        for file in (root / folder / f"{name}.npz", root / folder / f"{name}.npy"):
            if file.is_file():
                return file
        if (root / folder / name).is_dir() and frame_files(root / folder / name):
            return root / folder / name
    return None


def _joined_labels(file: Path, sources: list[VideoSource]) -> dict[str, NDArray[np.int8]]:
    """The labels of all videos from one array; empty if the file does not exist."""
    if not file.is_file():
        return {}
    values = _read(file)
    assert not isinstance(values, list), "an .npy file holds no intervals"
    return split_labels(values, {source.name: video_length(source) for source in sources}, file)


def _sources(root: Path) -> list[VideoSource]:
    for folder in ("videos", "frames"):
        if (root / folder).is_dir():
            return find_videos(root / folder)
    beside = {root / name for name in ("labels", *MASK_FOLDERS)}
    sources = [source for source in find_videos(root) if not beside & {source.path, *source.path.parents}]
    if not sources:
        raise InputError(f"{root}: no videos; looked in videos/, in frames/ and in the folder itself")
    return sources


def _labels(
    root: Path, source: VideoSource, intervals: dict[str, list[Interval]] | None, masks: Path | None
) -> tuple[NDArray[np.int8], list[str]]:
    """The labels of one video, and notes about them."""
    files = [file for suffix in LABEL_SUFFIXES if (file := root / "labels" / f"{source.name}{suffix}").is_file()]
    if len(files) > 1:
        raise InputError(f"{files[0]}: {files[1].name} beside it labels the same video; keep one of them")
    if not files and intervals is None and masks is None:
        raise InputError(
            f"{source.path}: no labels; looked for labels/{source.name}{{{','.join(LABEL_SUFFIXES)}}}, "
            f"intervals.csv, labels.npy and masks/{source.name} in {root}"
        )
    found: NDArray[np.int8] | list[Interval]
    if files:
        where, found = files[0], _read(files[0])
    elif intervals is not None:
        where, found = root / "intervals.csv", intervals.get(source.name, [])
    else:
        assert masks is not None, "refused above"
        where, found = masks, anomalous_frames(masks)
    if isinstance(found, list):
        length = video_length(source)
        beyond = next((interval.stop - 1 for interval in found if interval.stop > length), None)
        if beyond is not None:
            raise InputError(f"{where}: frame {beyond} is beyond the end of {source.name}, which has {length} frames")
        return labels_from_intervals(found, length), []
    promised = header_length(source)
    if promised is None or promised == len(found):
        return found, []
    mismatch = f"{where}: {len(found)} labels for {promised} frames of {source.name}"
    if source.kind == "frames":
        raise InputError(f"{mismatch}; there must be one per frame")
    return found, [f"{mismatch}, says the file's header; decoding will tell"]


def _stray_labels(folder: Path, videos: set[str]) -> list[str]:
    files = sorted(file for file in folder.rglob("*") if file.suffix in LABEL_SUFFIXES)
    names = [(file, file.relative_to(folder).as_posix().removesuffix(file.suffix)) for file in files]
    return [f"{file}: labels without a video of that name" for file, name in names if name not in videos]


def _read(file: Path) -> NDArray[np.int8] | list[Interval]:
    """Read the label file of one video: one label per frame, or intervals."""
    try:
        if file.suffix == ".npy":
            return as_labels(np.load(file, allow_pickle=False), file)
        if file.suffix == ".txt":
            return as_labels([float(word) for word in re.split(r"[\s,]+", file.read_text("utf-8").strip())], file)
    except (ValueError, OSError) as error:
        raise InputError(f"{file}: cannot be read as one 0 or 1 per frame ({error})") from error
    columns, rows = read_table(file)
    if {"frame", "label"} <= set(columns):
        labels = {whole_number(row, "frame", file): whole_number(row, "label", file) for row in rows}
        if sorted(labels) != list(range(len(rows))):
            raise InputError(f"{file}: column frame must hold every frame from 0 to {len(rows) - 1} once")
        return as_labels([labels[frame] for frame in range(len(rows))], file)
    names = _bounds(columns, file)
    return [read_interval(row, names, file) for row in rows]


def _interval_table(file: Path, videos: set[str]) -> dict[str, list[Interval]] | None:
    """The intervals of every video that `file` lists; None if the file does not exist."""
    if not file.is_file():
        return None
    table: dict[str, list[Interval]] = defaultdict(list)
    columns, rows = read_table(file)
    names = _bounds(columns, file)
    for row in rows:
        name = row.get("video")
        if name not in videos:
            raise InputError(
                f"{file}, line {row['line']}: no video {name!r} in this folder; write its name without suffix"
            )
        table[name].append(read_interval(row, names, file))
    return table


def _bounds(columns: list[str], file: Path) -> tuple[str, str]:
    """The two columns that hold the first and the last frame of an interval."""
    names = bounds(columns)
    if names is None:
        found = ", ".join(columns) or "none"
        raise InputError(
            f"{file}: columns must be start,end or start_frame,end_frame or frame,label; they are: {found}"
        )
    return names
