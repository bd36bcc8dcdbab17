"""Starts two Ray nodes, runs sixty tasks on them, and kills one node and one worker meanwhile. Ends what it started."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

import psutil

from oddframe.processes import Count, Killed
from oddframe.runners.ray import RayRunner

PORT = 6379
POISON, TASKS = 7, 60


def begin(folder: Path) -> Callable[[int, Count], int]:
    note(folder / "opened", str(os.getpid()))

    def work(task: int, count: Count) -> int:
        note(folder / "begun", f"{task} {os.getpid()}")
        if task == POISON:
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(0.25)
        return task * task

    return work


def note(path: Path, line: str) -> None:
    with path.open("a") as file:
        file.write(line + "\n")


def start(scratch: str, *options: str) -> subprocess.Popen[bytes]:
    """A node of two slots, in a process group of its own."""
    program = [str(Path(sys.executable).with_name("ray")), "start", "--block", "--num-cpus", "2", "--node-ip-address"]
    command = [*program, "127.0.0.1", "--object-store-memory", str(80 << 20), "--disable-usage-stats", *options]
    with open(os.devnull, "wb") as nowhere:
        return subprocess.Popen(command, stdout=nowhere, stderr=nowhere, start_new_session=True)


def raylet_of(node: subprocess.Popen[bytes]) -> psutil.Process | None:
    found = [one for one in psutil.Process(node.pid).children(recursive=True) if one.name().startswith("raylet")]
    return found[0] if found else None


def end(nodes: list[subprocess.Popen[bytes]]) -> None:
    """End what was started, by process id."""
    for node in nodes:
        try:
            below = psutil.Process(node.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            continue
        for one in [*below, psutil.Process(node.pid)]:
            with suppress(psutil.NoSuchProcess):
                one.kill()
        node.wait()


def main(folder: Path) -> None:
    scratch = tempfile.mkdtemp(prefix="ray-", dir="/tmp")  # sockets want a short path
    nodes = [start(scratch, "--head", "--port", str(PORT), "--temp-dir", scratch, "--include-dashboard", "false")]
    try:
        time.sleep(8)
        nodes.append(start(scratch, "--address", f"127.0.0.1:{PORT}"))
        killed = {"killed_node": False, "killed_worker": False}
        answers: dict[int, int | str] = {}
        deadline = time.monotonic() + 60
        while raylet_of(nodes[1]) is None and time.monotonic() < deadline:
            time.sleep(0.5)
        time.sleep(3)
        second = raylet_of(nodes[1])
        runner = RayRunner(f"127.0.0.1:{PORT}")
        for task, answer in runner.run(partial(begin, folder), list(range(TASKS))):
            answers[task] = str(answer) if isinstance(answer, Killed) else answer
            if len(answers) == 15 and second is not None:
                second.kill()
                killed["killed_node"] = True
            if len(answers) == 30:
                pid = int((folder / "begun").read_text().split()[-1])
                if psutil.pid_exists(pid):
                    os.kill(pid, signal.SIGKILL)
                    killed["killed_worker"] = True
        (folder / "answers.json").write_text(json.dumps({"answers": answers, **killed}))
    finally:
        end(nodes)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
