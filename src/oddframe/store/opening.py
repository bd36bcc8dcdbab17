"""The way into the event store. It loads the libraries of databases when a store is opened, and not before."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from oddframe.extras import imported
from oddframe.store.place import StorePlace, store_place

if TYPE_CHECKING:
    from oddframe.store.store import Store


def open_store(store: str | Path | StorePlace, *, create: bool = True, migrate: bool | None = None) -> Store:
    """Open an event store.

    Args:
        store: a file of SQLite, which is made if missing; a folder, in which it is `events.db`; or
            `postgresql://USER:PASSWORD@HOST:PORT/DATABASE`, a database that is there. Password and host may also come
            from what libpq reads: `PGPASSWORD`, `~/.pgpass` and the like. A `StorePlace` is such a place, checked.
        create: make the tables where there are none.
        migrate: bring the tables of an older oddframe up to date. None: in SQLite, after a copy of the file.

    Returns:
        The store; end its connections with `close`, or use it in a `with` block.

    Raises:
        StoreError: it cannot be opened, was made by a newer oddframe or another program, or by an older oddframe and is
            not migrated.
        InputError: the libraries of the extra "review" are not installed.
    """
    place = store if isinstance(store, StorePlace) else store_place(store)
    require_libraries(place)
    from oddframe.store.store import Store

    return Store(place, create, migrate)


def require_libraries(place: StorePlace) -> None:
    """See that there are the libraries that a store takes.

    Raises:
        InputError: the extra "review" is not installed.
    """
    for library in ("sqlalchemy", "alembic", *(["psycopg"] if place.url else [])):
        imported(library, "review")
