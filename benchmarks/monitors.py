"""The fitted detectors of motion and look, `monitors` and `scene`: UCSD Ped2 and unseen streets.

    python benchmarks/monitors.py [--ped2 PED2] [--streets FOLDER] [--seeds 201 202 203]

Ped2 is learned from all training clips but 4, 8, 12 and 16, which give mean and standard deviation of each component. A
street is learned from six of eight training videos; the other two give them. The sums are sums of those z. Protocol
honest: nothing normalised per video, causal Gaussian of 19 taps. FOLDER keeps the rendered streets.
"""

from __future__ import annotations

import argparse
import csv
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from oddframe.datasets.folder import read_folder
from oddframe.datasets.windows import Chunk, stream_chunks
from oddframe.evaluation.auc import macro_auc, micro_auc, roc_auc
from oddframe.models.fitted import FittedDetector
from oddframe.models.monitors import Monitors
from oddframe.models.scene import SceneDetector
from oddframe.scoring.smooth import Smoothing, smooth
from oddframe.street import TEST_KINDS, World, render_world
from oddframe.video.decode import VideoReader, probe
from oddframe.video.search import find_videos
from oddframe.video.sources import VideoSource

HONEST = Smoothing("causal", 19, 6.0)
HELD = {"04", "08", "12", "16"}
Scores = dict[str, NDArray[np.float64]]  # by component, or by video


def chunks(source: VideoSource, detector: FittedDetector) -> list[Chunk]:
    window = detector.window
    with VideoReader(source, window.size, window.colour, window.resize) as reader:
        return list(stream_chunks(reader, window, 32))


def scores(detector: FittedDetector, source: VideoSource) -> Scores:
    detector.begin_video()
    found = [detector.score(chunk).components for chunk in chunks(source, detector)]
    return {name: np.concatenate([one[name] for one in found]) for name in detector.components}


def standing(
    train: Sequence[VideoSource], held: Sequence[VideoSource], test: Sequence[VideoSource]
) -> dict[str, Scores]:
    """Component, or sum -> video -> smoothed score in standard deviations of held-out normal video."""
    found: dict[str, Scores] = {}
    for detector in (Monitors.for_video(probe(train[0])), SceneDetector.for_video(probe(train[0]))):
        own = type(detector).__name__.lower()
        start = time.perf_counter()
        detector.begin_learning(0)
        for source in train:
            detector.begin_video()
            for chunk in chunks(source, detector):
                detector.learn(chunk)
        seen = time.perf_counter()
        detector.finish_learning()
        print(f"{own} learned: {seen - start:.1f} s for the pass, {time.perf_counter() - seen:.1f} s to finish\n")
        normal = [scores(detector, source) for source in held]
        tested = {source.name: scores(detector, source) for source in test}
        for name in detector.components:
            usual = np.concatenate([one[name] for one in normal])
            found[name] = {video: (one[name] - usual.mean()) / usual.std() for video, one in tested.items()}
        found[f"sum of {own}"] = {
            video: np.sum([found[name][video] for name in detector.components], axis=0) for video in tested
        }
    found["sum of both"] = {
        video: one + found["sum of scene"][video] for video, one in found["sum of monitors"].items()
    }
    return {name: {video: smooth(score, HONEST) for video, score in one.items()} for name, one in found.items()}


def ped2(root: Path) -> None:
    sources = find_videos(root / "training" / "videos")
    testing = read_folder(root / "testing").videos
    split = [s for s in sources if s.name not in HELD], [s for s in sources if s.name in HELD]
    found = standing(*split, [video.source for video in testing])
    print("| Ped2 | micro AUC | macro AUC |\n|---|---|---|")
    for name, one in found.items():
        pairs = [(video.labels, one[video.source.name]) for video in testing]
        print(f"| {name} | {micro_auc(pairs):.3f} | {macro_auc(pairs):.3f} |", flush=True)


def street(root: Path, seed: int) -> None:
    folder = root / f"street{seed}"
    if not (folder / "testing" / "events.csv").exists():
        render_world(folder, World(seed), videos=8, test_videos=12, seconds=24)
    sources = find_videos(folder / "training" / "videos")
    testing = read_folder(folder / "testing").videos
    labels = {video.source.name: video.labels for video in testing}
    with (folder / "testing" / "events.csv").open(newline="", encoding="utf-8") as file:
        events = list(csv.DictReader(file))
    found = standing(sources[:6], sources[6:], [video.source for video in testing])
    print(f"| street {seed} | {' | '.join(TEST_KINDS)} | all |\n|{'---|' * (2 + len(TEST_KINDS))}")
    for name, one in found.items():
        normal = np.concatenate([score[labels[video] == 0] for video, score in one.items()])
        cells = []
        for kind in TEST_KINDS:
            pieces = [np.zeros(0)]
            for row in (row for row in events if row["kind"] == kind):
                span = slice(int(row["start_frame"]), int(row["end_frame"]) + 1)
                pieces.append(one[row["video"]][span][labels[row["video"]][span] == 1])
            odd = np.concatenate(pieces)
            cells.append(roc_auc(np.r_[np.zeros(len(normal)), np.ones(len(odd))], np.r_[normal, odd]))
        cells.append(micro_auc([(labels[video], score) for video, score in one.items()]))
        print(f"| {name} | {' | '.join(f'{cell:.3f}' for cell in cells)} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ped2", type=Path)
    parser.add_argument("--streets", type=Path)
    parser.add_argument("--seeds", type=int, nargs="*", default=[201, 202, 203])
    arguments = parser.parse_args()
    if arguments.ped2:
        ped2(arguments.ped2)
    with tempfile.TemporaryDirectory() as temporary:
        for seed in arguments.seeds:
            street(arguments.streets or Path(temporary), seed)


if __name__ == "__main__":
    main()
