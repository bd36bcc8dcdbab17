"""Frames/s of `camera` end to end, each part and the sum, beside decoding alone in the same run.

    python benchmarks/camera_speed.py [--frames 300] [--rounds 3] [--seconds 24]

H.264 of a street at 360x240 and at 1920x1080, 25 frames/s. Each part learns the video once; what it learned does not
matter for its speed. Figures are medians over rounds, as `oddframe bench` measures them: "end to end" is from the file
to events, "decode" decoding and resizing alone at the size that the part looks at, and "forward" the part alone.
Memory over hours is measured by `memory.py --camera`.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import cv2
import numpy as np
from loops import street, write_video

from oddframe.benchmark.table import markdown_table
from oddframe.bundle import BACKBONE, TrainingData, save_bundle
from oddframe.models.camera import PARTS
from oddframe.processes import cores
from oddframe.recipes import load_recipe
from oddframe.runtime.backbone import write_backbone
from oddframe.video.search import find_videos
from oddframe.video.sources import VideoSource
from oddframe.workflow.bench import bench
from oddframe.workflow.passes import Pass, new_detector, run_pass
from oddframe.workflow.run import Run
from oddframe.workflow.stretches import Stretch, measure_videos

RENDERED = (360, 640)  # larger pictures are these, enlarged
FPS = 25.0
CHOICES = {**{name: (name,) for name in PARTS}, "monitors + scene": ("monitors", "scene"), "sum": tuple(PARTS)}


def video(folder: Path, size: tuple[int, int], seconds: float) -> VideoSource:
    """The street at a size."""
    small = min(size, RENDERED)
    pictures = (cv2.resize(picture, size[::-1]) for picture in street(5, 0, small, FPS, seconds))
    path = folder / f"{size[1]}x{size[0]}.mp4"
    write_video(path, pictures, size, FPS)
    return find_videos(path)[0]


def quick_run(folder: Path, source: VideoSource, parts: tuple[str, ...], seconds: float = 8.0) -> Run:
    """A bundle that has learned the first seconds of a video; no folds, no check, and a promise that means nothing."""
    recipe = load_recipe("camera", [f"options.parts=[{', '.join(parts)}]"])
    (normal,), _ = measure_videos([source])
    task = Pass(recipe, normal.info, (Stretch(normal, 0.0, min(seconds, normal.seconds)),))
    detector = new_detector(task)
    passed = run_pass(task, lambda seconds: None)
    detector.load_state(passed.state)
    if detector.blocks is not None:
        folder.mkdir(parents=True, exist_ok=True)
        write_backbone(folder / BACKBONE, detector.blocks)
    data = TrainingData(frame_size=(normal.info.height, normal.info.width))
    run = Run(save_bundle(folder, detector, recipe, {"seconds": {"final": passed.seconds}}, data))
    noise = np.random.default_rng(0).random(3000)
    run.calibrate([(np.arange(3000) / 25, dict.fromkeys(detector.components, noise))])
    return run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=24, help="of video")
    parser.add_argument("--parts", default=",".join(CHOICES), help="rows of the table")
    parser.add_argument("--sizes", default="360x240,1920x1080")
    chosen = parser.parse_args()
    print(f"{cores()} cores\n")
    rows = []
    with tempfile.TemporaryDirectory() as temporary:
        here = Path(temporary)
        for text in chosen.sizes.split(","):
            width, height = (int(side) for side in text.split("x"))
            size = height, width
            source = video(here, size, chosen.seconds)
            for name in chosen.parts.split(","):
                run = quick_run(here / f"{size[1]} {name}", source, CHOICES[name.strip()])
                r = bench(run, [source], frames=chosen.frames, rounds=chosen.rounds)
                rows.append([
                    f"{size[1]}x{size[0]}", name.strip(), f"{r.end_to_end:.0f}", f"{r.end_to_end / cores():.0f}",
                    f"{r.decode:.0f}", f"{r.forward:.0f}", f"{r.end_to_end / r.decode:.2f}", f"{r.peak_mib:.0f}",
                ])  # fmt: skip
    columns = ["video", "parts", "end to end", "per core", "decode", "forward", "end to end / decode", "peak MiB"]
    print(markdown_table(columns, rows, columns[2:]))


if __name__ == "__main__":
    main()
