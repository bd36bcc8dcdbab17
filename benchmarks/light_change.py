"""A change of light between learning and scoring: alarms per hour on normal video against the promise.

    python benchmarks/light_change.py [--learn 30] [--score 30] [--parts patches,monitors,scene] [--seed 5] [--out DIR]

`camera` learns minutes of a normal street at 96x168 and 4 frames/s. It then scores other normal minutes of the same
street, in which nothing but the light is changed:

    none      as it was learned
    flicker   brightness beats by a quarter, twice a minute up to twice a second
    grey      the camera loses its colours
    exposure  brightness jumps to between half and 1.8 times, every one to three minutes
    all       the three together

Alarms count as the promise counts them: an event that lasts is one for every five minutes begun. What is asked for is
less than three times the promise. Half an hour of each takes about ten minutes on one core.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from loops import street, write_video
from numpy.typing import NDArray

from oddframe.benchmark.table import markdown_table
from oddframe.bundle import CALIBRATION
from oddframe.scoring.heldout import alarm_count, plausible_seconds
from oddframe.settings import TrainingOptions
from oddframe.workflow.fit import fit
from oddframe.workflow.run import Run, load_run

SIZE, FPS = (96, 168), 4.0
PIECE = 5.0  # minutes of one video file to learn from; what is scored is one file
CHANGES = ("none", "flicker", "grey", "exposure", "all")
LIMIT = 3.0
Picture = NDArray[np.uint8]


def changed(change: str, pictures: Iterator[Picture], seed: int) -> Iterator[Picture]:
    """The same pictures in another light."""
    rng = np.random.default_rng((seed, CHANGES.index(change)))
    gain, until = 1.0, 0.0
    phases, rates = rng.uniform(0, 2 * np.pi, 4), 1 / np.array([30.0, 5.0, 1.7, 0.5])
    for number, picture in enumerate(pictures):
        time, light = number / FPS, 1.0
        if change in ("exposure", "all"):
            if time >= until:
                gain, until = float(rng.uniform(0.5, 1.8)), time + float(rng.uniform(60, 180))
            light *= gain
        if change in ("flicker", "all"):
            light *= 1 + 0.25 * float(np.sin(2 * np.pi * rates * time + phases).mean())
        bright = picture.astype(np.float32) * np.float32(light)
        if change in ("grey", "all"):
            bright = np.repeat(bright @ np.array([[0.114], [0.587], [0.299]], np.float32), 3, axis=2)
        yield np.clip(np.rint(bright), 0, 255).astype(np.uint8)


def write(folder: Path, seed: int, first: int, minutes: float, most: float, change: str = "none") -> Path:
    """Normal minutes of the street, in files of so many."""
    left, number = minutes, first
    while left > 1e-6:
        piece = min(most, left)
        pictures = changed(change, street(seed, number, SIZE, FPS, 60 * piece), number)
        write_video(folder / f"{number:03}.mp4", pictures, SIZE, FPS)
        left, number = left - piece, number + 1
    return folder


def measure(run: Run, videos: Path) -> tuple[int, float, float]:
    """Alarms, hours, and the share of the time in alarm."""
    scores = run.score(videos, progress=False)
    lengths = [event.end_s - event.start_s for event in scores.events()]
    seconds = sum(plausible_seconds(one.time) for one in scores)
    return alarm_count(lengths) if lengths else 0, seconds / 3600, sum(lengths) / seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--learn", type=float, default=30, help="minutes")
    parser.add_argument("--score", type=float, default=30, help="minutes, of every change")
    parser.add_argument("--parts", default="patches,monitors,scene")
    parser.add_argument("--set", action="append", default=[], help="further changes to the recipe")
    parser.add_argument("--seed", type=int, default=5)
    parser.add_argument("--out", type=Path, help="keeps videos and bundle; what it holds is not made again")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        here = chosen.out or Path(temporary)
        normal = here / "normal"
        if not normal.exists():
            write(normal, chosen.seed, 0, chosen.learn, PIECE)
        options = [f"options.parts=[{chosen.parts}]", *chosen.set]
        training = TrainingOptions(workers=1, progress=False)
        made = (here / "run" / CALIBRATION).is_file()
        run = load_run(here / "run") if made else fit(normal, out=here / "run", changes=options, training=training)
        promise = run.calibration().promise
        assert promise is not None, "fit promises a rate"
        print(f"promise: {promise.rate:.3g} per hour; {promise.sentence()}\n", flush=True)
        columns = ["light", "alarms", "per hour", "times the promise", "time in alarm", f"below {LIMIT:g} times"]
        print(markdown_table(columns, [], columns[1:5]), flush=True)
        for change in CHANGES:
            videos = here / change
            if not videos.exists():
                write(videos, chosen.seed, 500, chosen.score, chosen.score, change)  # the same life under every light
            alarms, hours, share = measure(run, videos)
            times = alarms / hours / promise.rate
            kept = "yes" if times < LIMIT else "no"
            print(f"| {change} | {alarms} | {alarms / hours:.2f} | {times:.2f} | {share:.1%} | {kept} |", flush=True)


if __name__ == "__main__":
    main()
