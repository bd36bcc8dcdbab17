"""Pixel masks: which pixels of a frame are anomalous. This module reads the formats in which data sets publish them.

    NAME.npz                `masks`, (N, H, W)
    NAME.npy                (N, H, W): ShanghaiTech's test_pixel_mask
    N_label.mat             `volLabel`, a cell of N masks (H, W), or an array (H, W, N): Avenue's testing_label_mask.
                            Cells may be nested
    a folder of images      one per frame, in natural order: UCSD's TestNNN_gt, or the user's own
    a folder of annotations NAME_<frame>_gt.png, whose values are object ids, with NAME_tracks.txt: UBnormal. The frame
                            number in the name counts from 0. A frame without an image has an empty mask. If there are
                            tracks, an object counts only in the frames of its track

In all formats except UBnormal's, `oddframe.datasets.mask_values` says which values are anomalous.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from oddframe.datasets.labelled import LabelledVideo
from oddframe.datasets.mask_values import MaskRule, judge_values
from oddframe.errors import InputError
from oddframe.reading.arrays import cells_of, load_array, load_mat, member, numeric, open_archive
from oddframe.reading.guard import reading
from oddframe.reading.images import read_picture
from oddframe.reading.tables import read_lines, whole_number
from oddframe.video.sources import frame_files

Track = tuple[int, int, int]
"""Object id, first frame, and the frame after the last one; frames are counted from 0."""


def read_masks(video: LabelledVideo) -> NDArray[np.bool_]:
    """(N, H, W) masks of a video's N labelled frames, True where a pixel is anomalous.

    Raises:
        InputError: the video has no masks, or they cannot be read, differ in size, or are not one per frame.
    """
    if video.masks is None:
        raise InputError(f"{video.source.path}: there are no pixel masks of this video")
    masks = list(iterate_masks(video.masks, len(video.labels) + len(video.left_out)))
    left_out = set(video.left_out)
    kept = [mask for frame, mask in enumerate(masks) if frame not in left_out]
    if len(kept) != len(video.labels):
        raise InputError(f"{video.masks}: {len(masks)} masks for {len(video.labels)} labelled frames")
    if len({mask.shape for mask in kept}) > 1:
        raise InputError(f"{video.masks}: the masks differ in size")
    return np.stack(kept)


def anomalous_frames(masks: Path, frames: int | None = None) -> NDArray[np.int8]:
    """(N,) int8 labels: 1 for each frame whose mask is not empty. The arguments are those of `iterate_masks`."""
    return np.array([mask.any() for mask in iterate_masks(masks, frames)], np.int8)


def iterate_masks(masks: Path, frames: int | None = None) -> Iterator[NDArray[np.bool_]]:
    """The (H, W) masks of one video in order, in any format that the docstring of this module lists.

    Args:
        masks: a file or folder of masks.
        frames: number of frames of the video. Only UBnormal needs it, whose annotations skip frames without objects.

    Raises:
        InputError: the masks cannot be read. The message names the file.
    """
    if masks.is_dir():
        files = frame_files(masks)
        if any(file.stem.endswith("_gt") for file in files):
            yield from _annotated(masks, files, frames)
        else:
            yield from map(mask_rule(masks), map(read_image, files))
    else:
        yield from map(mask_rule(masks), _volume(masks))


def mask_rule(masks: Path) -> MaskRule:
    """Which values are anomalous in the masks of one video, and a note where that had to be decided.

    Raises:
        InputError: the masks cannot be read, or their values do not say.
    """
    if not masks.is_dir():
        return judge_values(_volume(masks), masks)
    files = frame_files(masks)
    if any(file.stem.endswith("_gt") for file in files):
        return MaskRule()
    lossy = any(file.suffix.lower() in (".jpg", ".jpeg", ".jpe", ".jfif") for file in files)
    return judge_values(map(read_image, files), masks, lossy)


def read_image(file: Path) -> NDArray[Any]:
    """(H, W) values of a mask image. For a colour image it is the largest value of the channels without alpha.

    Raises:
        InputError: the file is not a readable image, or its mask is in the alpha channel alone.
    """
    values = read_picture(file, cv2.IMREAD_UNCHANGED)
    if values.ndim == 2:
        return values
    colours: NDArray[Any] = values[..., : 3 if values.shape[2] > 2 else 1].max(axis=2)
    if values.shape[2] in (2, 4) and np.ptp(values[..., -1]) and not np.ptp(colours):
        raise InputError(
            f"{file}: the mask is in the alpha channel, and its colour is the same everywhere; "
            "write it as black and white"
        )
    return colours


def read_tracks(file: Path) -> list[Track]:
    """The rows of an UBnormal *_tracks.txt: three whole numbers, in any way of writing them, and what may follow.

    Numbers are separated by blanks, commas or semicolons, and 50, 50.0 and 5.0e+01 are the same. Empty lines, comments
    that begin with # or %, and one line of column names on top are skipped.

    Raises:
        InputError: the file is not text, or a row is not a track: an id of 1 or more, and frames 0 <= first <= stop.
    """
    tracks: list[Track] = []
    first = True
    for number, line in enumerate(read_lines(file), 1):
        text = re.split("[#%]", line)[0].strip(" \t,;")
        words = re.split(r"[\s,;]+", text) if text else []
        title, first = first and not re.search(r"\d|nan|inf", text, re.IGNORECASE), first and not words
        if not words or title:
            continue
        where = f"{file}, line {number}"
        if len(words) < 3:
            raise InputError(f"{where}: {len(words)} numbers; a track is an object id, its first frame, and its end")
        names = ("object id", "first frame", "end")
        key, start, stop = (whole_number(word, f"{where}, {name}") for word, name in zip(words[:3], names, strict=True))
        if key < 0:
            raise InputError(f"{where}: object id {key}; the ids of objects are 1 or more, correct the line")
        if not 0 <= start <= stop:
            raise InputError(f"{where}: frames {start} to {stop} are not a track; correct the line")
        tracks.append((key, start, stop))
    return tracks


def annotated_frame(file: Path) -> int:
    """The frame of an UBnormal annotation NAME_<frame>_gt.png, counted from 0.

    Raises:
        InputError: there is no number in the name.
    """
    numbers = re.findall(r"\d+", file.stem.removesuffix("_gt"))
    if not numbers:
        raise InputError(f"{file}: no frame number in the name; it should end with _<frame>_gt")
    return int(numbers[-1])


def _annotated(folder: Path, files: list[Path], frames: int | None) -> Iterator[NDArray[np.bool_]]:
    annotations = {annotated_frame(file): file for file in files if file.stem.endswith("_gt")}
    tables = sorted(folder.glob("*_tracks.txt"))
    tracks = read_tracks(tables[0]) if tables else None
    empty = np.zeros(read_image(next(iter(annotations.values()))).shape, np.bool_)
    for frame in range(max(annotations) + 1 if frames is None else frames):
        if frame not in annotations:
            yield empty
            continue
        ids = read_image(annotations[frame])
        shown = [k for k, start, end in tracks or () if start <= frame < end]
        yield ids > 0 if tracks is None else np.isin(ids, shown) & (ids > 0)  # 0 is the background


def _volume(file: Path) -> NDArray[Any] | list[NDArray[Any]]:
    """The masks of a file as (N, H, W), or as N arrays (H, W)."""
    what = "no masks can be read from it"
    if file.suffix == ".mat":
        found = load_mat(file, "volLabel", what)
        with reading(file, what, "make volLabel a cell of one mask (H, W) per frame"):
            if np.asarray(found).dtype != object:
                return np.moveaxis(np.atleast_3d(numeric(found)), 2, 0)
            masks = cells_of(found)
            odd = next((n for n, mask in enumerate(masks, 1) if mask.ndim != 2), None)
            if odd is not None:
                raise ValueError(f"mask {odd} has the shape {masks[odd - 1].shape}")
            return masks
    if file.suffix.lower() == ".npz":
        with open_archive(file, what, "save it again with numpy.savez(file, masks=array)") as archive:
            array = member(archive, "masks")
    else:
        array = load_array(file, what)
    if array.ndim != 3:
        raise InputError(f"{file}: masks have the shape {array.shape}, not frames x height x width")
    with reading(file, what):
        return numeric(array)
