"""Score files: one .npz per video for programs, a .csv beside it for people. Both appear whole or not at all.

The .npz holds `frame`, `time`, `score`, one `component/NAME` each, `map` where there is one, and `meta`, a JSON text
with the identity of video and bundle, and with the camera's own faults where they were looked for. Nothing in it is
compressed, so the map of a long video can be read in place.
"""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import tempfile
import zipfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any, TextIO

import numpy as np
from numpy.typing import NDArray

from oddframe.atomic import naming, replacing
from oddframe.errors import InputError
from oddframe.reading.arrays import in_place, open_archive
from oddframe.reading.records import read_object, record_of
from oddframe.types import CameraFault, FrameScores, VideoInfo

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
        self._folder = folder
        with naming(folder):
            self._file: IO[bytes] = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115, closed by `close`

    def append(self, maps: NDArray[np.float16]) -> None:
        """Add the (n, h, w) maps of the next n frames; stored as float16."""
        if maps.shape[1:] != self.grid:
            raise ValueError(f"maps of shape {maps.shape} do not fit a spool for {self.grid}")
        with naming(self._folder):
            self._file.write(np.ascontiguousarray(maps, dtype=np.float16).data)
        self.frames += len(maps)

    def copy_to(self, file: IO[bytes]) -> None:
        """Write everything so far to `file` as one .npy array of shape (frames, h, w)."""
        header = {"descr": "<f2", "fortran_order": False, "shape": (self.frames, *self.grid)}
        np.lib.format.write_array_header_1_0(file, header)
        with naming(self._folder):  # what was not on the disk yet is written now
            self._file.seek(0)
        shutil.copyfileobj(self._file, file, 1 << 20)
        self._file.seek(0, os.SEEK_END)

    def close(self) -> None:
        """Give the disk space back."""
        with suppress(OSError):  # a full disk takes no last writes, and nobody reads them
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
    with replacing(_table_path(path)) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        _write_table(file, scores)
    meta = {"version": VERSION, "video": scores.video, "bundle": scores.bundle, "info": asdict(scores.info)}
    if scores.faults is not None:
        meta["faults"] = [fault_row(fault) for fault in scores.faults]
    arrays: dict[str, NDArray[Any]] = {"meta": np.array(json.dumps(meta))}
    arrays |= {"frame": scores.frame, "time": scores.time, "score": scores.score}
    arrays |= {PREFIX + name: values for name, values in scores.components.items()}
    if spool is None and scores.map is not None:
        arrays["map"] = scores.map
    write_archive(path, arrays, spool)
    return path


def write_archive(path: Path, arrays: Mapping[str, NDArray[Any]], spool: MapSpool | None = None) -> None:
    """Write arrays as one .npz without compression, atomically; the maps of a spool become its `map`."""
    with replacing(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array, allow_pickle=False)
        if spool is not None:
            with archive.open("map.npy", "w", force_zip64=True) as member:
                spool.copy_to(member)


def restore_table(scores: FrameScores, folder: Path) -> None:
    """Write the .csv of stored scores again where it is missing, or is not what they say."""
    path, text = _table_path(score_path(folder, scores.video)), io.StringIO()
    _write_table(text, scores)
    content = text.getvalue().encode()
    try:
        whole = path.stat().st_size == len(content) and path.read_bytes() == content
    except OSError:
        whole = False
    if not whole:
        with replacing(path) as temporary:
            temporary.write_bytes(content)


def _table_path(path: Path) -> Path:
    return path.with_name(path.name.removesuffix(".npz") + ".csv")


def _write_table(file: TextIO, scores: FrameScores) -> None:
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
    with open_archive(path, "not a score file of oddframe", "score the video again") as stored:
        meta = read_object(str(stored["meta"]))
        if meta["version"] != VERSION:
            raise InputError(
                f"{path}: score file of version {meta['version']}, this oddframe reads {VERSION}; score the video again"
            )
        try:
            return FrameScores(
                video=meta["video"],
                frame=stored["frame"],
                time=stored["time"],
                components={n.removeprefix(PREFIX): stored[n] for n in stored.files if n.startswith(PREFIX)},
                score=stored["score"],
                info=VideoInfo.parse(meta["info"]),
                bundle=meta["bundle"],
                map=in_place(path, "map.npy") if with_map and "map" in stored.files else None,
                faults=tuple(map(fault_of, meta["faults"])) if "faults" in meta else None,
            )
        except InputError as error:  # of values that cannot be scores
            raise ValueError(str(error)) from error


def fault_row(fault: CameraFault) -> dict[str, Any]:
    """A fault of the camera as plain values for JSON: seconds to the millisecond, its strength to the hundredth."""
    row = asdict(fault)
    rounded = {"start_s": round(fault.start_s, 3), "end_s": round(fault.end_s, 3), "strength": round(fault.strength, 2)}
    return {**row, **rounded}


def fault_of(row: Mapping[str, Any]) -> CameraFault:
    """What `fault_row` made plain.

    Raises:
        ValueError: it is no such row.
    """
    return record_of(CameraFault, row)


def stored_identity(path: Path) -> tuple[str, str] | None:
    """The bundle and the content key that a score file carries; None where there is no such file, or not a whole one.

    The key is empty in files of versions that wrote none.
    """
    try:
        with open_archive(path) as stored:
            meta = read_object(str(stored["meta"]))
        return str(meta["bundle"]), str(meta["info"].get("key", ""))
    except Exception:  # what is damaged can raise almost anything
        return None
