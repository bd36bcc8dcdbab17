"""The score files behind events, and of the days of a camera."""

from __future__ import annotations

import hashlib
import json
import math
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from oddframe.errors import InputError
from oddframe.live.names import safe_name
from oddframe.reading.arrays import member, open_archive
from oddframe.scoring.files import load_scores, score_path
from oddframe.server.library import Library
from oddframe.store.reading import StoredEvent
from oddframe.types import FrameScores

SCORES = "scores"
FINE_S = 1.0  # of the maxima that are kept of files once read
_SLACK_S = 5.0  # by which arrival and media clock may differ
_STAMP = "%Y-%m-%dT%H-%M-%S.%fZ"
_TRIED = 60  # files around a moment in which it is looked for
K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Recent(dict[K, V]):
    """Values that were asked for lately; threads may share it."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self._most, self._order, self._guard = most, OrderedDict[K, None](), threading.Lock()

    def get_or(self, key: K, make: Callable[[], V]) -> V:
        """The value of a key, made if it is not there."""
        with self._guard:
            if key in self:
                self._order.move_to_end(key)
                return self[key]
        made = make()
        with self._guard:
            self[key] = made
            self._order[key] = None
            while len(self) > self._most:
                del self[self._order.popitem(last=False)[0]]
        return made


@dataclass(frozen=True)
class Curve:
    """The scores of a file: (N,) seconds, rising, and scores."""

    time: NDArray[np.float64]
    score: NDArray[np.float64]


class ScoreFiles:
    """Reads score files. What was read lately is kept; a file that has changed is read again."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self._scores = Recent[tuple[str, int], FrameScores](4)
        self._curves = Recent[tuple[str, int], Curve](2000)

    def of(self, event: StoredEvent) -> FrameScores | None:
        """The scores in which an event was found; None where they are not there any more."""
        file = self._of_camera(event) if event.video is None else self._of_video(event)
        if file is None:
            return None
        try:
            scores = self._scores.get_or(_state(file), lambda: load_scores(file))
        except (InputError, OSError):
            return None
        if scores.bundle != event.bundle or (event.video is not None and scores.info.key != event.key):
            return None  # scored anew meanwhile
        return scores

    def size(self, camera: str) -> tuple[int, int] | None:
        """(width, height) of a camera's pictures, from its newest score file."""
        files = self.of_camera(camera)
        try:
            info = self._scores.get_or(_state(files[-1][1]), lambda: load_scores(files[-1][1])).info if files else None
        except (InputError, OSError):
            return None
        return None if info is None else (info.width, info.height)

    def of_camera(self, camera: str) -> list[tuple[float, Path]]:
        """(seconds since 1970 of the first frame, path) of the score files of a camera, in order."""
        folder = self._library.camera_folder(camera)
        place = None if folder is None else folder / SCORES / safe_name(camera)
        if place is None or not place.is_dir():
            return []
        found = []
        for path in place.glob("*.npz"):
            try:
                found.append((datetime.strptime(path.stem, _STAMP).replace(tzinfo=UTC).timestamp(), path))
            except ValueError:
                continue  # not a file of a watch
        return sorted(found)

    def curve(self, file: Path, fine: bool) -> Curve:
        """The scores of a file: of each frame, or the largest of each second."""
        if fine:
            return read_curve(file)
        return self._curves.get_or(_state(file), lambda: _maxima(read_curve(file), FINE_S))

    def video_file(self, video: str, score_file: str | None) -> Path | None:
        """Where the scores of a video lie: where they were recorded, or in the folder of the store."""
        recorded = None if score_file is None else self._library.path_of(score_file)
        if recorded is not None and recorded.is_file():
            return recorded
        if self._library.folder is None:
            return None
        beside = self._library.path_of(score_path(Path(SCORES), video).as_posix())
        return beside if beside is not None and beside.is_file() else None

    def _of_video(self, event: StoredEvent) -> Path | None:
        assert event.video is not None
        return self.video_file(event.video, self._library.store.explanation(event.id).score_file)

    def _of_camera(self, event: StoredEvent) -> Path | None:
        peak = event.peak_utc
        if event.camera is None or peak is None:
            return None
        near = sorted(self.of_camera(event.camera), key=lambda entry: abs(entry[0] - peak))[:_TRIED]
        doubtful = []
        for begin, file in near:
            try:
                time = self.curve(file, fine=False).time
            except (InputError, OSError):
                continue
            if len(time) and time[0] - FINE_S <= event.peak_s <= time[-1] + FINE_S:
                if abs(begin + event.peak_s - time[0] - peak) < _SLACK_S:
                    return file
                doubtful.append(file)
        # A file that was watched faster than it plays: its scores have times ahead of the clock.
        return next((file for file in doubtful if self._is_of(event, file)), None)

    def _is_of(self, event: StoredEvent, file: Path) -> bool:
        """Whether an event began in a score file: its id is made of bundle, stretch and first frame."""
        try:
            scores = self._scores.get_or(_state(file), lambda: load_scores(file))
        except (InputError, OSError):
            return False
        frame = int(scores.frame[int(np.argmin(np.abs(scores.time - event.start_s)))])
        stretch = "-".join(scores.info.key.split("-")[:2])  # parts of a long one have a third part in their keys
        name = json.dumps([scores.bundle, stretch, frame])
        return hashlib.sha256(name.encode()).hexdigest()[:16] == event.id


def read_curve(file: Path) -> Curve:
    """Times and scores of a score file, without its components and maps.

    Raises:
        InputError: it is not a score file.
    """
    with open_archive(file, "not a score file of oddframe", "score the video again") as stored:
        time, score = (np.asarray(member(stored, name), np.float64) for name in ("time", "score"))
        if time.ndim != 1 or time.shape != score.shape or (np.diff(time) < 0).any():
            raise ValueError("times and scores do not fit")
        return Curve(time, score)


def binned(curves: Iterator[Curve], start: float, end: float, bins: int) -> list[float | None]:
    """The largest score in each of `bins` equal parts of [start, end); None where there is none."""
    highest = np.full(bins, -np.inf)
    width = (end - start) / bins
    for curve in curves:
        inside = (curve.time >= start) & (curve.time < end) & np.isfinite(curve.score)
        place = np.minimum(((curve.time[inside] - start) / width).astype(np.int64), bins - 1)
        np.maximum.at(highest, place, curve.score[inside])
    return [float(f"{value:.7g}") if math.isfinite(value) else None for value in highest.tolist()]


def _maxima(curve: Curve, step: float) -> Curve:
    """The largest score of each `step` seconds, at the time at which it lies."""
    if not len(curve.time):
        return curve
    part = np.floor(curve.time / step)
    edges = np.flatnonzero(np.r_[True, part[1:] != part[:-1]])
    highest = np.maximum.reduceat(curve.score, edges)
    return Curve(curve.time[edges], highest)


def _state(file: Path) -> tuple[str, int]:
    """What changes when a file is written anew."""
    stat = file.stat()
    return str(file), stat.st_mtime_ns ^ stat.st_ino
