"""The review page with 100,000 events, over HTTP: a page of the list and a mark; and 50 people while a watch writes.

    python benchmarks/review.py speed [--events 100000] [--rounds 30]
    python benchmarks/review.py crowd [--clients 50] [--rate 20] [--minutes 5]

Both for SQLite and for PostgreSQL, which is started where this machine has it (see tests/store/postgres_server.py),
with fsync on. The server is `oddframe review` in a process of its own. "By hand" is the SQL of the same answer, through
the driver alone: the page, and both counts that stand beside it; for a mark, the statements of a mark. The crowd looks
at pages and single events, marks events of its own, and listens to changes; a writer tells notices as `watch` does.
Afterwards every notice that was written and every mark that was answered must be in the database.

A lock in SQLite is what a writer waits for before its transaction begins: the wait of one that changes nothing is taken
ten times a second. In PostgreSQL it is the longest wait that pg_locks shows then.
"""

from __future__ import annotations

import argparse
import random
import re
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from store import COLUMNS, JOINS, by_hand, fill, mark_plainly, milliseconds, notice, run

import oddframe
from oddframe.server.rows import COUNTED_S
from oddframe.store.reading import EventQuery

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "store"))

SLOWEST_S = 30.0  # an answer that takes longer is an error


@contextmanager
def served(place: str) -> Iterator[str]:
    """The address of the page of a store."""
    command = [sys.executable, "-m", "oddframe", "review", place, "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        found = re.search("http://[^ ]+/", line)
        assert found is not None, line
        try:
            yield found[0]
        finally:
            process.terminate()


def speed(place: str, events: int, rounds: int) -> None:
    with oddframe.open_store(place) as store:
        names, _ = fill(store, events, random.Random(1))
    connection, mark = by_hand(place)
    with served(place) as address, httpx.Client(base_url=address, timeout=SLOWEST_S) as client:
        csrf = {"X-CSRF-Token": client.get("/api/session").json()["csrf"]}
        shown = place.split(":")[0] if "://" in place else "SQLite"
        print(f"\n{shown}, {events:,} events\n")
        print("| what | over HTTP, ms: median, most | by hand, ms | ratio |\n|---|---|---|---|")

        def got(path: str, **params: Any) -> Callable[[], object]:
            return lambda: client.get(path, params=params).raise_for_status()

        empty, most = milliseconds(got("/page/index.html"), rounds)
        print(f"| a file of the page: HTTP alone | {empty:.1f}, {most:.1f} | - | - |")

        page = f"select {COLUMNS} {JOINS} order by e.reviewed, e.rank, e.id limit 50"
        counts = ("select count(id) from events", "select count(id) from events where reviewed = 0")
        one = client.get("/api/events").json()["events"][0]["id"]
        rows = {
            "the list, page 1": (got("/api/events", limit=50), (page, *counts)),
            "a camera by time, page 1": (
                got("/api/events", source="camera:door", order="time", limit=50),
                (f"select {COLUMNS} {JOINS} where c.name = 'door' order by e.video_no, e.begin, e.id limit 50",
                 "select count(id) from events where camera_id = (select id from cameras where name = 'door')",
                 "select count(id) from events where reviewed = 0 and "
                 "camera_id = (select id from cameras where name = 'door')"),
            ),
            "one event": (
                got(f"/api/events/{one}"),
                (f"select {COLUMNS} {JOINS} where e.id = '{one}'",
                 f"select what, who, note, at_utc from marks where event_id = '{one}' order by id"),  # noqa: S608
            ),
            "all sources": (
                got("/api/sources"),
                ("select camera_id, reviewed, count(*) from events group by camera_id, reviewed",),
            ),
        }  # fmt: skip
        for what, (ours, statements) in rows.items():
            pause = COUNTED_S if "page 1" in what else 0.0
            report(what, ours, lambda statements=statements: plainly(connection, statements), rounds, pause)

        def marked() -> None:
            body = {"ids": [names.pop()], "what": "normal"}
            client.post("/api/marks", json=body, headers=csrf).raise_for_status()

        report("a mark", marked, lambda: mark_plainly(connection, mark, names.pop()), rounds)
    connection.close()


def report(what: str, ours: Callable[[], object], plain: Callable[[], object], rounds: int, pause: float = 0.0) -> None:
    """Print a row. The server keeps counts for a second; with a pause of that, every request counts anew."""
    ours()
    times = []
    for _ in range(rounds):
        time.sleep(pause)
        began = time.perf_counter()
        ours()
        times.append(1000 * (time.perf_counter() - began))
    median, (hand, _) = statistics.median(times), milliseconds(plain, rounds)
    print(f"| {what} | {median:.1f}, {max(times):.1f} | {hand:.2f} | {median / hand:.1f} |", flush=True)


def plainly(connection: Any, statements: tuple[str, ...]) -> None:
    cursor = connection.cursor()
    for statement in statements:
        run(cursor, statement)
    connection.commit()


@dataclass
class Crowd:
    """What becomes of 50 people and a writer.

    Attributes:
        breath: seconds between two requests of a person, give or take half of them.
        took: kind of a request -> seconds of each.
        marked: (id, mark) of each mark that was answered.
        told: ids of notices that were written.
    """

    address: str
    place: str
    breath: float = 2.0
    stop: threading.Event = field(default_factory=threading.Event)
    took: dict[str, list[float]] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)
    marked: list[tuple[str, str]] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    changes: int = 0
    locks: list[float] = field(default_factory=list)

    def client(self, number: int, names: list[str]) -> None:
        """A person: a page, an event, a mark, and so on, with a breath between."""
        chance = random.Random(number)
        with httpx.Client(base_url=self.address, timeout=SLOWEST_S) as client:
            csrf = {"X-CSRF-Token": client.get("/api/session").json()["csrf"]}
            while not self.stop.is_set():
                name = names.pop()
                what = chance.choice(("normal", "abnormal", "unsure"))
                steps: dict[str, Callable[[], httpx.Response]] = {
                    "page": lambda: client.get("/api/events", params={"limit": 50, "mark": "none"}),
                    "event": lambda name=name: client.get(f"/api/events/{name}"),
                    "mark": lambda name=name, what=what: client.post(
                        "/api/marks", json={"ids": [name], "what": what}, headers=csrf
                    ),
                }
                for kind, step in steps.items():
                    if self.timed(kind, step) and kind == "mark":
                        self.marked.append((name, what))
                    self.stop.wait(chance.uniform(0.5, 1.5) * self.breath)

    def timed(self, kind: str, step: Callable[[], httpx.Response]) -> bool:
        began = time.perf_counter()
        try:
            answer = step()
            if answer.status_code != 200:
                self.errors.append(f"{kind}: {answer.status_code} {answer.text[:200]}")
                return False
        except httpx.HTTPError as error:
            self.errors.append(f"{kind}: {error!r}")
            return False
        finally:
            self.took.setdefault(kind, []).append(time.perf_counter() - began)
        return True

    def listener(self) -> None:
        """A page that is open and is told of changes."""
        try:
            with httpx.stream("GET", f"{self.address}api/changes", timeout=SLOWEST_S) as stream:
                for line in stream.iter_lines():
                    self.changes += line == "event: change"
                    if self.stop.is_set():
                        return
        except httpx.HTTPError as error:
            if not self.stop.is_set():
                self.errors.append(f"changes: {error!r}")

    def writer(self, rate: float) -> None:
        """A watch: `rate` events each second, each opened and then closed."""
        chance, number, due = random.Random(2), 1_000_000, time.monotonic()
        with oddframe.open_store(self.place) as store:
            while not self.stop.is_set():
                number += 1
                row = {**notice(number, chance), "change": "opened"}
                began = time.perf_counter()
                try:
                    store.tell([row])
                    store.tell([{**row, "change": "closed"}])
                    self.told.append(row["id"])
                except Exception as error:
                    self.errors.append(f"writer: {error}")
                self.took.setdefault("two notices", []).append(time.perf_counter() - began)
                due += 1 / rate
                self.stop.wait(max(0.0, due - time.monotonic()))

    def watcher(self) -> None:
        """Takes the time of waiting for a lock, ten times a second; in SQLite it waits as the store waits."""
        connection, mark = by_hand(self.place)
        if mark == "?":
            connection.execute("pragma busy_timeout = 0")
        while not self.stop.wait(0.1):
            if mark == "?":
                began = time.perf_counter()
                while not begun(connection):
                    time.sleep(0.001)
                self.locks.append(time.perf_counter() - began)
            else:
                cursor = connection.cursor()
                cursor.execute("select extract(epoch from max(clock_timestamp() - waitstart)) from pg_locks")
                self.locks.append(float(cursor.fetchall()[0][0] or 0.0))
            connection.rollback()
        connection.close()


def begun(connection: Any) -> bool:
    """Whether the lock of SQLite's writers was free, and is held now."""
    try:
        connection.execute("begin immediate")
    except sqlite3.OperationalError:
        return False
    return True


def crowd(place: str, events: int, clients: int, rate: float, minutes: float) -> None:
    with oddframe.open_store(place) as store:
        names, _ = fill(store, events, random.Random(1))
    with served(place) as address:
        one = Crowd(address, place)
        share = len(names) // clients
        people = [
            threading.Thread(target=one.client, args=(number, names[number * share : (number + 1) * share]))
            for number in range(clients)
        ]
        others = [threading.Thread(target=one.listener) for _ in range(clients)]
        others += [threading.Thread(target=one.writer, args=(rate,)), threading.Thread(target=one.watcher)]
        for thread in (*people, *others):
            thread.start()
        time.sleep(60 * minutes)
        one.stop.set()
        for thread in (*people, *others):
            thread.join(SLOWEST_S + 20)
    lost = check(place, one)
    shown = place.split(":")[0] if "://" in place else "SQLite"
    print(f"\n{shown}, {events:,} events, {clients} people for {minutes:g} min, {rate:g} events/s by a writer\n")
    print("| what | how many | ms: median, 99 %, most |\n|---|---|---|")
    for kind, times in sorted(one.took.items()):
        ordered = sorted(times)
        middle, high = statistics.median(ordered), ordered[min(len(ordered) - 1, int(0.99 * len(ordered)))]
        print(f"| {kind} | {len(ordered):,} | {1000 * middle:.0f}, {1000 * high:.0f}, {1000 * ordered[-1]:.0f} |")
    print(f"| waiting for a lock | {len(one.locks):,} | most {1000 * max(one.locks):.0f} |")
    counted = f"{len(one.told):,} events written, {len(one.marked):,} marks answered, lost: {lost}"
    print(f"\nerrors: {len(one.errors)} {one.errors[:3]}; {counted}")
    print(f"{clients} listeners were told {one.changes:,} times of changes")


def check(place: str, one: Crowd) -> int:
    """How many of the notices and marks that were answered are not in the database."""
    with oddframe.open_store(place) as store:
        there = {event.id: event for event in store.every(EventQuery())}
    lost = sum(name not in there or there[name].open for name in one.told)
    return lost + sum(name not in there or there[name].mark != what for name, what in one.marked)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("speed", "crowd"))
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--rate", type=float, default=20.0)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--only", choices=("sqlite", "postgresql"))
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        from postgres_server import emptied, postgres

        places = {"sqlite": lambda: f"{folder}/events.db"}
        places["postgresql"] = lambda: emptied(stack.enter_context(postgres("on")))
        for place in (find() for name, find in places.items() if given.only in (None, name)):
            if given.what == "speed":
                speed(place, given.events, given.rounds)
            else:
                crowd(place, given.events, given.clients, given.rate, given.minutes)


if __name__ == "__main__":
    main()
