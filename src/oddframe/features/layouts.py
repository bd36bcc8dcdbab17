"""Reader of public feature releases, in the layouts of their repositories.

| layout | files of one video | its rows are |
|---|---|---|
| rtfm | NAME.npy or NAME_i3d.npy, [n, crops, D] or [n, D] | snippets |
| urdmu | NAME.npy, [crops, n, D] | snippets |
| crops | NAME__k.npy, [n, D] for every crop k; crop 0 may be NAME.npy (DeepMIL, XD-Violence, VadCLIP) | snippets |
| sultani | NAME.txt, 32 lines of D numbers | segments |
| segments | an array NAME, [S, D], in one .npz | segments |

Files may lie in subfolders; the name of a video is the file name without folders. Crops are averaged. No layout states
the number of frames of a video. Opening a release lists the names; loading reads one video.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from oddframe.errors import InputError
from oddframe.features.extractor import Channels, fingerprint
from oddframe.features.snippets import SnippetFeatures, checked
from oddframe.reading.arrays import load_array, open_archive
from oddframe.reading.guard import reading
from oddframe.reading.tables import read_lines
from oddframe.video.order import natural_key

CROP_COUNTS = (1, 5, 10)
SULTANI_SEGMENTS = 32
WIDTHS = (512, 768, 1024, 2048, 4096)
"""Usual lengths D of the vectors of networks. So many rows of another length are taken for a transposed array."""

Array = NDArray[Any]


class LayoutSource:
    """Features of a public release, an `oddframe.features.snippets.FeatureSource`. `open_layout` makes it.

    Attributes:
        name: of the backbone; by default the name of the file or folder.
        dim: D of the first video. Loading checks that the other videos have the same D.
        fingerprint: hash of layout, D and name, because the files do not name their network. Releases that must not be
            mixed need different names.
        videos: names of the videos, in natural order.
        extractor: None. Such features serve for training, but new videos cannot be scored from their pixels.
    """

    extractor: None = None
    channels: Channels = "mean"  # of which network, and of how many frames, no layout says

    def __init__(self, layout: str, path: Path, name: str | None = None) -> None:
        self.path = path
        self.name = name or path.stem
        self._layout = LAYOUTS[layout]
        self._files = self._layout.find(path)
        self.videos = tuple(sorted(self._files, key=natural_key))
        if not self.videos:
            raise InputError(f"{path}: nothing of the layout {layout!r} there; it has {self._layout.has}")
        rows, self.dim = self._read(self.videos[0]).shape
        if rows in WIDTHS and self.dim not in WIDTHS:
            raise InputError(
                f"{self._files[self.videos[0]][0]}: {rows} rows of length {self.dim}, where a row is one vector of a "
                "network; the array looks transposed: store (n, D)"
            )
        self.fingerprint = fingerprint({"layout": layout, "dim": self.dim, "name": self.name})

    def load(self, video: str) -> SnippetFeatures:
        """The features of one video.

        Raises:
            InputError: there is no such video, or its file cannot be read, has another shape, or holds NaN or infinity.
        """
        if video not in self._files:
            raise InputError(f"{self.path}: has no features of {video}")
        return SnippetFeatures(video, self._read(video, self.dim), None, self._layout.kind)

    def _read(self, video: str, dim: int | None = None) -> NDArray[np.float32]:
        files = self._files[video]
        where = f"{files[0]}, {video}" if self._layout.kind == "segments" else files[0]
        return checked(where, self._layout.read(video, files), dim)


def open_layout(layout: str, path: Path, name: str | None = None) -> LayoutSource:
    """Open a public release.

    Args:
        layout: one of `LAYOUTS`.
        path: the folder, or for "segments" the file.
        name: of the backbone; None takes the name of the folder or file.

    Raises:
        InputError: `path` holds nothing in that layout, or two files have the same name.
    """
    if not path.exists():
        raise InputError(f"{path}: no such file or folder")
    return LayoutSource(layout, path, name)


@dataclass(frozen=True)
class Layout:
    """The layout of one kind of release on disk.

    Attributes:
        kind: of the rows.
        has: description of its files, for messages.
        find: path -> video -> its files, in the order of the crops.
        read: video and its files -> (n, D), with crops averaged in float32. An InputError names the file.
    """

    kind: Literal["snippets", "segments"]
    has: str
    find: Callable[[Path], dict[str, list[Path]]]
    read: Callable[[str, list[Path]], Array]


def _load(path: Path) -> Array:
    return load_array(path, "cannot be read as an array of numbers")


def _average(path: Path, array: Array, axis: int) -> Array:
    """Average the crops over their axis."""
    crops = array.shape[axis]
    if array.dtype.kind != "f" or crops not in CROP_COUNTS:
        shape = " x ".join(map(str, array.shape))
        raise InputError(
            f"{path}: {shape} {array.dtype} has no axis of 1, 5 or 10 crops in place {axis}; rtfm is (n, crops, D), "
            "urdmu (crops, n, D)"
        )
    return np.asarray(array.astype(np.float32).mean(axis))


def _rtfm(video: str, files: list[Path]) -> Array:
    array = _load(files[0])
    return _average(files[0], array, 1) if array.ndim == 3 else array


def _urdmu(video: str, files: list[Path]) -> Array:
    array = _load(files[0])
    if array.ndim != 3:
        raise InputError(f"{files[0]}: urdmu is (crops, n, D); here are {array.ndim} axes")
    return _average(files[0], array, 0)


def _crops(video: str, files: list[Path]) -> Array:
    crops = [checked(path, _load(path)) for path in files]
    for path, crop in zip(files, crops, strict=True):
        if crop.shape != crops[0].shape:
            raise InputError(f"{path}: has shape {crop.shape}, {files[0].name} has {crops[0].shape}")
    mean: NDArray[np.float32] = np.stack(crops).mean(0)
    return mean


def _sultani(video: str, files: list[Path]) -> Array:
    lines = [line for line in read_lines(files[0]) if line.strip()]
    with reading(files[0], "cannot be read as lines of numbers"):
        rows = np.loadtxt(lines, dtype=np.float32, ndmin=2) if lines else np.zeros((0, 0), np.float32)
    if len(rows) != SULTANI_SEGMENTS:
        raise InputError(f"{files[0]}: has {len(rows)} lines of numbers; the layout has {SULTANI_SEGMENTS}")
    return rows


def _segments(video: str, files: list[Path]) -> Array:
    with open_archive(files[0], f"{video} cannot be read") as archive:
        return np.asarray(archive[video])


def _by_name(path: Path, suffix: str, name: Callable[[str], str]) -> dict[str, list[Path]]:
    """Video -> its files below `path`; `name` converts the stem of a file to the name of its video."""
    found: dict[str, list[Path]] = {}
    for file in sorted(path.rglob(f"*{suffix}"), key=lambda file: natural_key(str(file))):
        if not file.name.startswith("."):
            found.setdefault(name(file.stem), []).append(file)
    return found


def _single(suffix: str, ending: str = "") -> Callable[[Path], dict[str, list[Path]]]:
    """Make the function that finds releases with one file per video."""

    def find(path: Path) -> dict[str, list[Path]]:
        found = _by_name(path, suffix, lambda stem: stem.removesuffix(ending))
        for video, files in found.items():
            if len(files) > 1:
                raise InputError(f"{files[0]} and {files[1]} are both features of {video}; give the folder of one")
        return found

    return find


def _find_crops(path: Path) -> dict[str, list[Path]]:
    """The crops of every video in order. Every crop must exist exactly once."""
    ordered = {}
    for video, files in _by_name(path, ".npy", lambda stem: re.sub(r"__\d+$", "", stem)).items():
        numbered: dict[int, Path] = {}
        for file in files:
            number = int(file.stem[len(video) :].removeprefix("__") or 0)
            other = numbered.setdefault(number, file)
            if other != file:
                raise InputError(f"{other} and {file} are both crop {number} of {video}; give the folder of one")
        missing = set(range(max(numbered) + 1)) - set(numbered)
        if missing:
            raise InputError(f"{path}: crop {min(missing)} of {video} is missing; it has {len(numbered)} crops")
        ordered[video] = [numbered[number] for number in sorted(numbered)]
    return ordered


def _find_segments(path: Path) -> dict[str, list[Path]]:
    with open_archive(path, "not an .npz of arrays") as archive:
        return {video: [path] for video in archive.files}


LAYOUTS = {
    "rtfm": Layout("snippets", "files NAME.npy of (n, crops, D) or (n, D)", _single(".npy", "_i3d"), _rtfm),
    "urdmu": Layout("snippets", "files NAME.npy of (crops, n, D)", _single(".npy"), _urdmu),
    "crops": Layout("snippets", "files NAME__k.npy of (n, D), one for every crop k", _find_crops, _crops),
    "sultani": Layout("segments", "files NAME.txt of 32 lines", _single(".txt"), _sultani),
    "segments": Layout("segments", "one .npz with an array (S, D) for every video", _find_segments, _segments),
}
