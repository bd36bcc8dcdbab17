"""UCSD Ped1 and Ped2 as released: Mahadevan, Li, Bhalodia, Vasconcelos, Anomaly Detection in Crowded Scenes, CVPR 2010.

    UCSDped2/Train/Train001/001.tif ...
    UCSDped2/Test/Test001/001.tif ...
    UCSDped2/Test/Test001_gt/001.bmp ...    pixel masks; in some clips named frame001.bmp; of Ped1 only for some clips
    UCSDped2/Test/UCSDped2.m                anomalous frames of every clip in order, 1-based and inclusive

Re-packaged sets are frames or videos under testing/ with ped2.mat, frame_labels_ped2.npy or labels/NAME.npy; see
`oddframe.datasets.repackaged`. A frame that cannot be decoded is left out with its label. There is one in the release:
the file Test017/142.tif of Ped1 is cut off.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from pathlib import Path
from textwrap import shorten
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from oddframe.datasets.label_files import check_folder, find
from oddframe.datasets.labelled import Counts, LabelledSet, LabelledVideo, labels_from_intervals
from oddframe.datasets.masks import read_image
from oddframe.datasets.repackaged import (
    FRAME_MASKS,
    TESTING,
    find_testing,
    join,
    lengths_of,
    read_joined,
    read_per_video,
    testing_folder,
)
from oddframe.errors import InputError
from oddframe.reading.guard import reading
from oddframe.reading.images import read_picture
from oddframe.reading.tables import whole_number
from oddframe.types import Interval
from oddframe.video.sources import VideoSource, frame_files

UCSDPart = Literal["Ped1", "Ped2"]
FPS = 10.0
"""Frames per second of both parts; the released images have no time stamps."""

PUBLISHED: dict[UCSDPart, Counts] = {
    "Ped1": Counts(
        videos=36,
        frames=7200,
        positives=4045,
        source="ranges of UCSDped1.m as public copies have them, summed; 4005 is quoted in the literature",
        lengths=(200,) * 36,
        training=(34, 6800),
    ),
    "Ped2": Counts(
        videos=12,
        frames=2010,
        positives=1648,
        source="counted from the released frames, UCSDped2.m and masks, which agree; 1636 is quoted in the literature",
        lengths=(180, 180, 150, 180, 150, 180, 180, 180, 120, 150, 180, 180),
        training=(16, 2550),
    ),
}


def read_ucsd(path: str | Path, part: UCSDPart = "Ped2") -> LabelledSet:
    """Read the test clips of Ped1 or Ped2. Labels come from the .m file or, without it, from the masks.

    Args:
        path: the folder UCSDped1 or UCSDped2; a folder that contains it, such as the released archive; or a re-packaged
            set.
        part: "Ped1" or "Ped2".

    Raises:
        InputError: the layout is neither of these. The message says what is missing and where.
    """
    root = check_folder(path)
    test = _test_folder(root, f"UCSD{part.lower()}")
    if test is None:
        return _read_repackaged(root, part)
    clips = sorted(clip for clip in test.iterdir() if clip.is_dir() and re.fullmatch(r"Test\d+", clip.name))
    if not clips:
        raise InputError(f"{test}: no test clips; looked for folders named Test001 and so on")
    table = test / f"UCSD{part.lower()}.m"
    ranges = read_ranges(table) if table.is_file() else None
    videos, notes = [], []
    for clip in clips:
        length = len(frame_files(clip))
        if not length:
            raise InputError(f"{clip}: no frames in this folder; looked for .tif and other images")
        masks = clip.with_name(f"{clip.name}_gt")
        if ranges is None:
            labels = _labels_from_masks(masks, length, table)
        else:
            labels, note = _labels_from_ranges(ranges, clip, length, table)
            notes += note
        left_out = _undecodable(clip)
        if left_out:
            names = ", ".join(frame_files(clip)[frame].name for frame in left_out)
            notes.append(f"{clip}: {names} cannot be decoded; left out with its label, as in the released Ped1 Test017")
            labels = np.delete(labels, left_out)
        source = VideoSource(clip.name, clip, "frames", FPS)
        videos.append(LabelledVideo(source, labels, masks if masks.is_dir() else None, left_out))
    return LabelledSet(f"UCSD {part}", tuple(videos), tuple(notes), PUBLISHED[part])


def _read_repackaged(root: Path, part: UCSDPart) -> LabelledSet:
    name = part.lower()
    if testing_folder(root) is None:
        if (root / "Test001").is_dir():
            raise InputError(
                f"{root}: these are the clips of UCSD; give the folder above, UCSD{name}, which holds Test/"
            )
        raise InputError(
            f"{root}: not the released layout; looked for Test/ and UCSD{name}/Test/ in it, "
            f"and for {', '.join(TESTING)}"
        )
    sources, notes = find_testing(root)
    sources = [replace(source, fps=source.fps or FPS) if source.timeless else source for source in sources]
    lengths = lengths_of(sources)
    joined = (f"{name}.mat", f"frame_labels_{name}.npy", "labels.npy")
    file, folder = find(root, joined), find(root, [*FRAME_MASKS, "testing/labels", "test/labels", "labels"])
    if file is not None:
        labels, more = read_joined(file, lengths)
        notes += more
    elif folder is not None:
        labels = read_per_video(folder, lengths)
    else:
        raise InputError(f"{root}: no labels; looked for {', '.join((*joined, *FRAME_MASKS))} and labels")
    return LabelledSet(f"UCSD {part}", join(root, sources, labels), tuple(notes), PUBLISHED[part])


def _undecodable(clip: Path) -> tuple[int, ...]:
    """Frames, counted from 0, that cannot be decoded. Only files whose size differs from the usual one are tested."""
    files = frame_files(clip)
    sizes = [file.stat().st_size for file in files]
    usual = Counter(sizes).most_common(1)[0][0]
    return tuple(n for n, size in enumerate(sizes) if size != usual and not _decodes(files[n]))


def _decodes(file: Path) -> bool:
    try:
        read_picture(file, cv2.IMREAD_GRAYSCALE)
    except InputError:
        return False
    return True


def read_ranges(table: Path) -> list[list[Interval]]:
    """The anomalous ranges of every clip in a .m file, in its order, not clipped to the clips.

    The file counts frames from 1, and the last frame belongs to the range.

    Raises:
        InputError: there is no `gt_frame = [first:last, ...]`, or something else stands between the brackets.
    """
    with reading(table, "cannot be read as text"):
        text = re.sub(r"%.*", "", table.read_text(encoding="utf-8-sig", errors="replace"))  # comments may be in Latin-1
    clips: list[list[Interval]] = []
    for entry in re.findall(r"gt_frame\s*=\s*\[([^\]]*)\]", text):
        pieces = re.findall(r"[^\s,;]+", re.sub(r"\s*:\s*", ":", entry))
        bounds = [re.fullmatch(r"(\d+)(?::(\d+))?", piece) for piece in pieces]
        entry = shorten(entry, 60, placeholder=" and more")
        if not all(bounds):
            raise InputError(f"{table}: cannot read the frame ranges [{entry}] of clip {len(clips) + 1}")
        words = [(found[1], found[2] or found[1]) for found in bounds if found]
        ends = [(whole_number(first, str(table)), whole_number(last, str(table))) for first, last in words]
        try:
            clips.append([Interval(first - 1, last) for first, last in ends])
        except InputError:
            raise InputError(
                f"{table}: [{entry}] of clip {len(clips) + 1} are not frame ranges counted from 1"
            ) from None
    if not clips:
        raise InputError(f"{table}: no line of the form gt_frame = [first:last]")
    return clips


def _test_folder(path: Path, name: str) -> Path | None:
    for folder in (path, path / name, *sorted(path.glob(f"*/{name}"))):
        # A folder with the name of the other part is skipped.
        if (folder / "Test").is_dir() and (folder.name == name or not re.fullmatch(r"UCSDped\d", folder.name)):
            return folder / "Test"
    return None


def _labels_from_ranges(
    ranges: list[list[Interval]], clip: Path, length: int, table: Path
) -> tuple[NDArray[np.int8], list[str]]:
    """Labels, and a note if the ranges reach beyond the end of the clip, as they do for a trimmed clip."""
    number = int(clip.name.removeprefix("Test"))
    if not 1 <= number <= len(ranges):
        raise InputError(f"{table}: describes {len(ranges)} clips, so there are no labels for {clip.name}")
    intervals = ranges[number - 1]
    last = max((interval.stop for interval in intervals), default=0)  # counted from 1
    note = f"{clip}: {length} frames, but {table.name} labels frames up to {last}; the rest was ignored"
    return labels_from_intervals(intervals, length), [note] if last > length else []


def _labels_from_masks(folder: Path, length: int, table: Path) -> NDArray[np.int8]:
    """1 for each frame whose mask is not empty."""
    masks = {}
    for file in frame_files(folder) if folder.is_dir() else []:
        named = re.fullmatch(r"(?:frame)?(\d+)", file.stem)
        if named:
            masks[int(named[1])] = file
    if sorted(masks) != list(range(1, length + 1)):
        raise InputError(
            f"{folder}: {len(masks)} masks for {length} frames; without {table.name} there must be one per frame, "
            f"named 001.bmp or frame001.bmp"
        )
    labels = np.zeros(length, dtype=np.int8)
    for number, file in masks.items():
        labels[number - 1] = read_image(file).any()
    return labels
