"""Migrations of the event store, which Alembic runs. One file a step in `versions`, numbered 0001, 0002 and so on."""
