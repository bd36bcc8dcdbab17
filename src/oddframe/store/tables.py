"""The tables of an event store. docs/reference/store.md says what each is for.

Moments are seconds since 1970 (`*_utc`) or seconds of the media clock (`*_s`). What these classes say and what the
migrations make of an empty database is the same; a test compares them.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Double,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    UniqueConstraint,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from oddframe.store.columns import AnyText, Json

SCHEMA = "0003"
"""The newest migration. An older database is migrated to it, a newer one is refused."""

VERSION_TABLE = "oddframe_version"
Number = BigInteger().with_variant(Integer, "sqlite")  # SQLite counts rows in INTEGER columns alone


class StoreTable(DeclarativeBase):
    """Base of all tables."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_name)s",
            "uq": "uq_%(table_name)s_%(column_0_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


class CameraRow(StoreTable):
    """A watched camera, by its name. Its address is not kept.

    `folder` is the output folder of the watch that saw it last, `state` and `words` are what that watch said of it at
    `state_utc`, and `seen_utc` is when the watch gave its last sign of life.
    """

    __tablename__ = "cameras"

    id: Mapped[int] = mapped_column(Number, primary_key=True)
    name: Mapped[str] = mapped_column(AnyText, unique=True)
    folder: Mapped[str | None] = mapped_column(AnyText)
    state: Mapped[str | None] = mapped_column(String(16))
    words: Mapped[str | None] = mapped_column(AnyText)
    state_utc: Mapped[float | None] = mapped_column(Double)
    seen_utc: Mapped[float | None] = mapped_column(Double)


class BundleRow(StoreTable):
    """What made scores: a bundle in a runtime. `id` is what events carry; `words` say what its components tell."""

    __tablename__ = "bundles"

    id: Mapped[str] = mapped_column(AnyText, primary_key=True)
    detector: Mapped[str] = mapped_column(AnyText, default="")
    parent: Mapped[str] = mapped_column(AnyText, default="")
    model: Mapped[str] = mapped_column(AnyText, default="")
    recipe: Mapped[str] = mapped_column(AnyText, default="")
    path: Mapped[str] = mapped_column(AnyText, default="")
    known_utc: Mapped[float] = mapped_column(Double)
    words: Mapped[dict[str, str] | None] = mapped_column(Json)


class VersionRow(StoreTable):
    """A version of a model: a bundle with thresholds and what they promise.

    `levels` are mean and standard deviation of each component on normal video.
    """

    __tablename__ = "model_versions"
    __table_args__ = (UniqueConstraint("bundle_id", "threshold", "low"),)

    id: Mapped[int] = mapped_column(Number, primary_key=True)
    bundle_id: Mapped[str] = mapped_column(ForeignKey("bundles.id"))
    threshold: Mapped[float] = mapped_column(Double)
    low: Mapped[float] = mapped_column(Double)
    promise: Mapped[str] = mapped_column(AnyText)
    since_utc: Mapped[float] = mapped_column(Double)
    levels: Mapped[dict[str, list[float]] | None] = mapped_column(Json)


class VideoRow(StoreTable):
    """A video by its content; where that is not known, `key` is "name:" and its name."""

    __tablename__ = "videos"

    id: Mapped[int] = mapped_column(Number, primary_key=True)
    key: Mapped[str] = mapped_column(AnyText, unique=True)
    name: Mapped[str] = mapped_column(AnyText)
    path: Mapped[str] = mapped_column(AnyText)
    width: Mapped[int] = mapped_column(Integer)
    height: Mapped[int] = mapped_column(Integer)
    fps: Mapped[float | None] = mapped_column(Double)
    frames: Mapped[int | None] = mapped_column(BigInteger)
    first_s: Mapped[float | None] = mapped_column(Double)
    last_s: Mapped[float | None] = mapped_column(Double)
    scored_utc: Mapped[float] = mapped_column(Double)


class ScoreFileRow(StoreTable):
    """Where the scores lie that a bundle made of a video: the path of the .npz."""

    __tablename__ = "score_files"

    video_id: Mapped[int] = mapped_column(ForeignKey("videos.id"), primary_key=True)
    bundle_id: Mapped[str] = mapped_column(ForeignKey("bundles.id"), primary_key=True)
    path: Mapped[str] = mapped_column(AnyText)


class EventRow(StoreTable):
    """An event, a gap or a fault of a camera.

    Lists are sorted by `video_no`, which is the number of the video, or 0 for a live event; `begin`, the start by the
    clock, or in seconds of the video where no time of day is known; `rank`, the threshold minus the score; and
    `reviewed`, 1 where a mark counts. `marks` is how many marks were ever made, and `mark` the one that counts. `found`
    is false where a later scoring no longer finds the event. `writer` says which watch tells it; empty for files.
    `width` and `height` are those of the picture of a live event; a video has its own.
    """

    __tablename__ = "events"

    id: Mapped[str] = mapped_column(AnyText, primary_key=True)
    kind: Mapped[str] = mapped_column(AnyText)
    is_open: Mapped[bool]
    found: Mapped[bool]
    camera_id: Mapped[int | None] = mapped_column(ForeignKey("cameras.id"))
    video_id: Mapped[int | None] = mapped_column(ForeignKey("videos.id"))
    bundle_id: Mapped[str | None] = mapped_column(ForeignKey("bundles.id"))
    version_id: Mapped[int | None] = mapped_column(ForeignKey("model_versions.id"))
    start_frame: Mapped[int | None] = mapped_column(BigInteger)
    peak_frame: Mapped[int | None] = mapped_column(BigInteger)
    end_frame: Mapped[int | None] = mapped_column(BigInteger)
    start_s: Mapped[float] = mapped_column(Double)
    peak_s: Mapped[float] = mapped_column(Double)
    end_s: Mapped[float] = mapped_column(Double)
    start_utc: Mapped[float | None] = mapped_column(Double)
    peak_utc: Mapped[float | None] = mapped_column(Double)
    end_utc: Mapped[float | None] = mapped_column(Double)
    score: Mapped[float | None] = mapped_column(Double)
    threshold: Mapped[float | None] = mapped_column(Double)
    box: Mapped[list[int] | None] = mapped_column(Json)
    width: Mapped[int | None] = mapped_column(Integer)
    height: Mapped[int | None] = mapped_column(Integer)
    why: Mapped[dict[str, float | None]] = mapped_column(Json)
    reasons: Mapped[list[str]] = mapped_column(Json)
    text: Mapped[str] = mapped_column(AnyText)
    held: Mapped[str] = mapped_column(AnyText)
    clip: Mapped[str | None] = mapped_column(AnyText)
    thumbnail: Mapped[str | None] = mapped_column(AnyText)
    heat: Mapped[str | None] = mapped_column(AnyText)
    writer: Mapped[str] = mapped_column(AnyText, default="")
    video_no: Mapped[int] = mapped_column(BigInteger, default=0)
    begin: Mapped[float] = mapped_column(Double)
    rank: Mapped[float] = mapped_column(Double)
    reviewed: Mapped[int] = mapped_column(Integer, default=0)
    marks: Mapped[int] = mapped_column(Integer, default=0)
    mark: Mapped[str | None] = mapped_column(String(16))
    marked_by: Mapped[str | None] = mapped_column(AnyText)
    marked_utc: Mapped[float | None] = mapped_column(Double)
    note: Mapped[str | None] = mapped_column(AnyText)
    changed_utc: Mapped[float] = mapped_column(Double)


class MarkRow(StoreTable):
    """What somebody said of an event. Rows are added, and never changed or removed."""

    __tablename__ = "marks"
    __table_args__ = (
        CheckConstraint("what in ('normal', 'abnormal', 'unsure', 'undo')", name="what"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(Number, primary_key=True)
    event_id: Mapped[str] = mapped_column(ForeignKey("events.id"), index=True)
    what: Mapped[str] = mapped_column(String(16))
    who: Mapped[str] = mapped_column(AnyText)
    note: Mapped[str] = mapped_column(AnyText)
    at_utc: Mapped[float] = mapped_column(Double)


class ZoneRow(StoreTable):
    """A place to ignore, in what a camera or a detector sees; corners in shares of width and height."""

    __tablename__ = "zones"

    id: Mapped[int] = mapped_column(Number, primary_key=True)
    camera_id: Mapped[int | None] = mapped_column(ForeignKey("cameras.id"))
    bundle_id: Mapped[str | None] = mapped_column(ForeignKey("bundles.id"))
    corners: Mapped[list[list[float]]] = mapped_column(Json)
    who: Mapped[str] = mapped_column(AnyText)
    note: Mapped[str] = mapped_column(AnyText)
    since_utc: Mapped[float] = mapped_column(Double)
    until_utc: Mapped[float | None] = mapped_column(Double)


# What lists of a review page, of a camera or a kind of event are sorted by; see `oddframe.store.reading`.
Index("ix_events_rank", EventRow.reviewed, EventRow.rank, EventRow.id)
Index("ix_events_camera_rank", EventRow.camera_id, EventRow.reviewed, EventRow.rank, EventRow.id)
Index("ix_events_kind_rank", EventRow.kind, EventRow.reviewed, EventRow.rank, EventRow.id)
Index("ix_events_mark_rank", EventRow.mark, EventRow.reviewed, EventRow.rank, EventRow.id)
Index("ix_events_time", EventRow.video_no, EventRow.begin, EventRow.id)
Index("ix_events_camera_time", EventRow.camera_id, EventRow.video_no, EventRow.begin, EventRow.id)
Index("ix_events_video", EventRow.video_id, EventRow.bundle_id)
Index("ix_events_start_utc", EventRow.start_utc)
Index("ix_events_video_rank", EventRow.video_id, EventRow.reviewed, EventRow.rank, EventRow.id)
Index("ix_events_changed_utc", EventRow.changed_utc)
