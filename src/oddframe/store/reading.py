"""Reading events: what a list may ask for, and what it gets."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from sqlalchemy import ColumnElement, Row, and_, func, select, tuple_
from sqlalchemy.orm import InstrumentedAttribute, Session

from oddframe.errors import StoreError, StoreMissing
from oddframe.reading.guard import reason
from oddframe.store.tables import BundleRow, CameraRow, EventRow, MarkRow, VersionRow, VideoRow

Order = Literal["rank", "time"]
ORDERS = ("rank", "time")
_TOGETHER = 500  # events of one statement; databases limit how many values it may have
ANY_MARK = ("none", "any", "normal", "abnormal", "unsure")


@dataclass(frozen=True)
class EventQuery:
    """Which events, and in which order.

    Attributes:
        camera: name of a camera, or None for all, events of files included.
        video: name of a video, or its number in the store, or None.
        bundle: id of what made the scores, or None.
        kind: "anomaly", "gap", or the word for a fault of the camera; None for all.
        mark: the mark that counts: "normal", "abnormal" or "unsure"; "none" for events that nobody marked, "any" for
            those that somebody did; None for all.
        since, until: seconds since 1970; only events that overlap [since, until) by the clock. Events of files have no
            time of day.
        found: True for events that the last scoring found; False for those that stay because of their marks alone.
        order: "rank": unreviewed events first, and of both groups those first that lie farthest above their threshold;
            gaps and faults come last. "time": live events by the clock, then video by video, by their start.
    """

    camera: str | None = None
    video: str | int | None = None
    bundle: str | None = None
    kind: str | None = None
    mark: str | None = None
    since: float | None = None
    until: float | None = None
    found: bool | None = None
    order: Order = "rank"

    def __post_init__(self) -> None:
        if self.mark is not None and self.mark not in ANY_MARK:
            raise StoreError(f"there is no mark {self.mark!r}; there are: {', '.join(ANY_MARK)}")
        if self.order not in ORDERS:
            raise StoreError(f"events cannot be sorted by {self.order!r}; write {' or '.join(ORDERS)}")


@dataclass(frozen=True)
class StoredEvent:
    """An event as the store has it.

    Attributes:
        id: 16 hexadecimal digits.
        kind: "anomaly", "gap" (nothing was seen), or the word for a fault of the camera.
        open: it goes on, as far as is known.
        found: False where a later scoring no longer finds it; it stays because of its marks.
        camera: name of the camera; None for files.
        video: name of the video; None for live events.
        video_id: its number in the store.
        key, path: of the video, as it was when it was scored last.
        width, height: of the displayed picture in pixels; None for live events that an older oddframe wrote.
        bundle: id of what made the scores, and `model`, its detector; None where it is not known.
        start_frame, peak_frame, end_frame: counted from 0; None for live events.
        start_s, peak_s, end_s: seconds of the media clock.
        start_utc, peak_utc, end_utc: seconds since 1970; None for files.
        score, threshold: at the peak; None for gaps and faults.
        low: the low threshold of the version; None where the version is not known.
        promise: what its threshold promises, a sentence; None for live events.
        box: (left, top, right, bottom) in pixels, right and bottom exclusive, or None.
        why: component -> standard deviations above normal; None where that was no number.
        reasons: why, in whole phrases.
        text: what happens, in a sentence; empty for events of files that an older oddframe wrote.
        held: why nobody was told; empty otherwise.
        clip, thumbnail, heat: paths below the folder of `watch`, or None.
        mark: "normal", "abnormal", "unsure", or None. Only the last mark that was not undone counts.
        marked_by, marked_utc, note: of that mark.
    """

    id: str
    kind: str
    open: bool
    found: bool
    camera: str | None
    video: str | None
    video_id: int | None
    key: str | None
    path: str | None
    width: int | None
    height: int | None
    bundle: str | None
    model: str | None
    start_frame: int | None
    peak_frame: int | None
    end_frame: int | None
    start_s: float
    peak_s: float
    end_s: float
    start_utc: float | None
    peak_utc: float | None
    end_utc: float | None
    score: float | None
    threshold: float | None
    low: float | None
    promise: str | None
    box: tuple[int, int, int, int] | None
    why: dict[str, float | None] = field(default_factory=dict)
    reasons: tuple[str, ...] = ()
    text: str = ""
    held: str = ""
    clip: str | None = None
    thumbnail: str | None = None
    heat: str | None = None
    mark: str | None = None
    marked_by: str | None = None
    marked_utc: float | None = None
    note: str | None = None

    @property
    def above(self) -> float | None:
        """How far the score lies above the threshold; None for gaps and faults."""
        return None if self.score is None or self.threshold is None else self.score - self.threshold

    @property
    def times(self) -> float | None:
        """The score in units of the threshold, as the report gives it; None where these are not known.

        See `oddframe.report.units.ThresholdUnits`. The low threshold lies halfway between the threshold and the median
        score of normal video, so the median follows from it.
        """
        if self.score is None or self.threshold is None or self.low is None or self.low >= self.threshold:
            return None
        zero = min(0.0, 2 * self.low - self.threshold)
        return (self.score - zero) / (self.threshold - zero) if self.threshold > zero else None

    def as_json(self) -> dict[str, Any]:
        """Plain values for JSON: moments to the millisecond, those by the clock in ISO 8601, in UTC."""
        row = dict(vars(self))  # `asdict` takes ten times as long, and copies what is replaced below
        del row["low"]
        row["times"] = None if self.times is None else float(f"{self.times:.7g}")
        for name in ("start_utc", "peak_utc", "end_utc", "marked_utc"):
            row[name] = None if row[name] is None else iso_utc(row[name])
        for name in ("start_s", "peak_s", "end_s"):
            row[name] = round(row[name], 3)
        for name, value in (("score", self.score), ("threshold", self.threshold), ("above", self.above)):
            row[name] = None if value is None else float(f"{value:.7g}")
        row["why"] = {name: None if value is None else round(value, 2) for name, value in self.why.items()}
        return row


@dataclass(frozen=True)
class StoredBundle:
    """What made scores, as the store knows it.

    Attributes:
        id: that events carry: of a bundle, with runtime and precision where these are not the usual ones.
        detector: id of the bundle itself.
        parent: id of the bundle that it was made from; empty where there is none.
        model: its system.
        path: its folder when it was last used; empty where it is not known.
        known_utc: when the store met it, in seconds since 1970.
    """

    id: str
    detector: str
    parent: str
    model: str
    path: str
    known_utc: float


@dataclass(frozen=True)
class EventMark:
    """What somebody said of an event.

    Attributes:
        what: "normal", "abnormal" or "unsure"; "undo" takes back the last of these that still counts.
        who: said it.
        note: for people; may be empty.
        at_utc: seconds since 1970.
    """

    what: str
    who: str
    note: str
    at_utc: float

    def as_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {"what": self.what, "who": self.who, "note": self.note, "at_utc": iso_utc(self.at_utc)}


def iso_utc(moment: float) -> str:
    """Seconds since 1970 as ISO 8601 in UTC, to the millisecond."""
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def events_page(session: Session, query: EventQuery, limit: int, after: str | None) -> list[StoredEvent]:
    """At most `limit` events, those that follow the event `after`.

    Raises:
        StoreMissing: there is no event `after`.
    """
    statement = _JOINED.where(*_conditions(session, query))
    keys = _sorted_by(query)
    if after is not None:
        place = session.execute(select(*keys).where(EventRow.id == after)).one_or_none()
        if place is None:
            raise StoreMissing(f"there is no event {after!r} after which the list could go on")
        statement = statement.where(tuple_(*keys) > tuple_(*place))
    return list(_read(session.execute(statement.order_by(*keys).limit(limit))))


def every_event(session: Session, query: EventQuery) -> Iterator[StoredEvent]:
    """All events of a query, as they are when it begins; some hundreds at a time are in memory."""
    statement = _JOINED.where(*_conditions(session, query)).order_by(*_sorted_by(query))
    yield from _read(session.execute(statement, execution_options={"yield_per": 500}))


def events_count(session: Session, query: EventQuery) -> int:
    """How many events a query finds."""
    return session.execute(select(func.count(EventRow.id)).where(*_conditions(session, query))).scalar_one()


def one_event(session: Session, name: str) -> StoredEvent:
    """The event of this id.

    Raises:
        StoreMissing: there is none.
    """
    found = list(_read(session.execute(_JOINED.where(EventRow.id == name))))
    if not found:
        raise StoreMissing(f"there is no event {name!r}")
    return found[0]


def events_named(session: Session, names: Sequence[str]) -> list[StoredEvent]:
    """The events of these ids that there are, in no order."""
    found: list[StoredEvent] = []
    for start in range(0, len(names), _TOGETHER):
        found += _read(session.execute(_JOINED.where(EventRow.id.in_(names[start : start + _TOGETHER]))))
    return found


def events_between(
    session: Session, source: tuple[str, int], first: float, last: float, limit: int
) -> list[StoredEvent]:
    """Events of a camera (by the clock) or a video (by its own), of which a part lies in [first, last]; in order.

    Args:
        source: "camera" or "video", and its number.
    """
    kind, number = source
    live = kind == "camera"
    ours = (EventRow.camera_id == number, EventRow.video_no == 0) if live else (EventRow.video_no == number,)
    end = EventRow.end_utc if live else EventRow.end_s
    wanted = _JOINED.where(*ours, EventRow.begin <= last, end >= first).order_by(EventRow.begin, EventRow.id)
    return list(_read(session.execute(wanted.limit(limit))))


def changed_since(session: Session, moment: float, limit: int) -> list[tuple[str, float]]:
    """(id, seconds since 1970) of the events that have changed since a moment, oldest change first."""
    wanted = select(EventRow.id, EventRow.changed_utc).where(EventRow.changed_utc >= moment)
    return [(row[0], row[1]) for row in session.execute(wanted.order_by(EventRow.changed_utc).limit(limit))]


def marks_of(session: Session, name: str) -> list[EventMark]:
    """All marks that were ever made of an event, oldest first."""
    wanted = select(MarkRow.what, MarkRow.who, MarkRow.note, MarkRow.at_utc).where(MarkRow.event_id == name)
    return [EventMark(*row) for row in session.execute(wanted.order_by(MarkRow.id))]


def all_bundles(session: Session) -> list[StoredBundle]:
    """What has made scores so far, in the order in which the store met them."""
    columns = (getattr(BundleRow, name) for name in ("id", "detector", "parent", "model", "path", "known_utc"))
    rows = session.execute(select(*columns).order_by(BundleRow.known_utc, BundleRow.id))
    return [StoredBundle(*row) for row in rows]


def _sorted_by(query: EventQuery) -> tuple[InstrumentedAttribute[Any], ...]:
    if query.order == "rank":
        return EventRow.reviewed, EventRow.rank, EventRow.id
    return EventRow.video_no, EventRow.begin, EventRow.id


def _conditions(session: Session, query: EventQuery) -> Iterator[ColumnElement[bool]]:
    """What a query asks for. Names are looked up first, so that the lists themselves follow one index."""
    if query.camera is not None:
        yield EventRow.camera_id.in_(_numbers(session, CameraRow.id, CameraRow.name == query.camera))
    if query.video is not None:
        named = VideoRow.name == query.video if isinstance(query.video, str) else VideoRow.id == query.video
        yield EventRow.video_id.in_(_numbers(session, VideoRow.id, named))
    if query.bundle is not None:
        yield EventRow.bundle_id == query.bundle
    if query.kind is not None:
        yield EventRow.kind == query.kind
    if query.mark in ("none", "any"):
        yield EventRow.reviewed == int(query.mark == "any")
    elif query.mark is not None:
        yield and_(EventRow.mark == query.mark, EventRow.reviewed == 1)
    if query.since is not None:
        yield EventRow.end_utc >= query.since
    if query.until is not None:
        yield EventRow.start_utc < query.until
    if query.found is not None:
        yield EventRow.found.is_(query.found)


def _numbers(session: Session, column: InstrumentedAttribute[int], where: ColumnElement[bool]) -> list[int]:
    return list(session.scalars(select(column).where(where)))


_OF_EVENTS = (
    "id", "kind", "found", "video_id", "start_frame", "peak_frame", "end_frame", "start_s", "peak_s", "end_s",
    "start_utc", "peak_utc", "end_utc", "score", "threshold", "box", "why", "reasons", "text", "held", "clip",
    "thumbnail", "heat", "mark", "marked_by", "marked_utc", "note",
)  # fmt: skip
# Columns instead of whole rows: SQLAlchemy then keeps no account of what is read, which takes half the time.
_JOINED = (
    select(
        *(getattr(EventRow, name) for name in _OF_EVENTS), EventRow.is_open.label("open"),
        CameraRow.name.label("camera"), VideoRow.name.label("video"), VideoRow.key, VideoRow.path,
        func.coalesce(VideoRow.width, EventRow.width).label("width"),
        func.coalesce(VideoRow.height, EventRow.height).label("height"),
        EventRow.bundle_id.label("bundle"), BundleRow.model, VersionRow.promise, VersionRow.low,
    )
    .outerjoin(CameraRow, EventRow.camera_id == CameraRow.id)
    .outerjoin(VideoRow, EventRow.video_id == VideoRow.id)
    .outerjoin(BundleRow, EventRow.bundle_id == BundleRow.id)
    .outerjoin(VersionRow, EventRow.version_id == VersionRow.id)
)  # fmt: skip


def _read(rows: Iterable[Row[*tuple[Any, ...]]]) -> Iterator[StoredEvent]:
    """The events of rows.

    Raises:
        StoreError: a value is not what oddframe writes.
    """
    try:
        for row in rows:
            values = dict(row._mapping)
            if values["box"] is not None:
                left, top, right, bottom = map(int, values["box"])
                values["box"] = left, top, right, bottom
            heights = values["why"].items()
            values["why"] = {str(name): None if height is None else float(height) for name, height in heights}
            values["reasons"] = tuple(map(str, values["reasons"]))
            values["model"] = values["model"] or None
            yield StoredEvent(**values)
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise StoreError(f"an event in the database is damaged ({reason(error)}); put back a copy") from error
