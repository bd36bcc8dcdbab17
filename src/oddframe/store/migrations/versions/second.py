"""What a review page asks for: states of cameras, score files, words of components, and what has changed lately."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Add columns that may be empty, a table and indexes. No row changes."""
    for name, kind in (
        ("folder", sa.Text()), ("state", sa.String(16)), ("words", sa.Text()), ("state_utc", sa.Double()),
        ("seen_utc", sa.Double()),
    ):  # fmt: skip
        op.add_column("cameras", sa.Column(name, kind))
    op.add_column("bundles", sa.Column("words", sa.Text()))
    op.add_column("model_versions", sa.Column("levels", sa.Text()))
    op.create_table(
        "score_files",
        sa.Column("video_id", _NUMBER, nullable=False),
        sa.Column("bundle_id", sa.Text(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("video_id", "bundle_id", name="pk_score_files"),
        sa.ForeignKeyConstraint(["video_id"], ["videos.id"], name="fk_score_files_video_id"),
        sa.ForeignKeyConstraint(["bundle_id"], ["bundles.id"], name="fk_score_files_bundle_id"),
    )
    op.create_index("ix_events_video_rank", "events", ["video_id", "reviewed", "rank", "id"])
    op.create_index("ix_events_changed_utc", "events", ["changed_utc"])
