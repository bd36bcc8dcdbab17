"""Peak memory of scoring a 2-minute and a 2-hour video, each in a process of its own.

    python benchmarks/memory.py [--overlay]

The detector is a small untrained SDMAE with its map: what counts is what is kept per frame, not what a frame costs.
Scores, map, events and report are written; with --overlay the overlay video too.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from oddframe.bundle import TrainingData, save_bundle
from oddframe.models.registry import create
from oddframe.recipes import load_recipe
from oddframe.video.encode import VideoWriter
from oddframe.workflow.run import Run

FPS, SIZE = 5.0, (96, 192)
TINY = ["options={size: [32, 64], patch: 8, encoder_width: 16, decoder_width: 16, heads: 2}"]
SCORE = """
import sys
from oddframe.workflow.run import load_run
from oddframe.benchmark.memory import peak_mib
run = load_run(sys.argv[1])
run.score(sys.argv[2], sys.argv[3], outputs=oddframe.OutputOptions(overlay=sys.argv[4] == "--overlay"))
print(peak_mib())
"""


def make_video(path: Path, minutes: float) -> None:
    """A square that moves over noise."""
    noise = np.random.default_rng(0).integers(90, 120, (16, *SIZE, 3)).astype(np.uint8)
    with VideoWriter(path, SIZE, FPS) as writer:
        for t in range(round(minutes * 60 * FPS)):
            image = noise[t % 16].copy()
            image[30:50, t % 170 : t % 170 + 20] = 220
            writer.write(image)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder)
        recipe = load_recipe("sdmae-small", TINY)
        run = Run(
            save_bundle(
                here / "run", create(recipe.model, **recipe.options), recipe, {}, TrainingData(checkpoint="none")
            )
        )
        time = np.arange(3000) / FPS
        run.calibrate([(time, dict.fromkeys(run.detector.reported, np.random.default_rng(1).random(3000)))])
        peaks = {}
        for name, minutes in (("2 minutes", 2), ("2 hours", 120)):
            video = here / f"{minutes}.mp4"
            make_video(video, minutes)
            command = [sys.executable, "-c", SCORE, str(here / "run"), str(video), str(here / f"out{minutes}")]
            done = subprocess.run([*command, *(sys.argv[1:] or ["-"])], check=True, capture_output=True, text=True)
            peaks[name] = float(done.stdout.split()[-1])
            print(f"{name:<10} {round(minutes * 60 * FPS):>6} frames   peak {peaks[name]:.0f} MiB", flush=True)
        print(f"ratio      {peaks['2 hours'] / peaks['2 minutes']:.3f}")


if __name__ == "__main__":
    main()
