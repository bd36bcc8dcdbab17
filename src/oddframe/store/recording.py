"""Writing what was found: the events of scored files, and the notices of watched cameras."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from sqlalchemy import Table, delete, func, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from oddframe.account import count_of
from oddframe.errors import StoreRefusal
from oddframe.scoring.words import event_text
from oddframe.store.tables import BundleRow, CameraRow, EventRow, ScoreFileRow, StoreTable, VersionRow, VideoRow

if TYPE_CHECKING:  # what runs detectors is not needed to read what they found
    from oddframe.bundle import TrainedDetector
    from oddframe.scoring.calibrate import Calibration
    from oddframe.types import CameraFault, Event, FrameScores

ROWS = 500  # of one statement; databases limit how many values it may have
NOTICE = (
    "change", "id", "kind", "camera", "bundle", "start_utc", "peak_utc", "end_utc", "start_s", "peak_s", "end_s",
)  # fmt: skip
FILES = ("clip", "thumbnail", "heat")
MARKED = ("reviewed", "marks")  # what marks alone change
LONGEST_NAME = 255  # letters of a camera's name; databases cannot index what is much longer


class ScoredVideos(Protocol):
    """Scores of videos with the events in them: `oddframe.Scores`."""

    def __iter__(self) -> Iterator[FrameScores]: ...

    def events_of(self, scores: FrameScores) -> list[Event]: ...

    def findings_of(self, scores: FrameScores) -> list[CameraFault]: ...

    def threshold(self) -> Calibration: ...


@dataclass(frozen=True)
class FoundBy:
    """What found events: a detector in a runtime, and its thresholds.

    Attributes:
        id: that its scores and notices carry.
        detector: id of the bundle itself.
        parent: id of the bundle that it was made from; may be empty.
        model, recipe: their names; may be empty.
        path: of the bundle; may be empty.
        words: component -> what it tells, in words that complete "unusual in ...".
        calibration: None where the thresholds are not known.
    """

    id: str
    detector: str
    parent: str = ""
    model: str = ""
    recipe: str = ""
    path: str = ""
    words: Mapping[str, str] = field(default_factory=dict)
    calibration: Calibration | None = None

    @classmethod
    def of(cls, trained: TrainedDetector, identity: str, calibration: Calibration) -> FoundBy:
        """What there is to say of a trained detector."""
        return cls(
            identity, trained.id, trained.data.parent, trained.recipe.model, trained.recipe.name,
            str(Path(trained.path).absolute()), dict(trained.outline.reported), calibration,
        )  # fmt: skip


@dataclass(frozen=True)
class FoundInVideo:
    """What was found in a scored video.

    Attributes:
        file: where its scores are stored, an absolute path or one below the folder of the database; None where they
            are not stored.
    """

    scores: FrameScores
    events: Sequence[Event]
    faults: Sequence[CameraFault]
    file: Path | None = None


@dataclass(frozen=True)
class RecordedScores:
    """What recording the scores of files changed.

    Attributes:
        events: how many were found, those that were there before included.
        faults: of the camera, the same.
        new: of both, how many were not there before.
        kept: events that are no longer found and stay, because they bear marks.
        removed: events that are no longer found and bear no mark.
    """

    events: int = 0
    faults: int = 0
    new: int = 0
    kept: int = 0
    removed: int = 0

    def sentence(self) -> str:
        """What changed, in a line."""
        told = [count_of(self.events, "event")]
        told += [count_of(self.faults, "fault") + " of the camera"] if self.faults else []
        told += [f"{self.new} new"]
        told += [f"{self.removed} removed"] if self.removed else []
        told += [f"{self.kept} kept for {'its' if self.kept == 1 else 'their'} marks"] if self.kept else []
        return ", ".join(told)

    def __add__(self, other: RecordedScores) -> RecordedScores:
        return RecordedScores(*(mine + theirs for mine, theirs in zip(astuple(self), astuple(other), strict=True)))


def record_video(session: Session, by: FoundBy, found: FoundInVideo) -> RecordedScores:
    """Write a scored video, its events and its faults, in the transaction of the session.

    Events of the same video and bundle that are no longer among them go, unless they bear marks.
    """
    bundle, version = record_detector(session, by)
    video = _video(session, found.scores)
    if found.file is not None:
        place = {"video_id": video, "bundle_id": bundle, "path": found.file.as_posix()}
        _upsert(session, ScoreFileRow, [place], "video_id", "bundle_id")
    events, faults = found.events, found.faults
    threshold = None if by.calibration is None else by.calibration.threshold
    before = set(session.scalars(select(EventRow.id).where(EventRow.video_id == video, EventRow.bundle_id == bundle)))
    where = {"video_id": video, "video_no": video, "bundle_id": bundle, "version_id": version, "writer": ""}
    now = {"is_open": False, "found": True, "reviewed": 0, "marks": 0, "changed_utc": time.time()}
    size = found.scores.info.width, found.scores.info.height
    text = {event.id: event_text(event.why, event.box, size, by.words) for event in events}
    rows = {event.id: {**_event_row(event, threshold, text[event.id]), **where, **now} for event in events}
    rows |= {fault.id: {**_fault_row(fault), **where, **now} for fault in faults}
    _upsert(session, EventRow, [rows[name] for name in sorted(rows)], "id", untouched=MARKED)
    gone = sorted(before - set(rows))
    removed = 0
    for names in _parts(gone):
        session.execute(update(EventRow).where(EventRow.id.in_(names)).values(found=False, changed_utc=time.time()))
        # The count of marks lies in the row itself, so that a mark that is being made is seen.
        unmarked = delete(EventRow).where(EventRow.id.in_(names), EventRow.marks == 0)
        removed += len(session.execute(unmarked.returning(EventRow.id)).all())
    return RecordedScores(len(events), len(faults), len(set(rows) - before), len(gone) - removed, removed)


def _event_row(event: Event, threshold: float | None, text: str) -> dict[str, Any]:
    return {
        "id": event.id, "kind": "anomaly", "begin": event.start_s,
        "start_frame": event.start_frame, "peak_frame": event.peak_frame, "end_frame": event.end_frame,
        "start_s": event.start_s, "peak_s": event.peak_s, "end_s": event.end_s,
        "score": event.score, "threshold": threshold, "rank": (threshold or 0.0) - event.score,
        "box": None if event.box is None else list(map(int, event.box)),
        "why": dict(event.why), "reasons": list(event.reasons), "text": text, "held": event.held,
    }  # fmt: skip


def _fault_row(fault: CameraFault) -> dict[str, Any]:
    return {
        "id": fault.id, "kind": fault.kind, "begin": fault.start_s,
        "start_frame": fault.start_frame, "peak_frame": fault.start_frame, "end_frame": fault.end_frame,
        "start_s": fault.start_s, "peak_s": fault.start_s, "end_s": fault.end_s,
        "score": None, "threshold": None, "rank": 0.0, "box": None,
        "why": {}, "reasons": [], "text": fault.words, "held": "",
    }  # fmt: skip


def record_detector(session: Session, by: FoundBy) -> tuple[str, int | None]:
    """The id of what made the scores, and the number of its version; both are written if they are new."""
    now = time.time()
    names = {"parent": by.parent, "model": by.model, "recipe": by.recipe, "path": by.path}
    bundle = {"id": by.id, "detector": by.detector, **names, "known_utc": now, "words": dict(by.words) or None}
    if by.path:
        _upsert(session, BundleRow, [bundle], "id", untouched=("known_utc",), kept=("words",))
    else:  # of a bundle that is gone, what is known stays
        _insert_new(session, BundleRow, bundle, "id")
    if by.calibration is None:
        return by.id, None
    version = {
        "bundle_id": by.id, "threshold": by.calibration.threshold, "low": by.calibration.low,
        "promise": by.calibration.sentence(), "since_utc": now,
        "levels": {name: list(level) for name, level in by.calibration.levels.items()},
    }  # fmt: skip
    which = ("bundle_id", "threshold", "low")
    _upsert(session, VersionRow, [version], *which, untouched=("since_utc",))
    numbers = select(VersionRow.id).filter_by(**{name: version[name] for name in which})
    return by.id, session.execute(numbers).scalar_one()


def _video(session: Session, scores: FrameScores) -> int:
    """The number of a video, which is written, or brought up to date."""
    info, times = scores.info, scores.time
    key = info.key or f"name:{scores.video}"
    video = {
        "key": key, "name": scores.video, "path": str(Path(info.path).absolute()), "width": info.width,
        "height": info.height, "fps": info.fps, "frames": info.frames, "scored_utc": time.time(),
        "first_s": float(times[0]) if len(times) else None, "last_s": float(times[-1]) if len(times) else None,
    }  # fmt: skip
    _upsert(session, VideoRow, [video], "key")
    return session.execute(select(VideoRow.id).where(VideoRow.key == key)).scalar_one()


def tell(session: Session, notices: Sequence[Mapping[str, Any]], writer: str = "") -> None:
    """Write notices of watched cameras, in the transaction of the session; see `Store.tell`."""
    now = time.time()
    for notice in notices:
        missing = [name for name in NOTICE if name not in notice]
        if missing:
            raise StoreRefusal(f"a notice without {', '.join(missing)} cannot be written")
    cameras = {name: camera_number(session, without_user(name)) for name in sorted({one["camera"] for one in notices})}
    for bundle in sorted({one["bundle"] for one in notices if one["bundle"]}):
        unknown = dict.fromkeys(("parent", "model", "recipe", "path"), "")
        _insert_new(session, BundleRow, {"id": bundle, "detector": bundle, "known_utc": now, **unknown}, "id")
    goes_on: dict[str, bool] = {}
    for names in _parts(sorted({one["id"] for one in notices})):
        known = select(EventRow.id, EventRow.is_open).where(EventRow.id.in_(names)).order_by(EventRow.id)
        for name, is_open in session.execute(known.with_for_update()):
            goes_on[name] = is_open
    versions = {
        (bundle, threshold): _version_of(session, bundle, threshold)
        for bundle, threshold in {(one["bundle"], one.get("threshold")) for one in notices}
    }
    rows: dict[str, dict[str, Any]] = {}
    late: dict[str, dict[str, str]] = {}  # files of events that were closed before
    for notice in notices:
        name, closing = notice["id"], notice["change"] == "closed"
        files = {file: path for file in FILES if (path := notice.get("files", {}).get(file))}
        if goes_on.get(name) is False and not closing:  # a step that arrives after the end: only its files are news
            rows.get(name, late.setdefault(name, {})).update(files)
            continue
        before = {file: rows[name][file] for file in FILES} if name in rows else dict.fromkeys(FILES)
        version = versions[notice["bundle"], notice.get("threshold")]
        rows[name] = {
            **_notice_row(notice, cameras[notice["camera"]], now), **before, **files,
            "version_id": version, "writer": writer,
        }  # fmt: skip
        goes_on[name] = not closing
    # In one order everywhere, so that no two writers wait for each other.
    _upsert(session, EventRow, [rows[name] for name in sorted(rows)], "id", untouched=MARKED, kept=FILES)
    for name, files in sorted(late.items()):
        if files:
            session.execute(update(EventRow).where(EventRow.id == name).values(**files, changed_utc=now))


def _version_of(session: Session, bundle: str, threshold: float | None) -> int | None:
    """The number of the version of a model that has this threshold, if it is known."""
    known = select(func.max(VersionRow.id)).where(VersionRow.bundle_id == bundle, VersionRow.threshold == threshold)
    return session.execute(known).scalar_one()


def _notice_row(notice: Mapping[str, Any], camera: int, now: float) -> dict[str, Any]:
    score, threshold, box = (notice.get(name) for name in ("score", "threshold", "box"))
    moments = {f"{name}_utc": _seconds(notice[f"{name}_utc"]) for name in ("start", "peak", "end")}
    return {
        "id": notice["id"], "kind": notice["kind"], "is_open": notice["change"] != "closed", "found": True,
        "camera_id": camera, "bundle_id": notice["bundle"] or None, "video_no": 0,
        **{name: notice[name] for name in ("start_s", "peak_s", "end_s")}, **moments, "begin": moments["start_utc"],
        "score": score, "threshold": threshold, "box": None if box is None else list(map(int, box)),
        **{name: None if (size := notice.get(name)) is None else int(size) for name in ("width", "height")},
        "rank": 0.0 if score is None or threshold is None else threshold - score,
        "why": dict(notice.get("why", {})), "reasons": list(notice.get("reasons", ())),
        "text": without_user(notice.get("text", "")), "held": without_user(notice.get("held", "")),
        "reviewed": 0, "marks": 0, "changed_utc": now,
    }  # fmt: skip


def close_open(session: Session, cameras: Iterable[str], writer: str = "") -> int:
    """Close the open events of these cameras that a writer told; see `Store.close_open`."""
    numbers = list(session.scalars(select(CameraRow.id).where(CameraRow.name.in_(map(without_user, cameras)))))
    left = update(EventRow).where(EventRow.camera_id.in_(numbers), EventRow.is_open, EventRow.writer == writer)
    closed = session.execute(left.values(is_open=False, changed_utc=time.time()).returning(EventRow.id))
    return len(closed.all())


def camera_number(session: Session, name: str) -> int:
    """The number of a camera, which is written if it is new.

    Raises:
        StoreRefusal: the name is empty or too long.
    """
    if not 0 < len(name) <= LONGEST_NAME:
        raise StoreRefusal(f"a camera's name has {len(name)} letters; write 1 to {LONGEST_NAME}")
    wanted = select(CameraRow.id).where(CameraRow.name == name)
    number = session.execute(wanted).scalar_one_or_none()
    if number is None:
        _insert_new(session, CameraRow, {"name": name}, "name")
        number = session.execute(wanted).scalar_one()
    return number


def without_user(text: str) -> str:
    """A text in which user names and passwords of addresses are replaced by ***."""
    return re.sub(r"(\w://)[^/\s@]+@", r"\1***@", text)


def _seconds(moment: str | float) -> float:
    """Seconds since 1970 of a moment in ISO 8601."""
    return datetime.fromisoformat(moment).timestamp() if isinstance(moment, str) else float(moment)


def _upsert(
    session: Session, table: type[StoreTable], rows: Sequence[dict[str, Any]], *key: str,
    untouched: Sequence[str] = (), kept: Sequence[str] = (),
) -> None:  # fmt: skip
    """Insert rows, or bring those up to date that are there.

    Args:
        key: columns that name a row.
        untouched: columns that stay as they are in a row that is there.
        kept: columns that stay as they are where there is nothing new.
    """
    if rows:
        there = _table(table)
        statement = _insert(session)(there)
        news = {name: statement.excluded[name] for name in rows[0] if name not in (*key, *untouched)}
        news |= {name: func.coalesce(news[name], there.c[name]) for name in kept}
        session.execute(statement.on_conflict_do_update(index_elements=key, set_=news), list(rows))


def _insert_new(session: Session, table: type[StoreTable], row: dict[str, Any], key: str) -> None:
    """Insert a row unless it is there, somebody else's that is being written included."""
    session.execute(_insert(session)(_table(table)).on_conflict_do_nothing(index_elements=[key]), [row])


def _insert(session: Session) -> Any:
    """The insert of this database: both have `on conflict`, in words of their own."""
    return postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert


def _table(table: type[StoreTable]) -> Table:
    assert isinstance(table.__table__, Table)
    return table.__table__


def _parts(rows: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for start in range(0, len(rows), ROWS):
        yield rows[start : start + ROWS]
