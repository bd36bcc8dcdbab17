"""The scores of a watched camera on disk, as files that all that reads scores reads.

    scores/CAMERA/2026-01-31T12-00-00.000Z.npz    one for each stretch, and for every ten minutes of a long one
    scores/CAMERA/2026-01-31T12-00-00.000Z.csv

The name is the time of arrival of the first frame, in UTC. What a file does not hold is told in the notes of its video:
when its first frame arrived, why the stretch ended, and how many frames were dropped. Maps wait on the disk and the
rest in memory, for ten minutes at the most.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import numpy as np

from oddframe.account import count_of
from oddframe.disk import in_words
from oddframe.errors import OddframeError
from oddframe.live.messages import Begun, Ended, iso
from oddframe.live.names import safe_name
from oddframe.scoring.files import MapSpool, save_scores
from oddframe.types import CameraFault, FrameScores

LONGEST_S = 600.0  # seconds of a stretch in one file
MOST_FRAMES = 40_000  # of a file, where a camera is faster than most
MOST_PIECES = 256  # that wait apart; a piece of one frame takes a hundred times what is in it


class ScoreThread:
    """The thread that writes the score files of all cameras, so that scoring waits for no disk.

    A disk that hangs holds up neither the end of watching nor that of the process.
    """

    def __init__(self) -> None:
        self._jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="scores", daemon=True)
        self._thread.start()

    def submit(self, job: Callable[[], None]) -> None:
        """Do something after all that was submitted before."""
        self._jobs.put(job)

    def close(self, timeout: float = 2.0) -> bool:
        """End after what was submitted; whether that was done within so many seconds."""
        self._jobs.put(None)
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()


class ScoreWriter:
    """Writes the scores of one camera. A disk that fails is told and does not end watching.

    Args:
        folder: the output folder; scores lie in `scores` below it.
        camera: its name.
        say: is told in one line what goes wrong.
        files: writes them.
        watched: whether faults of the camera are looked for.

    Attributes:
        written: paths of the files that are complete.
    """

    def __init__(
        self, folder: Path, camera: str, say: Callable[[str], None], files: ScoreThread, watched: bool = False
    ) -> None:
        self._folder, self._camera, self._say, self._files = folder / "scores", camera, say, files
        self._watched = watched
        self.written: list[Path] = []
        self._begun: Begun | None = None
        self._part = 0
        self._pieces: list[FrameScores] = []
        self._faults: list[CameraFault] = []
        self._frames = 0
        self._spool: MapSpool | None = None
        self._failing = False

    def begin(self, begun: Begun) -> None:
        """A stretch begins."""
        self._begun, self._part = begun, 0

    def push(self, scores: FrameScores) -> None:
        """Take the scores of the next frames of the stretch."""
        if not len(scores.frame):
            return
        if self._pieces and self._full(scores):
            self._write(f"goes on in the next file, from frame {int(scores.frame[0])} on")
        try:
            if scores.map is not None:
                if self._spool is None:
                    self._spool = MapSpool(self._folder, (scores.map.shape[1], scores.map.shape[2]))
                self._spool.append(scores.map)
        except (OSError, OddframeError) as error:
            self._lose(error)
            return
        self._pieces.append(replace(scores, map=None))
        self._frames += len(scores.frame)
        if len(self._pieces) > MOST_PIECES:
            self._pieces = [_joined(self._pieces)]

    def fault(self, fault: CameraFault) -> None:
        """A fault of the camera is over: it goes into the file that is being filled."""
        self._faults.append(fault)

    def end(self, ended: Ended) -> None:
        """The stretch is over."""
        dropped = f"; {count_of(ended.dropped, 'frame')} after it were dropped" if ended.dropped else ""
        why = {"lost": "the camera was lost", "dropped": "the machine was too slow"}.get(ended.why, ended.why)
        self._write(f"ends at {iso(ended.utc)}: {why} ({ended.words}){dropped}")
        self._begun = None

    def _full(self, scores: FrameScores) -> bool:
        return scores.time[0] - self._pieces[0].time[0] >= LONGEST_S or self._frames >= MOST_FRAMES

    def _write(self, ending: str) -> None:
        """Write what waits, with how it ends in its notes."""
        pieces, spool, begun, part = self._pieces, self._spool, self._begun, self._part
        self._pieces, self._spool, self._frames, self._part = [], None, 0, part + 1
        if pieces and begun is not None:
            self._files.submit(partial(self._save, self._whole(pieces, begun, part, ending), spool))

    def _save(self, scores: FrameScores, spool: MapSpool | None) -> None:
        """On the thread of the files."""
        try:
            path = save_scores(scores, self._folder, spool)
        except Exception as error:  # the thread writes for other cameras as well
            self._tell(error)
            return
        finally:
            if spool is not None:
                spool.close()
        self._failing = False
        self.written.append(path)

    def _whole(self, pieces: list[FrameScores], begun: Begun, part: int, ending: str) -> FrameScores:
        first, utc = pieces[0], begun.utc + float(pieces[0].time[0])
        name = f"{safe_name(self._camera)}/{stamp(utc)}"
        notes = [f"watched live: the stretch began at {iso(begun.utc)}", f"the stretch {ending}"]
        if part:
            notes[0] += f", and this is part {part + 1} of it"
        key = first.info.key if not part else f"{first.info.key}-{part + 1}"
        frames, faults = int(pieces[-1].frame[-1]) + 1, tuple(self._faults) if self._watched else None
        self._faults = []
        info = replace(first.info, name=name, frames=frames, key=key, notes=(*first.info.notes, *notes))
        return replace(_joined(pieces), video=name, info=info, faults=faults)

    def _lose(self, error: OSError | OddframeError) -> None:
        """Give up what waits."""
        if self._spool is not None:
            self._spool.close()
        self._pieces, self._spool, self._frames = [], None, 0
        self._tell(error)

    def _tell(self, error: Exception) -> None:
        """Say what went wrong, once until a file is written again."""
        if not self._failing:
            self._failing = True
            told = (in_words(error) or error) if isinstance(error, OSError) else error
            self._say(f"{self._camera}: scores are not kept: {told}")


def _joined(pieces: list[FrameScores]) -> FrameScores:
    """Scores of consecutive frames as one, without maps."""
    first = pieces[0]
    return FrameScores(
        first.video,
        np.concatenate([piece.frame for piece in pieces]),
        np.concatenate([piece.time for piece in pieces]),
        {kind: np.concatenate([piece.components[kind] for piece in pieces]) for kind in first.components},
        np.concatenate([piece.score for piece in pieces]),
        first.info,
        first.bundle,
    )


def stamp(utc: float) -> str:
    """Seconds since 1970 as a part of a file name: 2026-01-31T12-00-00.000Z."""
    text = datetime.fromtimestamp(utc, UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z").replace(":", "-")
