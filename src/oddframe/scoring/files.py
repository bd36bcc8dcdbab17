"""Score files: one .npz per video for programs, a .csv beside it for people. Both appear whole or not at all.

The .npz holds `frame`, `time`, `score`, one `component/NAME` each, `map` where there is one, and `meta`, a JSON text
with the identity of video and bundle. Nothing in it is compressed, so the map of a long video can be read in place.
"""

from __future__ import annotations

import csv
import json
import os
import shutil
import tempfile
import zipfile
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from oddframe.atomic import replacing
from oddframe.errors import InputError
from oddframe.types import FrameScores, VideoInfo

VERSION = 1
PREFIX = "component/"


class MapSpool:
    """Anomaly maps on their way to a score file, kept on disk so that memory does not grow with the video.

    Lives in a nameless temporary file in `folder`: nothing is left behind, however the process ends.

    Args:
        folder: made if missing; on the file system that the score file goes to.
        grid: (h, w) of every map.
    """

    def __init__(self, folder: Path, grid: tuple[int, int]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.grid = grid
        self.frames = 0
        self._file: IO[bytes] = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115, closed by `close`

    def append(self, maps: NDArray[np.float16]) -> None:
        """Add the (n, h, w) maps of the next n frames; stored as float16."""
        if maps.shape[1:] != self.grid:
            raise ValueError(f"maps of shape {maps.shape} do not fit a spool for {self.grid}")
        self._file.write(np.ascontiguousarray(maps, dtype=np.float16).data)
        self.frames += len(maps)

    def copy_to(self, file: IO[bytes]) -> None:
        """Write everything so far to `file` as one .npy array of shape (frames, h, w)."""
        header = {"descr": "<f2", "fortran_order": False, "shape": (self.frames, *self.grid)}
        np.lib.format.write_array_header_1_0(file, header)
        self._file.seek(0)
        shutil.copyfileobj(self._file, file, 1 << 20)
        self._file.seek(0, os.SEEK_END)

    def close(self) -> None:
        """Give the disk space back."""
        self._file.close()

    def __enter__(self) -> MapSpool:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def score_path(folder: Path, video: str) -> Path:
    """Where the scores of a video lie below `folder`; it exists exactly when they are complete."""
    return folder / f"{video}.npz"


def save_scores(scores: FrameScores, folder: Path, spool: MapSpool | None = None) -> Path:
    """Write the scores of one video, replacing older ones; the .npz comes last and says that both are complete.

    Args:
        folder: made if missing; a name such as "street/cam1" goes into a folder of its own.
        spool: takes the place of `scores.map`, with one map per frame; not closed.

    Returns:
        The path of the .npz.
    """
    if spool is not None and spool.frames != len(scores.frame):
        raise ValueError(f"{scores.video}: {spool.frames} maps for {len(scores.frame)} scored frames")
    path = score_path(folder, scores.video)
    with replacing(path.with_name(path.name.removesuffix(".npz") + ".csv")) as temporary:
        _write_table(temporary, scores)
    meta = {"version": VERSION, "video": scores.video, "bundle": scores.bundle, "info": asdict(scores.info)}
    arrays: dict[str, NDArray[Any]] = {"meta": np.array(json.dumps(meta))}
    arrays |= {"frame": scores.frame, "time": scores.time, "score": scores.score}
    arrays |= {PREFIX + name: values for name, values in scores.components.items()}
    if spool is None and scores.map is not None:
        arrays["map"] = scores.map
    with replacing(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array, allow_pickle=False)
        if spool is not None:
            with archive.open("map.npy", "w", force_zip64=True) as member:
                spool.copy_to(member)
    return path


def _write_table(path: Path, scores: FrameScores) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["frame", "time_s", "score", *scores.components])
        times = (f"{second:.3f}" for second in scores.time)
        columns = [(f"{value:.7g}" for value in values) for values in (scores.score, *scores.components.values())]
        table.writerows(zip(scores.frame, times, *columns, strict=True))


def load_scores(path: Path, with_map: bool = True) -> FrameScores:
    """Read what `save_scores` wrote.

    Args:
        with_map: give the map, if there is one, as a read-only view of the file (it is not loaded into memory).

    Raises:
        InputError: there is no such file, it is not a score file of this version, or its values cannot be scores (see
            `FrameScores`).
    """
    if not path.is_file():
        raise InputError(f"{path}: no such score file")
    try:
        with np.load(path, allow_pickle=False) as stored:
            meta = json.loads(str(stored["meta"]))
            if meta["version"] != VERSION:
                raise _OtherVersion(
                    f"{path}: score file of version {meta['version']}, this oddframe reads {VERSION}; "
                    "score the video again"
                )
            info = VideoInfo(**{**meta["info"], "damage": tuple(meta["info"]["damage"])})
            return FrameScores(
                video=meta["video"],
                frame=stored["frame"],
                time=stored["time"],
                components={n.removeprefix(PREFIX): stored[n] for n in stored.files if n.startswith(PREFIX)},
                score=stored["score"],
                info=info,
                bundle=meta["bundle"],
                map=_in_place(path, "map.npy") if with_map and "map" in stored.files else None,
            )
    except _OtherVersion:
        raise
    except (ValueError, KeyError, TypeError, OSError, zipfile.BadZipFile, InputError) as error:
        raise InputError(f"{path}: not a score file of oddframe ({error}); score the video again") from error


class _OtherVersion(InputError):
    """A whole score file that another version of oddframe wrote."""


def _in_place(path: Path, member: str) -> NDArray[np.float16]:
    """An uncompressed array inside a zip file, mapped where it lies."""
    with zipfile.ZipFile(path) as archive:
        start = archive.getinfo(member).header_offset
    with path.open("rb") as file:
        file.seek(start + 26)  # the two lengths that end the fixed 30 bytes of a local header (APPNOTE 4.3.7)
        name, extra = np.frombuffer(file.read(4), dtype="<u2").tolist()
        file.seek(start + 30 + name + extra)
        np.lib.format.read_magic(file)
        shape, _, dtype = np.lib.format.read_array_header_1_0(file)
        return np.memmap(file, dtype=dtype, mode="r", offset=file.tell(), shape=shape)
