"""A camera that dies and stands still at random moments: how soon its pictures are back, and what is left over.

    python benchmarks/reconnect.py [--kills 20] [--stops 10] [--seed 1]

An RTSP server (aio-rtsp-toolkit) that loops a small video at 10 frames/s is followed from this process, killed
(SIGKILL) and started again, and stopped (SIGSTOP) and continued. Every second stop is longer than the 10 seconds after
which a silent connection is given up; the others are stalls within a stretch, and no gap. "Back" is the time from the
moment at which the server listens, or is continued, to the first packet that arrives; "frames" to the first frame that
is handed out, which waits until the rate is known.
"""

from __future__ import annotations

import argparse
import gc
import random
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from oddframe.benchmark.table import markdown_table
from oddframe.live.address import Address
from oddframe.live.follower import Follower, Hooks
from oddframe.live.messages import Arrived, Begun, Ended
from oddframe.types import Window

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "live"))
from rtsp_server import RtspServer, write_video

PATIENCE = 60.0
BOUND = 10.0


@dataclass
class Seen:
    """What a follower has handed out and told so far."""

    follower: Follower | None = None
    packet: float = 0.0  # when the last one came
    frames: list[float] = field(default_factory=list)  # when each was taken
    begun: int = 0
    ended: list[str] = field(default_factory=list)

    def take(self) -> None:
        assert self.follower is not None
        message = self.follower.take(0.02)
        if isinstance(message, Arrived):
            self.frames.append(time.monotonic())
        elif isinstance(message, Begun):
            self.begun += 1
        elif isinstance(message, Ended):
            self.ended.append(message.why)

    def run(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.take()


def held() -> tuple[int, int, float]:
    """Threads, open files and resident MiB of this process."""
    gc.collect()
    own = psutil.Process()
    return threading.active_count(), own.num_fds(), own.memory_info().rss / 2**20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--stops", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    chance = random.Random(chosen.seed)
    events = ["killed"] * chosen.kills + ["stopped"] * chosen.stops
    chance.shuffle(events)
    seen, rows, failed = Seen(), [], False
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_video(folder / "x.mp4", 100)
        with RtspServer(folder) as server:

            def packet(*_: object) -> None:
                seen.packet = time.monotonic()

            address = Address.parse(server.url("x.mp4"))
            seen.follower = Follower("camera", address, Window(offsets=(0,), size=(64, 96)), Hooks(packet=packet))
            seen.follower.start()
            seen.run(10)
            before, stops = held(), 0
            half = before
            for number, kind in enumerate(events):
                if number == len(events) // 2:
                    half = held()
                seen.run(chance.uniform(0.5, 6))
                gaps, frames = len(seen.ended), len(seen.frames)
                if kind == "killed":
                    away = chance.uniform(0.2, 10)
                    server.kill()
                    seen.run(away)
                    server.start()
                else:
                    stops += 1
                    away = chance.uniform(BOUND + 1, BOUND + 8) if stops % 2 else chance.uniform(2.5, BOUND - 1)
                    server.stop()
                    seen.run(away)
                    server.go_on()
                back, packet_at = time.monotonic(), float("inf")
                frames = len(seen.frames)
                while (seen.packet < back or len(seen.frames) == frames) and time.monotonic() < back + PATIENCE:
                    first = seen.packet
                    seen.take()
                    if first < back <= seen.packet:
                        packet_at = seen.packet
                expected = int(kind == "killed" or away > BOUND)
                gap = len(seen.ended) - gaps
                late = packet_at - back
                failed |= late > 3 or gap != expected
                rows.append(
                    [kind, f"{away:.1f}", f"{late:.2f}", f"{seen.frames[-1] - back:.2f}", str(gap), str(expected)]
                )
                print(*rows[-1], file=sys.stderr, flush=True)
            seen.run(10)
            after = held()
            seen.follower.stop()
            ended = seen.follower.join(15)
    print(markdown_table(["event", "away (s)", "back (s)", "frames (s)", "gaps", "expected"], rows))
    print()
    names = ("threads", "open files", "resident (MiB)")
    table = [[n, *(f"{value:.0f}" for value in values)] for n, *values in zip(names, before, half, after, strict=True)]
    print(markdown_table(["", "before", "half way", "after"], table))
    print(f"\nstretches {seen.begun}, gaps {len(seen.ended)}; thread ended: {ended}")
    sys.exit(failed)


if __name__ == "__main__":
    main()
