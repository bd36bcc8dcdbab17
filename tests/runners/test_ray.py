"""A Ray cluster of two nodes on loopback: nodes and workers are killed, and the results stay those of one process.

Ray takes the outer address of the machine even when it is told 127.0.0.1. So the cluster runs in a network namespace of
its own, which has loopback alone.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("ray_cluster.py")


def namespaces() -> bool:
    """Whether this machine lets us make a network of our own."""
    command = ["unshare", "-rn", "sh", "-c", "ip link set lo up"]
    try:
        return subprocess.run(command, capture_output=True, timeout=20, check=False).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


@pytest.mark.slow
@pytest.mark.skipif(find_spec("ray") is None, reason="needs ray: pip install '.[ray]'")
@pytest.mark.skipif(not namespaces(), reason="needs network namespaces: unshare -rn is not allowed here")
def test_a_killed_node_a_killed_worker_and_a_poisonous_task_cost_nothing_else(tmp_path: Path) -> None:
    environment = os.environ | {
        "RAY_AUTH_MODE": "disabled", "RAY_USAGE_STATS_ENABLED": "0", "OMP_NUM_THREADS": "1",
        "PYTHONPATH": os.pathsep.join([str(SCRIPT.parent), os.environ.get("PYTHONPATH", "")]),
    }  # fmt: skip
    command = ["unshare", "-rn", "sh", "-c", f'ip link set lo up; exec "{sys.executable}" "{SCRIPT}" "{tmp_path}"']
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=420, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    told = json.loads((tmp_path / "answers.json").read_text())
    answers = {int(task): answer for task, answer in told["answers"].items()}
    assert sorted(answers) == list(range(60))
    assert "times at most" in answers.pop(7), "the poisonous task is named"
    assert answers == {task: task * task for task in answers}
    assert told["killed_node"] and told["killed_worker"]
    begun = [line.split() for line in (tmp_path / "begun").read_text().splitlines()]
    tries = [task for task, _ in begun].count("7")
    assert tries == 4, "three times again, and no more"
    opened = (tmp_path / "opened").read_text().splitlines()
    assert len(opened) == len(set(opened)), "what begin opens is opened once in each process"
