"""A watch whose server of PostgreSQL is down for a while loses nothing."""

from __future__ import annotations

import time
from pathlib import Path

import psycopg
from found import scores, trained
from postgres_server import emptied

import oddframe
from oddframe.live.messages import Notice
from oddframe.live.sinks.store import EventStore
from oddframe.store.place import store_place


def told(number: int) -> Notice:
    return Notice(
        "closed", "anomaly", f"{number:016x}", "door", "b0b0b0b0b0b0", 1.8e9, 1.8e9, 1.8e9, 0.0, 0.0, 0.0, 5.0, 4.0
    )


def test_notices_wait_for_a_server_that_is_down(server: str, tmp_path: Path) -> None:
    url, said = emptied(server), list[str]()
    detectors = [(trained(), "b0b0b0b0b0b0", scores({"01": [0]}).threshold())]
    sink = EventStore(store_place(url), tmp_path, ["door"], detectors, said.append)
    sink.tell(told(1))
    with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
        connection.execute("alter database d allow_connections false")
        try:
            connection.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = 'd'")
            for number in range(2, 6):
                sink.tell(told(number))
            until = time.monotonic() + 60
            while not said and time.monotonic() < until:
                time.sleep(0.02)
            assert said and "no connection" in said[0] and "wait in the outbox" in said[0]
        finally:
            connection.execute("alter database d allow_connections true")
    sink.close(30)
    while sink._thread.is_alive():  # it may have been in the pause before another try
        time.sleep(0.02)
    assert len(said) <= 2, "a fault is said once, and its end"
    EventStore(store_place(url), tmp_path, ["door"], detectors, said.append).close(30)
    with oddframe.open_store(url) as store:
        assert {event.id for event in store.every()} == {f"{number:016x}" for number in range(1, 6)}
