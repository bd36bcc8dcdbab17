"""The first tables of the event store."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the tables. There is no way back: the copy of the database from before is that."""
    op.create_table(
        "cameras",
        sa.Column("id", _NUMBER, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_cameras"),
        sa.UniqueConstraint("name", name="uq_cameras_name"),
    )
    op.create_table(
        "bundles",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("detector", sa.Text(), nullable=False),
        sa.Column("parent", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("recipe", sa.Text(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("known_utc", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_bundles"),
    )
    op.create_table(
        "model_versions",
        sa.Column("id", _NUMBER, nullable=False),
        sa.Column("bundle_id", sa.Text(), nullable=False),
        sa.Column("threshold", sa.Double(), nullable=False),
        sa.Column("low", sa.Double(), nullable=False),
        sa.Column("promise", sa.Text(), nullable=False),
        sa.Column("since_utc", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_model_versions"),
        sa.ForeignKeyConstraint(["bundle_id"], ["bundles.id"], name="fk_model_versions_bundle_id"),
        sa.UniqueConstraint("bundle_id", "threshold", "low", name="uq_model_versions_bundle_id"),
    )
    op.create_table(
        "videos",
        sa.Column("id", _NUMBER, nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("width", sa.Integer(), nullable=False),
        sa.Column("height", sa.Integer(), nullable=False),
        sa.Column("fps", sa.Double()),
        sa.Column("frames", sa.BigInteger()),
        sa.Column("first_s", sa.Double()),
        sa.Column("last_s", sa.Double()),
        sa.Column("scored_utc", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_videos"),
        sa.UniqueConstraint("key", name="uq_videos_key"),
    )
    _events()
    op.create_table(
        "marks",
        sa.Column("id", _NUMBER, nullable=False),
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("what", sa.String(16), nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("at_utc", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_marks"),
        sa.ForeignKeyConstraint(["event_id"], ["events.id"], name="fk_marks_event_id"),
        sa.CheckConstraint("what in ('normal', 'abnormal', 'unsure', 'undo')", name="ck_marks_what"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_marks_event_id", "marks", ["event_id"])
    op.create_table(
        "zones",
        sa.Column("id", _NUMBER, nullable=False),
        sa.Column("camera_id", _NUMBER),
        sa.Column("bundle_id", sa.Text()),
        sa.Column("corners", sa.Text(), nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("since_utc", sa.Double(), nullable=False),
        sa.Column("until_utc", sa.Double()),
        sa.PrimaryKeyConstraint("id", name="pk_zones"),
        sa.ForeignKeyConstraint(["camera_id"], ["cameras.id"], name="fk_zones_camera_id"),
        sa.ForeignKeyConstraint(["bundle_id"], ["bundles.id"], name="fk_zones_bundle_id"),
    )


def _events() -> None:
    op.create_table(
        "events",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("is_open", sa.Boolean(), nullable=False),
        sa.Column("found", sa.Boolean(), nullable=False),
        sa.Column("camera_id", _NUMBER),
        sa.Column("video_id", _NUMBER),
        sa.Column("bundle_id", sa.Text()),
        sa.Column("version_id", _NUMBER),
        *(sa.Column(f"{moment}_frame", sa.BigInteger()) for moment in ("start", "peak", "end")),
        *(sa.Column(f"{moment}_s", sa.Double(), nullable=False) for moment in ("start", "peak", "end")),
        *(sa.Column(f"{moment}_utc", sa.Double()) for moment in ("start", "peak", "end")),
        sa.Column("score", sa.Double()),
        sa.Column("threshold", sa.Double()),
        sa.Column("box", sa.Text()),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("why", "reasons", "text", "held")),
        *(sa.Column(name, sa.Text()) for name in ("clip", "thumbnail", "heat")),
        sa.Column("writer", sa.Text(), nullable=False),
        sa.Column("video_no", sa.BigInteger(), nullable=False),
        sa.Column("begin", sa.Double(), nullable=False),
        sa.Column("rank", sa.Double(), nullable=False),
        sa.Column("reviewed", sa.Integer(), nullable=False),
        sa.Column("marks", sa.Integer(), nullable=False),
        sa.Column("mark", sa.String(16)),
        sa.Column("marked_by", sa.Text()),
        sa.Column("marked_utc", sa.Double()),
        sa.Column("note", sa.Text()),
        sa.Column("changed_utc", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_events"),
        sa.ForeignKeyConstraint(["camera_id"], ["cameras.id"], name="fk_events_camera_id"),
        sa.ForeignKeyConstraint(["video_id"], ["videos.id"], name="fk_events_video_id"),
        sa.ForeignKeyConstraint(["bundle_id"], ["bundles.id"], name="fk_events_bundle_id"),
        sa.ForeignKeyConstraint(["version_id"], ["model_versions.id"], name="fk_events_version_id"),
    )
    op.create_index("ix_events_rank", "events", ["reviewed", "rank", "id"])
    for name in ("camera", "kind", "mark"):
        column = "camera_id" if name == "camera" else name
        op.create_index(f"ix_events_{name}_rank", "events", [column, "reviewed", "rank", "id"])
    op.create_index("ix_events_time", "events", ["video_no", "begin", "id"])
    op.create_index("ix_events_camera_time", "events", ["camera_id", "video_no", "begin", "id"])
    op.create_index("ix_events_video", "events", ["video_id", "bundle_id"])
    op.create_index("ix_events_start_utc", "events", ["start_utc"])
