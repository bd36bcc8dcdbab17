"""Reader of the user's own test set, in one folder.

    PATH/videos/NAME.mp4            or PATH/frames/NAME/*.jpg, or the videos directly in PATH; folders may be nested
    PATH/labels/NAME.npy            one 0/1 per frame; or
    PATH/labels/NAME.txt            the same as text; or
    PATH/labels/NAME.csv            columns frame,label, or start,end: anomalous intervals; or
    PATH/intervals.csv              columns video,start_frame,end_frame; a video has one row per interval, and videos
                                    that are not listed are normal. Beside intervals a column `label` is obeyed; or
    PATH/labels.npy                 one 0/1 per frame of all videos, one after the other in natural order of their names
    PATH/masks/NAME.npz             optional (or pixel_masks/): `masks`, (N, H, W) of 0 and 1; or NAME.npy, the array;
    PATH/masks/NAME/*.png           or a folder of one image per frame. Without labels, a frame is anomalous if its
                                    mask is not empty

In place of labels/ the folder may be called frame_masks/ or test_frame_mask/. `oddframe.datasets.names` says how names
are compared, `oddframe.reading.tables` how a CSV is read, and `oddframe.datasets.label_tables` what its columns say.
Frames are counted from 0, and the last frame of an interval belongs to it; no interval may reach beyond the last frame
that decodes. The first entry of an array of labels or masks belongs to the first frame. Images of frames and masks are
read in natural order of their names; the number of the first image does not matter.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from oddframe.datasets.label_files import read_array
from oddframe.datasets.label_tables import anomalous_intervals, ignored_columns, labels_by_frame, labels_in_text
from oddframe.datasets.labelled import (
    LabelledSet,
    LabelledVideo,
    labels_from_intervals,
    video_length,
)
from oddframe.datasets.masks import anomalous_frames, mask_rule
from oddframe.datasets.names import VideoNames
from oddframe.datasets.repackaged import order_notes, split_labels
from oddframe.errors import InputError
from oddframe.reading.tables import BOUNDS, CSVRow, bounds, read_table
from oddframe.types import Interval
from oddframe.video.search import find_videos
from oddframe.video.sources import VideoSource, frame_files

LABEL_FOLDERS = ("labels", "frame_masks", "test_frame_mask")
LABEL_SUFFIXES = (".npy", ".txt", ".csv")
MASK_FOLDERS = ("masks", "pixel_masks")
MASK_SUFFIXES = (".npz", ".npy")


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
    names = VideoNames(sources, root)
    intervals, remarks = _interval_table(root / "intervals.csv", names)
    joined, notes = _joined_labels(root / "labels.npy", sources)
    notes += remarks
    files, strays = _label_files(root, names)
    masks = _mask_places(root, names)
    videos = []
    for source in sources:
        place = masks.get(source.name)
        if source.name in joined:
            labels = joined[source.name]
        else:
            labels, doubts = _labels(root, source, files.get(source.name), intervals, place)
            notes += doubts
        videos.append(LabelledVideo(source, labels, place))
    notes += strays
    return LabelledSet(root.resolve().name, tuple(videos), tuple(notes))


def _joined_labels(file: Path, sources: list[VideoSource]) -> tuple[dict[str, NDArray[np.int8]], list[str]]:
    """The labels of all videos from one array, and notes; empty if the file does not exist."""
    if not file.is_file():
        return {}, []
    names = [source.name for source in sources]
    lengths = {source.name: video_length(source) for source in sources}
    return split_labels(read_array(file), lengths, file), order_notes(names, file)


def _sources(root: Path) -> list[VideoSource]:
    for folder in ("videos", "frames"):
        if (root / folder).is_dir():
            return find_videos(root / folder)
    beside = {root / name for name in (*LABEL_FOLDERS, *MASK_FOLDERS)}
    sources = [source for source in find_videos(root) if not beside & {source.path, *source.path.parents}]
    if not sources:
        raise InputError(f"{root}: no videos; looked in videos/, in frames/ and in the folder itself")
    return sources


def _label_files(root: Path, names: VideoNames) -> tuple[dict[str, Path], list[str]]:
    """The label file of every video that has one, and a note for every label file without a video.

    Raises:
        InputError: two files label the same video.
    """
    found: dict[str, Path] = {}
    notes = []
    for folder in (root / name for name in LABEL_FOLDERS):
        for file in sorted(file for file in folder.rglob("*") if file.suffix.lower() in LABEL_SUFFIXES):
            source = names.find(file.relative_to(folder).as_posix()[: -len(file.suffix)], file)
            if source is None:
                notes.append(f"{file}: labels without a video of that name")
            elif source.name in found:
                raise InputError(
                    f"{found[source.name]}: {file.relative_to(root)} labels the same video, {source.name}; keep one"
                )
            else:
                found[source.name] = file
    return found, notes


def _mask_places(root: Path, names: VideoNames) -> dict[str, Path]:
    """The masks of every video that has some: an array, or a folder of images. An array goes before images."""
    found: dict[str, Path] = {}
    for folder in (root / name for name in MASK_FOLDERS):
        entries = sorted(folder.rglob("*"), key=lambda entry: (entry.is_dir(), entry.suffix.lower() != ".npz", entry))
        for entry in entries:
            images = entry.is_dir() and bool(frame_files(entry))
            if not images and entry.suffix.lower() not in MASK_SUFFIXES:
                continue
            name = entry.relative_to(folder).as_posix()
            source = names.find(name if images else name[: -len(entry.suffix)], entry)
            if source is not None:
                found.setdefault(source.name, entry)
    return found


def _labels(
    root: Path,
    source: VideoSource,
    file: Path | None,
    intervals: Mapping[str, list[Interval]] | None,
    masks: Path | None,
) -> tuple[NDArray[np.int8], list[str]]:
    """The labels of one video, from the first of its own file, the table of intervals, and the masks; and notes."""
    found: NDArray[np.int8] | list[Interval]
    notes: list[str] = []
    if file is not None:
        where = file
        found, notes = _read(file)
    elif intervals is not None:
        where, found = root / "intervals.csv", intervals.get(source.name, [])
    elif masks is not None:
        where, found, note = masks, anomalous_frames(masks), mask_rule(masks).note
        notes = [note] if note else []
    else:
        raise InputError(
            f"{source.path}: no labels; looked for labels/{source.name}{{{','.join(LABEL_SUFFIXES)}}}, "
            f"intervals.csv, labels.npy and masks/{source.name} in {root}"
        )
    if isinstance(found, list):
        return labels_from_intervals(found, _long_enough(found, video_length(source), source, where)), notes
    length = video_length(source)
    if length == len(found):
        return found, notes
    counts = f"{where}: {len(found)} labels for {length} frames of {source.name}"
    if source.kind == "frames":
        raise InputError(f"{counts}; there must be one per frame")
    return found, [*notes, f"{counts} that decode; make one label per frame"]


def _long_enough(intervals: list[Interval], length: int, source: VideoSource, where: Path) -> int:
    """The length of a video that no interval reaches beyond.

    Raises:
        InputError: an interval does.
    """
    last = max((interval.stop - 1 for interval in intervals), default=-1)
    if last >= length:
        counted = "frames are counted from 0 here: were they counted from 1?"
        advice = counted if last == length else "correct the interval, or get the whole video"
        raise InputError(
            f"{where}: frame {last} is beyond the end of {source.name}, which has {length} frames; {advice}"
        )
    return length


def _read(file: Path) -> tuple[NDArray[np.int8] | list[Interval], list[str]]:
    """Read the label file of one video, one label per frame or intervals, and notes on it."""
    if file.suffix.lower() == ".npy":
        return read_array(file), []
    if file.suffix.lower() == ".txt":
        return labels_in_text(file), []
    table = read_table(file)
    table.require(*BOUNDS, ("frame", "label"))
    pair = bounds(table)
    if pair is not None and "frame" not in table.columns:
        notes = ignored_columns(table, (*pair, "label"))
        return anomalous_intervals(table.rows, pair), notes
    table.require(("frame", "label"))
    return labels_by_frame(table), ignored_columns(table, ("frame", "label"))


def _interval_table(file: Path, names: VideoNames) -> tuple[dict[str, list[Interval]] | None, list[str]]:
    """The intervals of every video that `file` lists, and notes on it; None if the file does not exist."""
    if not file.is_file():
        return None, []
    rows: dict[str, list[CSVRow]] = defaultdict(list)
    table = read_table(file)
    table.require(*(("video", *pair) for pair in BOUNDS))
    pair = bounds(table)
    assert pair is not None, "required above"
    notes = ignored_columns(table, ("video", *pair, "label"))
    for row in table.rows:
        source = names.find(row["video"], row.where)
        if source is None:
            raise InputError(f"{row.where}: no video {row['video']!r} in this folder{names.close(row['video'])}")
        rows[source.name].append(row)
    return {name: anomalous_intervals(own, pair) for name, own in rows.items()}, notes
