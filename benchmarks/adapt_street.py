"""What a few shots are worth: MPN meta-trained on several streets, then taken to others that it has never seen.

    python benchmarks/adapt_street.py [--recipe mpn-meta-small] [--cameras 8] [--streets 3] [--budget 3000steps]

Every street is a camera of its own. The detector is meta-trained on two normal videos of each of `--cameras` streets;
on each of the other streets it is tested on 6 videos with planted anomalies, as it is, and after adapting to 1, 5 and
10 windows of one normal video of that street. Micro AUC under `honest`. "As it is": what is normal for its components
comes from the streets it was trained on, too; "calibrated": that, and nothing else, comes from the new street's
normal video.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import tempfile
import time
from pathlib import Path

from oddframe.settings import TrainingOptions
from oddframe.street import World, render_world
from oddframe.workflow.adapt import adapt
from oddframe.workflow.evaluate import EvaluateOptions, evaluate_run
from oddframe.workflow.fit import fit
from oddframe.workflow.run import Run, load_run

SHOTS = (1, 5, 10)
FIRST_NEW = 1000  # seeds of the new streets begin here


def auc(run: Run, street: Path) -> float:
    return evaluate_run(run, f"folder:{street / 'testing'}", EvaluateOptions(["honest"])).rows[0].result.micro_auc


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recipe", default="mpn-meta-small")
    parser.add_argument("--cameras", type=int, default=8)
    parser.add_argument("--streets", type=int, default=3)
    parser.add_argument("--budget")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for seed in range(arguments.cameras):
            render_world(folder / "camera", World(seed), videos=2, test_videos=0, seconds=24)
            for video in (folder / "camera" / "training" / "videos").iterdir():
                target = folder / "training" / f"{seed}-{video.name}"
                target.parent.mkdir(exist_ok=True)
                video.rename(target)
            shutil.rmtree(folder / "camera")
        start = time.perf_counter()
        training = TrainingOptions(budget=arguments.budget)
        run = fit(folder / "training", recipe=arguments.recipe, out=folder / "run", training=training)
        steps = run.history["records"][-1]["step"]
        print(f"{arguments.recipe}, {arguments.cameras} cameras, {steps} steps, {time.perf_counter() - start:.0f} s")
        columns = ["as it is", "calibrated", *(f"{shots} shots" for shots in SHOTS)]
        print("street  " + "  ".join(f"{column:>10}" for column in columns) + "   seconds to adapt")
        rows: list[list[float]] = []
        for number in range(arguments.streets):
            street = folder / f"new{number}"
            render_world(street, World(FIRST_NEW + number), videos=1, test_videos=6, seconds=24)
            normal = next((street / "training" / "videos").iterdir())
            shutil.copytree(run.path, folder / f"calibrated{number}")
            calibrated = load_run(folder / f"calibrated{number}")
            calibrated.calibrate_on(normal, in_place=True)
            row, seconds = [auc(run, street), auc(calibrated, street)], []
            for shots in SHOTS:
                start = time.perf_counter()
                adapted = adapt(run, normal, shots=shots, out=folder / f"adapted{number}-{shots}")
                seconds.append(time.perf_counter() - start)
                row.append(auc(adapted, street))
            rows.append(row)
            figures = "  ".join(f"{value:>10.4f}" for value in row)
            print(f"{number:>6}  {figures}   {' '.join(f'{s:.1f}' for s in seconds)}", flush=True)
        print("  mean  " + "  ".join(f"{statistics.mean(column):>10.4f}" for column in zip(*rows, strict=True)))


if __name__ == "__main__":
    main()
