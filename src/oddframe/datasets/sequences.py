"""Sequences of objects cut out of video, which `oddframe.datasets.pseudo` pastes into other video.

`sequences_from_ubnormal` follows step A of SDMAE's recipe. `sequences_from_folder` reads the user's own cut-outs.
`sequences_from_world` draws the pseudo-anomaly kinds of the synthetic street.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from oddframe.datasets.masks import annotated_frame, read_tracks
from oddframe.errors import InputError
from oddframe.reading.images import read_picture
from oddframe.street.camera import Camera
from oddframe.street.crowd import travel
from oddframe.street.puppet import Puppet
from oddframe.street.scene import random_light
from oddframe.street.things import FIGURES, PSEUDO_KINDS
from oddframe.video.decode import VideoReader
from oddframe.video.order import natural_key
from oddframe.video.sources import FRAME_SUFFIXES, VIDEO_SUFFIXES, VideoSource, frame_files

UBNORMAL_CANVAS = (320, 640)  # the frame size to which SDMAE's recipe resizes UBnormal's objects
UBNORMAL_SMALLEST = 267  # pixels at native size: a track ends at the first frame with a smaller object
WORLD_FPS = 12.5
WORLD_FRAMES = 64


@dataclass(frozen=True, eq=False)
class ObjectSequence:
    """One object over n frames, each cut out to its bounding box on a canvas of the source's frame size.

    Attributes:
        canvas: (height, width) of the source's frames in pixels.
        crops: n pictures (h, w, 4) uint8: blue, green, red multiplied by the mask, and the mask, 0..255. A crop is
            empty (h or w of 0) where the object is out of sight.
        corners: (n, 2) int64, row and column of each crop's top left pixel on the canvas.
        area: (n,) float64, fraction of the canvas that the mask covers.
        source: the video or kind it comes from. Sequences of one source share its chance of being drawn.
    """

    canvas: tuple[int, int]
    crops: tuple[NDArray[np.uint8], ...]
    corners: NDArray[np.int64]
    area: NDArray[np.float64]
    source: str = ""

    def __len__(self) -> int:
        return len(self.crops)

    @classmethod
    def cut(
        cls, pictures: Sequence[tuple[NDArray[np.uint8], int, int]], canvas: tuple[int, int], source: str = ""
    ) -> ObjectSequence:
        """Make a sequence from (picture, row, column on the canvas). Each picture is cut to the bounds of its mask."""
        crops, corners = [], []
        for picture, top, left in pictures:
            rows, columns = np.flatnonzero(picture[..., 3].any(axis=1)), np.flatnonzero(picture[..., 3].any(axis=0))
            if len(rows):
                tight = picture[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
                crops.append(np.ascontiguousarray(tight))
                corners.append((top + int(rows[0]), left + int(columns[0])))
            else:
                crops.append(np.zeros((0, 0, 4), np.uint8))
                corners.append((0, 0))
        area = np.array([np.count_nonzero(crop[..., 3] > 127) for crop in crops]) / (canvas[0] * canvas[1])
        return cls(canvas, tuple(crops), np.array(corners, np.int64).reshape(-1, 2), area, source)

    @classmethod
    def from_frames(cls, images: NDArray[np.uint8], masks: NDArray[np.uint8], source: str = "") -> ObjectSequence:
        """Make a sequence from whole frames (n, H, W, 3) BGR and masks (n, H, W) of 0..255."""
        pictures = [(masked(image, mask), 0, 0) for image, mask in zip(images, masks, strict=True)]
        return cls.cut(pictures, (masks.shape[1], masks.shape[2]), source)


def project(
    crop: NDArray[np.uint8], corner: NDArray[np.int64], matrix: NDArray[np.float64], size: tuple[int, int]
) -> tuple[int, int, NDArray[np.uint8]] | None:
    """Transform a crop from its canvas to a frame, with bilinear interpolation.

    Args:
        crop: (h, w, 4) as in `ObjectSequence`.
        corner: row and column of its first pixel on the canvas.
        matrix: (2, 3) from points (x, y, 1) of the canvas to the frame; only scaling, mirroring and translation. Points
            are in pixels, with the outer corner of the first pixel at (0, 0).
        size: (height, width) of the frame.

    Returns:
        Row and column in the frame, and the picture to put there; None if no part of it is inside the frame.
    """
    height, width = crop.shape[:2]
    top, left = int(corner[0]), int(corner[1])
    ends_x = [matrix[0, 0] * x + matrix[0, 2] for x in (left - 0.5, left + width + 0.5)]
    ends_y = [matrix[1, 1] * y + matrix[1, 2] for y in (top - 0.5, top + height + 0.5)]
    x0, x1 = max(math.floor(min(ends_x)), 0), min(math.ceil(max(ends_x)), size[1])
    y0, y1 = max(math.floor(min(ends_y)), 0), min(math.ceil(max(ends_y)), size[0])
    if not height or not width or x1 <= x0 or y1 <= y0:
        return None
    (sx, _, tx), (_, sy, ty) = matrix
    # The same matrix in coordinates of pixel centres, relative to the two cut-outs.
    centred = np.array(
        [
            [sx, 0.0, sx * (left + 0.5) + tx - x0 - 0.5],
            [0.0, sy, sy * (top + 0.5) + ty - y0 - 0.5],
        ]
    )
    picture = cv2.warpAffine(crop, centred, (x1 - x0, y1 - y0), flags=cv2.INTER_LINEAR)
    return y0, x0, picture.astype(np.uint8, copy=False)


def resize_matrix(canvas: tuple[int, int], size: tuple[int, int]) -> NDArray[np.float64]:
    """The matrix for `project` that stretches the whole canvas to the whole frame."""
    return np.array([[size[1] / canvas[1], 0.0, 0.0], [0.0, size[0] / canvas[0], 0.0]])


def sequences_from_world(seed: int, size: tuple[int, int], count: int = 48) -> list[ObjectSequence]:
    """Draw pseudo-anomalies that move through the synthetic street, each in front of another camera.

    Args:
        seed: of appearance, cameras and paths.
        size: (height, width) of the canvas. The size of the frames they are pasted into saves resizing.
        count: number of sequences. The kinds take turns, and `source` is the kind.
    """
    return [
        _draw_sequence(PSEUDO_KINDS[k % len(PSEUDO_KINDS)], size, np.random.default_rng((seed, k)))
        for k in range(count)
    ]


def _draw_sequence(kind: str, size: tuple[int, int], rng: np.random.Generator) -> ObjectSequence:
    """Draw one figure that crosses the view of a camera on a straight path, or stands still if its speed is 0."""
    figure, camera, light = FIGURES[kind](rng), Camera.random(size, rng), random_light(rng)
    y = float(rng.uniform(10.5, 20.0))
    low, high = camera.span(y)
    speed, way = float(rng.uniform(*figure.speed)), int(rng.choice([-1, 1]))
    if speed:
        first = (low if way > 0 else high) + way * float(rng.uniform(0.0, 0.4)) * (high - low)
        duration = max(abs((high if way > 0 else low) - first) / speed, 1.0)
        last = y + float(rng.uniform(-1.5, 1.5))  # the path is not exactly parallel to the walkway
        knots = [(0.0, first, y), (duration, first + way * speed * duration, max(last, 9.5))]
    else:
        x, duration = float(rng.uniform(low + 0.5, high - 0.5)), 4.0
        knots = [(0.0, x, y), (duration, x + 1e-3, y)]
    times = np.arange(min(int(duration * WORLD_FPS), WORLD_FRAMES)) / WORLD_FPS
    actor = travel(kind, figure, times, knots)
    scale = max(camera.project(float(a), float(b), 0.0)[2] for a, b in zip(actor.x, actor.y, strict=True))
    puppet, turn = Puppet(figure, camera, light, scale), float(rng.uniform(0, 2 * math.pi))
    pictures = []
    for x, y, heading, phase, moving in zip(actor.x, actor.y, actor.heading, actor.phase, actor.moving, strict=True):
        stamp = puppet.stamp(
            float(x), float(y), 0.0, float(heading) if speed else turn, float(phase) % 1.0, bool(moving)
        )
        empty = np.zeros((0, 0, 4), np.uint8)
        pictures.append((empty, 0, 0) if stamp is None else (stamp.image, stamp.top, stamp.left))
    return ObjectSequence.cut(pictures, size, kind)


def sequences_from_folder(root: str | Path) -> list[ObjectSequence]:
    """Read the user's own cut-outs: every subfolder of `root` (or `root` itself) is a sequence, in natural order.

    A sequence consists of RGBA images whose alpha is the mask; or of images NAME.EXT, each with a NAME_mask.EXT; or of
    two folders `images` and `masks` with the same names. All images of a sequence have the same size.

    Raises:
        InputError: nothing is found, an image has no mask, or an image cannot be read. The message names it.
    """
    root = Path(root)
    if not root.is_dir():
        raise InputError(f"{root}: no such folder of object sequences")
    folders = [root, *sorted((p for p in root.iterdir() if p.is_dir()), key=lambda p: natural_key(p.name))]
    found = []
    for folder in folders:
        pairs = list(_image_pairs(folder))
        if not pairs:
            continue
        frames = [_read_rgba(image, mask) for image, mask in pairs]
        for (path, _), frame in zip(pairs, frames, strict=True):
            if frame.shape != frames[0].shape:
                raise InputError(
                    f"{path}: has not the size of the images before it, {frames[0].shape[1]}x{frames[0].shape[0]}"
                )
        found.append(ObjectSequence.cut([(f, 0, 0) for f in frames], frames[0].shape[:2], folder.name))
    if not found:
        raise InputError(
            f"{root}: no object sequences; each subfolder needs RGBA images, or NAME.png with NAME_mask.png, "
            "or folders images and masks"
        )
    return found


def _image_pairs(folder: Path) -> Iterator[tuple[Path, Path | None]]:
    """Each image of a sequence with its mask, or with None if its alpha channel is the mask."""
    if (folder / "images").is_dir() and (folder / "masks").is_dir():
        masks = {path.stem: path for path in frame_files(folder / "masks")}
        for image in frame_files(folder / "images"):
            if image.stem not in masks:
                raise InputError(f"{image}: no mask of this name in {folder / 'masks'}")
            yield image, masks[image.stem]
        return
    if folder.name in ("images", "masks"):
        return  # read together with the parent folder
    files = frame_files(folder)
    masks = {path.stem.removesuffix("_mask"): path for path in files if path.stem.endswith("_mask")}
    for image in files:
        if not image.stem.endswith("_mask"):
            yield image, masks.get(image.stem)


def _read_rgba(image: Path, mask: Path | None) -> NDArray[np.uint8]:
    """An image with its mask in the format of `ObjectSequence`, (H, W, 4)."""
    picture = _read(image, cv2.IMREAD_UNCHANGED if mask is None else cv2.IMREAD_COLOR)
    if mask is not None:
        alpha = _read(mask, cv2.IMREAD_GRAYSCALE)
        if alpha.shape != picture.shape[:2]:
            raise InputError(
                f"{mask}: is {alpha.shape[1]}x{alpha.shape[0]}, its image {picture.shape[1]}x{picture.shape[0]}"
            )
        alpha = alpha * np.uint8(255) if alpha.max(initial=0) == 1 else alpha  # masks of 0 and 1 are scaled to 0..255
        return masked(picture, alpha)
    if picture.ndim != 3 or picture.shape[2] != 4:
        raise InputError(f"{image}: has no alpha channel and no {image.stem}_mask{image.suffix} beside it")
    return masked(picture[..., :3], picture[..., 3])


def _read(path: Path, flags: int) -> NDArray[np.uint8]:
    what = "not an 8-bit image that can be read"
    image = read_picture(path, flags, what)
    if image.dtype != np.uint8:
        raise InputError(f"{path}: {what}; it has values of the type {image.dtype}")
    return image.astype(np.uint8, copy=False)


def masked(image: NDArray[np.uint8], mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The image multiplied by the mask, with the mask as fourth channel."""
    lit = (image.astype(np.uint16) * mask[..., None] + 127) // 255
    return np.dstack([lit.astype(np.uint8), mask])


def sequences_from_ubnormal(root: str | Path) -> list[ObjectSequence]:
    """Read the abnormal objects of UBnormal in its released layout.

    At any depth below `root` there are files `NAME_tracks.txt` with rows object id, first frame, last frame
    (exclusive). The same folder holds annotations `NAME_<frame>_gt.png`, whose values are object ids. The frames are in
    `NAME.mp4` (or another container) or in a folder `NAME` or `NAME_frames`, in the same folder or one folder up. Only
    names that contain "abnormal" count. Objects are resized to 640x320 with their frame, as in SDMAE's recipe. Give
    only the training scenes, so that no test object is learnt.

    Raises:
        InputError: nothing is found, or frames or annotations are missing. The message names the video.
        VideoError: a video cannot be read.
    """
    root = Path(root)
    tracks = sorted((p for p in root.rglob("*_tracks.txt") if "abnormal" in p.name), key=lambda p: natural_key(str(p)))
    found = [sequence for path in tracks for sequence in _cut_tracks(path)]
    if not found:
        raise InputError(f"{root}: no UBnormal object tracks (abnormal*_tracks.txt beside their annotation images)")
    return found


def _cut_tracks(path: Path) -> list[ObjectSequence]:
    """Cut out all tracks of one video."""
    name = path.name.removesuffix("_tracks.txt")
    tracks = read_tracks(path)
    last = max((end for _, _, end in tracks), default=0)
    annotations = {
        annotated_frame(p): p for p in frame_files(path.parent) if p.stem.startswith(name) and p.stem.endswith("_gt")
    }
    open_tracks: dict[int, list[tuple[NDArray[np.uint8], int, int]]] = {k: [] for k in range(len(tracks))}
    closed: set[int] = set()
    with VideoReader(_frames_of(name, path), threads=0) as reader:
        for frame in islice(reader, last):
            active = [k for k, (_, start, end) in enumerate(tracks) if k not in closed and start <= frame.index < end]
            if not active:
                continue
            if frame.index not in annotations:
                raise InputError(f"{path}: no annotation image for frame {frame.index} beside it")
            ids = _read(annotations[frame.index], cv2.IMREAD_UNCHANGED)
            ids = ids if ids.ndim == 2 else ids[..., 0]
            if ids.shape != frame.image.shape[:2]:
                raise InputError(f"{annotations[frame.index]}: has not the size of the video's frames")
            for k in active:
                mask = ids == tracks[k][0]
                if np.count_nonzero(mask) < UBNORMAL_SMALLEST:
                    closed.add(k)
                else:
                    open_tracks[k].append(_shrunk(frame.image, mask))
    return [ObjectSequence.cut(pictures, UBNORMAL_CANVAS, name) for pictures in open_tracks.values() if pictures]


def _shrunk(image: NDArray[np.uint8], mask: NDArray[np.bool_]) -> tuple[NDArray[np.uint8], int, int]:
    """The picture of the object at the recipe's canvas size, with its row and column."""
    top, left, height, width = _bounds(mask)
    part = np.s_[top : top + height, left : left + width]
    crop = masked(image[part], mask[part].astype(np.uint8) * np.uint8(255))
    matrix = resize_matrix((mask.shape[0], mask.shape[1]), UBNORMAL_CANVAS)
    placed = project(crop, np.array([top, left]), matrix, UBNORMAL_CANVAS)
    assert placed is not None  # the mask has hundreds of pixels inside the frame
    return placed[2], placed[0], placed[1]


def _bounds(mask: NDArray[np.bool_]) -> tuple[int, int, int, int]:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return int(rows[0]), int(columns[0]), int(rows[-1] - rows[0]) + 1, int(columns[-1] - columns[0]) + 1


def _frames_of(name: str, tracks: Path) -> VideoSource:
    """Find the frames of a video near its tracks file."""
    for folder in (tracks.parent, tracks.parent.parent):
        for suffix in VIDEO_SUFFIXES:
            if (folder / f"{name}{suffix}").is_file():
                return VideoSource(name, folder / f"{name}{suffix}", "file")
        for frames in (folder / name, folder / f"{name}_frames"):
            if frames.is_dir() and any(p.suffix.lower() in FRAME_SUFFIXES for p in frames.iterdir()):
                return VideoSource(name, frames, "frames")
    raise InputError(f"{tracks}: the frames are missing: no {name}.mp4 and no folder {name} beside it or one folder up")
