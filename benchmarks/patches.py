"""`patches`: its options, compared on video that is no test.

    python benchmarks/patches.py PED2 [--streets 100 101]

Printed are AUCs of single frames, not smoothed. Streets: all nine kinds, and vehicles alone, in the mean. Ped2: learned
from the training clips other than 4 8 12 16; those clips against themselves with objects of the street pasted in, in
grey, small ones (to 0.2 % of the frame) and larger; and against themselves at double speed, where 0.5 is right.
"""

from __future__ import annotations

import argparse
import csv
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from oddframe.datasets.folder import read_folder
from oddframe.datasets.pseudo import Paster
from oddframe.datasets.sequences import sequences_from_world
from oddframe.datasets.windows import Chunk
from oddframe.evaluation.auc import roc_auc
from oddframe.models.patches import Patches
from oddframe.runtime.backbone import open_backbone
from oddframe.settings import PseudoAnomalies
from oddframe.street import World, render_world
from oddframe.types import VideoInfo
from oddframe.video.decode import VideoReader
from oddframe.video.search import find_videos
from oddframe.video.sources import VideoSource
from oddframe.workflow.demo import VEHICLES as KINDS

HELD_OUT = ("04", "08", "12", "16")
# Networks, each with the options that are compared on it; the first of all is the default.
COMPARED: dict[tuple[tuple[int, ...], float], list[dict[str, object]]] = {
    ((4, 10), 1.0): [
        {}, {"local": True}, {"place": 0.0}, {"place": 2.0}, {"memory": 500}, {"memory": 12_000}, {"whiten": False},
        {"local": True, "whiten": False}, {"rate": 1.0}, {"learning_rate": 0.5},
    ],
    ((2, 4), 1.0): [{}], ((4, 7), 1.0): [{}], ((10,), 1.0): [{}], ((4, 10), 1.5): [{}],
}  # fmt: skip
RATE = {"rate": 2.5}  # looks a second here, to spare time


@dataclass
class Clip:
    """Frames (N, H, W, 3) RGB at the size of the video, times, and per frame 0, 1, or -1 where it does not count."""

    frames: np.ndarray
    time: np.ndarray
    labels: np.ndarray


def read(source: VideoSource) -> Clip:
    with VideoReader(source, colour="rgb") as reader:
        frames = list(reader)
    return Clip(np.stack([f.image for f in frames]), np.array([f.time for f in frames]), np.zeros(len(frames), np.int8))


def street(folder: Path, seed: int) -> tuple[list[Clip], dict[str, list[Clip]]]:
    """Normal clips, and the test clips for all kinds and for vehicles."""
    render_world(folder, World(seed), videos=8, test_videos=8, seconds=24)
    sets: dict[str, list[Clip]] = {"all kinds": [], "vehicles": []}
    with (folder / "testing" / "events.csv").open(newline="", encoding="utf-8") as file:
        events = list(csv.DictReader(file))
    for video in read_folder(folder / "testing").videos:
        clip, vehicle = read(video.source), np.zeros(len(video.labels), bool)
        for row in events:
            if row["video"] == video.source.name and row["kind"] in KINDS:
                vehicle[int(row["start_frame"]) : int(row["end_frame"]) + 1] = True
        sets["all kinds"].append(replace(clip, labels=video.labels))
        alone = np.where((video.labels == 1) & ~vehicle, -1, video.labels)
        sets["vehicles"].append(replace(clip, labels=alone))
    return [read(source) for source in find_videos(folder / "training" / "videos")], sets


def ped2(root: Path) -> tuple[list[Clip], dict[str, list[Clip]]]:
    """Training clips, and held-out ones beside themselves with pasted objects and at double speed."""
    videos = {source.name: read(source) for source in find_videos(root / "training" / "videos")}
    held = [videos[name] for name in HELD_OUT]
    size = held[0].frames.shape[1:3]
    sets: dict[str, list[Clip]] = {}
    for name, largest in (("pasted", 0.02), ("small", 0.002)):
        objects = sequences_from_world(0, size, 90)
        how = PseudoAnomalies(
            probability=1.0, min_area=0.0005, max_area=largest, blend="grey", place="random", scale=(0.3, 1.4)
        )  # fmt: skip
        paster = Paster(objects, size, how, seed=1)
        sets[name] = list(held)
        for number, clip in enumerate(held):
            frames, labels = clip.frames.copy(), np.full(len(clip.time), -1, np.int8)
            for n in range(len(frames)):
                found = paster.apply(number, clip.frames[n : n + 1, :, :, ::-1].copy(), np.array([n]), n, 0, n)
                if found is not None and (found[1] > 127).any():
                    frames[n], labels[n] = found[0][0, :, :, ::-1], 1
            sets[name].append(Clip(frames, clip.time, labels))
    fast = [Clip(c.frames[::2], c.time[: len(c.frames[::2])], np.ones(len(c.frames[::2]), np.int8)) for c in held]
    sets["warped"] = [*held, *fast]
    return [clip for name, clip in videos.items() if name not in HELD_OUT], sets


class Remembered:
    """A network that computes a frame once; frames come as numbers in (1, 1, 3) bytes."""

    def __init__(self, blocks: tuple[int, ...], size: tuple[int, int]) -> None:
        self.network, self.size = open_backbone(blocks), size
        self.frames: list[np.ndarray] = []
        self.known: dict[int, np.ndarray] = {}
        self.starts: dict[int, int] = {}

    def chunk(self, clip: Clip) -> Chunk:
        if id(clip.frames) not in self.starts:
            self.starts[id(clip.frames)] = len(self.frames)
            self.frames += list(clip.frames)
        start, n = self.starts[id(clip.frames)], len(clip.time)
        numbers = np.arange(start, start + n, dtype="<u4").view(np.uint8).reshape(n, 1, 1, 4)[..., :3]
        index = np.arange(n)
        return Chunk(numbers, index[:, None], index[:, None], index, clip.time)

    def __call__(self, numbers: np.ndarray) -> np.ndarray:
        wanted = numbers[:, 0, 0].astype(int) @ (1, 256, 65536)
        for n in wanted:
            if n not in self.known:
                frame = cv2.resize(self.frames[n], self.size[::-1], interpolation=cv2.INTER_LINEAR)
                self.known[n] = self.network(frame[None])[0]
        return np.stack([self.known[n] for n in wanted])


def compare(normal: list[Clip], sets: dict[str, list[Clip]], rows: dict[str, dict[str, list[float]]]) -> None:
    """Append the AUC of every setting on every set to `rows`."""
    height, width = normal[0].frames.shape[1:3]
    info = VideoInfo("", "", width, height, None)
    for (blocks, zoom), settings in COMPARED.items():
        plain = Patches.for_video(info).window.size
        size = (round(plain[0] * zoom / 16) * 16, round(plain[1] * zoom / 16) * 16)
        network = Remembered(blocks, size)
        learned = [network.chunk(clip) for clip in normal]
        scored = {name: [network.chunk(clip) for clip in clips] for name, clips in sets.items()}
        for options in settings:
            detector = Patches.for_video(info, blocks=blocks, size=size, network=network, **(RATE | options))
            detector.begin_learning(0)
            for chunk in learned:
                detector.begin_video()
                detector.learn(chunk)
            detector.finish_learning()
            row = rows.setdefault(f"{blocks}, x{zoom:g}, {str(options)[1:-1] or 'defaults'}", {})
            for name, clips in sets.items():
                values = []
                for chunk in scored[name]:
                    detector.begin_video()
                    values.append(detector.score(chunk).components["patch"])
                labels, value = np.concatenate([clip.labels for clip in clips]), np.concatenate(values)
                row.setdefault(name, []).append(roc_auc(labels[labels >= 0], value[labels >= 0]))
            shown = ", ".join(f"{name} {values[-1]:.4f}" for name, values in row.items())
            print(f"{blocks}, x{zoom:g}, {options}: {shown}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ped2", type=Path)
    parser.add_argument("--streets", type=int, nargs="*", default=[100, 101])
    arguments = parser.parse_args()
    rows: dict[str, dict[str, list[float]]] = {}
    compare(*ped2(arguments.ped2), rows)
    for seed in arguments.streets:
        with tempfile.TemporaryDirectory() as folder:
            compare(*street(Path(folder), seed), rows)
    names = list(next(iter(rows.values())))
    print("| blocks, size, options |", " | ".join(names), "|\n|---|" + "---|" * len(names))
    for setting, row in rows.items():
        print(f"| {setting} |", " | ".join(f"{np.mean(row[name]):.4f}" for name in names), "|")


if __name__ == "__main__":
    main()
