"""The state of a database before it is used: made if empty, migrated if older, refused if newer or of somebody else."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Connection, Engine, MetaData, inspect, text

from oddframe.atomic import replacing
from oddframe.errors import StoreError
from oddframe.store import tables
from oddframe.store.engine import WRITING, in_plain_words
from oddframe.store.place import StorePlace

MIGRATIONS = Path(__file__).parent / "migrations"
_LOCK = 0x6F64646672616D65  # "oddframe": of PostgreSQL, for the time of a migration


def prepare(engine: Engine, place: StorePlace, create: bool = True, migrate: bool | None = None) -> None:
    """See that a database has the tables of this oddframe.

    Args:
        create: make them in an empty database.
        migrate: bring older ones up to date. None: in SQLite, after a copy of the file; not in PostgreSQL.

    Raises:
        StoreError: it is empty and stays so, is older and stays so, is newer, or is not of oddframe.
    """
    with in_plain_words(place):
        with engine.connect() as connection:
            found = version_of(connection, place)
        if found == tables.SCHEMA:
            return
        if found is None and not create:
            raise StoreError(f"{place.shown}: there is no event store in it; `oddframe score --store` makes one")
        if found is not None and not (place.file is not None if migrate is None else migrate):
            raise StoreError(
                f"{place.shown}: made by an older oddframe; copy it (pg_dump), end the programs that use it, and run "
                "`oddframe events migrate --store URL`"
            )
        with engine.connect().execution_options(**{WRITING: True}) as connection, connection.begin():
            if place.file is None:
                connection.execute(text("select pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
            found = version_of(connection, place)  # somebody else may have done it meanwhile
            if found == tables.SCHEMA:
                return
            if found is not None and place.file is not None:
                copy_of(place.file, found)
            upgrade(connection)


def version_of(connection: Connection, place: StorePlace) -> str | None:
    """The migration that a database is at, or None where there is nothing of oddframe in it, and nothing in the way.

    Raises:
        StoreError: it is newer than this program, or not of oddframe.
    """
    if place.file is None:
        encoding = str(connection.execute(text("show server_encoding")).scalar_one())
        if encoding not in ("UTF8", "SQL_ASCII"):
            raise StoreError(f"{place.shown}: its encoding is {encoding}; make the database with the encoding UTF8")
    names = set(inspect(connection).get_table_names())
    if tables.VERSION_TABLE not in names:
        taken = names if place.file is not None else names & set(tables.StoreTable.metadata.tables)
        if taken:
            raise StoreError(
                f"{place.shown}: this is a database of another program (it has a table {min(taken)!r}); choose another"
            )
        return None
    rows = connection.execute(text(f"select version_num from {tables.VERSION_TABLE}")).scalars().all()  # noqa: S608
    if len(rows) != 1 or not str(rows[0]).isdecimal():
        raise StoreError(f"{place.shown}: it does not say which oddframe made it; put back a copy")
    found = str(rows[0])
    if int(found) > int(tables.SCHEMA):
        raise StoreError(f"{place.shown}: made by a newer oddframe than this one; install a newer oddframe")
    if found == tables.SCHEMA:
        missing = set(tables.StoreTable.metadata.tables) - names
        if missing:
            raise StoreError(f"{place.shown}: its table {min(missing)!r} is missing; put back a copy")
    return found


def copy_of(file: Path, version: str) -> Path:
    """Copy a file of SQLite as it is now, with what its other files hold, to a file beside it."""
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%fZ")
    copy = file.with_name(f"{file.name}.{version}-{stamp}")
    with replacing(copy) as temporary:
        source, target = sqlite3.connect(file), sqlite3.connect(temporary)
        try:
            source.backup(target)
        finally:
            source.close()
            target.close()
    return copy


def upgrade(connection: Connection) -> None:
    """Run the migrations that are missing, in the transaction of the connection."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def differences(connection: Connection, metadata: MetaData = tables.StoreTable.metadata) -> list[object]:
    """What the tables of a database lack or have besides what `oddframe.store.tables` says; for tests of migrations."""
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    context = MigrationContext.configure(
        connection, opts={"version_table": tables.VERSION_TABLE, "compare_type": True}
    )  # fmt: skip
    return list(compare_metadata(context, metadata))
