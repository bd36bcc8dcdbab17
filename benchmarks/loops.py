"""Long videos for benchmarks: short ones are encoded once, and their packets are written again and again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from oddframe.street.render import World
from oddframe.video.encode import VideoWriter


def street(seed: int, number: int, size: tuple[int, int], fps: float, seconds: float) -> Iterator[NDArray[np.uint8]]:
    """Pictures of normal life on a street, (H, W, 3) BGR."""
    return (frame.image for frame in World(seed, size, fps).video(number, seconds))


def write_video(path: Path, pictures: Iterable[NDArray[np.uint8]], size: tuple[int, int], fps: float) -> int:
    """Encode pictures as H.264; their number."""
    path.parent.mkdir(parents=True, exist_ok=True)
    count = 0
    with VideoWriter(path, size, fps, threads=1) as writer:
        for picture in pictures:
            writer.write(picture)
            count += 1
    return count


def join(loops: Sequence[Path], order: Iterable[int], out: Path) -> float:
    """Write the packets of the loops in that order into one file, without encoding anything; its seconds.

    All loops have one size, frame rate and encoder.
    """
    read = []
    for path in loops:
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            packets = [
                (bytes(packet), packet.pts, packet.dts, packet.is_keyframe)
                for packet in container.demux(stream)
                if packet.pts is not None and packet.dts is not None
            ]
            extra, base = bytes(stream.codec_context.extradata or b""), stream.time_base
        stamps = sorted(pts for _, pts, _, _ in packets)
        length = stamps[-1] - stamps[0] + round((stamps[-1] - stamps[0]) / (len(stamps) - 1))
        read.append((packets, length, extra, base))
    if len({(extra, base) for _, _, extra, base in read}) > 1:
        raise SystemExit("the loops were not encoded alike; their packets do not fit into one file")
    base, begin = read[0][3], 0
    with av.open(str(loops[0])) as template, av.open(str(out), "w") as target:
        stream = target.add_stream_from_template(template.streams.video[0])
        for number in order:
            packets, length, _, _ = read[number]
            for data, pts, dts, key in packets:
                packet = av.Packet(data)
                packet.stream, packet.time_base = stream, base
                packet.pts, packet.dts, packet.is_keyframe = pts + begin, dts + begin, key
                target.mux(packet)
            begin += length
    return float(begin * base)
