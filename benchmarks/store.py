"""The event store with 100,000 events: a page of the list, a mark, a batch of notices; beside the same queries by hand.

    python benchmarks/store.py --events 100000 [--postgres postgresql://USER@HOST/DATABASE] [--rounds 30]

Without `--postgres`, a server is started where this machine has one (see tests/store/postgres_server.py). "By hand" is
the SQL of the same answer, through the driver alone, in one transaction: the same columns, joins, index and page; for a
mark, the same statements.
"""

from __future__ import annotations

import argparse
import random
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import oddframe
from oddframe.live.messages import iso
from oddframe.store.reading import EventQuery
from oddframe.store.store import Store

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "store"))

TOGETHER = 1000  # notices of a transaction while the store is filled
CAMERAS = ("door", "yard", "gate", "hall", "road", "roof", "dock", "shop")
LISTS = {
    "unreviewed first, page 1": EventQuery(),
    "of a camera, page 1": EventQuery(camera="door"),
    "of a camera by time, page 1": EventQuery(camera="door", order="time"),
    "of a kind and unreviewed, page 1": EventQuery(kind="anomaly", mark="none"),
    "marked normal, page 1": EventQuery(mark="normal"),
    "of a day, page 1": EventQuery(since=1_796_126_400.0 - 86_400, until=1_796_126_400.0),
}
COLUMNS = (
    "e.id, e.kind, e.is_open, e.found, e.start_frame, e.peak_frame, e.end_frame, e.start_s, e.peak_s, e.end_s, "
    "e.start_utc, e.peak_utc, e.end_utc, e.score, e.threshold, e.box, e.why, e.reasons, e.text, e.held, e.clip, "
    "e.thumbnail, e.heat, e.mark, e.marked_by, e.marked_utc, e.note, e.bundle_id, c.name, v.name, v.key, v.path, "
    "v.width, v.height, b.model, m.promise"
)
JOINS = (
    "from events e left join cameras c on e.camera_id = c.id left join videos v on e.video_id = v.id "
    "left join bundles b on e.bundle_id = b.id left join model_versions m on e.version_id = m.id"
)


def notice(number: int, chance: random.Random) -> dict[str, Any]:
    start = 1_796_126_400.0 - 60 * number
    kind = chance.choices(("anomaly", "gap", "moved"), (97, 2, 1))[0]
    score = 4 + chance.expovariate(1) if kind == "anomaly" else None
    return {
        "change": "closed", "kind": kind, "id": f"{chance.getrandbits(64):016x}", "camera": chance.choice(CAMERAS),
        "bundle": "b0b0b0b0b0b0", "start_utc": iso(start), "peak_utc": iso(start + 1), "end_utc": iso(start + 3),
        "start_s": 60.0 * number, "peak_s": 60.0 * number + 1, "end_s": 60.0 * number + 3, "score": score,
        "threshold": 4.0 if score else None, "box": [10, 20, 110, 220], "why": {"patches": 3.1, "speed": 6.2},
        "text": "unusual in how things move", "held": "",
        "files": {"clip": f"clips/door/{number}.mp4", "thumbnail": f"clips/door/{number}.jpg"},
    }  # fmt: skip


def milliseconds(step: Callable[[], object], rounds: int) -> tuple[float, float]:
    """Median and largest time of a step; the first one is not counted."""
    step()
    times = []
    for _ in range(rounds):
        began = time.perf_counter()
        step()
        times.append(1000 * (time.perf_counter() - began))
    return statistics.median(times), max(times)


def by_hand(place: str) -> tuple[Any, str]:
    """A connection of the driver, and how it writes a parameter."""
    if place.startswith("postgresql"):
        import psycopg

        return psycopg.connect(place), "%s"
    connection = sqlite3.connect(place)
    connection.execute("pragma synchronous = full")
    return connection, "?"


def fill(store: Store, events: int, chance: random.Random) -> tuple[list[str], float]:
    """Write events, and mark a fifth of them; the ids of the others, and the seconds that the events took."""
    rows = [notice(number, chance) for number in range(events)]
    began = time.perf_counter()
    for start in range(0, events, TOGETHER):
        store.tell(rows[start : start + TOGETHER])
    took = time.perf_counter() - began
    names = [row["id"] for row in rows]
    chance.shuffle(names)
    for what in ("normal", "abnormal"):
        store.mark([names.pop() for _ in range(events // 10)], what, "ann")
    return names, took


def measure(place: str, events: int, rounds: int) -> None:
    chance = random.Random(1)
    with oddframe.open_store(place) as store:
        names, filled = fill(store, events, chance)
        print(f"\n{store.shown.rpartition('/')[2]}: {store.count():,} events, written in {filled:.1f} s\n")
        print("| what | oddframe, ms: median, most | by hand, ms | ratio |\n|---|---|---|---|")
        connection, mark = by_hand(place)
        lists(store, connection, rounds)
        marks(store, connection, mark, names, rounds)
        told = iter(notice(events + number, chance) for number in range(10_000))
        median, most = milliseconds(lambda: store.tell([next(told)]), rounds)
        print(f"| a notice of a camera | {median:.1f}, {most:.1f} | - | - |")
        connection.close()


def lists(store: Store, connection: Any, rounds: int) -> None:
    cursor = connection.cursor()
    after = store.events(EventQuery(), events_deep(store))[-1].id
    reviewed, rank, name = next(
        iter(run(cursor, f"select reviewed, rank, id from events where id = '{after}'"))  # noqa: S608
    )
    door = run(cursor, "select id from cameras where name = 'door'")[0][0]
    hand = {
        "unreviewed first, page 1": "order by e.reviewed, e.rank, e.id",
        "of a camera, page 1": f"where e.camera_id = {door} order by e.reviewed, e.rank, e.id",
        "of a camera by time, page 1": f"where e.camera_id = {door} order by e.video_no, e.begin, e.id",
        "of a kind and unreviewed, page 1": (
            "where e.kind = 'anomaly' and e.reviewed = 0 order by e.reviewed, e.rank, e.id"
        ),
        "marked normal, page 1": "where e.mark = 'normal' and e.reviewed = 1 order by e.reviewed, e.rank, e.id",
        "of a day, page 1": (
            f"where e.end_utc >= {1_796_126_400.0 - 86_400} and e.start_utc < 1796126400.0 "
            "order by e.reviewed, e.rank, e.id"
        ),
    }
    deep = f"where (e.reviewed, e.rank, e.id) > ({reviewed}, {rank!r}, '{name}') order by e.reviewed, e.rank, e.id"
    steps: dict[str, tuple[Callable[[], object], str]] = {
        name: (lambda query=query: store.events(query, 50), hand[name]) for name, query in LISTS.items()
    }  # type: ignore[misc]
    steps["unreviewed first, page 1,001"] = (lambda: store.events(EventQuery(), 50, after), deep)
    for what, (ours, sql) in steps.items():
        statement = f"select {COLUMNS} {JOINS} {sql} limit 50"
        median, most = milliseconds(ours, rounds)
        plain, _ = milliseconds(lambda statement=statement: read(connection, statement), rounds)
        print(f"| {what} | {median:.1f}, {most:.1f} | {plain:.1f} | {median / plain:.1f} |")
    median, most = milliseconds(lambda: store.count(EventQuery(mark="none")), rounds)
    plain, _ = milliseconds(lambda: read(connection, "select count(id) from events where reviewed = 0"), rounds)
    print(f"| count of the unreviewed | {median:.1f}, {most:.1f} | {plain:.1f} | {median / plain:.1f} |")


def events_deep(store: Store) -> int:
    return min(50_000, store.count() // 2)


def read(connection: Any, statement: str) -> Any:
    """The rows of a statement, in a transaction of its own."""
    rows = run(connection.cursor(), statement)
    connection.commit()
    return rows


def run(cursor: Any, statement: str, *values: Any) -> Any:
    cursor.execute(statement, values)
    return cursor.fetchall()


def marks(store: Store, connection: Any, mark: str, names: list[str], rounds: int) -> None:
    median, most = milliseconds(lambda: store.mark(names.pop(), "normal", "ann"), rounds)
    hand, _ = milliseconds(lambda: mark_plainly(connection, mark, names.pop()), rounds)
    print(f"| a mark | {median:.1f}, {most:.1f} | {hand:.1f} | {median / hand:.1f} |")
    median, most = milliseconds(lambda: store.mark([names.pop() for _ in range(100)], "normal", "ann"), 5)
    print(f"| marks of 100 events at once | {median:.1f}, {most:.1f} | - | - |")


def mark_plainly(connection: Any, mark: str, name: str) -> None:
    """The statements of a mark, through the driver."""
    cursor, now = connection.cursor(), time.time()
    if mark == "?":
        cursor.execute("begin immediate")
    run(cursor, f"select id from events where id = {mark}" + ("" if mark == "?" else " for update"), name)  # noqa: S608
    run(cursor, f"select what from marks where event_id = {mark} order by id", name)  # noqa: S608
    cursor.execute(
        f"insert into marks (event_id, what, who, note, at_utc) values ({', '.join([mark] * 5)})",  # noqa: S608
        (name, "normal", "ann", "", now),
    )
    cursor.execute(
        f"update events set reviewed = 1, mark = 'normal', marked_by = 'ann', note = '', marked_utc = {mark}, "  # noqa: S608
        f"changed_utc = {mark}, marks = marks + 1 where id = {mark}",
        (now, now, name),
    )
    connection.commit()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--postgres", help="address of an empty database")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        measure(f"{folder}/sqlite.db", given.events, given.rounds)
        place = given.postgres
        if place is None:
            from postgres_server import emptied, postgres

            place = emptied(stack.enter_context(postgres("on")))
        measure(place, given.events, given.rounds)


if __name__ == "__main__":
    main()
