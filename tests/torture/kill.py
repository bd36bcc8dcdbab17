"""Stops every command at random moments in every way, runs it again, and compares what it left with an undisturbed run.

    python tests/torture/kill.py --minutes 60 --seed 1
    python tests/torture/kill.py --kills 20 --commands score "score --workers 2"

A command is stopped by KILL, TERM, INT, INT twice or a KILL of one of its worker processes, or is halted for a while by
STOP and CONT. Then the same command runs again, as a user would. Checked are:

- no process of it is alive three seconds after it ended;
- no traceback, and the exit status of the signal;
- what the re-run leaves equals what an undisturbed run leaves: the same files, arrays and numbers to the bit, but for
  times of day and durations;
- so no file is left over, neither in the output nor in the cache of frames.

Exit status 1 where a check fails; what was left then stays in --keep. Processes are looked up in /proc, so this is for
Linux.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import av
import numpy as np
from colour_network import write_colour_network

ORPHANS_S = 3.0
LIMIT_S = 300.0
MARK = "ODDFRAME_TORTURE"
WAYS = ("KILL", "TERM", "INT", "INT twice", "KILL worker", "STOP CONT")
STATUS = {"TERM": (143, -signal.SIGTERM), "INT": (130, -signal.SIGINT), "INT twice": (130, -signal.SIGINT)}
SKIPPED = (
    "training.jsonl",
    "checkpoint.pt",
    "report.html",
    "CARD.md",
)  # logs and pages, which tell when they were made


@dataclass(frozen=True)
class Command:
    """One command; "{out}" stands for its output.

    Attributes:
        needs: libraries.
        again: added to the command when it runs again.
    """

    words: tuple[str, ...]
    needs: tuple[str, ...] = ()
    again: tuple[str, ...] = ()


TINY = ("--set", "options.size=[32, 64]", "--set", "options.width=2", "--set", "training.batch_size=4")
MNAD = ("fit", "{street}/training/videos", "--model", "mnad", *TINY, "--budget", "12steps", "--quantile", "0.5")
FIT = ("fit", "{street}/training/videos", "--quantile", "0.9", "--out", "{out}/run")
TEST = "{street}/testing/videos"
STREET = ("--videos", "1", "--test-videos", "1", "--seconds", "2")
COMMANDS = {
    "data world": Command(("data", "world", *STREET, "{out}/world")),
    "fit camera": Command((*FIT, "--set", "options.parts=[monitors]"), ("torch",)),
    "fit mnad": Command((*MNAD, "--out", "{out}/run"), ("torch",), ("--resume",)),
    "fit mnad --devices 2": Command((*MNAD, "--devices", "2", "--out", "{out}/run"), ("torch",), ("--resume",)),
    "score": Command(("score", "{plain}", TEST, "--out", "{out}/scores")),
    "score --workers 2": Command(("score", "{plain}", TEST, "--workers", "2", "--out", "{out}/scores")),
    "features": Command(
        ("features", "onnx:{network}", TEST, "--workers", "1", "--out", "{out}/store"), ("torch", "onnxruntime", "onnx")
    ),
    "features --workers 2": Command(
        ("features", "onnx:{network}", TEST, "--workers", "2", "--out", "{out}/store"), ("torch", "onnxruntime", "onnx")
    ),
    "evaluate": Command(("evaluate", "{plain}", "--data", "folder:{street}/testing", "--out", "{out}/evaluated")),
    "calibrate": Command(("calibrate", "{plain}", TEST, "--quantile", "0.8", "--out", "{out}/new")),
    "export": Command(("export", "{mnad}", "--to", "onnx", "--out", "{out}/graph"), ("torch", "onnxruntime", "onnx")),
    "bench": Command(("bench", "{plain}", TEST, "--frames", "30", "--rounds", "1")),
}


@dataclass
class Tally:
    """Counts of one command and one way."""

    kills: int = 0
    reruns: int = 0
    equal: int = 0
    orphans: int = 0
    leftovers: int = 0
    raw: int = 0


@dataclass
class Torture:
    """The work folder, and what undisturbed runs left: their seconds and their files."""

    work: Path
    keep: Path | None
    random: random.Random
    places: dict[str, str] = field(default_factory=dict)
    whole: dict[str, tuple[float, dict[str, str]]] = field(default_factory=dict)
    tallies: dict[tuple[str, str], Tally] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    def prepare(self, names: list[str]) -> None:
        """Make the inputs that the commands need."""
        self.places = {"street": str(self.work / "street"), "plain": str(self.work / "plain")}
        self.places |= {"mnad": str(self.work / "mnad"), "network": str(self.work / "mean.onnx")}
        from oddframe.street import World, render_world

        world = World(seed=7, size=(48, 64))
        render_world(self.work / "street", world, videos=3, test_videos=2, seconds=8, kinds=("car", "cyclist"))
        recipe = self.work / "plain.yaml"
        recipe.write_text("summary: x\nmodel: frame_difference\noptions: {size: [16, 32]}\n")
        self.made("fit", "{street}/training/videos", "--recipe", str(recipe), "--quantile", "0.9", "--out", "{plain}")
        if "export" in names:
            self.made(*MNAD, "--out", "{mnad}")
        if any("features" in name for name in names):
            write_colour_network(Path(self.places["network"]))

    def made(self, *words: str) -> None:
        process = self.start(words, self.work, "made")
        _, said = process.communicate(timeout=LIMIT_S)
        if process.returncode:
            raise SystemExit(f"the inputs cannot be made: {said}")

    def start(self, words: tuple[str, ...], place: Path, mark: str) -> subprocess.Popen[str]:
        """Begin a command, in a process group of its own, with its own cache and temporary files."""
        filled = [word.format(out=place / "out", **self.places) for word in words]
        for name in ("out", "tmp"):
            (place / name).mkdir(parents=True, exist_ok=True)
        environment = {
            **os.environ,
            MARK: mark,
            "ODDFRAME_CACHE": str(place / "cache"),
            "TMPDIR": str(place / "tmp"),
            "OMP_NUM_THREADS": "1",
            "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        }
        command, pipe = [sys.executable, "-m", "oddframe", *filled], subprocess.PIPE
        quiet = subprocess.DEVNULL
        return subprocess.Popen(
            command, stdout=quiet, stderr=pipe, text=True, env=environment, cwd=place, start_new_session=True
        )

    def undisturbed(self, name: str) -> tuple[float, dict[str, str]]:
        """Seconds and files of a run that nobody disturbs."""
        if name not in self.whole:
            place, began = self.work / f"whole-{len(self.whole)}", time.monotonic()
            process = self.start(COMMANDS[name].words, place, "whole")
            _, said = process.communicate(timeout=LIMIT_S)
            if process.returncode:
                raise SystemExit(f"{name}: {said}")
            self.whole[name] = time.monotonic() - began, state(place)
        return self.whole[name]

    def once(self, name: str, way: str, number: int) -> None:
        """Stop a command in a way at a random moment, run it again, and compare."""
        seconds, wanted = self.undisturbed(name)
        place, mark = self.work / f"trial-{number}", f"{os.getpid()}-{number}"
        tally = self.tallies.setdefault((name, way), Tally())
        before = len(self.faults)
        moment = self.random.uniform(0, seconds)
        process = self.start(COMMANDS[name].words, place, mark)
        time.sleep(moment)
        hit = process.poll() is None and self.disturb(process, way, mark)
        said = self.ended(process, f"{name}, {way} at {moment:.2f} s: disturbed run")
        ended = time.monotonic()
        tally.kills += hit
        while (left := list(alive(mark))) and time.monotonic() - ended < ORPHANS_S:
            time.sleep(0.05)
        where = f"{name}, {way} at {moment:.2f} s of {seconds:.2f} s"
        if left:
            tally.orphans += 1
            self.faults.append(f"{where}: {len(left)} processes are alive")
            for pid, _ in left:
                os.kill(pid, signal.SIGKILL)
        status = process.returncode
        if hit and way in STATUS and status not in (0, *STATUS[way]):
            self.faults.append(f"{where}: exit status {status}: {said.strip()[-500:]}")
        if way == "STOP CONT" and status:
            self.faults.append(f"{where}: exit status {status} after a halt: {said.strip()[-500:]}")
        if "Traceback" in said and status != -signal.SIGINT:  # before oddframe is loaded, Python itself shows one
            tally.raw += 1
            self.faults.append(f"{where}: {said.strip()[-1500:]}")
        if status:
            words = (*COMMANDS[name].words, *COMMANDS[name].again)
            again = self.start(words, place, mark)
            said = self.ended(again, f"{where}: second run")
            tally.reruns += 1
            done = "already exists" in said and state(place) == wanted  # killed when all was written
            if again.returncode and not done:
                self.faults.append(f"{where}: the second run has status {again.returncode}: {said.strip()[-500:]}")
        found = state(place)
        extra = sorted(found.keys() - wanted.keys())
        other = sorted(path for path in wanted if found.get(path) != wanted[path])
        tally.leftovers += bool(extra)
        tally.equal += not other
        if extra:
            self.faults.append(f"{where}: left over: {', '.join(extra[:5])}")
        if other:
            self.faults.append(f"{where}: not equal: {', '.join(other[:5])}")
        if len(self.faults) > before and self.keep is not None:
            shutil.copytree(place, self.keep / place.name, dirs_exist_ok=True)
        shutil.rmtree(place)

    def ended(self, process: subprocess.Popen[str], where: str) -> str:
        """Wait for its end; what it said on standard error."""
        try:
            process.wait(LIMIT_S)
        except subprocess.TimeoutExpired:
            self.faults.append(f"{where} hangs")
            os.killpg(process.pid, signal.SIGKILL)
        try:  # an orphan may hold the pipe
            return process.communicate(timeout=ORPHANS_S + 2)[1]
        except subprocess.TimeoutExpired:
            return ""

    def disturb(self, process: subprocess.Popen[str], way: str, mark: str) -> bool:
        """Send the signals. A terminal sends Ctrl-C to the whole group; what ends a process ends that alone."""
        both = self.random.random() < 0.5
        try:
            if way == "KILL worker":
                workers = [pid for pid, words in alive(mark) if "--multiprocessing-fork" in words]
                if not workers:
                    return False
                os.kill(self.random.choice(workers), signal.SIGKILL)
            elif way == "STOP CONT":
                os.killpg(process.pid, signal.SIGSTOP)
                time.sleep(self.random.uniform(0.1, 1.0))
                os.killpg(process.pid, signal.SIGCONT)
            elif way == "INT twice":
                os.killpg(process.pid, signal.SIGINT)
                time.sleep(self.random.uniform(0.0, 0.6))
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGINT)
            elif way == "INT" or (way == "TERM" and both):
                os.killpg(process.pid, getattr(signal, f"SIG{way}"))
            else:
                process.send_signal(getattr(signal, f"SIG{way}"))
        except ProcessLookupError:
            return False
        return True

    def table(self) -> str:
        """Counts by command and way, in Markdown."""
        rows = ["| command | signal | kills | re-runs | equal | orphans | leftovers |", "|---|---|---|---|---|---|---|"]
        total: Counter[str] = Counter()
        order = {name: number for number, name in enumerate((*COMMANDS, *WAYS))}
        for (name, way), tally in sorted(self.tallies.items(), key=lambda row: [order[word] for word in row[0]]):
            total.update(vars(tally))
            rows.append(row(name, way, vars(tally)))
        return "\n".join([*rows, row("all", "all", total)])


def row(name: str, way: str, counts: dict[str, int]) -> str:
    """A line of the table; `equal` is out of the runs, disturbed or not."""
    parts = [counts[column] for column in ("kills", "reruns", "equal", "orphans", "leftovers")]
    return f"| {name} | {way} | {' | '.join(map(str, parts))} |"


def alive(mark: str) -> Iterator[tuple[int, str]]:
    """(pid, command line) of the processes that carry the mark in their environment."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            marked = f"{MARK}={mark}\0".encode() in (folder / "environ").read_bytes() + b"\0"
            if marked and (folder / "stat").read_text().rsplit(")", 1)[1].split()[0] != "Z":
                yield int(folder.name), (folder / "cmdline").read_text()
        except (OSError, ValueError):
            continue


def state(place: Path) -> dict[str, str]:
    """Every file of the output and of the cache, with a hash of what does not depend on the time."""
    found = {}
    for name in ("out", "cache"):
        for path in sorted((place / name).rglob("*")):
            if not path.is_dir():
                found[str(path.relative_to(place))] = hashed(path)
    return found


def hashed(path: Path) -> str:
    """A hash of the content, or of what of it can be compared."""
    digest = hashlib.sha256()
    if path.name in SKIPPED:
        return "not compared"
    if path.suffix == ".mp4":  # the bytes depend on the load of the machine
        with av.open(str(path)) as video:
            return f"{sum(1 for _ in video.decode(video=0))} frames"
    if path.suffix == ".npz":
        with np.load(path, allow_pickle=False) as arrays:
            for name in sorted(arrays.files):
                text = str(arrays[name]) if arrays[name].dtype.kind in "US" else ""
                digest.update(name.encode() + (plain(text).encode() if text else arrays[name].tobytes()))
    elif path.suffix in (".json", ".jsonl", ".csv"):
        digest.update(plain(path.read_text(encoding="utf-8")).encode())
    else:
        digest.update(path.read_bytes())
    return digest.hexdigest()


def plain(text: str) -> str:
    """A text without times of day, durations, and the folder of the run."""
    with suppress(ValueError):
        text = json.dumps(cleaned(json.loads(text)))
    return re.sub(r"/\S*/(whole|trial)-[0-9]+", "", text)


VARIABLE = {"seconds", "time", "elapsed", "loading", "samples_per_s", "data_wait", "epoch_s", "created", "id", "bundle"}
VARIABLE |= {"relative"}  # rounding of a runtime against torch's: undisturbed exports differ in the third digit
VARIABLE |= {"seen", "own"}  # how the files of the cache look from outside


def cleaned(value: Any) -> Any:
    """The value without what varies."""
    if isinstance(value, dict):
        return {key: cleaned(one) for key, one in value.items() if key not in VARIABLE}
    return [cleaned(one) for one in value] if isinstance(value, list) else value


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--kills", type=int, help="end after so many, where that is sooner")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--commands", nargs="+", choices=list(COMMANDS), default=list(COMMANDS), metavar="COMMAND")
    parser.add_argument("--keep", type=Path, help="folder for what trials with a fault leave")
    chosen = parser.parse_args()
    names = [name for name in chosen.commands if all(map(find_spec, COMMANDS[name].needs))]
    for name in set(chosen.commands) - set(names):
        print(f"{name}: left out, for it needs {', '.join(COMMANDS[name].needs)}")
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell gives background jobs none, nor their children
    with tempfile.TemporaryDirectory(prefix="oddframe-torture-") as work:
        torture = Torture(Path(work), chosen.keep, random.Random(chosen.seed))
        torture.prepare(names)
        late, number, told = time.monotonic() + 60 * chosen.minutes, 0, 0
        try:
            while time.monotonic() < late and (chosen.kills is None or number < chosen.kills):
                name = names[number % len(names)]
                ways = [way for way in WAYS if way != "KILL worker" or "2" in name or "fit" in name]
                torture.once(name, torture.random.choice(ways), number)
                number += 1
                print(f"{number} {name}: {len(torture.faults) - told} faults", file=sys.stderr, flush=True)
                for fault in torture.faults[told:]:
                    print(f"FAULT {fault}", flush=True)
                told = len(torture.faults)
        except KeyboardInterrupt:
            pass
    print(f"{number} runs, seed {chosen.seed}, {len(torture.faults)} faults\n\n{torture.table()}")
    sys.exit(bool(torture.faults))


if __name__ == "__main__":
    main()
