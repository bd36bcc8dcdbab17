"""The size of the picture of live events, without which their boxes say little."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add the columns. Events that are there have no size, because nothing that was kept of them tells it."""
    op.add_column("events", sa.Column("width", sa.Integer()))
    op.add_column("events", sa.Column("height", sa.Integer()))
