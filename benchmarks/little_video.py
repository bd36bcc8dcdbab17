"""Little video: `camera` learns one short clip of a fixed camera, and one clip of Ped2, and says what it can promise.

    python benchmarks/little_video.py DATA OUT

DATA holds `videos` (clips of fixed cameras) and `ucsd_ped2`. Of each clip the first two thirds are learned and the rest
is scored, so that everything there is normal or at least usual. Of Ped2 one clip of 18 s is learned and the test set
is scored, under the protocol `honest`. Told are what `fit` says, the threshold's promise, and how many events came.
"""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

import oddframe
from oddframe.benchmark.table import markdown_table
from oddframe.datasets.readers import open_labelled
from oddframe.errors import OddframeError
from oddframe.evaluation.baselines import combination_of
from oddframe.evaluation.protocol import evaluate
from oddframe.evaluation.protocols import get_protocol
from oddframe.types import VideoInfo
from oddframe.video.decode import VideoReader
from oddframe.video.search import find_videos
from oddframe.video.sources import ArrayVideo
from oddframe.workflow.baselines import measure_baselines, normal_background

CLIPS = (
    "car_detection.mp4", "bottle_detection.mp4", "bgs_road_msmpeg4v2.avi", "bgs_video02_mpeg4.avi", "highway_mpeg1.mpg",
    "escalator_160x130.avi", "shop_192x144.avi",
)  # fmt: skip
PED2_CLIP = "training/videos/04.mp4"  # 180 frames at 10 frames/s


def main() -> None:
    """Both tables."""
    data, out = Path(sys.argv[1]), Path(sys.argv[2])
    columns = ["clip", "learned s", "fit s", "promise", "scored s", "events", "note"]
    rows = [clip(data / "videos" / name, out / Path(name).stem) for name in CLIPS]
    print(markdown_table(columns, rows, columns[1:-1]))
    print(ped2(data / "ucsd_ped2", out / "ped2"))


def clip(file: Path, out: Path) -> list[str]:
    """Learn the first two thirds of a clip, and score the rest."""
    first, rest = (ArrayVideo(part, info.fps or 25.0, name) for part, info, name in halves(file))
    began = time.perf_counter()
    seconds = len(first.frames) / first.fps
    try:
        run = oddframe.fit([first], out=out / "run")
    except OddframeError as error:
        return [file.name, f"{seconds:.1f}", "", "", "", "", str(error)]
    took = time.perf_counter() - began
    scores = run.score([rest], progress=False)
    promised = run.calibration()
    rate = "none" if promised.upper_rate is None else f"up to {promised.upper_rate:.0f}/h"
    note = "; ".join(run.bundle.data.notes)
    length = f"{len(rest.frames) / rest.fps:.1f}"
    return [file.name, f"{seconds:.1f}", f"{took:.0f}", rate, length, str(len(scores.events())), note]


def halves(file: Path) -> list[tuple[np.ndarray, VideoInfo, str]]:
    """The frames of a clip, as its first two thirds and the rest."""
    with VideoReader(find_videos(file)[0], colour="rgb") as reader:
        images, info = np.stack([frame.image for frame in reader]), reader.info
    cut = 2 * len(images) // 3
    return [(images[:cut], info, "first"), (images[cut:], info, "rest")]


def ped2(data: Path, out: Path) -> str:
    """Learn one clip of Ped2, and score the test set beside baselines that know the same clip."""
    normal, labelled = find_videos(data / PED2_CLIP), open_labelled(f"ucsd-ped2:{data}")
    began = time.perf_counter()
    run = oddframe.fit(normal, out=out / "run")
    took = time.perf_counter() - began
    scores = run.score([video.source for video in labelled.videos], progress=False)
    labels = {video.source.name: video.labels for video in labelled.videos}
    beside = measure_baselines(labelled, normal_background(normal))
    rules = {f"{name} (baseline)": replace(run.rule, combination=combination_of(name)) for name in beside[0].components}
    rows = []
    for name, one, rule in [("camera", scores.videos, run.rule), *((n, beside, r) for n, r in rules.items())]:
        found = evaluate(one, labels, get_protocol("honest"), rule)
        rows.append([name, f"{found.micro_auc:.3f}", f"{found.macro_auc:.3f}"])
    table = markdown_table(["score", "micro", "macro"], rows, ["micro", "macro"])
    return f"Ped2, learned from {PED2_CLIP} alone in {took:.0f} s\n\n{table}"


if __name__ == "__main__":
    main()
