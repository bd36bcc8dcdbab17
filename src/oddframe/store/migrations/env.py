"""What Alembic runs to migrate an event store: the steps, on the connection and in the transaction of the caller."""

from __future__ import annotations

from alembic import context

from oddframe.store.tables import VERSION_TABLE

context.configure(
    connection=context.config.attributes["connection"], version_table=VERSION_TABLE, transactional_ddl=True
)
with context.begin_transaction():
    context.run_migrations()
