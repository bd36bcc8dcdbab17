"""From an H.264 file to scores against the forward pass alone: SDMAE as published for Avenue, 320x640, untrained.

    python benchmarks/pipeline.py [VIDEO] [--frames 160]

Without VIDEO a street is rendered. The figures are those of `oddframe bench`.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from oddframe.bundle import save_bundle
from oddframe.data.world import render_world
from oddframe.models.registry import create
from oddframe.recipes import load_recipe
from oddframe.workflow.bench import bench
from oddframe.workflow.run import Run


def main() -> None:
    arguments = sys.argv[1:]
    frames = int(arguments.pop(arguments.index("--frames") + 1)) if "--frames" in arguments else 160
    videos = [argument for argument in arguments if argument != "--frames"]
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder)
        recipe = load_recipe("sdmae-avenue")
        run = Run(save_bundle(here / "run", create(recipe.model, **recipe.options), recipe, {}, {"checkpoint": "none"}))
        if not videos:
            render_world(here / "street", videos=1, test_videos=0, seconds=20)
            videos = [str(here / "street" / "training" / "videos" / "01.mp4")]
        r = bench(run, videos[0], frames=frames, rounds=3)
    print(
        f"frames/s  end to end {r.end_to_end:.2f}   forward {r.forward:.2f}   decode {r.decode:.0f}   post {r.post:.0f}"
    )
    print(f"end to end / forward  {r.end_to_end / r.forward:.3f}   ({r.frames} frames, batch {r.batch}, {r.precision})")
    print(f"arithmetic floor      {r.arithmetic_floor:.2f} frames/s at {r.matrix_gflops:.0f} GFLOP/s")


if __name__ == "__main__":
    main()
