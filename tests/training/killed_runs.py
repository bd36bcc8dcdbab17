"""Run as a script: train a toy, kill it at random moments and resume it until it is done; print what came of that.

A script of its own, because its processes are forked (to start at once), which is safe only before torch has worked.
"""

from __future__ import annotations

import json
import multiprocessing
import random
import sys
from pathlib import Path

from training_toys import Toy, ToySet, same

from oddframe.settings import TrainingOptions, TrainingPlan
from oddframe.training.checkpoint import load_checkpoint
from oddframe.training.loop import train


def run(out: Path) -> None:
    """Go on with the run in `out`, and note where it was taken up."""
    saved = load_checkpoint(out)
    with (out.parent / "taken_up.txt").open("a") as file:
        print(*((saved.state.stage, saved.state.step) if saved is not None else (0, 0)), file=file)
    plan = TrainingPlan(batch_size=8, schedule="cosine", warmup=0.1)
    options = TrainingOptions(resume=True, device="cpu", progress=False, checkpoint_seconds=0.01)
    train(Toy(), ToySet(64, pause=0.02), ToySet(20), plan, out, options)


def main(folder: Path) -> None:
    """Kill the run in `folder`/broken until it ends by itself, and compare it with an undisturbed one."""
    fork = multiprocessing.get_context("fork").Process
    kills = 0
    while True:
        broken = fork(target=run, args=(folder / "broken",))
        broken.start()
        broken.join(random.uniform(0.1, 0.5) + 0.05 * kills)  # longer each time, so that this ends
        if not broken.is_alive():
            break
        broken.kill()
        broken.join()
        kills += 1
    taken_up = [[int(number) for number in line.split()] for line in (folder / "taken_up.txt").open()]
    run(folder / "whole")
    ends = [load_checkpoint(folder / name) for name in ("whole", "broken")]
    assert ends[0] is not None
    assert ends[1] is not None
    result = {"same": same(ends[0].model, ends[1].model), "exit": broken.exitcode, "kills": kills, "taken_up": taken_up}
    print(json.dumps(result))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
