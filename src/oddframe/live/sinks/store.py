"""The event store as a sink: every notice, those that are held and all updates too.

A notice lies in an outbox on the disk first, so that neither a server that is down nor a kill loses one. What an
earlier run left there is written before anything else.
"""

from __future__ import annotations

import json
import re
import secrets
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from oddframe.atomic import replacing
from oddframe.bundle import TrainedDetector
from oddframe.errors import SpaceError, StoreError, StoreRefusal
from oddframe.live.messages import Notice
from oddframe.live.sinks.outbox import Outbox, OutboxSink, Tries
from oddframe.live.sinks.sink import Complaints, Say, said
from oddframe.live.states import StateChange
from oddframe.scoring.calibrate import Calibration
from oddframe.store.opening import open_store
from oddframe.store.place import StorePlace
from oddframe.store.sources import CameraState

_FIRST_S, _LONGEST_S = 0.2, 30.0  # between two tries, while the database cannot be written
_BEAT_S = 10.0  # between two signs of life; who reads the store gives up after some of them

# What a notice can be refused for; a file in the outbox can be anything.
_NEVER = (StoreRefusal, ValueError, TypeError, AttributeError, LookupError, ArithmeticError, RecursionError)

Detectors = Iterable[tuple[TrainedDetector, str, Calibration]]
"""What watches: a detector, the id that its notices carry, and its thresholds."""


class EventStore(OutboxSink):
    """Writes notices into an event store. A `Sink`.

    Raises:
        StoreError: the store cannot be opened.
        OSError: the outbox cannot be made.
    """

    def __init__(self, place: StorePlace, out: Path, cameras: Sequence[str], detectors: Detectors, say: Say) -> None:
        """Open the store, and close the events of these cameras that an earlier run was killed in.

        Args:
            out: the output folder: files of notices lie in it, and the outbox.
            cameras: names of all that are watched.
            say: is told in one line what goes wrong.
        """
        self._say: Say = lambda line: say(f"store: {line}")
        self._store = open_store(place)
        self._out = None if self._store.file is not None and _same(self._store.file.parent, out) else out.absolute()
        self._detectors, self._recorded = tuple(detectors), False
        self._record_detectors()
        outbox = Outbox(out / "outbox" / "store")
        super().__init__("store", outbox, Complaints(self._say), Tries(_FIRST_S, _LONGEST_S), "it can be written")
        self._writer = _writer_of(outbox.folder)
        self._cameras = tuple(cameras)
        self._left = len(outbox)  # of an earlier run, before whose end nothing is closed
        self._closed = False  # what an earlier run left open
        self._states: dict[str, StateChange] = {}
        self._untold, self._beat = False, 0.0  # whether a state is new, and when all of them were written last
        self._start()

    def tell(self, notice: Notice) -> None:
        row = notice.as_json()
        if self._out is not None:
            row["files"] = {name: str(self._out / path) for name, path in notice.files.items()}
        self._keep(notice, row)

    def state(self, change: StateChange) -> None:
        """Take the state that a camera is in now. From any thread; this returns at once."""
        self._states[change.camera] = change
        self._untold = True
        self._work.set()

    def close(self, timeout: float) -> None:
        """Write what waits for at most `timeout` seconds; the rest stays in the outbox."""
        super().close(timeout)
        self._store.close()

    def _wait(self) -> None:
        self._work.wait(_BEAT_S)

    def _waits(self) -> bool:
        return super()._waits() or not self._closed

    def _next(self) -> float | None:
        try:
            if self._left:
                self._write()
                self._left -= 1
            elif not self._closed:
                self._see_to_file()
                self._store.close_open(self._cameras, self._writer)
                self._closed = True
            else:
                self._write()
        except (StoreError, SpaceError, OSError) as error:
            self._complaints.ill("down", f"{said(error)}; notices wait in the outbox")
            return 0.0
        self._complaints.well("down", "it can be written again")
        return None

    def _write(self) -> None:
        """Write the notice that waits longest. One that can never be written is put aside."""
        waiting = self._outbox.first()
        if waiting is None:
            return
        self._see_to_file()
        try:
            notices = [json.loads(waiting[1])]
            self._store.tell(notices, self._writer)
            refusal = None
        except _NEVER as error:
            refusal = error
        if self._see_to_file():  # it was written, or refused, where nobody sees it
            return
        if refusal is not None:
            place = self._refused()
            self._complaints.ill("refused", f"a notice cannot be written ({said(refusal)}); it lies in {place}")
            return
        self._delivered()

    def _rest(self) -> None:
        """Write the states of cameras where one is new, or a sign of life is due. One that cannot be is out of date."""
        if not self._states or not (self._untold or time.monotonic() - self._beat >= _BEAT_S):
            return
        self._untold, self._beat = False, time.monotonic()
        folder, now = None if self._out is None else str(self._out), time.time()
        states = [
            CameraState(one.camera, folder, one.state, one.words, one.utc, now) for one in list(self._states.values())
        ]
        try:
            self._see_to_file()
            self._store.tell_states(states)
            self._complaints.well("states")
        except (StoreError, SpaceError, OSError) as error:
            self._complaints.ill("states", f"{said(error)}; the states of cameras are not written")

    def _see_to_file(self) -> bool:
        """Open the file of the store again where it was deleted or replaced; whether it was."""
        replaced = self._store.reopen_if_replaced()
        if replaced:
            self._recorded = False
            self._say(
                f"{self._store.shown}: the file was deleted or replaced; it was opened again, and made if missing"
            )
        if not self._recorded:
            self._record_detectors()
        return replaced

    def _record_detectors(self) -> None:
        for trained, identity, calibration in self._detectors:
            self._store.record_detector(trained, identity, calibration)
        self._recorded = True


def _writer_of(folder: Path) -> str:
    """Who writes from this outbox: a random number in a file, the same in every run, whatever host it is on."""
    file = folder / "writer"
    try:
        known = file.read_text(encoding="ascii", errors="replace").strip()
    except FileNotFoundError:
        known = ""
    if re.fullmatch("[0-9a-f]{32}", known):
        return known
    made = secrets.token_hex(16)
    with replacing(file) as temporary:
        temporary.write_text(made, encoding="ascii")
    return made


def _same(one: Path, other: Path) -> bool:
    return one.absolute() == other.absolute() or (other.exists() and one.samefile(other))
