"""An archive on a Ray cluster of two nodes on loopback: nodes and workers are killed, and the results stay those of one
process.

Ray takes the outer address of the machine even when it is told 127.0.0.1. So the cluster runs in a network namespace of
its own, which has loopback alone.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from oddframe.archive.planning import PlanOptions, make_plan
from oddframe.archive.running import run_plan
from oddframe.archive.status import read_status
from oddframe.bundle import TrainingData, save_bundle
from oddframe.models.registry import create
from oddframe.recipes import parse_recipe
from oddframe.scoring.files import load_scores
from oddframe.video.encode import VideoWriter
from oddframe.workflow.run import Run

SCRIPT = Path(__file__).with_name("ray_cluster.py")
APART = ["unshare", "-rnpf", "--mount-proc", "--kill-child", "sh", "-c"]  # networks and processes of its own
VIDEOS, POISON = 60, "v07"
RECIPE = {"name": "tiny", "summary": "", "model": "frame_difference", "options": {"size": [32, 32]}}
Ask = Callable[..., Any]


def namespaces() -> bool:
    """Whether this machine lets us make namespaces of our own."""
    try:
        return (
            subprocess.run([*APART, "ip link set lo up"], capture_output=True, timeout=20, check=False).returncode == 0
        )
    except (OSError, subprocess.TimeoutExpired):
        return False


@pytest.mark.slow
@pytest.mark.skipif(find_spec("ray") is None, reason="needs ray: pip install '.[ray]'")
@pytest.mark.skipif(not namespaces(), reason="needs namespaces: unshare -rnp is not allowed here")
def test_a_killed_node_a_killed_worker_and_a_poisonous_video_cost_nothing_else(tmp_path: Path, ask: Ask) -> None:
    run, chance = tiny_run(tmp_path / "run"), np.random.default_rng(0)
    for number in range(VIDEOS):
        with VideoWriter(tmp_path / "videos" / f"v{number:02}.mp4", (32, 32), 25.0, threads=1) as writer:
            for frame in chance.integers(0, 256, (10, 32, 32, 3), np.uint8):
                writer.write(frame)
    plan = tmp_path / "plan"
    planned = ask("archive", "plan", run.path, tmp_path / "videos", "--out", plan, "--no-measure", "--json")
    assert json.loads(planned.out)["jobs"] == VIDEOS
    told = on_a_cluster(plan, tmp_path / "told.json")
    said = json.loads(told["said"])
    assert 12 <= told["killed_node"] < told["killed_worker"] < VIDEOS - 1, "they were killed midway"
    assert told["status"] == 3 and said["done"] == VIDEOS - 1 and list(said["failed"]) == [POISON]
    assert "was killed 4 times (WorkerCrashedError)" in said["failed"][POISON]
    status = read_status(plan)
    assert status.done == VIDEOS - 1 and status.failed == said["failed"]
    assert status.retried[POISON] == 4, "three times again, and no more"
    assert len(status.retried) >= 3, "what the killed node and the killed worker were at is done again"
    opened = (plan / "opened").read_text().splitlines()
    assert len(opened) == len(set(opened)), "each process opens the detector once"
    make_plan(run, tmp_path / "videos", tmp_path / "one", PlanOptions(measure=False), progress=False)
    assert run_plan(tmp_path / "one", progress=False).done == VIDEOS
    for name in {f"v{number:02}" for number in range(VIDEOS)} - {POISON}:
        one, other = (load_scores(folder / "scores" / f"{name}.npz") for folder in (tmp_path / "one", plan))
        assert np.array_equal(one.score, other.score) and np.array_equal(one.time, other.time)
        assert len(one.score) == 10 and one.bundle == other.bundle and one.info == other.info
        csv = [(folder / "scores" / f"{name}.csv").read_bytes() for folder in (tmp_path / "one", plan)]
        assert csv[0] == csv[1]


def on_a_cluster(plan: Path, told: Path) -> dict[str, Any]:
    """What `oddframe archive run --ray` of a plan says, on a cluster that loses a node and a worker meanwhile."""
    environment = os.environ | {
        "RAY_AUTH_MODE": "disabled", "RAY_USAGE_STATS_ENABLED": "0", "OMP_NUM_THREADS": "1",
        "RAY_health_check_period_ms": "500", "RAY_health_check_initial_delay_ms": "500",
        "PYTHONPATH": os.pathsep.join([str(SCRIPT.parent), os.environ.get("PYTHONPATH", "")]),
    }  # fmt: skip
    with tempfile.TemporaryDirectory(
        prefix="ray-", dir="/tmp", ignore_cleanup_errors=True
    ) as scratch:  # short: sockets
        command = [*APART, f'ip link set lo up; exec "{sys.executable}" "{SCRIPT}" "{plan}" "{told}" "{scratch}"']
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert told.is_file(), done.stdout[-3000:] + done.stderr[-3000:]
    answer: dict[str, Any] = json.loads(told.read_text())
    return answer


def tiny_run(folder: Path) -> Run:
    """A detector that learns nothing, for tiny videos."""
    folder.mkdir()
    recipe = parse_recipe(RECIPE, "here")
    detector = create("frame_difference", size=(32, 32))
    return Run(save_bundle(folder, detector, recipe, {}, TrainingData(checkpoint="none")))
