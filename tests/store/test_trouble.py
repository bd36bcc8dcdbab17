"""Disks, servers, locks and kills: one line says what is wrong, and what was reported as written is there."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import psycopg
import pytest
from found import notice, scores, trained
from postgres_server import emptied, free_port
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

import oddframe
from oddframe.errors import OddframeError, SpaceError, StoreError, StoreRefusal
from oddframe.store import engine
from oddframe.store.engine import in_plain_words
from oddframe.store.marking import last_that_counts
from oddframe.store.place import store_place
from oddframe.store.reading import EventQuery
from oddframe.store.store import Store

WRITER = """
import sys, oddframe
sys.path.insert(0, sys.argv[2])
from found import notice
store, number = oddframe.open_store(sys.argv[1]), int(sys.argv[3])
while True:
    store.tell([notice(number), notice(number, "closed")])
    if number % 3 == 0:
        store.mark(f"{number:016x}", "normal", "ann")
    print(number, flush=True)
    number += 1
"""


def writer(url: str, first: int) -> subprocess.Popen[str]:
    """A process that writes event after event, and prints the number of each that was written."""
    words = [sys.executable, "-c", WRITER, url, str(Path(__file__).parent), str(first)]
    return subprocess.Popen(words, stdout=subprocess.PIPE, text=True)


@pytest.mark.slow
def test_a_kill_loses_nothing_that_was_reported_as_written(url: str) -> None:
    oddframe.open_store(url).close()
    for round_ in range(2):
        process = writer(url, 1000 * round_)
        assert process.stdout is not None
        reported = [int(process.stdout.readline()) for _ in range(8 + round_)]
        os.kill(process.pid, signal.SIGKILL)
        reported += [int(line) for line in process.stdout.read().splitlines()]
        process.wait()
        with oddframe.open_store(url) as store:
            for number in reported:
                event = store.event(f"{number:016x}")
                assert not event.open and (event.mark == "normal") == (number % 3 == 0)
            for event in store.every():
                assert not event.open, "both notices of an event are there, or none"
                assert len(store.marks(event.id)) == (event.mark is not None)


@pytest.mark.slow
def test_two_writers_and_a_reader_do_not_disturb_each_other(url: str) -> None:
    oddframe.open_store(url).close()
    both = [writer(url, 0), writer(url, 1000)]
    with oddframe.open_store(url) as store:
        written = [{process.stdout.readline().strip()} for process in both]  # each has begun
        counts, until = [store.count()], time.monotonic() + 60
        while counts[-1] < counts[0] + 40 and time.monotonic() < until:
            counts.append(store.count())
            store.events()
        for process, own in zip(both, written, strict=True):
            process.terminate()
            own |= set(process.communicate(timeout=60)[0].split())
            assert process.returncode == -signal.SIGTERM, "it wrote until it was ended"
        assert counts == sorted(counts) and counts[-1] >= counts[0] + 40
        reported = {f"{int(number):016x}" for own in written for number in own}
        assert reported <= {event.id for event in store.every()}


def test_many_threads_mark_one_event_and_no_mark_is_lost(store: Store) -> None:
    store.tell([notice(1)])
    name = f"{1:016x}"

    def work(who: str) -> None:
        for what in ("normal", "abnormal", "undo"):
            store.mark(name, what, who)

    threads = [threading.Thread(target=work, args=(f"user {number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    marks, event = store.marks(name), store.event(name)
    assert len(marks) == 12
    counts = last_that_counts(marks)
    assert (event.mark, event.marked_by) == ((counts.what, counts.who) if counts else (None, None))


def test_a_full_disk_is_one_line_and_what_was_written_stays(tmp_path: Path) -> None:
    with oddframe.open_store(tmp_path) as store:
        store.tell([notice(1)])
        with store._database.engine.connect() as connection:
            connection.exec_driver_sql("pragma max_page_count = 1")  # of this connection, which the pool gives again
        with pytest.raises(SpaceError, match=r"events.db: the disk is full; make room"):
            store.tell([notice(number, text="x" * 2000) for number in range(2, 400)])
        assert [event.id for event in store.every()] == [f"{1:016x}"]


def test_a_database_that_stays_locked_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "WAIT_S", 0.2)
    with oddframe.open_store(tmp_path) as store:
        other = sqlite3.connect(tmp_path / "events.db", isolation_level=None)
        other.execute("begin immediate")
        with pytest.raises(StoreError, match=r"another process has been writing for more than 0.2 s; try again"):
            store.tell([notice(1)])
        assert store.count() == 0, "reading goes on meanwhile"
        other.execute("rollback")
        store.tell([notice(1)])
        assert store.count() == 1


def damaged(file: Path) -> None:
    with oddframe.open_store(file) as store:
        store.tell([notice(number) for number in range(50)])
    content = bytearray(file.read_bytes())
    content[4096:] = os.urandom(len(content) - 4096)
    file.write_bytes(content)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda file: file.write_text("hello, this is no database, but a letter"), "not a database of SQLite"),
        (lambda file: file.write_bytes(b"SQLite format 3\0" + bytes(84)), "not a database of SQLite|damaged"),
        (lambda file: file.write_bytes(b"SQLite format 3\0"), "not a database of SQLite|damaged"),
        (damaged, "the database is damaged; put back a copy"),
        (os.mkfifo, "this is no file"),
    ],
)
def test_what_is_no_store_is_refused_in_one_line(tmp_path: Path, make: object, message: str) -> None:
    file = tmp_path / "events.db"
    make(file)
    with pytest.raises(StoreError, match=message) as error:
        with oddframe.open_store(file) as store:
            list(store.every())
    assert "\n" not in str(error.value) and "sqlalche" not in str(error.value).lower()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("column", "value"),
    [("why", "[1]"), ("why", '{"a": "b"}'), ("why", "{"), ("box", "[1, 2]"), ("box", '"abcd"'), ("reasons", "7")],
)
def test_an_event_that_somebody_spoilt_is_one_line(store: Store, column: str, value: str) -> None:
    store.tell([notice(1)])
    with store._database.engine.begin() as connection:
        connection.execute(text(f"update events set {column} = :value"), {"value": value})
    for look in (store.events, lambda: store.event(f"{1:016x}"), lambda: list(store.every())):
        with pytest.raises(StoreError, match=r"an event in the database is damaged \(.*\); put back a copy"):
            look()
    store.mark(f"{1:016x}", "normal", "ann")


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("mysql://ann:hunter2@h/d", "mysql:// is no event store; write the path of a file, or postgresql://"),
        ("sqlite://", "an event store lies in a file"),
        ("postgresql://ann:hunter2@127.0.0.1:{port}/d", r"postgresql://127.0.0.1:\d+/d: no connection \(.*refused"),
        ("postgresql://ann:hunter2@127.0.0.1:99999/d", "this is no address of a database"),
        ("postgresql://ann:hunter2@[/d", "this is no address of a database"),
        ("auto", "there is no folder for a store of the name auto"),
    ],
)
def test_a_wrong_address_is_one_line_without_the_password(place: str, message: str) -> None:
    with pytest.raises(OddframeError, match=message) as error:
        oddframe.open_store(place.format(port=free_port()))
    assert "hunter2" not in str(error.value) and "ann" not in str(error.value) and "\n" not in str(error.value)


def test_a_database_that_is_not_there_is_named(server: str) -> None:
    with pytest.raises(StoreError, match=r"/nothing: no connection \(.*database \"nothing\" does not exist"):
        oddframe.open_store(f"{server}/nothing")


def test_a_store_connects_again_when_the_server_has_ended_its_connections(server: str) -> None:
    with oddframe.open_store(emptied(server)) as store:
        store.tell([notice(1)])
        import psycopg

        with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
            connection.execute("select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid()")
        store.tell([notice(2)])
        assert store.count() == 2


def test_a_store_that_fails_between_two_videos_keeps_the_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from oddframe.store import recording

    real, seen = recording._video, list[object]()

    def fails(*words: object) -> int:
        seen.append(words)
        if len(seen) == 2:
            raise StoreError("the server is gone")
        return real(*words)  # type: ignore[arg-type]

    found = scores({"01": [0, 5, 0], "02": [0, 6, 0]})
    with oddframe.open_store(tmp_path) as store:
        monkeypatch.setattr(recording, "_video", fails)
        with pytest.raises(StoreError, match="the server is gone"):
            store.record_scores(trained(), found)
        assert [event.video for event in store.every()] == ["01"]
        monkeypatch.setattr(recording, "_video", real)
        assert store.record_scores(trained(), found).new == 1 and store.count() == 2


def test_a_missing_library_is_named_with_its_remedy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "sqlalchemy", None)
    with pytest.raises(OddframeError, match=r'the library sqlalchemy: pip install "\.\[review\]"'):
        oddframe.open_store(tmp_path)


@pytest.mark.parametrize("kind", ["AdminShutdown", "CannotConnectNow", "DeadlockDetected", "TooManyConnections"])
def test_what_may_go_well_later_is_not_refused(kind: str) -> None:
    """A notice that the database refuses is set aside for good."""
    place = store_place("postgresql://guard:secret@127.0.0.1:1/d")
    with pytest.raises(StoreError, match="no connection") as caught, in_plain_words(place):
        raise DBAPIError("", None, getattr(psycopg.errors, kind)("terminating connection of secret"))
    assert not isinstance(caught.value, StoreRefusal) and "secret" not in str(caught.value)


@pytest.mark.slow
def test_a_process_that_never_pauses_leaves_others_their_turn(tmp_path: Path) -> None:
    program = """
import sys, oddframe
from found import notice
with oddframe.open_store(sys.argv[1]) as store:
    print("ready", flush=True)
    while True:
        store.tell([notice(7)])
"""
    with oddframe.open_store(tmp_path) as store:
        store.tell([notice(number) for number in range(20)])
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        command = [sys.executable, "-c", program, str(tmp_path / "events.db")]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as busy:
            assert busy.stdout is not None and busy.stdout.readline() == "ready\n"
            waits = []
            for number in range(20):
                began = time.perf_counter()
                store.mark(f"{number:016x}", "normal", "ann")
                waits.append(time.perf_counter() - began)
            busy.kill()
    assert sorted(waits)[10] < 0.5, "on a busy machine too"


@pytest.mark.slow
def test_many_threads_write_in_turns(tmp_path: Path) -> None:
    """In SQLite, threads of a process do not wait for each other by looking now and then."""
    with oddframe.open_store(tmp_path) as store:
        store.tell([notice(number) for number in range(200)])
        waits: list[float] = []

        def mark(first: int) -> None:
            for number in range(first, 200, 20):
                began = time.perf_counter()
                store.mark(f"{number:016x}", "normal", "ann")
                waits.append(time.perf_counter() - began)

        threads = [threading.Thread(target=mark, args=(first,)) for first in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert store.count(EventQuery(mark="normal")) == 200 and len(waits) == 200
        store._one_writer.acquire(1)
        try:
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr("oddframe.store.store.WAIT_S", 0.05)
                with pytest.raises(StoreError, match=r"others have been writing for more than 0\.05 s; try again"):
                    store.mark(f"{1:016x}", "normal", "ann")
                assert store.count() == 200, "readers wait for nobody"
        finally:
            store._one_writer.release()
