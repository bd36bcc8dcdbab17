"""Where the time of feature extraction goes: decoding, preparation and the network, for ONNX backbones on real video.

    python benchmarks/extraction.py VIDEOS BACKBONE.onnx ... [--videos 12] [--frames-per-snippet 4] [--crops 1]
                                    [--batch 2]

Every FILE.onnx has its FILE.yaml beside it. One process; decoding and preparation run on a thread beside the network.
Extraction is bounded by the backbone where the network takes nearly all of the time and hardly waits. Decoding alone is
measured in the same run: what no backbone could do better.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from oddframe.features.catalogue import open_extractor
from oddframe.features.extract import BATCH, Seconds, extract, resized
from oddframe.features.extractor import Extractor
from oddframe.features.snippets import SnippetSampling
from oddframe.video.decode import VideoReader, probe
from oddframe.video.search import find_videos
from oddframe.video.sources import VideoSource


def take(arguments: list[str], option: str, default: int) -> int:
    """The number after an option, which is taken out of the arguments."""
    if option not in arguments:
        return default
    place = arguments.index(option)
    return int([arguments.pop(place), arguments.pop(place)][1])


def decode_alone(sources: list[VideoSource], extractor: Extractor) -> float:
    """Seconds to decode and resize all frames."""
    p = extractor.preprocessing
    began = time.perf_counter()
    for source in sources:
        with VideoReader(source, resized(probe(source), p), p.colour, p.interpolation) as reader:
            for _ in reader:
                pass
    return time.perf_counter() - began


def main() -> None:
    arguments = sys.argv[1:]
    count = take(arguments, "--videos", 12)
    looked_at = take(arguments, "--frames-per-snippet", 4)
    crops = take(arguments, "--crops", 1)
    batch = take(arguments, "--batch", BATCH)
    videos, *backbones = map(Path, arguments)
    found = find_videos(videos)
    sources = found[:: max(1, len(found) // count)][:count]
    for backbone in backbones:
        extractor = open_extractor(f"onnx:{backbone}")
        sampling = SnippetSampling.of(extractor, looked_at if extractor.kind == "frames" else None, crops)
        extract(sources[0], extractor, sampling)  # warm-up
        decoding = decode_alone(sources, extractor)
        spent, frames = Seconds(), 0
        for source in sources:
            frames += extract(source, extractor, sampling, batch, seconds=spent).frames or 0
        print(
            f"{extractor.name:16} {frames} frames of {len(sources)} videos, "
            f"{sampling.frames_per_snippet} of 16 looked at, "
            f"crops {crops}, batch {batch}: {frames / spent.total:.0f} frames/s; "
            f"decoding alone {frames / decoding:.0f} frames/s"
        )
        network, waiting, decoded, prepared = (
            f"{part / spent.total:.1%}" for part in (spent.network, spent.waiting, spent.decoding, spent.preparing)
        )
        print(
            f"{'':16} network {network}, waiting for decoding {waiting}; "
            f"on the thread beside: decoding {decoded}, preparation {prepared}"
        )


if __name__ == "__main__":
    main()
