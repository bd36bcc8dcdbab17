"""`fit` at the size of real life: 24 hours of video at 5 frames/s, in one file.

    python benchmarks/week.py [--hours 24] [--parts patches,monitors,scene] [--workers 2] [--out DIR]

A street is encoded in four short loops, in the light of morning, noon, evening and night. Their packets are written
one after the other into a file of so many hours; nothing is rendered twice. Told are the time of `fit` by pass, the
cache that it left, and the peak memory of its processes.
"""

from __future__ import annotations

import argparse
import os
import resource
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from loops import join, street, write_video
from numpy.typing import NDArray

from oddframe.settings import TrainingOptions
from oddframe.workflow.fit import fit

SIZE, FPS, LOOP = (240, 360), 5.0, 60.0
LIGHTS = (0.8, 1.0, 0.6, 0.3)


def lit(pictures: Iterator[NDArray[np.uint8]], gain: float) -> Iterator[NDArray[np.uint8]]:
    return (np.rint(picture * np.float32(gain)).astype(np.uint8) for picture in pictures)


def day(hours: float) -> list[int]:
    """Which loop plays when: a quarter of a day each, and the two neighbours in turn for an hour in between."""
    order = []
    for minute in range(max(1, round(hours * 3600 / LOOP))):
        hour = (minute * LOOP / 3600) % 24
        quarter, into = int(hour // 6), hour % 6
        order.append((quarter + (into > 5 and minute % 2)) % len(LIGHTS))
    return order


def long_video(path: Path, hours: float, size: tuple[int, int] = SIZE) -> float:
    """Write the file; its seconds."""
    with tempfile.TemporaryDirectory() as folder:
        loops = [Path(folder) / f"{number}.mp4" for number in range(len(LIGHTS))]
        for number, (loop, gain) in enumerate(zip(loops, LIGHTS, strict=True)):
            write_video(loop, lit(street(5, number, size, FPS, LOOP), gain), size, FPS)
        return join(loops, day(hours), path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hours", type=float, default=24)
    parser.add_argument("--parts", default="patches,monitors,scene")
    parser.add_argument("--set", action="append", default=[], help="further changes to the recipe")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", type=Path, help="keeps video and bundle; a video that it holds is not made again")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        here = chosen.out or Path(temporary)
        here.mkdir(parents=True, exist_ok=True)
        os.environ["ODDFRAME_CACHE"] = str(here / "cache")
        video = here / "long.mp4"
        if not video.is_file():
            seconds = long_video(video, chosen.hours)
            print(f"video   {seconds / 3600:.2f} h, {seconds * FPS:.0f} frames, {video.stat().st_size / 2**20:.0f} MiB")
        began = time.perf_counter()
        run = fit(
            video, out=here / "run", changes=[f"options.parts=[{chosen.parts}]", *chosen.set],
            training=TrainingOptions(workers=chosen.workers, progress=False),
        )  # fmt: skip
        print(f"fit     {time.perf_counter() - began:.0f} s")
        for name, parts in run.history["seconds"].items():
            print(f"        {name}: " + ", ".join(f"{part} {seconds:.0f} s" for part, seconds in parts.items()))
        cached = sum(path.stat().st_size for path in (here / "cache").rglob("*") if path.is_file())
        bundle = sum(path.stat().st_size for path in run.path.rglob("*") if path.is_file())
        print(f"cache   {cached / 2**20:.1f} MiB; bundle {bundle / 2**20:.1f} MiB")
        own, workers = (
            resource.getrusage(who).ru_maxrss / 1024 for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
        )
        print(f"memory  {own:.0f} MiB at the peak of the main process, {workers:.0f} MiB of the largest other one")
        print(f"promise {run.calibration().sentence()}")


if __name__ == "__main__":
    main()
