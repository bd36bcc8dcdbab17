"""Two processes that stay, and train together whatever they are given: each start of Python and torch takes seconds.

They stand where processes of `torchrun` stand. As a script: `two_ranks.py RANK FOLDER`, told on its standard input
which file holds the arguments of `train`.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import tempfile
import traceback
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import torch
import torch.distributed as dist

from oddframe.models.learner import Learner
from oddframe.settings import TrainingOptions
from oddframe.training import sampling
from oddframe.training.launch import _pack
from oddframe.training.loop import train

FEW = 16  # held-out samples that are measured: after each step, in some systems


class TwoRanks:
    """Takes the place of `oddframe.training.loop.train` for two devices."""

    def __enter__(self) -> Self:
        self._folder = tempfile.TemporaryDirectory(prefix="oddframe-ranks-")
        environment = {**os.environ, "PYTHONPATH": ":".join(path for path in sys.path if path), "OMP_NUM_THREADS": "1"}
        self._processes = [
            subprocess.Popen(
                [sys.executable, __file__, str(rank), self._folder.name],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment,
            )
            for rank in (0, 1)
        ]  # fmt: skip
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in self._processes:
            process.kill()
            process.communicate()
        self._folder.cleanup()

    def train(self, detector: Learner, data: Any, heldout: Any, plan: Any, out: Path, options: TrainingOptions) -> None:
        """Train in place, with both processes where `options` ask for two devices."""
        if options.devices == 1:
            train(detector, data, heldout, plan, out, options)
            return
        assert options.devices == 2
        packed, learned = Path(self._folder.name) / "arguments", Path(self._folder.name) / "learned"
        packed.write_bytes(_pack((detector, data, heldout, plan, out, options)))
        for process in self._processes:
            assert process.stdin is not None
            process.stdin.write("train\n")
            process.stdin.flush()
        for process in self._processes:
            assert process.stdout is not None
            said = process.stdout.readline()
            assert said == "trained\n", said + process.stdout.read()
        detector.load_state_dict(torch.load(learned))


def serve(rank: int, folder: Path) -> None:
    """Train whenever it is told to."""
    around = {"RANK": rank, "LOCAL_RANK": rank, "GROUP_RANK": 0, "WORLD_SIZE": 2, "LOCAL_WORLD_SIZE": 2}
    os.environ |= {name: str(value) for name, value in around.items()}
    os.environ |= {"TORCHELASTIC_RUN_ID": "none", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "1"}
    dist.init_process_group("gloo", store=dist.FileStore(str(folder / "store"), 2), rank=rank, world_size=2)
    sampling.HELDOUT_SAMPLES = FEW
    dist.destroy_process_group = lambda *_: None  # it is used again
    for _ in sys.stdin:
        detector, *others = pickle.loads((folder / "arguments").read_bytes())
        with suppress(SystemExit):  # the second process does so where its part is done
            train(detector, *others)
        if rank == 0:
            torch.save(detector.state_dict(), folder / "learned")
        print("trained", flush=True)


if __name__ == "__main__":
    try:
        serve(int(sys.argv[1]), Path(sys.argv[2]))
    except Exception:
        print(traceback.format_exc(), flush=True)
        os._exit(1)  # without waiting for the other one
