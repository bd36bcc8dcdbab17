"""Reader of the user's own weakly labelled videos, in a CSV.

    video,label[,class][,frames][,start_frame,end_frame]

`label` is 0 or 1, or a word: normal, anomaly, anomalous or abnormal. A video with several anomalous stretches has one
row per stretch. Without a stretch, only the label of the video is known. Frames are counted from 0, and the last frame
of a stretch belongs to it, as in `oddframe.datasets.folder`. `video` is a path or a name; the suffix of a video file is
ignored. `oddframe.reading.tables` says how a CSV is read.
"""

from __future__ import annotations

from pathlib import Path

from oddframe.datasets.label_tables import ignored_columns, label_of
from oddframe.datasets.names import video_name
from oddframe.datasets.weak import ANOMALY, NORMAL, WeakSet, WeakVideo
from oddframe.errors import InputError
from oddframe.reading.tables import CSVRow, bounds, read_table
from oddframe.types import Interval

COLUMNS = ("video", "label", "class", "frames")


def read_csv_set(path: str | Path) -> WeakSet:
    """Read a set from a folder with train.csv, test.csv or both; or from one CSV, whose videos are a test set.

    Raises:
        InputError: neither file exists, or one of them cannot be read.
    """
    root = Path(path)
    if not root.is_dir():
        return WeakSet(root.stem, (), read_csv(root), _notes(root))
    files = [root / "train.csv", root / "test.csv"]
    if not any(file.is_file() for file in files):
        raise InputError(f"{root}: neither train.csv nor test.csv in this folder")
    train, test = (read_csv(file) if file.is_file() else () for file in files)
    notes = [note for file in files if file.is_file() for note in _notes(file)]
    return WeakSet(root.resolve().name, train, test, tuple(notes))


def _notes(file: Path) -> tuple[str, ...]:
    """A note on the columns that are not looked at."""
    table = read_table(file)
    return tuple(ignored_columns(table, (*COLUMNS, *(bounds(table) or ()))))


def read_csv(file: str | Path) -> tuple[WeakVideo, ...]:
    """Read the videos of a CSV with the columns that the docstring of this module lists, in order of first appearance.

    Raises:
        InputError: a column is missing or a row is wrong. The message names the line.
    """
    file = Path(file)
    table = read_table(file)
    table.require(("video", "label"))
    if not table.rows:
        raise InputError(f"{file}: lists no video")
    names = bounds(table)
    by_video: dict[str, list[CSVRow]] = {}
    for row in table.rows:
        name = video_name(row["video"])
        if not name:
            raise InputError(f"{row.where}: no video named")
        by_video.setdefault(name, []).append(row)
    return tuple(_video(name, rows, names) for name, rows in by_video.items())


def _video(name: str, rows: list[CSVRow], names: tuple[str, str] | None) -> WeakVideo:
    """The video that these rows describe."""
    label, category, frames = _facts(rows[0])
    intervals: list[Interval] = []
    for row in rows:
        if _facts(row) != (label, category, frames):
            raise InputError(f"{row.where}: {name} has another label, class or number of frames on a line before")
        if names is None or not any(row[bound] for bound in names):
            if len(rows) > 1:
                raise InputError(
                    f"{row.where}: {name} is listed {len(rows)} times, and this row has no first and last frame"
                )
            continue
        interval = row.interval(names)
        first, last = interval.start, interval.stop - 1
        if not label:
            raise InputError(f"{row.where}: {name} is labelled normal, but has anomalous frames {first} to {last}")
        if frames is not None and last >= frames:
            raise InputError(f"{row.where}: frame {last} is beyond the end of {name}, which has {frames} frames")
        intervals.append(interval)
    return WeakVideo(name, label, category, tuple(intervals) or None, frames, exact=True)


def _facts(row: CSVRow) -> tuple[int, str, int | None]:
    """Label, class and number of frames of the video of a row."""
    label = label_of(row)
    category = (row["class"] or ANOMALY) if label else NORMAL
    if category.lower() == NORMAL.lower() and label:
        raise InputError(f"{row.where}: an anomalous video of class {category}; correct one of the two")
    frames = row.whole("frames") if row["frames"] else None
    if frames is not None and frames < 1:
        raise InputError(f"{row.where}: frames is {frames}; leave it empty if it is not known")
    return label, category, frames
