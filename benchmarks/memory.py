"""Peak memory of scoring a 2-minute and a 2-hour video, each in a process of its own.

    python benchmarks/memory.py [--overlay] [--camera [--parts patches,monitors,scene]]

The detector is a small untrained SDMAE with its map: what counts is what is kept per frame, not what a frame costs.
With --camera it is the default detector, on a street of 360x240 pixels at 5 frames/s whose packets are repeated.
Scores, map, events and report are written; with --overlay the overlay video too.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from camera_speed import quick_run
from week import long_video

from oddframe.bundle import TrainingData, save_bundle
from oddframe.models.registry import create
from oddframe.recipes import load_recipe
from oddframe.video.encode import VideoWriter
from oddframe.video.search import find_videos
from oddframe.workflow.run import Run

FPS, SIZE = 5.0, (96, 192)
TINY = ["options={size: [32, 64], patch: 8, encoder_width: 16, decoder_width: 16, heads: 2}"]
SCORE = """
import sys
import oddframe
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


def untrained(folder: Path) -> Run:
    """A small SDMAE that has learned nothing."""
    recipe = load_recipe("sdmae-small", TINY)
    detector = create(recipe.model, **recipe.options)
    run = Run(save_bundle(folder, detector, recipe, {}, TrainingData(checkpoint="none")))
    time = np.arange(3000) / FPS
    run.calibrate([(time, dict.fromkeys(run.signature.reported, np.random.default_rng(1).random(3000)))])
    return run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--overlay", action="store_true")
    parser.add_argument("--camera", action="store_true")
    parser.add_argument("--parts", default="patches,monitors,scene")
    parser.add_argument("--minutes", type=float, nargs=2, default=(2, 120), help="lengths of both videos")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder)
        videos = [here / f"{minutes:g} minutes.mp4" for minutes in chosen.minutes]
        for video, minutes in zip(videos, chosen.minutes, strict=True):
            if chosen.camera:
                long_video(video, minutes / 60)
            else:
                make_video(video, minutes)
        if chosen.camera:
            quick_run(here / "run", find_videos(videos[0])[0], tuple(chosen.parts.split(",")), seconds=30)
        else:
            untrained(here / "run")
        peaks = []
        for video, minutes in zip(videos, chosen.minutes, strict=True):
            command = [sys.executable, "-c", SCORE, str(here / "run"), str(video), str(here / f"out {video.stem}")]
            command.append("--overlay" if chosen.overlay else "-")
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            peaks.append(float(done.stdout.split()[-1]))
            print(f"{video.stem:<12} {round(minutes * 60 * FPS):>6} frames   peak {peaks[-1]:.0f} MiB", flush=True)
        print(f"ratio        {peaks[1] / peaks[0]:.3f}")


if __name__ == "__main__":
    main()
