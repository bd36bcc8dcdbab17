"""Several videos one after the other in one process, and side by side in several: seconds, process start included.

    python benchmarks/side_by_side.py [--videos 8] [--seconds 60] [--workers 2] [--rounds 3]

Small recipes, untrained, on videos of the built-in street of 640x360 pixels; torch in fp32 and OpenVINO in bf16.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np

from oddframe.bundle import TrainingData, save_bundle
from oddframe.models.registry import create
from oddframe.recipes import load_recipe
from oddframe.runtime.runtime import RuntimeOptions
from oddframe.street import World, render_world
from oddframe.video.search import find_videos
from oddframe.workflow.run import Run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--videos", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder)
        render_world(
            here / "street", World(size=(360, 640)), videos=arguments.videos, test_videos=0, seconds=arguments.seconds
        )
        sources = find_videos(here / "street")
        for name in ("sdmae-small", "mnad-small", "memae-small"):
            recipe = load_recipe(name)
            detector = create(recipe.model, recipe.preset, **recipe.options)
            run = Run(save_bundle(here / name, detector, recipe, {}, TrainingData(checkpoint="none")))
            noise = np.random.default_rng(0)
            run.calibrate([(np.arange(3000) / 25, {n: noise.random(3000) for n in run.signature.reported})])
            for options in (RuntimeOptions(), RuntimeOptions("openvino", "bf16")):
                run.score(sources[:1], options=options, progress=False)  # the graph is made, and everything is warm
                taken: dict[int, list[float]] = {1: [], arguments.workers: []}
                for _ in range(arguments.rounds):
                    for workers, times in taken.items():
                        began = time.perf_counter()
                        scores = run.score(sources, options=options, workers=workers, progress=False)
                        times.append(time.perf_counter() - began)
                one, several = (statistics.median(times) for times in taken.values())
                count, kind = sum(len(one.frame) for one in scores), options.label or "torch-fp32"
                seconds = f"one process {one:.1f} s, {arguments.workers} processes {several:.1f} s"
                print(f"{name:<12} {kind:<14} {count} frames: {seconds}, ratio {one / several:.2f}", flush=True)


if __name__ == "__main__":
    main()
