"""The event store: one object for all who write what was found, look at it, and say what it is."""

from __future__ import annotations

import getpass
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from sqlalchemy.orm import Session

from oddframe.atomic import make_folder
from oddframe.errors import StoreError
from oddframe.scoring.files import score_path
from oddframe.store import marking, reading, recording, sources
from oddframe.store.connections import Connections
from oddframe.store.engine import WAIT_S, WRITING, Turns, in_plain_words
from oddframe.store.place import StorePlace
from oddframe.store.reading import EventMark, EventQuery, StoredBundle, StoredEvent
from oddframe.store.recording import FoundBy, FoundInVideo, RecordedScores, ScoredVideos
from oddframe.store.sources import CameraState, Explanation, StoredSource
from oddframe.store.zones import StoredZone, add_zone, end_zone, zones_of

if TYPE_CHECKING:
    from oddframe.bundle import TrainedDetector
    from oddframe.scoring.calibrate import Calibration


class Store:
    """Events and what people said of them, in SQLite or PostgreSQL. Made by `oddframe.open_store`.

    What a method has written is on the disk when it returns: neither a kill nor a power cut takes it away. A method
    that raises has written nothing, but for `record_scores`, which writes video by video. Threads may share a store,
    and processes a database: in SQLite one of them writes at a time, and the others wait for up to 10 s.

    Every method raises a `StoreError` where the database cannot do it, and a `SpaceError` where there is no room. The
    first is also so where the file of SQLite was deleted since it was opened; one that has taken its place is opened.

    Attributes:
        shown: where it lies, without user name, password and parameters.
        file: of SQLite, or None.
    """

    def __init__(self, place: StorePlace, create: bool = True, migrate: bool | None = None) -> None:
        """See `oddframe.store.opening.open_store`.

        Args:
            migrate: bring older tables up to date; None: in SQLite alone.
        """
        self._place, self.shown, self.file = place, place.shown, place.file
        self._one_writer = Turns()
        if place.file is not None and not create and not place.file.exists():
            raise StoreError(f"{place.shown}: there is no event store; `oddframe score --store` makes one")
        if place.file is not None and create:
            make_folder(place.file.absolute().parent)
        self._database = Connections(place, create, migrate)

    @property
    def replaced(self) -> int:
        """How often another file of SQLite was found at the path, and opened instead of the one before."""
        return self._database.replaced

    def reopen_if_replaced(self) -> bool:
        """Open the file of SQLite again if the one that was opened no longer lies at its path; make it if missing.

        Other methods open a file that has taken its place as well, and raise a `StoreError` where there is none. One
        thread alone may call this, while no other uses the store.

        Returns:
            Whether that was so. What was written before may be missing.

        Raises:
            StoreError: it cannot be opened again. The next call tries it once more.
            OSError: the same.
        """
        return self._database.reopen_if_replaced()

    def __repr__(self) -> str:
        return f"Store({self.shown!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End all connections. A store that is used again connects again."""
        self._database.close()

    @contextmanager
    def _transaction(self, writing: bool = False) -> Iterator[Session]:
        """A transaction, which is on the disk when the block ends, or leaves nothing after an exception."""
        with self._turn(writing), in_plain_words(self._place):
            with self._database.engine_now().connect().execution_options(**{WRITING: writing}) as connection:
                with Session(connection) as session, session.begin():
                    yield session
            if writing:
                self._database.see_that_it_was_kept()

    @contextmanager
    def _turn(self, writing: bool) -> Iterator[None]:
        """Threads of this process write into SQLite one after the other.

        SQLite itself lets a waiting writer look now and then whether it may begin, so that of many who wait one may
        not have its turn for long.
        """
        if not writing or self.file is None:
            yield
            return
        if not self._one_writer.acquire(WAIT_S):
            raise StoreError(f"{self.shown}: others have been writing for more than {WAIT_S:g} s; try again")
        try:
            yield
        finally:
            self._one_writer.release()

    # What was found.

    def record_scores(
        self, trained: TrainedDetector, scores: ScoredVideos, folder: Path | None = None
    ) -> RecordedScores:
        """Write the events of scored files, and the faults of their camera.

        Recording again changes nothing but what is new: an event keeps its id and its marks. Events of these videos
        and this bundle that are no longer found, for example under another threshold, are removed; those that bear
        marks stay, with `found` False.

        Args:
            trained: made the scores: `run.bundle`.
            scores: what `run.score` returned.
            folder: in which the score files lie, where they are stored.

        Raises:
            CalibrationError: the scores have no threshold.
        """
        done, calibration = RecordedScores(), scores.threshold()
        for one in scores:
            by = FoundBy.of(trained, one.bundle or trained.id, calibration)
            file = None if folder is None else score_path(folder, one.video)
            done += self.record_video(by, FoundInVideo(one, scores.events_of(one), scores.findings_of(one), file))
        return done

    def record_video(self, by: FoundBy, found: FoundInVideo) -> RecordedScores:
        """Write what was found in one scored video; see `record_scores`."""
        if self.file is not None and found.file is not None:  # a folder may move with all that is in it
            file, home = found.file.absolute(), self.file.absolute().parent
            found = replace(found, file=file.relative_to(home) if file.is_relative_to(home) else file)
        with self._transaction(writing=True) as session:
            return recording.record_video(session, by, found)

    def record_detector(self, trained: TrainedDetector, identity: str, calibration: Calibration) -> None:
        """Write what watches a camera, so that its notices are known by model and promise.

        Args:
            identity: the id that its notices carry.
        """
        with self._transaction(writing=True) as session:
            recording.record_detector(session, FoundBy.of(trained, identity, calibration))

    def tell(self, notices: Iterable[Mapping[str, Any]], writer: str = "") -> None:
        """Write notices of watched cameras: all of them or none.

        An event that is closed stays closed; of steps that arrive after its end only the files are taken. Telling a
        notice again changes nothing.

        Args:
            notices: as `oddframe.live.messages.Notice.as_json` gives them. Passwords in texts are replaced by ***.
            writer: tells them; see `close_open`.

        Raises:
            StoreRefusal: one of them is none.
        """
        with self._transaction(writing=True) as session:
            recording.tell(session, list(notices), writer)

    def close_open(self, cameras: Iterable[str], writer: str = "") -> int:
        """Close the events of these cameras that a watch that was killed left open.

        Args:
            cameras: their names.
            writer: told the events. Those of others, who may still watch, stay open.

        Returns:
            How many there were.
        """
        with self._transaction(writing=True) as session:
            return recording.close_open(session, cameras, writer)

    def tell_states(self, states: Iterable[CameraState]) -> None:
        """Write what a watch says of its cameras now, and that it lives."""
        with self._transaction(writing=True) as session:
            sources.write_states(session, states)

    # What is there.

    def events(self, query: EventQuery = EventQuery(), limit: int = 50, after: str | None = None) -> list[StoredEvent]:
        """A page of events.

        Args:
            limit: at least 1.
            after: the id of the last event of the page before; None for the first page.

        Raises:
            StoreError: there is no event `after`.
        """
        if limit < 1:
            raise StoreError(f"a page of {limit} events cannot be read; ask for 1 or more")
        with self._transaction() as session:
            return reading.events_page(session, query, limit, after)

    def every(self, query: EventQuery = EventQuery()) -> Iterator[StoredEvent]:
        """All events that a query finds, as they are when it begins, a few at a time in memory.

        Others may write meanwhile.
        """
        with self._transaction() as session:
            yield from reading.every_event(session, query)

    def count(self, query: EventQuery = EventQuery()) -> int:
        """How many events a query finds."""
        with self._transaction() as session:
            return reading.events_count(session, query)

    def event(self, id: str) -> StoredEvent:
        """One event.

        Raises:
            StoreError: there is none of this id.
        """
        with self._transaction() as session:
            return reading.one_event(session, id)

    def marks(self, id: str) -> list[EventMark]:
        """All marks that were ever made of an event, oldest first."""
        with self._transaction() as session:
            return reading.marks_of(session, id)

    def events_named(self, ids: Sequence[str]) -> list[StoredEvent]:
        """The events of these ids that there are, in no order."""
        with self._transaction() as session:
            return reading.events_named(session, ids)

    def changed_since(self, moment: float, limit: int = 10_000) -> list[tuple[str, float]]:
        """(id, seconds since 1970) of the events that have changed since a moment, oldest change first."""
        with self._transaction() as session:
            return reading.changed_since(session, moment, limit)

    def sources(self) -> list[StoredSource]:
        """All cameras and videos with the counts of their events, cameras first, each by name."""
        with self._transaction() as session:
            return sources.all_sources(session)

    def source(self, kind: str, name: str | int) -> StoredSource:
        """A camera by its name, or a video by its number; counts are left out.

        Raises:
            StoreMissing: there is none.
        """
        with self._transaction() as session:
            return sources.one_source(session, kind, name)

    def scored_utc(self) -> float:
        """When a video was recorded last, in seconds since 1970; 0 where there is none."""
        with self._transaction() as session:
            return sources.scored_utc(session)

    def camera_states(self) -> list[StoredSource]:
        """All cameras, counts left out."""
        with self._transaction() as session:
            return sources.cameras(session)

    def explanation(self, event: str) -> Explanation:
        """What there is to know of the detector and the score file of an event.

        Raises:
            StoreMissing: there is no such event.
        """
        with self._transaction() as session:
            return sources.explanation(session, event)

    def between(self, kind: str, number: int, first: float, last: float, limit: int) -> list[StoredEvent]:
        """Events of a camera (by the clock) or a video (by its own), of which a part lies in [first, last].

        At most `limit` of them, in order of time; `number` is that of the source.
        """
        with self._transaction() as session:
            return reading.events_between(session, (kind, number), first, last, limit)

    def threshold_of(self, kind: str, number: int) -> float | None:
        """The threshold of the latest event of a camera or a video that has one."""
        with self._transaction() as session:
            return sources.threshold_of(session, kind, number)

    def score_file_of(self, video: int) -> str | None:
        """Where the scores of a video lie: those that were recorded last; see `oddframe.store.sources.Explanation`."""
        with self._transaction() as session:
            return sources.score_file_of(session, video)

    def days(self, camera: str, offset_s: float = 0.0) -> list[int]:
        """Days since 1970 on which events of a camera begin, where a day begins `offset_s` before that of UTC."""
        with self._transaction() as session:
            return sources.days(session, camera, offset_s)

    def bundles(self) -> list[StoredBundle]:
        """What has made scores so far, in the order in which the store met them."""
        with self._transaction() as session:
            return reading.all_bundles(session)

    # What people say.

    def mark(
        self, ids: Sequence[str] | str, what: str, who: str | None = None, note: str = "", of_utc: float | None = None
    ) -> int:
        """Say what events are: all of them or none. Marks are added; the last one counts, and "undo" takes it back.

        Args:
            ids: of events.
            what: "normal", "abnormal", "unsure", or "undo".
            who: says so; None: the user of this process.
            note: for people.
            of_utc: "undo" takes back marks of this moment alone, to the millisecond, so that nobody takes back what
                somebody else has said since. None: whichever counts.

        Returns:
            How many events were marked. "undo" passes over events of which no mark counts, or another one.

        Raises:
            StoreError: there is no such mark, or no such event.
        """
        who = current_user() if who is None else who
        marking.check_mark(what, who, note)
        with self._transaction(writing=True) as session:
            names = [ids] if isinstance(ids, str) else ids
            return marking.add_marks(session, names, EventMark(what, who, note, time.time()), of_utc)

    def add_zone(self, zone: StoredZone) -> int:
        """Add a place to ignore. Returns its number."""
        with self._transaction(writing=True) as session:
            return add_zone(session, zone)

    def end_zone(self, number: int) -> None:
        """Ignore a place no longer. The zone stays in the database, with the time of its end.

        Raises:
            StoreError: there is no such zone, or it has ended.
        """
        with self._transaction(writing=True) as session:
            end_zone(session, number)

    def zones(self, camera: str | None = None, bundle: str | None = None) -> dict[int, StoredZone]:
        """The zones that hold now, by their numbers: those of a camera, of a bundle, or all."""
        with self._transaction() as session:
            return zones_of(session, camera, bundle)


def current_user() -> str:
    """The name of the user of this process; "unknown" where the system has none."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "unknown"
