"""Connections to an event store, and what its database's errors mean to the one who reads them."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError, StatementError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from oddframe.errors import OddframeError, SpaceError, StoreError, StoreRefusal
from oddframe.store.place import StorePlace

WAIT_S = 10.0  # for another process that writes
DISK_FULL, LOCK_NOT_AVAILABLE = "53100", "55P03"  # of PostgreSQL
# Classes of SQLSTATE in which the same statement may succeed later: connections, transactions, resources, shutdowns.
AWAY = ("08", "40", "53", "57")
_LOOK_S = 0.001  # between two looks whether another process still writes into SQLite
WRITING = "oddframe_writing"  # a transaction that is going to write takes SQLite's lock when it begins


def open_engine(place: StorePlace) -> Engine:
    """An engine, which connects when it is first used.

    Raises:
        StoreError: the place cannot be a database.
    """
    if place.file is None:
        try:
            url = make_url(place.url)
        except ArgumentError:
            raise StoreError(
                f"{place.shown}: this is no address of a database; write postgresql://USER:PASSWORD@HOST:PORT/DATABASE"
            ) from None
        waits = {"connect_timeout": int(WAIT_S), "client_encoding": "utf8", "application_name": "oddframe"}
        given = {key: value for key, value in waits.items() if key not in url.query}
        engine = create_engine(url, connect_args=given, pool_pre_ping=True)
        event.listen(engine, "connect", _prepare_postgres)
        return engine
    if place.file.exists():
        _look_at(place)
    engine = create_engine(URL.create("sqlite", database=str(place.file)), connect_args={"timeout": WAIT_S})
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _look_at(place: StorePlace) -> None:
    """See that a place is a file, without opening it.

    Where a process closes a file, the system drops all locks that the process has on it, those of SQLite included. Then
    another process takes itself for the last one, and removes the log. SQLite says itself what is no database.

    Raises:
        StoreError: it is not.
    """
    assert place.file is not None
    if not place.file.is_file():
        raise StoreError(f"{place.shown}: this is no file; choose another place for the store")


def _prepare_sqlite(connection: Any, record: object) -> None:
    """Readers and one writer at a time, each commit on the disk before it counts; transactions begin when we say so."""
    connection.isolation_level = None
    connection.execute(f"pragma busy_timeout = {int(WAIT_S * 1000)}")
    until = time.monotonic() + WAIT_S
    while connection.execute("pragma journal_mode").fetchone()[0] != "wal":
        try:
            connection.execute("pragma journal_mode = wal")
            break  # where the file system cannot have it, another mode stays, and all is right, but slower
        except sqlite3.OperationalError as error:  # the wait for a lock does not hold for this switch
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
            time.sleep(0.01)
    connection.execute("pragma synchronous = full")
    connection.execute("pragma foreign_keys = on")
    connection.execute("pragma trusted_schema = off")  # a file of a stranger runs nothing of its own


def _begin_sqlite(connection: Connection) -> None:
    """Begin a transaction; one that is going to write waits for its turn.

    SQLite's own way of waiting looks every 25 to 100 ms whether the lock is free. Beside a process that writes one
    transaction after the other it is hardly ever free then, and a waiter may not have its turn for many seconds.
    """
    if not connection.get_execution_options().get(WRITING, False):
        connection.exec_driver_sql("begin")
        return
    raw: Any = connection.connection.dbapi_connection
    until = time.monotonic() + WAIT_S
    raw.execute("pragma busy_timeout = 0")
    try:
        while time.monotonic() < until:
            try:
                raw.execute("begin immediate")
                return
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                    break
            time.sleep(_LOOK_S)
        connection.exec_driver_sql("begin immediate")  # its failure is told as those of all statements are
    finally:
        raw.execute(f"pragma busy_timeout = {int(WAIT_S * 1000)}")


class Turns:
    """A lock that goes to whoever has waited longest; that of Python may pass over one again and again."""

    def __init__(self) -> None:
        self._lock, self._taken = threading.Lock(), False
        self._waiting: deque[threading.Event] = deque()

    def acquire(self, timeout: float) -> bool:
        """Wait for one's turn; False where it does not come within `timeout` seconds."""
        with self._lock:
            if not self._taken:
                self._taken = True
                return True
            mine = threading.Event()
            self._waiting.append(mine)
        if mine.wait(timeout):
            return True
        with self._lock:
            if mine.is_set():  # it came at the last moment
                return True
            self._waiting.remove(mine)
            return False

    def release(self) -> None:
        """Give the turn to the next."""
        with self._lock:
            if self._waiting:
                self._waiting.popleft().set()
            else:
                self._taken = False


def _prepare_postgres(connection: Any, record: object) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"set lock_timeout = '{int(WAIT_S)}s'")
    connection.commit()


@contextmanager
def in_plain_words(place: StorePlace) -> Iterator[None]:
    """Turn the errors of a database into those of oddframe, a line each, without credentials.

    Raises:
        SpaceError: there is no room.
        StoreRefusal: the database is well, and a value is none that it or its library takes.
        StoreError: anything else.
    """
    try:
        yield
    except DBAPIError as error:
        raise _translated(error.orig, place) from None
    except PoolTimeout:
        raise StoreError(f"{place.shown}: too many things at once; try again") from None
    except StatementError as error:  # a value that the library cannot hand on; the database was not asked
        raise _refusal(place, error.orig or error) from None
    except OverflowError as error:
        raise _refusal(place, error) from None
    except SQLAlchemyError as error:
        raise StoreError(f"{place.shown}: the database cannot be used ({type(error).__name__})") from error


def _refusal(place: StorePlace, error: BaseException) -> StoreRefusal:
    return StoreRefusal(f"{place.shown}: a value cannot be written ({type(error).__name__})")


def _translated(error: BaseException | None, place: StorePlace) -> OddframeError:
    if isinstance(error, sqlite3.Error):
        return _of_sqlite(error, place)
    return _of_postgres(error, place)


def _of_sqlite(error: sqlite3.Error, place: StorePlace) -> OddframeError:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code == sqlite3.SQLITE_FULL:
        return SpaceError(f"{place.shown}: the disk is full; make room, and run the same command again")
    remedy = {
        sqlite3.SQLITE_BUSY: f"another process has been writing for more than {WAIT_S:g} s; try again",
        sqlite3.SQLITE_LOCKED: f"another process has been writing for more than {WAIT_S:g} s; try again",
        sqlite3.SQLITE_READONLY: "it may not be written to; allow it (chmod, chown), or choose another place",
        sqlite3.SQLITE_PERM: "it may not be opened; allow it (chmod, chown), or choose another place",
        sqlite3.SQLITE_CANTOPEN: "it cannot be opened; see that its folder is there and may be written to",
        sqlite3.SQLITE_NOTADB: "this is not a database of SQLite; choose another file",
        sqlite3.SQLITE_CORRUPT: "the database is damaged; put back a copy, or choose another file",
        sqlite3.SQLITE_IOERR: "the disk gives errors, or takes no file of this size; look at its state and its room",
    }.get(code)
    if remedy is None:
        return StoreRefusal(f"{place.shown}: the database refuses this ({error})")
    return StoreError(f"{place.shown}: {remedy}")


def _of_postgres(error: BaseException | None, place: StorePlace) -> OddframeError:
    said = next(iter(str(error).splitlines()), type(error).__name__)
    if place.url:
        password = make_url(place.url).password
        said = said.replace(str(password), "***") if password else said
    state = getattr(error, "sqlstate", None)
    if state == DISK_FULL:
        return SpaceError(f"{place.shown}: the disk of the server is full; make room, and run the same command again")
    if state == LOCK_NOT_AVAILABLE:
        return StoreError(f"{place.shown}: another process has been writing for more than {WAIT_S:g} s; try again")
    away = state is None and "OperationalError" in (kind.__name__ for kind in type(error).__mro__)
    if away or (state or "").startswith(AWAY):
        return StoreError(f"{place.shown}: no connection ({said}); see that the server runs and lets you in")
    return StoreRefusal(f"{place.shown}: the database refuses this ({said})")
