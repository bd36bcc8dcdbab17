"""A webhook whose receiver is down for ten minutes of media time, while the process is killed (-9) at random moments.

    python benchmarks/outbox.py [--speed 20] [--kills 5] [--seed 0]

A process tells the events of a camera: opened, updated, closed, about ten a minute, at the moments of a seeded schedule
that runs `--speed` times as fast as the clock. The receiver is down for the first ten minutes of it, with the process
killed in between and started again, which then goes on with later events. Then the receiver comes up, answers some
POSTs with 503, and the process goes on for two more minutes. What stands in `events.jsonl` must have arrived, at least
once, with its id, in order. Afterwards the time from an event to its arrival is measured on a healthy receiver.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import uvicorn

from oddframe.live.messages import Notice
from oddframe.live.sinks.lines import EventLines
from oddframe.live.sinks.sink import Desk
from oddframe.live.sinks.webhook import Webhook, WebhookOptions

DOWN_S, UP_S, EVERY_S = 600.0, 120.0, 6.0


class Receiver:
    """Answers 200, or now and then 503, and keeps what it has answered with 200: (UTC, body)."""

    def __init__(self) -> None:
        self.accepted: list[tuple[float, dict[str, Any]]] = []
        self.posts = 0
        self.unsteady = True
        self.server: uvicorn.Server | None = None
        self.port = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        arrived, body, more = time.time(), b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        self.posts += 1
        status = 503 if self.unsteady and self.posts % 7 == 0 else 200
        if status == 200:
            self.accepted.append((arrived, json.loads(body)))
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    def up(self) -> None:
        self.server = uvicorn.Server(
            uvicorn.Config(self, "127.0.0.1", self.port, log_level="critical", lifespan="off", interface="asgi3")
        )
        self.thread = threading.Thread(target=lambda: asyncio.run(self.server.serve()), daemon=True)
        self.thread.start()
        while not self.server.started:
            time.sleep(0.01)
        self.port = self.server.servers[0].sockets[0].getsockname()[1]

    def down(self) -> None:
        assert self.server is not None
        self.server.should_exit = self.server.force_exit = True
        self.thread.join(10)


def schedule(seed: int) -> list[tuple[float, Notice]]:
    """Media seconds and notices, in order."""
    rng, rows, start = random.Random(seed), list[tuple[float, Notice]](), 0.0
    number = 0
    while (start := start + rng.expovariate(1 / EVERY_S)) < DOWN_S + UP_S:
        lasts = rng.uniform(0.5, 20.0)
        name = f"{number:016x}"
        notice = Notice("opened", "anomaly", name, "gate", "bench", start, start, start, start, start, start, 5.0, 4.0)
        rows.append((start, notice))
        end = start + lasts
        rows.append((end, replace(notice, change="closed", end_s=end, end_utc=end)))
        number += 1
    return sorted(rows, key=lambda row: row[0])


def camera(url: str, out: Path, begin: float, end: float, how: argparse.Namespace) -> None:
    """Tell what happens from one media second to another, in this process."""
    desk = Desk([Webhook(WebhookOptions(url, "secret"), out / "outbox", print), EventLines(out)], print)
    started = time.monotonic()
    opened: set[str] = set()  # no process knows the events of one that was killed
    for second, notice in schedule(how.seed):
        if begin <= second < end and (notice.change == "opened" or notice.id in opened):
            opened.add(notice.id)
            time.sleep(max(0.0, started + (second - begin) / how.speed - time.monotonic()))
            desk.tell(notice)
    while end > DOWN_S and (desk.queued() or desk.sinks[0].counts().queued):
        time.sleep(0.05)
    desk.close(10)


def told(out: Path) -> list[tuple[str, str]]:
    path = out / "events.jsonl"
    return (
        [(row["id"], row["change"]) for row in map(json.loads, path.read_text().splitlines())] if path.exists() else []
    )


def killed(receiver: Receiver, out: Path, how: argparse.Namespace) -> dict[str, float]:
    """The receiver is down, the process killed; what arrived afterwards."""
    url = f"http://127.0.0.1:{receiver.port}/hook"
    rng = random.Random(how.seed + 1)
    moments = sorted(rng.uniform(30, DOWN_S - 30) for _ in range(how.kills))
    for begin, end in zip([0.0, *moments], [*moments, DOWN_S], strict=True):
        process = start(url, out, begin, DOWN_S, how)
        time.sleep((end - begin) / how.speed + 1.0)
        if end < DOWN_S:
            process.kill()
        process.wait()
    waiting = len(list((out / "outbox" / "webhook").glob("*.json")))
    receiver.up()
    began = time.monotonic()
    start(url, out, DOWN_S, DOWN_S + UP_S, how).wait()
    arrived = [(row["event_id"], row["change"]) for _, row in receiver.accepted]
    first = list(dict.fromkeys(arrived))
    lines = list(dict.fromkeys(told(out)))
    order = [row for row in lines if row in set(first)]
    return {
        "lines in events.jsonl": len(lines),
        "waited in the outbox when the receiver came back": waiting,
        "arrived": len(first),
        "missing": len(set(lines) - set(first)),
        "arrived more than once": len(arrived) - len(first),
        "out of order": sum(a != b for a, b in zip(order, [row for row in first if row in set(lines)], strict=True)),
        "answers 503": receiver.posts - len(arrived),
        "seconds until all had arrived": round(time.monotonic() - began, 1),
    }


def start(url: str, out: Path, begin: float, end: float, how: argparse.Namespace) -> subprocess.Popen[bytes]:
    values = [url, str(out), str(begin), str(end), "--speed", str(how.speed), "--seed", str(how.seed)]
    return subprocess.Popen([sys.executable, __file__, "--camera", *values])


def healthy(receiver: Receiver, out: Path, count: int) -> dict[str, float]:
    """Milliseconds from `Desk.tell` to the arrival of the POST, and those that `tell` takes."""
    receiver.unsteady = False
    receiver.accepted.clear()
    url = f"http://127.0.0.1:{receiver.port}/hook"
    desk = Desk([Webhook(WebhookOptions(url, "secret"), out / "outbox", print), EventLines(out)], print)
    moments, takes = [], []
    for _, notice in schedule(5)[:count]:
        moments.append(time.time())
        before = time.perf_counter()
        desk.tell(notice)
        takes.append(time.perf_counter() - before)
        time.sleep(0.1)
    while len(receiver.accepted) < count:
        time.sleep(0.01)
    desk.close(5)
    waits = 1000 * np.array([got - when for (got, _), when in zip(receiver.accepted, moments, strict=True)])
    return {
        "notices": count,
        "event to received, median (ms)": round(float(np.median(waits)), 1),
        "event to received, p95 (ms)": round(float(np.quantile(waits, 0.95)), 1),
        "tell, largest (ms)": round(1000 * max(takes), 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--speed", type=float, default=20.0)
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--camera", nargs=4, default=None, help=argparse.SUPPRESS)
    how = parser.parse_args()
    if how.camera:
        url, out, begin, end = how.camera
        return camera(url, Path(out), float(begin), float(end), how)
    with tempfile.TemporaryDirectory() as folder:
        receiver = Receiver()
        receiver.up()
        receiver.down()
        rows = killed(receiver, Path(folder, "killed"), how) | healthy(receiver, Path(folder, "healthy"), 100)
        receiver.down()
    for name, value in rows.items():
        print(f"| {name} | {value:g} |")


if __name__ == "__main__":
    main()
