"""Pixel masks: which pixels of a frame are anomalous. This module reads the formats in which data sets publish them.

    NAME.npz                `masks`, (N, H, W)
    NAME.npy                (N, H, W): ShanghaiTech's test_pixel_mask
    N_label.mat             `volLabel`, a cell of N masks (H, W), or an array (H, W, N): Avenue's testing_label_mask
    a folder of images      one per frame, in natural order: UCSD's TestNNN_gt, or the user's own
    a folder of annotations NAME_<frame>_gt.png, whose values are object ids, with NAME_tracks.txt: UBnormal. The frame
                            number in the name counts from 0. A frame without an image has an empty mask. If there are
                            tracks, an object counts only in the frames of its track

In all formats except UBnormal's, every value other than 0 is anomalous.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.io import loadmat
from scipy.io.matlab import MatReadError

from oddframe.datasets.labelled import LabelledVideo
from oddframe.errors import InputError
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
            yield from (read_image(file) > 0 for file in files)
    else:
        yield from (np.asarray(mask) > 0 for mask in _volume(masks))


def read_image(file: Path) -> NDArray[Any]:
    """(H, W) values of a mask image. For a colour image it is the largest value of the channels without alpha.

    Raises:
        InputError: the file is not a readable image.
    """
    data = np.fromfile(file, np.uint8)
    image = cv2.imdecode(data, cv2.IMREAD_UNCHANGED) if data.size else None
    if image is None:
        raise InputError(f"{file}: not an image that can be read")
    values = np.asarray(image)
    return values if values.ndim == 2 else values[..., :3].max(axis=2)


def read_tracks(file: Path) -> list[Track]:
    """The rows of an UBnormal *_tracks.txt. Rows of fewer than three numbers are skipped.

    Raises:
        InputError: the file is not text, or a row is not a track.
    """
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{file}: cannot be read as text ({error})") from error
    tracks = []
    for number, line in enumerate(lines, 1):
        row = [int(float(word)) for word in re.findall(r"\d+(?:\.\d*)?", line)]
        if len(row) >= 3:
            if row[1] > row[2]:
                raise InputError(f"{file}, line {number}: frames {row[1]} to {row[2]} are not a track")
            tracks.append((row[0], row[1], row[2]))
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
        yield ids > 0 if tracks is None else np.isin(ids, [k for k, start, end in tracks if start <= frame < end])


def _volume(file: Path) -> NDArray[Any]:
    """The masks of a file as (N, H, W), or as N arrays (H, W)."""
    try:
        if file.suffix == ".mat":
            cells = loadmat(file)["volLabel"]
            return cells.reshape(-1) if cells.dtype == object else np.moveaxis(np.atleast_3d(cells), 2, 0)
        found = np.load(file, allow_pickle=False)
        masks: NDArray[Any] = found["masks"] if file.suffix == ".npz" else found
    except (KeyError, ValueError, OSError, NotImplementedError, MatReadError, zipfile.BadZipFile) as error:
        raise InputError(f"{file}: no masks can be read from it ({error}); get the file again") from error
    if masks.ndim != 3:
        raise InputError(f"{file}: masks have the shape {masks.shape}, not frames x height x width")
    return masks
