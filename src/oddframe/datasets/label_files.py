"""Shared functions of the readers of public lists and annotations: find files, read lines, check per-frame arrays."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from oddframe.datasets.labelled import as_labels
from oddframe.datasets.weak import WeakVideo, labels
from oddframe.errors import InputError
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
    """(where, text) of every line that is not empty. `where` names file and line, for messages.

    Raises:
        InputError: the file is empty or not UTF-8.
    """
    try:
        text = file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{file}: not UTF-8 ({error.reason} at byte {error.start})") from error
    lines = [(f"{file}, line {n}", line.strip()) for n, line in enumerate(text.splitlines(), 1) if line.strip()]
    if not lines:
        raise InputError(f"{file}: this list is empty")
    return lines


def read_list(file: Path, entry: Callable[[str, str], WeakVideo]) -> dict[str, WeakVideo]:
    """The videos of a list by name, in its order. Lines for several crops of one video count once.

    Args:
        file: the list.
        entry: makes a video from (text, where).
    """
    found: dict[str, WeakVideo] = {}
    for where, text in read_lines(file):
        if text != "path,label":  # the header of VadCLIP's lists
            video = entry(text, where)
            found[video.name] = video
    return found


def whole_numbers(words: Iterable[str], where: str) -> list[int]:
    """Convert words to whole numbers.

    Raises:
        InputError: a word is not a whole number. The message names the word and `where`.
    """
    words = list(words)
    for word in words:
        if not re.fullmatch(r"-?\d+", word):
            raise InputError(f"{where}: {word!r} is not a frame number")
    return [int(word) for word in words]


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
        raise InputError(f"{where}: {error}") from None


def read_array(file: Path) -> NDArray[np.int8]:
    """Read the (N,) labels of an .npy file.

    Raises:
        InputError: the file does not hold one 0 or 1 per frame.
    """
    try:
        return as_labels(np.load(file, allow_pickle=False), file)
    except (ValueError, OSError) as error:
        raise InputError(f"{file}: not an array of one 0 or 1 per frame ({error})") from error


def compare_arrays(root: Path, videos: Iterable[WeakVideo]) -> tuple[dict[str, int], list[str]]:
    """Compare the ground truth in per-frame arrays with the annotation. The annotation is used.

    Returns:
        Lengths of the arrays by video, and a note for each array that differs from the annotation.
    """
    folder = find(root, GROUND_TRUTH)
    lengths: dict[str, int] = {}
    notes = []
    for video in videos:
        file = folder / f"{video.name}.npy" if folder else None
        if file is None or not file.is_file():
            continue
        array = read_array(file)
        lengths[video.name] = len(array)
        if video.intervals is not None and not np.array_equal(array, labels(video, len(array))):
            notes.append(
                f"{file}: {int(array.sum())} anomalous frames, but "
                f"{int(labels(video, len(array)).sum())} by the annotation, which is used"
            )
    return lengths, notes
