"""Fuzzes the decoding of video files: no traceback, no crash, no hang, and an account that adds up.

    python benchmarks/fuzz_video.py --minutes 60 --seed 1

Sixty frames that carry their number are encoded to several containers and damaged in seeded ways: bytes flipped,
overwritten or cut off, packets lost, doubled or swapped, transport packets lost, clocks bent. A process of its own
decodes each file within a time limit. Checked are:

- an error is a `VideoError` of one line;
- times are finite, not negative, and strictly increasing;
- every packet has its place in the account, and what a header promises is decoded or lost;
- after a bent clock, all frames are there and show their numbers;
- after a loss, no more frames show wrong numbers than the account calls unsound, and sound ones are at their time.

Exit status 1 where a check fails; the file then stays in --keep.
"""

from __future__ import annotations

import argparse
import json
import math
import multiprocessing
import shutil
import sys
import tempfile
import time
from collections import Counter
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "video"))
from bars import GOP, encode, number_in, repack, with_bytes

from oddframe.errors import VideoError
from oddframe.video.decode import VideoReader
from oddframe.video.sources import VideoSource

FRAMES = 60
LIMIT_S = 20.0
STEP = 0.04
Rng = np.random.Generator


def flip(data: bytearray, rng: Rng) -> None:
    for place in rng.integers(0, len(data), int(rng.integers(1, 40))):
        data[place] ^= 1 << int(rng.integers(8))


def burst(data: bytearray, rng: Rng) -> None:
    start, size = int(rng.integers(0, len(data))), int(rng.integers(1, 2000))
    size = min(size, len(data) - start)
    data[start : start + size] = rng.integers(0, 256, size, np.uint8).tobytes() if rng.random() < 0.5 else bytes(size)


def cut(data: bytearray, rng: Rng) -> None:
    del data[int(rng.integers(1, len(data))) :]


def splice(data: bytearray, rng: Rng) -> None:
    """Leave out a piece in the middle, or repeat it."""
    start, size = int(rng.integers(0, len(data))), int(rng.integers(1, 3000))
    piece = data[start : start + size]
    data[start : start + size] = b"" if rng.random() < 0.5 else piece + piece


def transport(data: bytearray, rng: Rng) -> None:
    """Lose, double or swap packets of 188 bytes."""
    packets = [data[place : place + 188] for place in range(0, len(data), 188)]
    for _ in range(int(rng.integers(1, 12))):
        a, b = (int(value) for value in rng.integers(0, len(packets), 2))
        kind = rng.integers(3)
        if kind == 0:
            packets[a] = bytearray()
        elif kind == 1:
            packets.insert(a, packets[a])
        else:
            packets[a], packets[b] = packets[b], packets[a]
    data[:] = b"".join(packets)


BYTES = {function.__name__: function for function in (flip, burst, cut, splice, transport)}


def bent(rng: Rng, base: float) -> np.ndarray[Any, Any]:
    """Ticks that are added to the stamp of each frame."""
    shift = np.zeros(FRAMES)
    for _ in range(int(rng.integers(1, 3))):
        start = int(rng.integers(1, FRAMES - 1))
        stop = int(rng.integers(start + 1, FRAMES + 1)) if rng.random() < 0.7 else FRAMES
        size = float(rng.choice([-2.0, 3.0, 50.0, 3600.0, 90_000.0]))
        shift[start:stop] += size
    return np.round(shift / base).astype(np.int64)


def made(base: Path, folder: Path, kind: str, rng: Rng) -> Path:
    """A damaged copy of a file."""
    target = folder / f"{kind}{base.suffix}"
    if kind in BYTES:
        data = bytearray(base.read_bytes())
        BYTES[kind](data, rng)
        target.write_bytes(data)
        return target
    if kind == "lose":
        lost = set(rng.integers(0, FRAMES, int(rng.integers(1, 8))).tolist())
        return repack(base, target, lambda number, packet: None if number in lost else packet)
    if kind == "swap":
        pair = [int(value) for value in rng.choice(FRAMES, 2, replace=False)]
        kept: dict[int, bytes] = {}
        repack(base, folder / "unused.mkv", lambda number, packet: kept.update({number: bytes(packet)}))
        swapped = {pair[0]: kept[pair[1]], pair[1]: kept[pair[0]]}
        return repack(
            base, target, lambda number, packet: with_bytes(packet, swapped[number]) if number in swapped else packet
        )
    shift: np.ndarray[Any, Any] | None = None

    def bend(number: int, packet: Any) -> Any:
        nonlocal shift
        if shift is None:
            shift = bent(rng, float(packet.time_base))
        packet.pts = packet.dts = max(0, packet.pts + int(shift[number]))
        return packet

    try:
        return repack(base, target, bend)
    except Exception:  # a muxer refuses stamps that go back; what it wrote until then is a file like any other
        return target


def serve(pipe: Connection) -> None:
    """Decode what is asked for, one file after the other."""
    while True:
        path = pipe.recv()
        numbers, times = [], []
        try:
            with VideoReader(VideoSource(path.stem, path, "file"), size=(64, 96)) as reader:
                for frame in reader:
                    numbers.append(number_in(frame.image))
                    times.append(frame.time)
                pipe.send((numbers, times, reader.info))
        except VideoError as error:
            pipe.send(str(error))
        except Exception as error:
            pipe.send(error)


def faults(kind: str, base: Path, answer: Any) -> list[str]:
    """What is wrong with an answer."""
    if isinstance(answer, str):
        return [] if "\n" not in answer and answer else [f"not one line: {answer!r}"]
    if isinstance(answer, Exception):
        return [f"{type(answer).__name__}: {answer}"]
    numbers, times, info = answer
    account, found = info.account, []
    if not all(math.isfinite(t) for t in times) or min(times) < 0 or any(np.diff(times) <= 0):
        found.append("times do not increase")
    if account.silent < 0 or account.decoded != len(numbers) or account.decoded != info.frames:
        found.append("the account does not add up")
    if account.promised is not None:
        placed = account.hidden + account.decoded + account.before_key + account.corrupt + account.silent
        if account.promised != placed + account.beyond:
            found.append("promised frames are neither decoded nor lost")
    if kind == "clock" and account.lost == 0 and numbers != list(range(len(numbers))):
        found.append("a bent clock moves frames")
    # An AVI has no stamps but slots: an empty one repeats the frame, and cannot be told from a lost one.
    if kind == "lose" and base.suffix != ".avi" and not account.resets:
        unsound = account.unsound + account.flawed
        off = sum(
            number != round(t / STEP) - round(times[0] / STEP) + numbers[0]
            for number, t in zip(numbers, times, strict=True)
        )
        if off > unsound:
            found.append(f"{off} frames are not what their time says, {unsound} are called unsound")
        if len(numbers) + account.lost < FRAMES - 8:
            found.append("lost frames are not counted")
    return found


class Decoder:
    """A process that decodes, and is started again when it hangs or dies."""

    def __init__(self) -> None:
        self._context = multiprocessing.get_context("spawn")
        self._start()

    def _start(self) -> None:
        self._pipe, child = self._context.Pipe()
        self._process = self._context.Process(target=serve, args=(child,), daemon=True)
        self._process.start()
        child.close()

    def __call__(self, path: Path) -> Any:
        self._pipe.send(path)
        try:
            if self._pipe.poll(LIMIT_S):
                return self._pipe.recv()
            answer: Any = TimeoutError(f"longer than {LIMIT_S:.0f} s")
        except EOFError:
            answer = ChildProcessError("the decoding process died")
        self.close()
        self._start()
        return answer

    def close(self) -> None:
        self._process.kill()
        self._process.join()


def bases(folder: Path) -> list[Path]:
    reordered = {**GOP, "bf": "2"}
    return [
        encode(folder / "plain.mkv", FRAMES),
        encode(folder / "plain.mp4", FRAMES),
        encode(folder / "plain.ts", FRAMES),
        encode(folder / "reordered.mkv", FRAMES, options=reordered),
        encode(folder / "reordered.mp4", FRAMES, options=reordered),
        encode(folder / "reordered.ts", FRAMES, options=reordered),
        encode(folder / "reordered.avi", FRAMES, options=reordered),
        encode(folder / "raw.h264", FRAMES),
        encode(folder / "mpeg4.avi", FRAMES, "mpeg4", options={"g": "15"}),
    ]


def fuzz(minutes: float, seed: int, keep: Path, most: int | None = None) -> dict[str, Any]:
    counts: Counter[str] = Counter()
    failed: list[str] = []
    end = time.monotonic() + 60 * minutes
    with tempfile.TemporaryDirectory() as name:
        folder, decoder = Path(name), Decoder()
        files = bases(folder)
        number = 0
        while time.monotonic() < end and (most is None or number < most):
            rng = np.random.default_rng([seed, number])
            base = files[int(rng.integers(len(files)))]
            kinds = ["flip", "burst", "cut", "splice"]
            kinds += ["transport"] if base.suffix == ".ts" else []
            kinds += ["lose", "swap"] if base.suffix != ".h264" else []
            kinds += ["clock"] if base.name == "plain.ts" or base.name == "plain.mkv" else []
            kind = str(rng.choice(kinds))
            path = made(base, folder, kind, rng)
            answer = decoder(path)
            wrong = faults(kind, base, answer)
            counts["files"] += 1
            counts[kind] += 1
            if isinstance(answer, str):
                counts["refused"] += 1
            elif not isinstance(answer, Exception):
                counts["frames"] += len(answer[0])
                counts["with losses"] += bool(answer[2].damage)
            if wrong:
                keep.mkdir(parents=True, exist_ok=True)
                shutil.copy(path, keep / f"{seed}-{number}-{path.name}")
                damage = "" if isinstance(answer, str | Exception) else f" {answer[2].damage}"
                failed.append(f"{seed}-{number}-{path.name} of {base.name}: {'; '.join(wrong)}{damage}")
                print(failed[-1], flush=True)
            path.unlink(missing_ok=True)
            number += 1
        decoder.close()
    return {"seed": seed, "minutes": minutes, **counts, "failed": failed}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--files", type=int, help="end after so many, where that is sooner")
    parser.add_argument("--keep", type=Path, default=Path("fuzz"), help="folder for files that fail")
    options = parser.parse_args()
    result = fuzz(options.minutes, options.seed, options.keep, options.files)
    print(json.dumps(result, indent=2))
    sys.exit(bool(result["failed"]))


if __name__ == "__main__":
    main()
