"""Where an event store lies: a file of SQLite, or a database of PostgreSQL. Nothing is opened here."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from oddframe.errors import StoreError

FILE = "events.db"
AUTO = "auto"
_SQLITE, _POSTGRES = ("sqlite", "sqlite+pysqlite"), ("postgresql", "postgres", "postgresql+psycopg")


@dataclass(frozen=True)
class StorePlace:
    """Where an event store lies.

    Attributes:
        shown: the place for people, without user name, password and parameters.
        file: of SQLite, or None.
        url: of PostgreSQL, with all that it takes to connect; empty for SQLite. It is never shown or logged.
    """

    shown: str
    file: Path | None = None
    url: str = field(default="", repr=False)


def store_place(store: str | Path, folder: str | Path | None = None) -> StorePlace:
    """The place that a user names.

    Args:
        store: the path of a file; a folder that holds `events.db`; `sqlite:///PATH`;
            `postgresql://USER:PASSWORD@HOST:PORT/DATABASE`; or "auto".
        folder: "auto" means `events.db` in this folder.

    Raises:
        StoreError: the address is of another kind, or "auto" is asked for where there is no folder.
    """
    text = os.fspath(store)
    if text == AUTO:
        if folder is None:
            raise StoreError("there is no folder for a store of the name auto; write a path or a URL")
        return _file(Path(folder) / FILE)
    if "://" not in text:
        return _file(Path(text) / FILE if Path(text).is_dir() else Path(text))
    scheme, _, rest = text.partition("://")
    if scheme.lower() in _SQLITE:
        if not rest.startswith("/") or rest == "/":
            raise StoreError("an event store lies in a file: write sqlite:///PATH, or the path alone")
        return _file(Path(rest[1:]))
    if scheme.lower() in _POSTGRES:
        return _server(rest)
    raise StoreError(
        f"{scheme}:// is no event store; write the path of a file, or postgresql://USER:PASSWORD@HOST:PORT/DATABASE"
    )


def _file(path: Path) -> StorePlace:
    return StorePlace(str(path), file=path)


def _server(rest: str) -> StorePlace:
    """A database of PostgreSQL; `rest` follows "://"."""
    try:
        parts = urlsplit(f"postgresql://{rest}")
        host = parts.hostname or parse_qs(parts.query).get("host", [""])[0]
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        raise StoreError(
            "this is no address of a database; write postgresql://USER:PASSWORD@HOST:PORT/DATABASE, and special "
            "letters of the password as %40 and the like"
        ) from None
    return StorePlace(f"postgresql://{host}{port}{parts.path}", url=f"postgresql+psycopg://{rest}")
