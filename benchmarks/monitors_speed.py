"""Milliseconds a frame of `monitors` and `scene` on one thread, each step, beside decoding in the same run.

    python benchmarks/monitors_speed.py VIDEO

Decoding includes the resize to the size of `monitors`. Times are those of the process, which other work on the machine
lengthens less than the clock's; so ratios are what to compare. Both detectors learn from VIDEO and then score it.
"""

from __future__ import annotations

import sys
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import cv2

from oddframe.datasets.windows import Chunk, stream_chunks
from oddframe.models import monitors
from oddframe.models.exemplars import Neighbours
from oddframe.models.fitted import FittedDetector
from oddframe.models.monitors import Monitors
from oddframe.models.scene import SceneDetector
from oddframe.video.decode import VideoReader, probe
from oddframe.video.search import find_videos
from oddframe.video.sources import VideoSource


def chunks(source: VideoSource, detector: FittedDetector) -> list[Chunk]:
    window = detector.window
    with VideoReader(source, window.size, window.colour, window.resize) as reader:
        return list(stream_chunks(reader, window, 32))


def main() -> None:
    source = find_videos(sys.argv[1])[0]
    spent: dict[str, float] = defaultdict(float)

    def timed(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def run(*arguments: Any) -> Any:
            start = time.process_time()
            value = function(*arguments)
            spent[name] += time.process_time() - start
            return value

        return run

    cv2.setNumThreads(1)
    monitors.flow_between = timed("flow", monitors.flow_between)
    monitors.describe = timed("features", monitors.describe)
    search, frames = Neighbours.distances, 0
    for detector in (Monitors.for_video(probe(source)), SceneDetector.for_video(probe(source))):
        name = type(detector).__name__.lower()
        pieces = timed(f"decoding for {name}", chunks)(source, detector)
        frames = sum(len(piece.index) for piece in pieces)
        detector.begin_learning(0)
        detector.begin_video()
        for piece in pieces:
            detector.learn(piece)
        detector.finish_learning()
        detector.begin_video()
        if isinstance(detector, Monitors):
            spent.update(flow=0.0, features=0.0)  # those of learning do not count
        Neighbours.distances = timed(f"neighbours of {name}", search)  # type: ignore[method-assign]
        for piece in pieces:
            timed(f"{name} in all", detector.score)(piece)
        Neighbours.distances = search  # type: ignore[method-assign]
    info = probe(source)
    print(f"{info.width}x{info.height}, {frames} frames\n\n| step | ms a frame | over decoding |\n|---|---|---|")
    for name, seconds in spent.items():
        print(f"| {name} | {1000 * seconds / frames:.2f} | {seconds / spent['decoding for monitors']:.2f} |")


if __name__ == "__main__":
    main()
