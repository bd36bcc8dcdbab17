"""From an H.264 file to scores against the forward pass alone: SDMAE as published for Avenue, 320x640, untrained.

    python benchmarks/pipeline.py [VIDEO] [--frames 320] [--rounds 3]

Without VIDEO a street of 640x360 pixels is rendered. The figures are those of `oddframe bench`, for torch in fp32 and
for OpenVINO in bf16.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np

from oddframe.bundle import TrainingData, save_bundle
from oddframe.models.registry import create
from oddframe.recipes import load_recipe
from oddframe.runtime.runtime import RuntimeOptions
from oddframe.street import World, render_world
from oddframe.video.search import find_videos
from oddframe.workflow.bench import bench
from oddframe.workflow.run import Run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("video", nargs="?", type=Path)
    parser.add_argument("--frames", type=int, default=320)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder)
        recipe = load_recipe("sdmae-avenue")
        run = Run(
            save_bundle(
                here / "run", create(recipe.model, **recipe.options), recipe, {}, TrainingData(checkpoint="none")
            )
        )
        noise = np.random.default_rng(0)
        run.calibrate([(np.arange(3000) / 25, {n: noise.random(3000) for n in run.signature.reported})])
        if arguments.video is None:
            world = World(size=(360, 640))
            render_world(here / "street", world, videos=1, test_videos=0, seconds=arguments.frames / 12.5)
        sources = find_videos(arguments.video or here / "street")
        for options in (RuntimeOptions(), RuntimeOptions("openvino", "bf16")):
            r = bench(run, sources, frames=arguments.frames, rounds=arguments.rounds, options=options)
            shares = ", ".join(f"{name} {share:.1%}" for name, share in r.shares.items())
            print(f"{r.runtime} {r.precision}, {r.frames} frames, batch {r.batch}, median of {r.rounds} rounds")
            print(f"  frames/s  end to end {r.end_to_end:.2f}   forward {r.forward:.2f}   decode {r.decode:.0f}   "
                  f"post {r.post:.0f}")  # fmt: skip
            print(f"  end to end / forward  {r.end_to_end / r.forward:.3f}   shares: {shares}")
            floor, late = r.arithmetic_floor or 0.0, r.latency
            print(f"  forward / floor       {r.forward / floor:.3f}   floor {floor:.1f} frames/s at "
                  f"{r.matrix_gflops:.0f} GFLOP/s")  # fmt: skip
            print(f"  latency ms            {late.p50:.1f} median, {late.p95:.1f} 95 %, {late.p99:.1f} 99 %; "
                  f"peak {r.peak_mib:.0f} MiB", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
