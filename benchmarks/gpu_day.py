"""A quarter of an hour on a GPU: what is worth most comes first, and what has ended is on disk.

    python benchmarks/gpu_day.py DATA OUT [--minutes 12] [--bags UCF] [--device cuda] [--quick] [--only STEP ...]

DATA holds `training/videos` and `testing` (videos and labels), as UCSD Ped2 does; `street` renders a small one of that
shape. UCF is a folder with the features and annotation of the UCF-Crime subset for DAKD; without it DAKD learns from
noise, which measures its speed alone. The steps, in order:

    machine         what it is
    smoke-SYSTEM    a tiny network of every system: steps in fp32 and bf16, resident and recorded, bundle, scores, ONNX
    forward-SYSTEM  frames/s of the published network alone, batch swept, beside the floor of matrix products
    steps-SYSTEM    training samples/s at the published size, by where the frames lie and whether steps are recorded
    files-SYSTEM    frames/s from video files to scores and events, beside decoding alone
    train-SYSTEM    trained as published, evaluated under its own protocols and `honest`
    patches, dakd   the fitted part of `camera`, and weak supervision
    train-rest      the first training that did not fit, shortened to the time that is left

A step begins only if the time that it needs, which the steps before have measured, is left. Everything runs in a second
process; where a fault of the device ends that, another one goes on with the next step. Begun again with the same OUT,
it goes on: steps that ended are not run again, and an interrupted training continues from its checkpoint. So a machine
that ends commands after ten minutes takes two: `--minutes 9`, then `--minutes 3`.

OUT/report.md has all tables, OUT/steps/NAME.json the figures of each step, OUT/work caches, checkpoints and bundles.
`--device cpu --quick` rehearses all of it with tiny networks; no figure of a rehearsal says anything.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from oddframe.atomic import write_text
from oddframe.benchmark.table import markdown_table

GRACE = 10.0  # seconds beyond the deadline until a training is told to save and stop
LAST = 30.0  # seconds that it may take for that
BROKEN = 3  # exit status of a process whose device does not work any more


@dataclass(frozen=True)
class Step:
    """A step of the day.

    Attributes:
        name: of its file.
        needs: seconds that it will take, from what was measured before.
        work: does it; returns a table (title, columns and rows), notes, and facts that later steps read.
    """

    name: str
    needs: Callable[[Day], float]
    work: Callable[[Day], Outcome]


@dataclass
class Outcome:
    """What a step found: rows of the table `title`, notes for the reader, facts for later steps."""

    title: str
    columns: Sequence[str]
    rows: list[list[str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Day:
    """What was asked for. `number` tells this call from earlier ones; `deadline` is in seconds of the clock."""

    data: str
    out: Path
    bags: Path | None
    device: str
    quick: bool
    only: tuple[str, ...]
    number: float
    deadline: float

    @property
    def left(self) -> float:
        """Seconds."""
        return self.deadline - time.time()

    @property
    def work(self) -> Path:
        """The folder of caches, checkpoints and bundles."""
        return self.out / "work"

    def note(self, name: str) -> dict[str, Any]:
        """What is on disk of a step; empty without."""
        file = self.out / "steps" / f"{name}.json"
        found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
        return found

    def facts(self, name: str) -> dict[str, Any]:
        """What a step that ended found for later ones; empty without."""
        return self.note(name).get("facts", {})

    def write(self, name: str, status: str, **others: Any) -> None:
        """Write a step's file and the report, each whole or not at all."""
        content = {"name": name, "status": status, "call": self.number, **others}
        (self.out / "steps").mkdir(parents=True, exist_ok=True)
        write_text(self.out / "steps" / f"{name}.json", json.dumps(content, indent=2) + "\n")
        write_text(self.out / "report.md", report(self))


def main() -> int:
    day, as_worker = parse(sys.argv[1:])
    day.work.mkdir(parents=True, exist_ok=True)
    if as_worker:
        return work(day)
    return supervise(day, [sys.executable, __file__, *sys.argv[1:]])


def parse(arguments: Sequence[str]) -> tuple[Day, bool]:
    """What was asked for, and whether this process is the one that does it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("out", type=Path)
    parser.add_argument("--minutes", type=float, default=12.0)
    parser.add_argument("--bags", type=Path)
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", nargs="+", default=(), metavar="STEP")
    parser.add_argument("--worker", nargs=2, type=float, help=argparse.SUPPRESS)  # number and deadline of the call
    given = parser.parse_args(arguments)
    now = time.time()
    number, deadline = given.worker or (now, now + 60 * given.minutes)
    day = Day(given.data, given.out, given.bags, given.device, given.quick, tuple(given.only), number, deadline)
    return day, given.worker is not None


def supervise(day: Day, command: Sequence[str]) -> int:
    """Run workers until all steps had their turn or the time is over. Returns 0 where no step failed, else 1."""
    environment = {**os.environ, "ODDFRAME_CACHE": str(day.work.resolve() / "cache")}
    while True:
        worker = subprocess.Popen([*command, "--worker", repr(day.number), repr(day.deadline)], env=environment)
        try:
            status = worker.wait(max(day.left + GRACE, 1.0))
        except subprocess.TimeoutExpired:
            status = stop(worker)
        except KeyboardInterrupt:
            stop(worker)
            raise
        running = [note for note in notes(day) if note["status"] == "running" and note["call"] == day.number]
        for note in running:
            word = "stopped" if day.left < 0 else "failed"
            day.write(note["name"], word, error=f"its process ended with status {status}")
        if status == 0 or day.left < 0 or (status != BROKEN and not running):
            break
    failed = [note["name"] for note in notes(day) if note["status"] == "failed"]
    print(f"{day.out / 'report.md'}: {len(notes(day))} steps, failed: {', '.join(failed) or 'none'}", flush=True)
    return 1 if failed or status else 0


def stop(worker: subprocess.Popen[bytes]) -> int:
    """Tell a worker to save and end, and end it if it does not."""
    worker.send_signal(signal.SIGTERM)
    try:
        return worker.wait(LAST)
    except subprocess.TimeoutExpired:
        worker.kill()
        return worker.wait()


def work(day: Day) -> int:
    """Run the steps in this process. Returns the exit status."""
    import gpu_steps

    signal.signal(signal.SIGTERM, interrupt)
    for step in gpu_steps.steps(day):
        if day.only and step.name not in day.only:
            continue
        before = day.note(step.name)
        if before.get("status") == "done" or (before.get("call") == day.number and before["status"] != "waiting"):
            continue
        needed = step.needs(day)
        if needed > day.left:
            reason = f"needs about {needed:.0f} s, and {max(day.left, 0):.0f} s are left"
            day.write(step.name, "waiting", error=reason, facts=before.get("facts", {}))
            continue
        if not run(day, step, needed) and not gpu_steps.works(day.device):
            return BROKEN
    return 0


def interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def run(day: Day, step: Step, needed: float) -> bool:
    """Run one step, and write what it found. Returns whether it ended without an error."""
    day.write(step.name, "running")
    print(f"{step.name}: {day.left:.0f} s are left", flush=True)
    began = time.time()
    try:
        outcome = step.work(day)
    except KeyboardInterrupt:
        day.write(step.name, "stopped", error="the time was over", seconds=time.time() - began)
        raise SystemExit(0) from None
    except Exception as error:  # whatever it is, the other steps have to be run
        lines = traceback.format_exc()
        print(lines, file=sys.stderr, flush=True)
        first = f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}"
        # Libraries may turn the signal that ends the day into an error of their own.
        word = "failed" if day.left > 0 else "stopped"
        day.write(step.name, word, error=first, traceback=lines, seconds=time.time() - began)
        return False
    day.write(step.name, "done", seconds=time.time() - began, needed=needed, **vars(outcome))
    return True


def notes(day: Day) -> list[dict[str, Any]]:
    """What is on disk of all steps, in the order in which they ended."""
    files = sorted((day.out / "steps").glob("*.json"), key=lambda file: file.stat().st_mtime_ns)
    return [json.loads(file.read_text(encoding="utf-8")) for file in files]


def report(day: Day) -> str:
    """All tables, and how each step ended."""
    found, lines = notes(day), ["# A day on the GPU", ""]
    if day.quick:
        lines += ["**A rehearsal with tiny networks: no figure here says anything.**", ""]
    tables: dict[str, list[dict[str, Any]]] = {}
    for note in found:
        if note["status"] == "done":
            tables.setdefault(note["title"], []).append(note)
    for title, parts in tables.items():
        rows = [row for part in parts for row in part["rows"]]
        lines += [f"## {title}", "", markdown_table(parts[0]["columns"], rows), ""]
        lines += [f"- {note}" for part in parts for note in part["notes"]]
        lines += [""]
    lines += ["## Steps", ""]
    cells = [
        [note["name"], note["status"], f"{note['seconds']:.1f}" if "seconds" in note else "", note.get("error", "")]
        for note in found
    ]
    return "\n".join([*lines, markdown_table(["step", "how it ended", "seconds", "why"], cells), ""])


if __name__ == "__main__":
    sys.exit(main())
