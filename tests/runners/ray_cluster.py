"""Starts two Ray nodes, runs a plan on them with `oddframe archive run --ray`, and kills a node and a worker meanwhile.

The detector of this script dies of one video each time. All of it runs in namespaces of its own, for networks and for
processes, so that nothing leaves this machine, and nothing is left when this process ends.

    python ray_cluster.py PLAN TOLD SCRATCH
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil

import oddframe.archive.running
from oddframe.archive.place import Place
from oddframe.archive.plan import SCORES, Job, load_plan
from oddframe.archive.work import JobResult, JobWork
from oddframe.processes import Count

PORT = 6379
POISON = "v07"
NODE_AFTER, WORKER_AFTER = 12, 30  # videos that are done when one is killed
OPENED, AT = "opened", "at-"  # files of a plan's folder: who has opened the detector, and who is at work


class PoisonedWork(JobWork):
    """Work whose process dies of one video, and which takes long enough to be killed in the midst of it."""

    def _score(self, job: Job) -> None:
        if job.video == POISON:
            os.kill(os.getpid(), signal.SIGKILL)
        assert self._place.local is not None
        at = self._place.local / f"{AT}{os.getpid()}"
        at.touch()
        time.sleep(0.1)
        at.unlink()
        super()._score(job)


def begin_poisoned(place: Place) -> Callable[[Job, Count], JobResult]:
    """In the place of `begin_jobs`: says in a file that this process opens the detector."""
    assert place.local is not None
    with (place.local / OPENED).open("a") as file:
        file.write(f"{os.getpid()}\n")
    return PoisonedWork(place, load_plan(place))


def start(scratch: str, *options: str) -> subprocess.Popen[bytes]:
    """A node of one slot."""
    program = [str(Path(sys.executable).with_name("ray")), "start", "--block", "--num-cpus", "1", "--node-ip-address"]
    command = [*program, "127.0.0.1", "--object-store-memory", str(80 << 20), "--disable-usage-stats", *options]
    with open(os.devnull, "wb") as nowhere:
        return subprocess.Popen(command, stdout=nowhere, stderr=nowhere)


def below(node: subprocess.Popen[bytes]) -> list[psutil.Process]:
    """The processes of a node."""
    return psutil.Process(node.pid).children(recursive=True)


def raylet_of(node: subprocess.Popen[bytes]) -> psutil.Process | None:
    with contextlib.suppress(psutil.Error):  # one that ends meanwhile
        return next((one for one in below(node) if one.name().startswith("raylet")), None)
    return None


def at_work(plan: Path, node: subprocess.Popen[bytes]) -> psutil.Process | None:
    """A worker of a node that is in the midst of a job."""
    return next((one for one in below(node) if (plan / f"{AT}{one.pid}").exists()), None)


def wait_for(what: Callable[[], bool], seconds: float = 90.0) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        if time.monotonic() > deadline:
            raise TimeoutError
        time.sleep(0.02)


def answers() -> bool:
    """Whether the head of the cluster listens."""
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", PORT)) == 0


def kill(plan: Path, nodes: list[subprocess.Popen[bytes]], told: dict[str, object]) -> None:
    """Kill the second node, and later a worker of the first, each in the midst of a job."""

    def done() -> int:
        return sum(1 for _ in (plan / SCORES).glob("*.npz"))

    wait_for(lambda: done() >= NODE_AFTER and at_work(plan, nodes[1]) is not None)
    raylet = raylet_of(nodes[1])
    assert raylet is not None
    raylet.kill()
    told["killed_node"] = done()
    wait_for(lambda: done() >= WORKER_AFTER and kill_worker(plan, nodes[0]))
    told["killed_worker"] = done()


def kill_worker(plan: Path, node: subprocess.Popen[bytes]) -> bool:
    """Kill a worker that is in the midst of a job; whether there was one."""
    worker = at_work(plan, node)
    if worker is not None:
        worker.kill()
    return worker is not None


def main(plan: Path, out: Path, scratch: str) -> None:
    from oddframe.cli import main as oddframe_command

    told: dict[str, object] = {}
    nodes = [start(scratch, "--head", "--port", str(PORT), "--temp-dir", scratch, "--include-dashboard", "false")]
    wait_for(answers)
    nodes.append(start(scratch, "--address", f"127.0.0.1:{PORT}"))
    wait_for(lambda: all(raylet_of(node) is not None for node in nodes))
    threading.Thread(target=kill, args=(plan, nodes, told), daemon=True).start()
    oddframe.archive.running.begin_jobs = begin_poisoned
    sys.argv = ["oddframe", "archive", "run", str(plan), "--ray", f"127.0.0.1:{PORT}", "--json"]
    with contextlib.redirect_stdout(io.StringIO()) as said, contextlib.suppress(SystemExit):
        try:
            oddframe_command()
        except SystemExit as left:
            told["status"] = left.code
    out.write_text(json.dumps({**told, "said": said.getvalue()}))
    os._exit(0)  # it is the first process of its namespace: what it has started ends with it


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
