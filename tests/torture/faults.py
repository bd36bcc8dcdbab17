"""Faults under every write: `python tests/torture/faults.py [--commands fit,score] [--every N] [--in-turn]`.

Each command runs once undisturbed. Then it runs again and again, and the n-th call that opens a file to write, makes a
folder, renames or syncs below the output or the cache fails, for n = 1, 2, ... until nothing is left to fail:

- fail: the call fails once, as on a full disk, without permission, over a quota, or on a broken disk, in turn;
- full: from that call on the disk takes nothing at all;
- short: from that call on no file can grow past a few bytes, so that writes come short in libraries in C as well;
- before, after: the process is killed just before the call, or just after it.

After a fault the exit status is 2, with one line that names a path, and nothing unfinished is left; or the fault cost
nothing but time, and the command succeeds. Then the same command runs again, undisturbed, and leaves what the first one
left: equal scores, thresholds, features and figures, and nothing unfinished.

Every run is a fork, so that a kill is a kill. The parent starts no threads.
"""

from __future__ import annotations

import argparse
import builtins
import errno
import importlib
import io
import json
import os
import re
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"

import av
import cv2
import numpy as np
import torch
from colour_network import write_colour_network

from oddframe.cli import main
from oddframe.locks import UNFINISHED
from oddframe.street import World, render_world
from oddframe.video.encode import VideoWriter

KINDS = ("fail", "full", "short", "before", "after")
ERRORS = (errno.ENOSPC, errno.EACCES, errno.EDQUOT, errno.EIO, errno.EROFS)
TAKEN = 32  # bytes that a file can hold under "short"
KILLED = -signal.SIGKILL
# What a run took is no result.
TIMES = ("history", "seconds", "costs", "mib", "gpu_mib", "frames_per_second", "path", "beside", "extractor")
LOGS = ("checkpoint.pt", "training.jsonl", "table.md", "table.csv", "recipe.json", "CARD.md", "seen")
# Forks share what their parent has imported.
IMPORTED = (
    "onnx", "onnxruntime", "openvino", "oddframe.models.memae", "oddframe.report.plots", "oddframe.runtime.torch",
    "oddframe.workflow.benchmark", "oddframe.workflow.export", "oddframe.workflow.features",
)  # fmt: skip
MEMAE = ("options.size=[16, 32]", "options.width=2", "options.items=20", "training.holdout=0.4")
PLAIN = "summary: x\nmodel: frame_difference\noptions: {size: [16, 32]}\nscoring: {smoothing: {kind: none}}\n"
PLAN = f"""
data: {{street: {{train: street/training/videos, test: "folder:street/testing"}}}}
systems:
  memae: {{recipe: memae-small, set: {json.dumps(MEMAE)}, budget: 2steps}}
seeds: [0]
protocols: [honest]
"""


@dataclass(frozen=True)
class Command:
    """A command under test, its words; OUT among them is the folder that it writes.

    Attributes:
        again: words to add when it runs again.
        seeded: what `OUT` is a copy of at first, or None.
    """

    words: tuple[str, ...]
    again: tuple[str, ...] = ()
    seeded: str | None = None


COMMANDS = {
    "fit": Command(
        ("fit", "street/training/videos", "--recipe", "memae-small", *(w for c in MEMAE for w in ("--set", c)),
         "--budget", "2steps", "--out", "OUT", "--workers", "1", "--device", "cpu"), ("--resume",)
    ),
    "camera": Command(
        ("fit", "long", "--set", "options.parts=[monitors]", "--out", "OUT", "--workers", "1"),
        ("--resume",),
    ),
    "score": Command(("score", "run", "street/testing/videos", "--out", "OUT", "--device", "cpu")),
    "features": Command(("features", "onnx:colours.onnx", "street/testing/videos", "--out", "OUT", "--workers", "1")),
    "export": Command(("export", "run", "--to", "onnx", "--video", "street/testing/videos", "--out", "OUT")),
    "openvino": Command(("export", "run", "--to", "openvino", "--video", "street/testing/videos", "--out", "OUT")),
    "benchmark": Command(("benchmark", "plan.yaml", "--out", "OUT", "--device", "cpu")),
    "evaluate": Command(("evaluate", "run", "--data", "folder:street/testing", "--out", "OUT", "--device", "cpu")),
    "calibrate": Command(
        ("calibrate", "run", "street/testing/videos", "--quantile", "0.8", "--out", "OUT", "--device", "cpu")
    ),
    "in place": Command(
        ("calibrate", "OUT", "street/testing/videos", "--quantile", "0.8", "--in-place", "--device", "cpu"),
        seeded="run",
    ),
    "world": Command(("data", "world", "OUT", "--videos", "1", "--test-videos", "1", "--seconds", "1")),
}  # fmt: skip


def prepare(place: Path) -> None:
    """Videos, a trained run, a network and a plan for all commands, in the current folder `place`."""
    render_world(place / "street", World(seed=3, size=(48, 64)), videos=2, test_videos=2, seconds=4)
    (place / "plain.yaml").write_text(PLAIN)
    (place / "plan.yaml").write_text(PLAN)
    write_colour_network(place / "colours.onnx")
    (place / "long").mkdir()
    with VideoWriter(place / "long" / "walk.mp4", (48, 64), 25) as writer:
        for number in range(500):
            picture = np.full((48, 64, 3), 120, np.uint8)
            picture[20:30, number % 60 : number % 60 + 8] = 200
            writer.write(picture)
    fit = COMMANDS["fit"]
    answer = _forked(place, _words(fit, Path("run")), None)
    assert answer.status == 0, answer.told


@dataclass(frozen=True)
class Answer:
    """How a run ended, what it said on standard error, and how many calls could fail."""

    status: int
    told: str
    calls: int


class Faults:
    """Stands before every call that writes below `roots`, and lets the n-th one fail.

    Attributes:
        calls: so far.
    """

    def __init__(self, roots: tuple[Path, ...], kind: str = "", at: int = 0) -> None:
        self.roots, self.kind, self.at, self.calls = [str(root) for root in roots], kind, at, 0
        self._inside = False
        self._paths: dict[int, bool] = {}

    def install(self) -> None:
        """For the rest of this process."""
        self._os_open = os.open
        for module in (builtins, io):
            module.open = self._standing_before(module.open, self._of_open, 0)  # type: ignore[attr-defined]
        os.open = self._standing_before(os.open, self._of_os_open, 0)
        os.mkdir = self._standing_before(os.mkdir, lambda path, *_, **__: self._below(path), 0)
        os.replace = self._standing_before(os.replace, lambda _, path, **__: self._below(path), 1)
        os.rename = self._standing_before(os.rename, lambda _, path, **__: self._below(path), 1)
        os.fsync = self._standing_before(os.fsync, lambda _: True, None)
        av.open = self._standing_before(av.open, lambda path, mode="r", *_, **__: "w" in str(mode), None)

    def _below(self, path: Any) -> bool:
        return isinstance(path, str | os.PathLike) and os.path.abspath(path).startswith(tuple(self.roots))

    def _of_open(self, path: Any, mode: str = "r", *_: Any, **__: Any) -> bool:
        return any(letter in mode for letter in "wax+") and self._below(path)

    def _of_os_open(self, path: Any, flags: int, *_: Any, **__: Any) -> bool:
        temporary = flags & getattr(os, "O_TMPFILE", 0) == os.O_TMPFILE
        return bool(flags & os.O_CREAT or temporary) and self._below(path)

    def _standing_before(self, call: Any, counts: Callable[..., bool], named: int | None) -> Any:
        def stand(*arguments: Any, **options: Any) -> Any:
            if not counts(*arguments, **options):
                return call(*arguments, **options)
            self.calls += 1
            if self.calls == self.at:
                if self.kind == "before":
                    os.kill(os.getpid(), signal.SIGKILL)
                if self.kind == "short":
                    resource.setrlimit(resource.RLIMIT_FSIZE, (TAKEN, resource.RLIM_INFINITY))
            if (self.kind == "fail" and self.calls == self.at) or (self.kind == "full" and self.calls >= self.at):
                code = errno.ENOSPC if self.kind == "full" else ERRORS[self.at % len(ERRORS)]
                path = () if named is None else (os.fspath(arguments[named]),)
                raise OSError(code, os.strerror(code), *path)
            done = call(*arguments, **options)
            if self.kind == "after" and self.calls == self.at:
                os.kill(os.getpid(), signal.SIGKILL)
            return done

        return stand


def _forked(place: Path, words: list[str], faults: Faults | None) -> Answer:
    """Run a command in a fork of this process, in the folder `place`."""
    told, tell = os.pipe()
    counted, count = os.pipe()
    child = os.fork()
    if not child:
        os.dup2(tell, 2)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        sys.stdout, sys.stderr = os.fdopen(1, "w", closefd=False), os.fdopen(2, "w", closefd=False)
        sys.argv = ["oddframe", *words]
        status: Any = 1
        try:
            os.chdir(place)
            if faults is not None:
                faults.install()
            main()
            status = 0
        except SystemExit as left:
            status = left.code or 0
        except BaseException:
            import traceback

            traceback.print_exc()
        finally:
            if faults is not None:
                os.write(count, str(faults.calls).encode())
            sys.stderr.flush()
            os._exit(int(status))
    os.close(tell)
    os.close(count)
    with open(told, errors="replace") as file:
        text = file.read()
    with open(counted) as file:
        calls = file.read()
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return Answer(status, text, int(calls or 0))


def _words(command: Command, out: Path) -> list[str]:
    return [str(out) if word == "OUT" else word for word in command.words]


def unfinished(*roots: Path) -> list[str]:
    """What no run may leave: partial files and folders, and scratch."""
    names = re.compile(rf"{UNFINISHED.pattern}|tmp\w+|.*\.(part|tmp)")
    return [str(path) for root in roots for path in root.rglob("*") if names.fullmatch(path.name)]


def results(out: Path) -> dict[str, Any]:
    """What a command found out, without what it took and without the bytes of videos, which threads decide on."""
    return {
        path.relative_to(out).as_posix(): _result(path)
        for path in sorted(out.rglob("*"))
        if path.is_file() and path.name not in LOGS and not path.name.startswith(".")
    }


def _result(path: Path) -> Any:
    if path.suffix == ".npz":
        with np.load(path) as stored:
            return {name: _plain(stored[name]) for name in sorted(stored.files)}
    if path.suffix == ".json":
        return _timeless(json.loads(path.read_text()))
    if path.suffix == ".mp4":
        return int(cv2.VideoCapture(str(path)).get(cv2.CAP_PROP_FRAME_COUNT))
    if path.suffix in (".html", ".png"):
        return path.stat().st_size > 0
    return path.read_bytes()


def _plain(array: Any) -> Any:
    return _timeless(json.loads(str(array))) if array.dtype.kind == "U" and array.shape == () else array.tobytes()


def _timeless(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _timeless(own) for name, own in value.items() if name not in TIMES}
    return [_timeless(own) for own in value] if isinstance(value, list) else value


Row = tuple[str, int, dict[str, int], list[str]]
"""Name of a command, calls that can fail, trials of each kind, and what was wrong."""


@dataclass
class Trial:
    """A command under faults in a folder of its own."""

    place: Path
    name: str

    @property
    def command(self) -> Command:
        return COMMANDS[self.name]

    @property
    def out(self) -> Path:
        return self.place / "trial" / "out"

    @property
    def cache(self) -> Path:
        return self.place / "trial" / "cache"

    def _begin(self) -> None:
        shutil.rmtree(self.place / "trial", ignore_errors=True)
        self.cache.mkdir(parents=True)
        if self.command.seeded:
            shutil.copytree(self.place / self.command.seeded, self.out)
        os.environ["ODDFRAME_CACHE"] = str(self.cache)

    def undisturbed(self) -> tuple[dict[str, Any], int]:
        """The results without a fault, and how many calls can fail."""
        self._begin()
        answer = _forked(self.place, _words(self.command, self.out), Faults((self.place / "trial",)))
        assert answer.status == 0, answer.told
        assert not unfinished(self.out.parent), unfinished(self.out.parent)
        return results(self.out), answer.calls

    def faults(self, expected: dict[str, Any], kind: str, at: int) -> str:
        """What is wrong after a fault of this kind at this call; empty where nothing is."""
        self._begin()
        first = _forked(self.place, _words(self.command, self.out), Faults((self.place / "trial",), kind, at))
        if kind in ("before", "after"):
            if first.status not in (KILLED, 0):
                return f"status {first.status} of a killed process: {first.told.strip()[-300:]}"
        else:
            lines = [line for line in first.told.splitlines() if line.startswith("oddframe: ")]
            if first.status == 2 and (len(lines) != 1 or "Traceback" in first.told or "/" not in lines[0]):
                return f"not one line with a path: {first.told.strip()[-500:]}"
            if first.status == 0 and results(self.out) != expected:
                return f"status 0, and other results: {_difference(expected, results(self.out))}"
            if first.status not in (0, 2):
                return f"status {first.status}: {first.told.strip()[-700:]}"
            if unfinished(self.out.parent):
                return f"left behind: {unfinished(self.out.parent)}"
        again = _forked(self.place, [*_words(self.command, self.out), *self.command.again], None)
        complete = again.status == 2 and "already" in again.told  # it was killed after its last call
        if again.status != 0 and not complete:
            return f"the same command again: status {again.status}: {again.told.strip()[-700:]}"
        if results(self.out) != expected:
            return f"other results of the same command again: {_difference(expected, results(self.out))}"
        if unfinished(self.out.parent):
            return f"left behind by the same command again: {unfinished(self.out.parent)}"
        return ""


def _difference(expected: dict[str, Any], found: dict[str, Any]) -> str:
    return ", ".join(name for name in sorted({*expected, *found}) if expected.get(name) != found.get(name))


def carry_out(names: list[str], kinds: list[str], every: int, in_turn: bool, budget: float) -> Iterator[Row]:
    """The trials of one command after the other."""
    end = time.monotonic() + budget
    with tempfile.TemporaryDirectory(prefix="faults-") as folder:
        place = Path(folder)
        os.environ["ODDFRAME_CACHE"] = str(place / "cache")
        prepare(place)
        for name in names:
            trial = Trial(place, name)
            expected, calls = trial.undisturbed()
            counts, wrong = dict.fromkeys(kinds, 0), []
            for number, at in enumerate(range(1, calls + 1, every)):
                for kind in [kinds[number % len(kinds)]] if in_turn else kinds:
                    if time.monotonic() > end:
                        break
                    counts[kind] += 1
                    fault = trial.faults(expected, kind, at)
                    if fault:
                        wrong.append(f"{name}, {kind} at call {at} of {calls}: {fault}")
                        print(wrong[-1], file=sys.stderr, flush=True)
            print(f"{name}: {sum(counts.values())} faults, {len(wrong)} wrong", file=sys.stderr, flush=True)
            yield name, calls, counts, wrong


def table(rows: list[Row], kinds: list[str]) -> str:
    """As Markdown."""
    lines = [f"| command | calls | {' | '.join(kinds)} | wrong |", f"|---|---:|{'---:|' * (len(kinds) + 1)}"]
    for name, calls, counts, wrong in rows:
        lines.append(f"| {name} | {calls} | {' | '.join(str(counts[kind]) for kind in kinds)} | {len(wrong)} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--commands", default=",".join(COMMANDS), help="separated by commas")
    parser.add_argument("--kinds", default=",".join(KINDS), help="separated by commas")
    parser.add_argument("--every", type=int, default=1, help="every N-th call alone")
    parser.add_argument("--in-turn", action="store_true", help="one kind of fault at each call, instead of all kinds")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="begin no trial after so many")
    options = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    for name in IMPORTED:
        importlib.import_module(name)
    kinds = options.kinds.split(",")
    rows = list(carry_out(options.commands.split(","), kinds, options.every, options.in_turn, options.seconds))
    print(table(rows, kinds), end="")
    sys.exit(any(wrong for *_, wrong in rows))
