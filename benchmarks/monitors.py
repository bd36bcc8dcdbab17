"""The fitted detectors of motion and look, `monitors` and `scene`: UCSD Ped2, unseen streets, speed.

    python benchmarks/monitors.py [--ped2 PED2] [--streets FOLDER] [--seeds 201 202 203]

Ped2 is learned from all training clips but 4, 8, 12 and 16, which give mean and standard deviation of each component. A
street is learned from six of eight training videos; the other two give them. The sums are sums of those z. Protocol
honest: nothing normalised per video, causal Gaussian of 19 taps. FOLDER keeps the rendered streets. Printed as Markdown.
"""

from __future__ import annotations

import argparse
import csv
import tempfile
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from oddframe.data.folder import read_folder
from oddframe.data.windows import Chunk, stream_chunks
from oddframe.data.world import TEST_KINDS, render_world
from oddframe.evaluation.auc import macro_auc, micro_auc, roc_auc
from oddframe.models import monitors as motion_room
from oddframe.models.fitted import FittedDetector
from oddframe.models.monitors import Monitors
from oddframe.models.scene import Scene
from oddframe.scoring.smooth import Smoothing, smooth
from oddframe.video.decode import VideoReader, probe
from oddframe.video.sources import VideoSource, find_videos

HONEST = Smoothing("causal", 19, 6.0)
HELD = {"04", "08", "12", "16"}
Scores = dict[str, NDArray[np.float64]]


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
) -> dict[str, dict[str, NDArray[np.float64]]]:
    """Component, or sum -> video -> smoothed score in standard deviations of held-out normal video."""
    found: dict[str, dict[str, NDArray[np.float64]]] = {}
    for detector in (Monitors.for_video(probe(train[0])), Scene.for_video(probe(train[0]))):
        own = type(detector).__name__.lower()
        start = time.perf_counter()
        detector.begin_learning(0)
        for source in train:
            detector.begin_video()
            for chunk in chunks(source, detector):
                detector.learn(chunk)
        seen = time.perf_counter()
        detector.finish_learning()
        print(f"<!-- {own}: {seen - start:.1f} s of passing, {time.perf_counter() - seen:.1f} s to finish -->")
        normal = [scores(detector, source) for source in held]
        tested = {source.name: scores(detector, source) for source in test}
        for name in detector.components:
            usual = np.concatenate([one[name] for one in normal])
            found[name] = {video: (one[name] - usual.mean()) / usual.std() for video, one in tested.items()}
        found[f"sum of {own}"] = total([found[name] for name in detector.components])
    found["sum of both"] = total([found["sum of monitors"], found["sum of scene"]])
    return {name: {video: smooth(score, HONEST) for video, score in one.items()} for name, one in found.items()}


def total(parts: Sequence[Mapping[str, NDArray[np.float64]]]) -> dict[str, NDArray[np.float64]]:
    return {video: np.sum([part[video] for part in parts], axis=0) for video in parts[0]}


def ped2(root: Path) -> None:
    sources = find_videos(root / "training" / "videos")
    testing = read_folder(root / "testing").videos
    split = [s for s in sources if s.name not in HELD], [s for s in sources if s.name in HELD]
    print("| Ped2 | micro AUC | macro AUC |\n|---|---|---|")
    for name, one in standing(*split, [video.source for video in testing]).items():
        pairs = [(video.labels, one[video.source.name]) for video in testing]
        print(f"| {name} | {micro_auc(pairs):.3f} | {macro_auc(pairs):.3f} |", flush=True)


def street(root: Path, seed: int) -> dict[str, dict[str, float]]:
    """Component or sum -> kind, or "all" -> AUC."""
    folder = root / f"street{seed}"
    if not (folder / "testing" / "events.csv").exists():
        render_world(folder, videos=8, test_videos=12, seconds=24, seed=seed)
    sources = find_videos(folder / "training" / "videos")
    testing = read_folder(folder / "testing").videos
    labels = {video.source.name: video.labels for video in testing}
    result = {}
    for name, one in standing(sources[:6], sources[6:], [video.source for video in testing]).items():
        normal = np.concatenate([score[labels[video] == 0] for video, score in one.items()])
        shown: dict[str, list[NDArray[np.float64]]] = defaultdict(list)
        with (folder / "testing" / "events.csv").open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                span = slice(int(row["start_frame"]), int(row["end_frame"]) + 1)
                shown[row["kind"]].append(one[row["video"]][span][labels[row["video"]][span] == 1])
        aucs = {}
        for kind, pieces in shown.items():
            odd = np.concatenate(pieces)
            aucs[kind] = roc_auc(np.r_[np.zeros(len(normal)), np.ones(len(odd))], np.r_[normal, odd])
        result[name] = {**aucs, "all": micro_auc([(labels[video], score) for video, score in one.items()])}
    return result


def speed(source: VideoSource) -> None:
    """Milliseconds a frame on one thread: decoding alone, and each step of the detectors."""
    spent: dict[str, float] = defaultdict(float)

    def timed(name, function):  # noqa: ANN001, ANN202
        def run(*arguments):  # noqa: ANN002, ANN202
            start = time.process_time()
            value = function(*arguments)
            spent[name] += time.process_time() - start
            return value

        return run

    plain = Monitors.for_video(probe(source))
    frames = sum(len(chunk.index) for chunk in timed("decoding", chunks)(source, plain))
    for detector in (plain, Scene.for_video(probe(source))):
        pieces = chunks(source, detector)
        detector.begin_learning(0)
        detector.begin_video()
        for piece in pieces:
            detector.learn(piece)
        detector.finish_learning()
        if detector is plain:
            whole = motion_room.flow_between, motion_room.describe
            motion_room.flow_between, motion_room.describe = timed("flow", whole[0]), timed("features", whole[1])
            for density in plain._densities.values():
                density.distances = timed("neighbours", density.distances)  # type: ignore[method-assign]
        for piece in pieces:
            timed(f"{type(detector).__name__.lower()} in all", detector.score)(piece)
    print("| step | ms a frame | over decoding |\n|---|---|---|")
    for name, seconds in spent.items():
        print(f"| {name} | {1000 * seconds / frames:.2f} | {seconds / spent['decoding']:.2f} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ped2", type=Path)
    parser.add_argument("--streets", type=Path)
    parser.add_argument("--seeds", type=int, nargs="*", default=[201, 202, 203])
    arguments = parser.parse_args()
    if arguments.ped2:
        ped2(arguments.ped2)
        speed(find_videos(arguments.ped2 / "training" / "videos")[0])
    with tempfile.TemporaryDirectory() as temporary:
        rows = [street(arguments.streets or Path(temporary), seed) for seed in arguments.seeds]
    if rows:
        kinds = *TEST_KINDS, "all"
        print(f"| streets {arguments.seeds} | {' | '.join(kinds)} |\n|{'---|' * (1 + len(kinds))}")
        for name in rows[0]:
            cells = [f"{np.mean([row[name][kind] for row in rows if kind in row[name]]):.3f}" for kind in kinds]
            print(f"| {name} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
