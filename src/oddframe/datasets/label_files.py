"""Shared functions of the readers of public lists and annotations: find files, read lines, check per-frame arrays."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oddframe.datasets.labelled import as_labels
from oddframe.datasets.names import video_name
from oddframe.datasets.weak import WeakVideo, labels
from oddframe.errors import InputError
from oddframe.reading.arrays import load_array
from oddframe.reading.tables import LARGEST, whole_number
from oddframe.reading.tables import read_lines as text_lines
from oddframe.types import Interval

GROUND_TRUTH = ("gt", "single_gt", "xd-gt")
"""Folders of files NAME.npy with one 0 or 1 per frame, as PEL4VAD publishes them."""


def find(root: Path, names: Sequence[str]) -> Path | None:
    """The first of these files or folders that exists in `root` or up to two folders below it."""
    for name in names:
        for pattern in (name, f"*/{name}", f"*/*/{name}"):
            if found := sorted(root.glob(pattern)):
                return found[0]
    return None


def check_folder(path: str | Path) -> Path:
    """Check that `path` is a folder, and return it.

    Raises:
        InputError: it is not a folder.
    """
    root = Path(path)
    if not root.is_dir():
        raise InputError(f"{root}: no such folder; give the one that holds the lists and annotations")
    return root


def read_lines(file: Path) -> list[tuple[str, str]]:
    """(where, text in NFC) of every line that is not empty. `where` names file and line, for messages.

    Raises:
        InputError: the file is empty or no text.
    """
    texts = [unicodedata.normalize("NFC", line.strip()) for line in text_lines(file)]
    lines = [(f"{file}, line {n}", text) for n, text in enumerate(texts, 1) if text]
    if not lines:
        raise InputError(f"{file}: this list is empty")
    return lines


def read_list(file: Path, entry: Callable[[str, str], WeakVideo]) -> dict[str, WeakVideo]:
    """The videos of a list by name, in its order. Lines for several crops of one video count once.

    Args:
        file: the list.
        entry: makes a video from (text, where).

    Raises:
        InputError: a line cannot be read, or two lines of one video contradict each other.
    """
    found: dict[str, WeakVideo] = {}
    for where, text in read_lines(file):
        if text != "path,label":  # the header of VadCLIP's lists
            video = entry(text, where)
            if found.setdefault(video.name, video) != video:
                raise InputError(f"{where}: {video.name} has another label or length on a line before; keep one")
    return found


def merge_events(videos: Iterable[tuple[str, WeakVideo]]) -> tuple[dict[str, WeakVideo], list[str]]:
    """Annotated videos by name, with the events of all their lines, and a note for each video with several lines.

    Args:
        videos: (where, video) of every line.

    Raises:
        InputError: two lines of one video contradict each other.
    """
    found: dict[str, WeakVideo] = {}
    lines: dict[str, list[str]] = {}
    for where, video in videos:
        lines.setdefault(video.name, []).append(where)
        first = found.setdefault(video.name, video)
        if (first.label, first.category, first.frames) != (video.label, video.category, video.frames):
            raise InputError(f"{where}: {video.name} has another class or length on a line before; keep one")
        events = {*(first.intervals or ()), *(video.intervals or ())}
        found[video.name] = replace(first, intervals=tuple(sorted(events, key=lambda event: (event.start, event.stop))))
    notes = [
        f"{wheres[0]}: {name} has {len(wheres)} lines; all {len(found[name].intervals or ())} events of them count"
        for name, wheres in lines.items()
        if len(wheres) > 1
    ]
    return found, notes


def whole_numbers(words: Iterable[str], where: str) -> list[int]:
    """Convert words to frame numbers. 165.0 is one, 165.5 is not.

    Raises:
        InputError: a word is not a whole number. The message names the word and `where`.
    """
    return [whole_number(word, f"{where}, frame number {number}") for number, word in enumerate(words, 1)]


def pairs(numbers: Sequence[int], where: str) -> tuple[Interval, ...]:
    """Convert numbers s1 e1 s2 e2 ... to half-open intervals. The pair -1 -1 means that there is no interval.

    Raises:
        InputError: the count of numbers is odd, or a pair is not an interval.
    """
    if len(numbers) % 2:
        raise InputError(f"{where}: {len(numbers)} frame numbers do not make pairs of start and end")
    ends = [pair for pair in zip(numbers[::2], numbers[1::2], strict=True) if pair != (-1, -1)]
    try:
        return tuple(Interval(*pair) for pair in ends)
    except InputError as error:
        raise InputError(f"{where}: {error}; correct the start or the end") from None


def stored_pairs(array: NDArray[Any], axis: int, what: str) -> list[tuple[int, int]]:
    """First and last frame of the K intervals of an array: (2, K) if `axis` is 0, (K, 2) if it is 1.

    Args:
        array, axis: as above.
        what: names the array in messages.

    Raises:
        ValueError: the array has another shape, holds other values than whole numbers, or is transposed. (2, 2) is
            taken for transposed if its intervals overlap while those of the transposed array do not.
    """
    if array.size == 0:
        return []
    values = array.reshape(2, 1) if array.shape == (2,) else np.moveaxis(np.atleast_2d(array), axis, 0)
    if values.ndim != 2 or values.shape[0] != 2:
        wanted = ("2 x intervals", "intervals x 2")[axis]
        hint = "; transpose it" if values.ndim == 2 and values.shape[1] == 2 else ""
        raise ValueError(f"{what} has the shape {array.shape}, not {wanted}{hint}")
    if not np.isfinite(values).all() or (values != np.round(values)).any() or np.abs(values).max() >= LARGEST:
        raise ValueError(f"{what} holds other values than whole numbers")
    found = [(int(first), int(last)) for first, last in values.T]
    other = [(int(first), int(last)) for first, last in values] if len(found) == 2 else []
    if other and not _disjoint(found) and _disjoint(other):
        raise ValueError(f"{what} holds the intervals {other} if it is transposed, and {found} as it is; transpose it")
    return found


def _disjoint(ends: Sequence[tuple[int, int]]) -> bool:
    """Whether all pairs are intervals that have no frame in common."""
    ordered = sorted(ends)
    valid = all(first <= last for first, last in ordered)
    return valid and all(before[1] < after[0] for before, after in pairwise(ordered))


def read_array(file: Path) -> NDArray[np.int8]:
    """Read the (N,) labels of an .npy file.

    Raises:
        InputError: the file does not hold one 0 or 1 per frame.
    """
    return as_labels(load_array(file, "cannot be read as one 0 or 1 per frame"), file)


def arrays_by_name(folder: Path, suffix: str = ".npy") -> dict[str, Path]:
    """The arrays directly in a folder by the names of their videos; see `oddframe.datasets.names`."""
    return {video_name(file.name[: -len(suffix)]): file for file in sorted(folder.glob(f"*{suffix}"))}


def compare_arrays(root: Path, videos: Iterable[WeakVideo]) -> tuple[dict[str, int], list[str]]:
    """Compare the ground truth in per-frame arrays with the annotation. The annotation is used.

    Returns:
        Lengths of the arrays by video, and a note for each array that differs from the annotation.
    """
    folder = find(root, GROUND_TRUTH)
    files = arrays_by_name(folder) if folder else {}
    lengths: dict[str, int] = {}
    notes = []
    for video in videos:
        file = files.get(video.name)
        if file is None:
            continue
        array = read_array(file)
        lengths[video.name] = len(array)
        if video.intervals is not None and not np.array_equal(array, labels(video, len(array))):
            notes.append(
                f"{file}: {int(array.sum())} anomalous frames, but "
                f"{int(labels(video, len(array)).sum())} by the annotation, which is used"
            )
    return lengths, notes
