"""`torchrun` on two nodes of loopback learns what one process learns with the same batch, killed and resumed once."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import psutil
import pytest
from safetensors.numpy import load_file

from oddframe.errors import InputError
from oddframe.training.world import TorchrunWorld, world

TORCHRUN = {"TORCHELASTIC_RUN_ID": "none", "RANK": "3", "WORLD_SIZE": "8", "LOCAL_WORLD_SIZE": "4"}
RECIPE = """
name: tiny
summary: x
model: mnad
options: {size: [16, 32], width: 4}
training: {batch_size: 4, budget: 6steps}
"""
# As in the contract of two devices, in float64: Adam divides by the size of a gradient, so that rounding counts.
LEARN = """
import sys
from pathlib import Path
from dataclasses import replace
from safetensors.torch import save_file
from oddframe.models.registry import entry
from oddframe.settings import TrainingPlan
from oddframe.testing.check import cases
from oddframe.testing.windows import CPU, heldout_set, make, training_set
from oddframe.training.loop import train

out, resume = Path(sys.argv[1]), len(sys.argv) > 2
detector = make(cases(entry("sdmae"))[0]).double()
data, heldout = training_set(detector.window), heldout_set(detector.window)
plan = TrainingPlan(batch_size=8, budget="100steps")
train(detector, data, heldout, plan, out, replace(CPU, resume=resume, checkpoint_seconds=0.01))
save_file(detector.state_dict(), out / "learned.safetensors")
"""


def test_a_process_knows_its_place() -> None:
    assert world({}) == TorchrunWorld(0, 1, 1) and world({}).leads and not world({}).started
    assert world(TORCHRUN) == TorchrunWorld(3, 8, 2) and world(TORCHRUN).started and not world(TORCHRUN).leads
    with pytest.raises(InputError, match="same number"):
        world({**TORCHRUN, "LOCAL_WORLD_SIZE": "3"})


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def fit_words(street: Path, out: Path) -> list[str]:
    videos = str(street / "training" / "videos")
    return [
        "-m",
        "oddframe",
        "fit",
        videos,
        "--recipe",
        str(out.parent / "tiny.yaml"),
        "--out",
        str(out),
        "--workers",
        "1",
    ]


class Nodes:
    """Two nodes of one process each; each has a cache of its own, as machines have."""

    def __init__(self, folder: Path, words: list[str]) -> None:
        port, self.processes = free_port(), []
        for node in (0, 1):
            command = [
                sys.executable, "-m", "torch.distributed.run", "--nnodes", "2", "--nproc-per-node", "1", "--node-rank",
                str(node), "--master-addr", "127.0.0.1", "--master-port", str(port), *words,
            ]  # fmt: skip
            environment = {**os.environ, "ODDFRAME_CACHE": str(folder / f"cache{node}"), "OMP_NUM_THREADS": "1"}
            with (folder / f"node{node}.log").open("ab") as log:
                self.processes.append(
                    subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
                )

    def kill(self) -> None:
        """Kill both nodes with their workers, which have process groups of their own."""
        for process in self.processes:
            if process.poll() is not None:
                continue
            for one in [*psutil.Process(process.pid).children(recursive=True), psutil.Process(process.pid)]:
                with suppress(psutil.NoSuchProcess):
                    one.kill()
        for process in self.processes:
            process.wait()

    def wait(self) -> list[int]:
        try:
            return [process.wait(240) for process in self.processes]
        finally:
            if any(process.poll() is None for process in self.processes):
                self.kill()


@pytest.fixture
def learn(tmp_path: Path) -> str:
    (tmp_path / "learn.py").write_text(LEARN)
    return str(tmp_path / "learn.py")


def logs(folder: Path) -> str:
    return "".join((folder / f"node{node}.log").read_text()[-2000:] for node in (0, 1))


@pytest.mark.slow
def test_two_nodes_learn_what_one_process_learns_killed_and_resumed(tmp_path: Path, learn: str) -> None:
    alone = {**os.environ, "OMP_NUM_THREADS": "1"}
    subprocess.run([sys.executable, learn, str(tmp_path / "one")], env=alone, check=True, timeout=240)
    killed, checkpoint = Nodes(tmp_path, [learn, str(tmp_path / "two")]), tmp_path / "two" / "checkpoint.pt"
    deadline = time.monotonic() + 200
    while not checkpoint.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    killed.kill()
    assert checkpoint.exists(), logs(tmp_path)
    assert not (tmp_path / "two" / "learned.safetensors").exists(), "it was killed too late to show anything"
    assert Nodes(tmp_path, [learn, str(tmp_path / "two"), "resume"]).wait() == [0, 0], logs(tmp_path)
    first, second = (load_file(tmp_path / name / "learned.safetensors") for name in ("one", "two"))
    assert first.keys() == second.keys()
    for name, values in first.items():
        assert np.allclose(values, second[name], rtol=1e-6, atol=1e-9), name


@pytest.mark.slow
def test_fit_on_two_nodes_leaves_one_bundle_and_a_cache_on_each(street: Path, tmp_path: Path) -> None:
    (tmp_path / "tiny.yaml").write_text(RECIPE)
    alone = {**os.environ, "ODDFRAME_CACHE": str(tmp_path / "cache"), "OMP_NUM_THREADS": "1"}
    subprocess.run([sys.executable, *fit_words(street, tmp_path / "one")], env=alone, check=True, timeout=240)
    assert Nodes(tmp_path, fit_words(street, tmp_path / "two")).wait() == [0, 0], logs(tmp_path)
    one, two = (json.loads((tmp_path / name / "bundle.json").read_text()) for name in ("one", "two"))
    assert one["data"] | {"notes": []} == two["data"] | {"notes": []}, "the same videos are held out"
    decoded = [sorted(path.name for path in (tmp_path / name).iterdir()) for name in ("cache", "cache0", "cache1")]
    assert decoded[0] == decoded[1] == decoded[2], "each machine has decoded the videos into its own cache"
