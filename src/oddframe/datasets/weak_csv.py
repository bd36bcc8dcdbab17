"""Reader of the user's own weakly labelled videos, in a CSV.

    video,label[,class][,frames][,start_frame,end_frame]

`label` is 0 or 1, or a word: normal, anomaly, anomalous or abnormal. A video with several anomalous stretches has one
row per stretch. Without a stretch, only the label of the video is known. Frames are counted from 0, and the last frame
of a stretch belongs to it, as in `oddframe.datasets.folder`. `video` is a path or a name; the suffix of a video file is
ignored.
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from oddframe.datasets.tables import bounds, read_interval, read_table, whole_number
from oddframe.datasets.weak import ANOMALY, NORMAL, WeakSet, WeakVideo
from oddframe.errors import InputError
from oddframe.types import Interval
from oddframe.video.sources import VIDEO_SUFFIXES

LABELS = {"0": 0, "normal": 0, "1": 1, "anomaly": 1, "anomalous": 1, "abnormal": 1}


def read_csv_set(path: str | Path) -> WeakSet:
    """Read a set from a folder with train.csv, test.csv or both; or from one CSV, whose videos are a test set.

    Raises:
        InputError: neither file exists, or one of them cannot be read.
    """
    root = Path(path)
    if not root.is_dir():
        return WeakSet(root.stem, (), read_csv(root))
    files = [root / "train.csv", root / "test.csv"]
    if not any(file.is_file() for file in files):
        raise InputError(f"{root}: neither train.csv nor test.csv in this folder")
    train, test = (read_csv(file) if file.is_file() else () for file in files)
    return WeakSet(root.resolve().name, train, test)


def read_csv(file: str | Path) -> tuple[WeakVideo, ...]:
    """Read the videos of a CSV with the columns that the docstring of this module lists, in order of first appearance.

    Raises:
        InputError: a column is missing or a row is wrong. The message names the line.
    """
    file = Path(file)
    columns, rows = read_table(file)
    missing = [name for name in ("video", "label") if name not in columns]
    if missing:
        raise InputError(
            f"{file}: no column {missing[0]}; it needs video,label and has: {', '.join(columns) or 'none'}"
        )
    if not rows:
        raise InputError(f"{file}: lists no video")
    names = bounds(columns)
    by_video: dict[str, list[dict[str, str]]] = {}
    for row in rows:
        by_video.setdefault(_name(row, file), []).append(row)
    return tuple(_video(name, video_rows, names, file) for name, video_rows in by_video.items())


def _video(name: str, rows: list[dict[str, str]], names: tuple[str, str] | None, file: Path) -> WeakVideo:
    """The video that these rows describe."""
    label, category, frames = _facts(rows[0], file)
    intervals: list[Interval] = []
    for row in rows:
        where = f"{file}, line {row['line']}"
        if _facts(row, file) != (label, category, frames):
            raise InputError(f"{where}: {name} has another label, class or number of frames on line {rows[0]['line']}")
        if names is None or not any(_cell(row, bound) for bound in names):
            if len(rows) > 1:
                raise InputError(
                    f"{where}: {name} is listed {len(rows)} times, and this row has no first and last frame"
                )
            continue
        interval = read_interval(row, names, file)
        first, last = interval.start, interval.stop - 1
        if not label:
            raise InputError(f"{where}: {name} is labelled normal, but has anomalous frames {first} to {last}")
        if frames is not None and last >= frames:
            raise InputError(f"{where}: frame {last} is beyond the end of {name}, which has {frames} frames")
        intervals.append(interval)
    return WeakVideo(name, label, category, tuple(intervals) or None, frames, exact=True)


def _name(row: dict[str, str], file: Path) -> str:
    text = _cell(row, "video").replace("\\", "/")
    name = text[: -len(suffix)] if (suffix := PurePosixPath(text).suffix).lower() in VIDEO_SUFFIXES else text
    if not name:
        raise InputError(f"{file}, line {row['line']}: no video named")
    return name


def _facts(row: dict[str, str], file: Path) -> tuple[int, str, int | None]:
    """Label, class and number of frames of the video of a row."""
    text = _cell(row, "label")
    if text.lower() not in LABELS:
        raise InputError(f"{file}, line {row['line']}: label {text!r} is neither 0 (normal) nor 1 (anomaly)")
    label = LABELS[text.lower()]
    category = (_cell(row, "class") or ANOMALY) if label else NORMAL
    if category.lower() == NORMAL.lower() and label:
        raise InputError(f"{file}, line {row['line']}: an anomalous video of class {category}; correct one of the two")
    frames = whole_number(row, "frames", file) if _cell(row, "frames") else None
    if frames is not None and frames < 1:
        raise InputError(f"{file}, line {row['line']}: frames is {frames}; leave it empty if it is not known")
    return label, category, frames


def _cell(row: dict[str, str], column: str) -> str:
    """The text in a column, without blanks around it; empty if there is none."""
    return (row.get(column) or "").strip()
