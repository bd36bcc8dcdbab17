"""UCSD Ped1 and Ped2 as released: Mahadevan, Li, Bhalodia, Vasconcelos, Anomaly Detection in Crowded Scenes, CVPR 2010.

    UCSDped2/Train/Train001/001.tif ...
    UCSDped2/Test/Test001/001.tif ...
    UCSDped2/Test/Test001_gt/001.bmp ...    pixel masks; in some clips named frame001.bmp; of Ped1 only for some clips
    UCSDped2/Test/UCSDped2.m                anomalous frames of every clip in order, 1-based and inclusive

Repackaged as videos or folders of .jpg with label arrays, they are read by `oddframe.data.folder`.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from oddframe.data.labelled import LabelledSet, LabelledVideo, labels_from_intervals
from oddframe.errors import InputError
from oddframe.video.sources import VideoSource, frame_files


def read_ucsd(path: str | Path, part: Literal["Ped1", "Ped2"] = "Ped2") -> LabelledSet:
    """Read the test clips of Ped1 or Ped2, labels from the .m file or, without it, from the masks.

    Args:
        path: the folder UCSDped1 or UCSDped2, or one that contains it, as the released archive does.

    Raises:
        InputError: the layout is not the released one; the message says what is missing where.
    """
    test = _test_folder(Path(path), f"UCSD{part.lower()}")
    clips = sorted(clip for clip in test.iterdir() if clip.is_dir() and re.fullmatch(r"Test\d+", clip.name))
    if not clips:
        raise InputError(f"{test}: no test clips; looked for folders Test001, Test002, ...")
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
        videos.append(LabelledVideo(VideoSource(clip.name, clip, "frames"), labels, masks if masks.is_dir() else None))
    return LabelledSet(f"UCSD {part}", tuple(videos), tuple(notes))


def read_ranges(table: Path) -> list[list[tuple[int, int]]]:
    """The anomalous ranges of every clip of a .m file, in its order: 1-based, inclusive, not clipped.

    Raises:
        InputError: no `gt_frame = [first:last, ...]`, or something else between the brackets.
    """
    text = re.sub(r"%.*", "", table.read_text(encoding="utf-8", errors="replace"))
    clips: list[list[tuple[int, int]]] = []
    for entry in re.findall(r"gt_frame\s*=\s*\[([^\]]*)\]", text):
        pieces = re.findall(r"[^\s,;]+", re.sub(r"\s*:\s*", ":", entry))
        bounds = [re.fullmatch(r"(\d+)(?::(\d+))?", piece) for piece in pieces]
        if not all(bounds):
            raise InputError(f"{table}: cannot read the frame ranges [{entry.strip()}] of clip {len(clips) + 1}")
        clips.append([(int(found[1]), int(found[2] or found[1])) for found in bounds if found])
    if not clips:
        raise InputError(f"{table}: no line of the form gt_frame = [first:last]")
    return clips


def _test_folder(path: Path, name: str) -> Path:
    if not path.is_dir():
        raise InputError(f"{path}: no such folder")
    for folder in (path, path / name, *sorted(path.glob(f"*/{name}"))):
        # A folder called after the other part is not taken for this one.
        if (folder / "Test").is_dir() and (folder.name == name or not re.fullmatch(r"UCSDped\d", folder.name)):
            return folder / "Test"
    raise InputError(f"{path}: not the released layout; looked for Test/ and {name}/Test/ in it")


def _labels_from_ranges(
    ranges: list[list[tuple[int, int]]], clip: Path, length: int, table: Path
) -> tuple[NDArray[np.int8], list[str]]:
    """Labels, and a note where the ranges reach past the end of the clip (someone has trimmed it)."""
    number = int(clip.name.removeprefix("Test"))
    if not 1 <= number <= len(ranges):
        raise InputError(f"{table}: describes {len(ranges)} clips, so there are no labels for {clip.name}")
    own = ranges[number - 1]
    last = max((last for _, last in own), default=0)
    note = f"{clip}: {length} frames, but {table.name} labels frames up to {last}; the rest was ignored"
    return labels_from_intervals([(a - 1, b - 1) for a, b in own], length), [note] if last > length else []


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
        mask = cv2.imdecode(np.fromfile(file, dtype=np.uint8), cv2.IMREAD_GRAYSCALE)
        if mask is None:
            raise InputError(f"{file}: not an image")
        labels[number - 1] = mask.any()
    return labels
