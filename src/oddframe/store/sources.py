"""Where events come from: cameras with their states, and scored videos; and what is known of the detectors."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from sqlalchemy import Integer, cast, func, select, update
from sqlalchemy.orm import InstrumentedAttribute, Session

from oddframe.errors import StoreMissing
from oddframe.store.recording import camera_number, without_user
from oddframe.store.tables import BundleRow, CameraRow, EventRow, ScoreFileRow, VersionRow, VideoRow

DAY_S = 86_400
_Found = dict[int, tuple[int, int]]  # number of a source -> its events, and how many are unreviewed


@dataclass(frozen=True)
class CameraState:
    """What a watch says of a camera.

    Attributes:
        folder: the output folder of the watch; None where it keeps nothing.
        state: "connecting", "running", "stalled", "waiting" or "stopped"; `words` is why.
        utc: seconds since 1970 at which it came into the state.
        seen_utc: now, as a sign of life.
    """

    camera: str
    folder: str | None
    state: str
    words: str
    utc: float
    seen_utc: float


@dataclass(frozen=True)
class StoredSource:
    """A camera or a scored video.

    Attributes:
        number: in the store.
        events, unreviewed: how many; None where they were not counted.
        last_event: id of the one that begins last.
        folder, state, words, state_utc, seen_utc: of a camera; see `CameraState`. None where no watch has told them.
        path, key, width, height, fps, first_s, last_s: of a video.
    """

    kind: Literal["camera", "video"]
    number: int
    name: str
    events: int | None = None
    unreviewed: int | None = None
    last_event: str | None = None
    folder: str | None = None
    state: str | None = None
    words: str | None = None
    state_utc: float | None = None
    seen_utc: float | None = None
    path: str | None = None
    key: str | None = None
    width: int | None = None
    height: int | None = None
    fps: float | None = None
    first_s: float | None = None
    last_s: float | None = None

    @property
    def id(self) -> str:
        """The text that names it: "camera:NAME" or "video:NUMBER"."""
        return source_id(self.name if self.kind == "camera" else None, self.number)


@dataclass(frozen=True)
class Explanation:
    """What is known of the detector that found an event, and of where its scores lie.

    Attributes:
        bundle: path of the bundle, as it was; empty where it is not known.
        words: component -> what it tells, in words that complete "unusual in ...".
        levels: component -> its mean and standard deviation on normal video.
        score_file: None where the store knows of none.
        folder: output folder of the watch, of live events.
    """

    bundle: str = ""
    words: Mapping[str, str] = field(default_factory=dict)
    levels: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    score_file: str | None = None
    folder: str | None = None


def source_id(camera: str | None, video: int | None) -> str:
    """The text that names a camera or a video: "camera:NAME" or "video:NUMBER"."""
    return f"video:{video}" if camera is None else f"camera:{camera}"


def write_states(session: Session, states: Iterable[CameraState]) -> None:
    """Write what a watch says of its cameras, in the transaction of the session."""
    for one in sorted(states, key=lambda state: state.camera):  # in one order, so that no two wait for each other
        number = camera_number(session, without_user(one.camera))
        told = (
            update(CameraRow)
            .where(CameraRow.id == number)
            .values(
                folder=one.folder,
                state=one.state,
                words=without_user(one.words),
                state_utc=one.utc,
                seen_utc=one.seen_utc,
            )
        )
        session.execute(told)


def all_sources(session: Session) -> list[StoredSource]:
    """All cameras and videos with the counts of their events, cameras first, each by name."""
    counted, found = _counted(session, EventRow.camera_id), []
    for row in session.execute(select(*_CAMERA, _last(CameraRow.id, EventRow.camera_id)).order_by(CameraRow.name)):
        events, unreviewed = counted.get(row.number, (0, 0))
        found.append(StoredSource("camera", events=events, unreviewed=unreviewed, **row._mapping))
    counted = _counted(session, EventRow.video_id)
    for row in session.execute(select(*_VIDEO, _last(VideoRow.id, EventRow.video_no)).order_by(VideoRow.name)):
        events, unreviewed = counted.get(row.number, (0, 0))
        found.append(StoredSource("video", events=events, unreviewed=unreviewed, **row._mapping))
    return found


def cameras(session: Session) -> list[StoredSource]:
    """All cameras by name, with the last event of each; nothing is counted."""
    wanted = select(*_CAMERA, _last(CameraRow.id, EventRow.camera_id)).order_by(CameraRow.name)
    return [StoredSource("camera", **row._mapping) for row in session.execute(wanted)]


def one_source(session: Session, kind: str, name: str | int) -> StoredSource:
    """A camera by its name, or a video by its number.

    Raises:
        StoreMissing: there is none.
    """
    if kind == "camera":
        for row in session.execute(select(*_CAMERA).where(CameraRow.name == name)):
            return StoredSource("camera", **row._mapping)
    else:
        for video in session.execute(select(*_VIDEO).where(VideoRow.id == name)):
            return StoredSource("video", **video._mapping)
    raise StoreMissing(f"there is no {kind} {name!r} in the store")


def explanation(session: Session, event: str) -> Explanation:
    """What is known of the detector and the scores of an event.

    Raises:
        StoreMissing: there is no such event.
    """
    wanted = (
        select(BundleRow.path, BundleRow.words, VersionRow.levels, ScoreFileRow.path, CameraRow.folder)
        .select_from(EventRow)
        .outerjoin(BundleRow, EventRow.bundle_id == BundleRow.id)
        .outerjoin(VersionRow, EventRow.version_id == VersionRow.id)
        .outerjoin(CameraRow, EventRow.camera_id == CameraRow.id)
        .outerjoin(
            ScoreFileRow,
            (ScoreFileRow.video_id == EventRow.video_id) & (ScoreFileRow.bundle_id == EventRow.bundle_id),
        )
    )
    row = session.execute(wanted.where(EventRow.id == event)).one_or_none()
    if row is None:
        raise StoreMissing(f"there is no event {event!r}")
    bundle, words, levels, file, folder = row
    pairs = {name: (float(level[0]), float(level[1])) for name, level in (levels or {}).items()}
    return Explanation(bundle or "", words or {}, pairs, file, folder)


def scored_utc(session: Session) -> float:
    """When a video was recorded last, in seconds since 1970; 0 where there is none."""
    return session.execute(select(func.max(VideoRow.scored_utc))).scalar_one() or 0.0


def threshold_of(session: Session, kind: str, number: int) -> float | None:
    """The threshold of the latest event of a camera or a video that has one."""
    wanted = select(EventRow.threshold).where(EventRow.threshold.is_not(None))
    if kind == "camera":
        wanted = wanted.where(EventRow.camera_id == number, EventRow.video_no == 0)
    else:
        wanted = wanted.where(EventRow.video_no == number)
    return session.execute(wanted.order_by(EventRow.begin.desc(), EventRow.id.desc()).limit(1)).scalar_one_or_none()


def score_file_of(session: Session, video: int) -> str | None:
    """Where the scores of a video lie that the bundle made which came into the store last."""
    wanted = select(ScoreFileRow.path).join(BundleRow, ScoreFileRow.bundle_id == BundleRow.id)
    wanted = wanted.where(ScoreFileRow.video_id == video).order_by(BundleRow.known_utc.desc()).limit(1)
    return session.execute(wanted).scalar_one_or_none()


def days(session: Session, camera: str, offset_s: float) -> list[int]:
    """Days since 1970 on which events of a camera begin, where a day begins `offset_s` before that of UTC."""
    day = cast(func.floor((EventRow.begin + offset_s) / DAY_S), Integer)
    number = select(CameraRow.id).where(CameraRow.name == camera).scalar_subquery()
    wanted = select(day).where(EventRow.camera_id == number, EventRow.video_no == 0).distinct()
    return sorted(session.scalars(wanted))


def _counted(session: Session, column: InstrumentedAttribute[int | None]) -> _Found:
    """The events of each camera, or of each video. Both counts come out of one index."""
    found: _Found = {}
    wanted = select(column, EventRow.reviewed, func.count()).where(column.is_not(None))
    for number, reviewed, count in session.execute(wanted.group_by(column, EventRow.reviewed)):
        assert number is not None, "others are not asked for"
        events, unreviewed = found.get(number, (0, 0))
        found[number] = events + count, unreviewed + (0 if reviewed else count)
    return found


def _last(number: InstrumentedAttribute[int], column: InstrumentedAttribute[Any]) -> Any:
    """The id of the event that begins last, of a camera or of a video."""
    wanted = select(EventRow.id).where(column == number)
    if column is EventRow.camera_id:
        wanted = wanted.where(EventRow.video_no == 0)
    order = wanted.order_by(EventRow.begin.desc(), EventRow.id.desc()).limit(1)
    return order.correlate(number.class_).scalar_subquery().label("last_event")


_CAMERA = (
    CameraRow.id.label("number"), CameraRow.name, CameraRow.folder, CameraRow.state, CameraRow.words,
    CameraRow.state_utc, CameraRow.seen_utc,
)  # fmt: skip
_VIDEO = (
    VideoRow.id.label("number"), VideoRow.name, VideoRow.path, VideoRow.key, VideoRow.width, VideoRow.height,
    VideoRow.fps, VideoRow.first_s, VideoRow.last_s,
)  # fmt: skip
