"""`patches` with its defaults on the test clips of UCSD Ped2, and how fast it is.

    python benchmarks/patches_ped2.py PED2 [--half]     AUC; --half: at 180x120, re-encoded at crf 35
    python benchmarks/patches_ped2.py PED2 --speed      frames/s of the network, of the search, and of all of it

Learned from the training clips other than 4 8 12 16. Micro and macro AUC, nothing normalised per video, causal
smoothing with 19 taps and sigma 5; one-class clips have no part in the macro AUC.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from camera import halved

from oddframe.datasets.windows import Chunk, stream_chunks
from oddframe.errors import InputError
from oddframe.evaluation.auc import macro_auc, micro_auc
from oddframe.models.patches import Patches
from oddframe.processes import cores
from oddframe.runtime.backbone import open_backbone
from oddframe.scoring.smooth import Smoothing, smooth
from oddframe.video.decode import VideoReader, probe
from oddframe.video.search import find_videos
from oddframe.video.sources import VideoSource

HELD_OUT = ("04", "08", "12", "16")
ENGINES = (("openvino", "bf16"), ("openvino", "fp32"), ("onnx", "fp32"), ("torch", "fp32"))


def chunks(source: VideoSource, detector: Patches) -> Iterator[Chunk]:
    window = detector.window
    with VideoReader(source, window.size, window.colour, window.resize) as reader:
        yield from stream_chunks(reader, window, 8)


def learned(sources: list[VideoSource]) -> Patches:
    detector = Patches.for_video(probe(sources[0]))
    detector.network = network = open_backbone(detector.config.blocks)
    start = time.perf_counter()
    detector.begin_learning(0)
    for source in sources:
        detector.begin_video()
        for chunk in chunks(source, detector):
            detector.learn(chunk)
    detector.finish_learning()
    size = "x".join(map(str, detector.window.size))
    print(f"{network.runtime} {network.precision}, {size}: learned in {time.perf_counter() - start:.0f} s", flush=True)
    return detector


def look(training: list[VideoSource], testing: list[VideoSource], labels: Path) -> None:
    detector, pairs = learned(training), []
    start = time.perf_counter()
    for source in testing:
        detector.begin_video()
        values = np.concatenate([detector.score(chunk).components["patch"] for chunk in chunks(source, detector)])
        pairs.append((np.load(labels / f"{source.name}.npy"), smooth(values, Smoothing("causal", 19, 5.0))))
    frames = sum(len(truth) for truth, _ in pairs)
    print(f"micro AUC {micro_auc(pairs):.4f}, macro AUC {macro_auc(pairs):.4f}; {frames} frames scored at "
          f"{frames / (time.perf_counter() - start):.0f} frames/s")  # fmt: skip


def speed(training: list[VideoSource]) -> None:
    """Each part in turn, the fastest of three rounds."""
    detector = learned(training[:2])
    pieces = list(chunks(training[2], detector))
    frames = np.concatenate([piece.frames for piece in pieces])[:48]
    network = detector.network
    assert network is not None
    vectors = network(frames[:8])
    tasks = {"decoding": lambda: sum(len(piece.time) for piece in chunks(training[2], detector))}
    for runtime, precision in ENGINES:
        try:
            engine = open_backbone(detector.config.blocks, runtime, precision)  # type: ignore[arg-type]
        except InputError as error:
            print(error)
            continue
        engine(frames[:2])
        tasks[f"network, {runtime} {precision}"] = lambda engine=engine: len(engine(frames[:16]))
    every = Patches.for_video(probe(training[0]), rate=1e3, network=lambda asked: vectors[: len(asked)])
    every.load_state(detector.state())
    tasks["search, every frame"] = lambda: sum(len(every.score(piece).components["patch"]) for piece in pieces)
    tasks["all, decoding included"] = lambda: sum(
        len(detector.score(piece).components["patch"]) for piece in chunks(training[2], detector)
    )
    decoding = 0.0
    print(f"{cores()} cores")
    for name, task in tasks.items():
        rates = []
        for _ in range(3):
            detector.begin_video()
            start = time.process_time(), time.perf_counter()
            count = task()
            rates.append((count / (time.perf_counter() - start[1]), count / (time.process_time() - start[0])))
        wall, cpu = np.max(rates, 0)
        decoding = decoding or cpu
        print(f"{name}: {wall:.0f} frames/s, {cpu:.0f} per second of one core, {cpu / decoding:.2f} of decoding")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ped2", type=Path)
    parser.add_argument("--half", action="store_true")
    parser.add_argument("--speed", action="store_true")
    arguments = parser.parse_args()
    training = [one for one in find_videos(arguments.ped2 / "training" / "videos") if one.name not in HELD_OUT]
    testing = list(find_videos(arguments.ped2 / "testing" / "videos"))
    if arguments.speed:
        speed(training)
        return
    with tempfile.TemporaryDirectory() as folder:
        if arguments.half:
            for name, sources in (("training", training), ("testing", testing)):
                (Path(folder) / name).mkdir()
                sources[:] = [halved(source, Path(folder) / name) for source in sources]
        look(training, testing, arguments.ped2 / "testing" / "labels")


if __name__ == "__main__":
    main()
