"""The label tables and texts of one's own: rows of intervals, rows of frames, and labels as plain text.

A column `label` beside intervals says what a row is: 0 or normal, 1 or anomaly, anomalous or abnormal. Without it every
row is anomalous. A normal row of one video may leave its frames empty, which means the whole of it. No frame may be
both. A column of another name that seems to tell normal rows from others is refused, because it would be guessed what
it says. Every other column that is not known is not looked at, and a note names it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from oddframe.datasets.labelled import as_labels
from oddframe.errors import InputError
from oddframe.reading.tables import BOUNDS, LARGEST, CSVRow, CSVTable, read_text, whole_number
from oddframe.types import Interval

LABELS = {"0": 0, "normal": 0, "1": 1, "anomaly": 1, "anomalous": 1, "abnormal": 1}
NO_ANOMALY = ("normal", "background", "false", "no", "none", "negative", "neg", "ok")
COUNTERS = ("id", "index", "no", "number")
KINDS = (
    "class",
    "category",
    "type",
    "kind",
    "anomaly",
    "anomalous",
    "abnormal",
    "is_anomaly",
    "target",
    "gt",
    "labels",
)


def label_of(row: CSVRow) -> int:
    """0 where the column `label` says that a row is normal, 1 where it is anomalous.

    Raises:
        InputError: it says neither.
    """
    word = row["label"].lower().removesuffix(".0")
    if word not in LABELS:
        raise InputError(f"{row.where}: label {row['label']!r} is neither 0 (normal) nor 1 (anomaly)")
    return LABELS[word]


def ignored_columns(table: CSVTable, known: Collection[str]) -> list[str]:
    """A note on the columns of a table of labels that are not looked at; see the top of this module.

    Raises:
        InputError: one of them seems to say which rows are normal.
    """
    columns = [name for name in table.columns if name not in known]
    for name in columns:
        words = {row[name].lower().removesuffix(".0") for row in table.rows} - {""}
        flags = words <= set(LABELS) and bool(words & {"0", "normal"}) and name not in COUNTERS
        if flags or words & set(NO_ANOMALY) or (name in KINDS and "0" in words):
            advice = (
                "remove it" if "label" in table.columns else "call it label, with 0 or 1 in every row, or remove it"
            )
            raise InputError(f"{table.file}: column {name} seems to say which rows are normal; {advice}")
    if not columns:
        return []
    verb = "columns {} are" if len(columns) > 1 else "column {} is"
    return [f"{table.file}: {verb.format(', '.join(columns))} not looked at; frames count as the video decodes"]


def anomalous_intervals(rows: Sequence[CSVRow], names: tuple[str, str]) -> list[Interval]:
    """The anomalous intervals among the rows of one video; `names` are the columns of their first and last frame.

    Raises:
        InputError: a row is wrong, or contradicts another one.
    """
    found: tuple[list[tuple[Interval, str]], ...] = ([], [])
    for row in rows:
        label = label_of(row) if "label" in row.cells else 1
        whole = label == 0 and not any(row[name] for name in names)
        own = Interval(0, LARGEST) if whole else row.interval(names)
        for other, where in found[1 - label]:
            if own.start < other.stop and other.start < own.stop:
                raise InputError(
                    f"{row.where}: frame {max(own.start, other.start)} is normal and anomalous, by this line and by "
                    f"that of {where}; the last frame of an interval belongs to it, correct one of the two"
                )
        found[label].append((own, row.where))
    return [own for own, _ in found[1]]


def labels_by_frame(table: CSVTable) -> NDArray[np.int8]:
    """(N,) labels from the columns `frame` and `label`; the rows may stand in any order.

    Raises:
        InputError: a frame is missing or stands twice, or a cell is wrong.
    """
    labels: dict[int, int] = {}
    for row in table.rows:
        frame = row.whole("frame")
        if frame < 0:
            raise InputError(f"{row.where}: frame {frame}; frames are counted from 0")
        if frame in labels:
            raise InputError(f"{row.where}: frame {frame} stands on a line before, too; keep one row per frame")
        labels[frame] = row.whole("label")
    if labels and len(labels) <= max(labels):
        gap = next(frame for frame in range(len(labels) + 1) if frame not in labels)
        shifted = gap == 0 and max(labels) == len(labels)
        raise InputError(
            f"{table.file}: column frame holds no frame {gap}, and must hold every frame up to the last, "
            f"{max(labels)}, once; "
            + ("frames are counted from 0 here: were they counted from 1?" if shifted else "add the row")
        )
    return as_labels([labels[frame] for frame in range(len(labels))], table.file)


def labels_in_text(file: Path) -> NDArray[np.int8]:
    """(N,) labels of a text, between blanks, commas, semicolons or ends of lines.

    Raises:
        InputError: a word is no label, or the text is a table of several columns.
    """
    text = read_text(file)
    words = re.findall(r"[^\s,;]+", text)
    values = [whole_number(word, f"{file}, label {n}") for n, word in enumerate(words, 1)]
    widths = [len(line) for line in (re.findall(r"[^\s,;]+", line) for line in text.splitlines()) if line]
    if len(widths) > 1 and len(set(widths)) == 1 and widths[0] > 1 and not set(values) <= {0, 1, 255, -1}:
        raise InputError(
            f"{file}: this is a table of {widths[0]} columns, and a .txt holds one label per frame; write a .csv whose "
            f"first line names its columns, frame,label or {','.join(BOUNDS[1])}"
        )
    return as_labels(values, file)
