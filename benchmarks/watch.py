"""How many cameras a machine watches, how soon, and for how long: `oddframe watch` measured.

    python benchmarks/watch.py make FOLDER                        videos of 640x360 at 10 frames/s, bundles, exports
    python benchmarks/watch.py cameras RUN VIDEO... [--seconds 30] [--runtime onnx]
    python benchmarks/watch.py latency RUN VIDEO [--seconds 60]
    python benchmarks/watch.py webhook RUN VIDEO [--events 40]
    python benchmarks/watch.py soak RUN LOOP [--hours 8] [--real]

`cameras`: the speed of four cameras that are files, scored together as fast as possible, tells how many cameras of 10
frames/s there may be; then so many are played in real time, fewer where frames are dropped or scores come late. Beside
it stand decoding alone, in the same process with a thread for each camera, and what `oddframe bench` predicts of the
same videos. `latency`: one camera in real time, from the arrival of a frame to its score, beside look-ahead and forward
pass. `webhook`: from the moment at which an event is known to the moment at which a receiver on this machine has it.
`soak`: a small stream as long as that, as fast as possible or in real time: memory and time.

Run it on a machine that does nothing else.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from loops import join, street, write_video

import oddframe
from oddframe.datasets.windows import stream_chunks
from oddframe.live.shared import open_networks
from oddframe.live.sinks.sink import Desk
from oddframe.live.teller import Teller
from oddframe.runtime.runtime import RuntimeOptions
from oddframe.scoring.files import load_scores
from oddframe.video.decode import VideoReader
from oddframe.video.sources import VideoSource

FPS, SIZE, SMALL = 10.0, (360, 640), (64, 96)
STEPS = {"sdmae": "30steps", "mnad": "60steps", "camera": None}


def command(*words: object) -> dict[str, Any]:
    """The JSON that a command of oddframe prints."""
    done = subprocess.run([sys.executable, "-m", "oddframe", *map(str, words)], capture_output=True, text=True)
    if done.returncode not in (0, 3):
        raise SystemExit(f"oddframe {' '.join(map(str, words))}: status {done.returncode}\n{done.stderr}")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def make(folder: Path) -> None:
    """Videos of a street, bundles that have seen them, and their exports."""
    normal = folder / "normal"
    for number in range(3):
        write_video(normal / f"{number}.mp4", street(1, number, SIZE, FPS, 40), SIZE, FPS)
    loop = folder / "loop.mp4"
    write_video(loop, street(1, 9, SIZE, FPS, 60), SIZE, FPS)
    small = folder / "small.mp4"
    write_video(small, street(1, 9, SMALL, FPS, 60), SMALL, FPS)
    write_video(folder / "small" / "0.mp4", street(1, 0, SMALL, FPS, 60), SMALL, FPS)
    threshold = oddframe.ThresholdOptions(quantile=0.98)
    for model, budget in STEPS.items():
        out = folder / model
        training = oddframe.TrainingOptions(budget=budget)
        run = oddframe.fit(normal, model=model, out=out, training=training, threshold=threshold)
        if model != "camera":
            for target in ("onnx", "openvino"):
                oddframe.export(run, target, folder / f"{model}-{target}", videos=normal / "0.mp4", allow=True)
    oddframe.fit(
        folder / "small", model="camera", out=folder / "small-camera", threshold=threshold,
        changes=["options.parts=[monitors, scene]", "options.height=64"],
    )  # fmt: skip


def cameras(run: Path, videos: Sequence[Path], seconds: float, extra: Sequence[str]) -> None:
    """How many cameras are followed without drops."""
    speed = capacity(run, videos, 4, extra)
    decoding = decoded(run, videos[0], 4)
    predicted = command("bench", run, videos[0], "--json", *extra)["end_to_end"]
    count = max(1, int(speed / FPS))
    while count > 0:
        kept, words = follows(run, videos, count, seconds, extra)
        print(f"{count} cameras in real time: {words}", flush=True)
        if kept:
            break
        count -= 1
    row = {
        "run": run.name, "runtime": " ".join(extra) or "own", "cameras": count,
        "watch frames/s": round(speed, 1), "decoding alone frames/s": round(decoding, 1),
        "bench frames/s": round(predicted, 1), "share of bench": round(speed / predicted, 3),
    }  # fmt: skip
    print(json.dumps(row))


def capacity(run: Path, videos: Sequence[Path], count: int, extra: Sequence[str]) -> float:
    """Frames/s of so many cameras together, as fast as possible."""
    with tempfile.TemporaryDirectory() as folder:
        short = [copied(videos[number % len(videos)], Path(folder), number) for number in range(count)]
        options = oddframe.WatchOptions(runtime=RuntimeOptions.parse(*named(extra)))
        oddframe.watch(run, short[0], options=options, seconds=5)  # libraries are loaded, kernels are chosen
        began = time.perf_counter()
        watched = oddframe.watch(run, [str(path) for path in short], options=options)
        lasted = time.perf_counter() - began
        return sum(one.scored for one in watched.cameras.values()) / lasted


def copied(video: Path, folder: Path, number: int) -> Path:
    """The packets of a video, under a name of its own."""
    out = folder / f"{number}.mp4"
    join([video], [0], out)
    return out


def decoded(run: Path, video: Path, count: int) -> float:
    """Frames/s of decoding and resizing alone, in a thread for each camera."""
    window = oddframe.load_run(run).signature.window
    counts: list[int] = []

    def read() -> None:
        with VideoReader(VideoSource("v", video, "file"), window.size, window.colour, window.resize) as reader:
            counts.append(sum(1 for _ in reader))

    threads = [threading.Thread(target=read) for _ in range(count)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts) / (time.perf_counter() - began)


def follows(run: Path, videos: Sequence[Path], count: int, seconds: float, extra: Sequence[str]) -> tuple[bool, str]:
    """Whether so many cameras in real time lose nothing and do not lag; in words."""
    sources = [videos[number % len(videos)] for number in range(count)]
    found = command("watch", run, *sources, "--as-live", "--seconds", seconds, "--json", *extra)["cameras"]
    dropped = sum(one["dropped"] for one in found.values())
    late = statistics.median(one["latency_ms"][0] for one in found.values())
    ahead = 1000 * oddframe.load_run(run).signature.look_ahead / FPS
    return dropped == 0 and late < ahead + 1000, f"{dropped} frames dropped, median latency {late:.0f} ms"


def named(extra: Sequence[str]) -> tuple[str | None, str | None]:
    """Runtime and precision of the words of a command line."""
    words = dict(zip(extra[::2], extra[1::2], strict=True))
    return words.get("--runtime"), words.get("--precision")


class Waits:
    """Keeps what tellers and desks do, with its time."""

    def __init__(self) -> None:
        self.waits: list[float] = []
        self.told: dict[tuple[str, str], float] = {}
        step, tell = Teller.step, Desk.tell

        def stepped(teller: Teller, camera: Any, own: Any) -> None:
            self.waits.extend(own.waits)
            step(teller, camera, own)

        def telling(desk: Desk, notice: Any) -> None:
            self.told.setdefault((notice.id, notice.change), time.time())
            tell(desk, notice)

        Teller.step, Desk.tell = stepped, telling  # type: ignore[method-assign, assignment]


def latency(run: Path, video: Path, seconds: float, extra: Sequence[str]) -> None:
    """From the arrival of a frame to its score, one camera in real time."""
    kept = Waits()
    options = oddframe.WatchOptions(as_live=True, runtime=RuntimeOptions.parse(*named(extra)))
    oddframe.watch(run, video, seconds=seconds, options=options)
    trained = oddframe.load_run(run)
    signature = trained.signature
    ahead = signature.look_ahead / FPS
    steady = kept.waits[64:]  # the first ones wait until the rate is known
    forward = forward_pass(trained, video, options.runtime)
    row = {
        "run": run.name, "look-ahead ms": 1000 * ahead, "forward pass ms": round(1000 * forward, 1),
        "median ms": round(1000 * statistics.median(steady), 1),
        "p95 ms": round(1000 * float(np.quantile(steady, 0.95)), 1), "frames": len(steady),
        "allowed ms": round(1000 * (ahead + forward) + 20, 1),
    }  # fmt: skip
    print(json.dumps(row))


def forward_pass(trained: oddframe.Run, video: Path, options: RuntimeOptions) -> float:
    """Median seconds of one window through the network."""
    (network,) = open_networks(trained.bundle, options, 1)
    window = trained.signature.window
    times: list[float] = []
    with VideoReader(VideoSource("v", video, "file"), window.size, window.colour, window.resize) as reader:
        for number, chunk in enumerate(stream_chunks(reader, window, 1)):
            began = time.perf_counter()
            network.score([chunk])
            times.append(time.perf_counter() - began)
            if number > 100:
                break
    return statistics.median(times[10:])


def webhook(run: Path, video: Path, events: int, extra: Sequence[str]) -> None:
    """From an event to the receiver."""
    came: dict[tuple[str, str], float] = {}

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            row = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            came.setdefault((row["id"], row["change"]), time.time())
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    kept = Waits()
    with tempfile.TemporaryDirectory() as folder:
        options = oddframe.WatchOptions(
            as_live=True, webhook=f"http://127.0.0.1:{server.server_port}/", quantile=0.6,
            runtime=RuntimeOptions.parse(*named(extra)),
        )  # fmt: skip
        for number in range(20):
            oddframe.watch(run, video, Path(folder) / str(number), seconds=60, options=options)
            if len(came) >= 2 * events:
                break
    server.shutdown()
    waits = [came[key] - kept.told[key] for key in came if key in kept.told]
    sent = [key for key in kept.told if key[1] != "updated"]  # a webhook is told of the begin and the end
    row = {
        "run": run.name, "notices": len(waits), "lost": len(sent) - len(waits),
        "median ms": round(1000 * statistics.median(waits), 1),
        "p95 ms": round(1000 * float(np.quantile(waits, 0.95)), 1),
    }  # fmt: skip
    print(json.dumps(row))


def soak(run: Path, loop: Path, hours: float, real: bool) -> None:
    """Hours of a small stream: is memory flat, and does time stay true?"""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        minutes = max(1, round(hours * 60))
        seconds = join([loop], [0] * minutes, folder / "long.mp4")
        words = [sys.executable, "-m", "oddframe", "watch", run, folder / "long.mp4", "--out", folder / "out", "--json"]
        began = time.time()
        with subprocess.Popen(
            [*map(str, words), *(["--as-live"] if real else [])], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            text=True, env=os.environ.copy(),
        ) as process:  # fmt: skip
            sizes = measured(process)
            assert process.stdout is not None
            found = json.loads(process.stdout.read())["cameras"]["camera"]
        files = sorted((folder / "out" / "scores").rglob("*.npz"))
        stored = [load_scores(path, with_map=False) for path in files]
    last = max(float(scores.time[-1]) for scores in stored)
    frames = sum(len(scores.frame) for scores in stored)
    settled = [size for moment, size in sizes if moment > 0.1 * sizes[-1][0]]
    early = statistics.median(settled[: max(1, len(settled) // 10)])
    late = statistics.median(settled[-max(1, len(settled) // 10) :])
    row = {
        "run": run.name, "media hours": round(seconds / 3600, 2), "wall seconds": round(time.time() - began),
        "frames": found["frames"], "scored": frames, "dropped": found["dropped"], "files": len(files),
        "early MiB": round(early / 2**20, 1), "late MiB": round(late / 2**20, 1), "growth": round(late / early - 1, 4),
        "drift of time s": round(last - (found["frames"] - 1) / FPS, 4),
    }  # fmt: skip
    print(json.dumps(row))


def measured(process: subprocess.Popen[str]) -> list[tuple[float, int]]:
    """Seconds and resident bytes of a process, every second until it ends."""
    watched, began, sizes = psutil.Process(process.pid), time.monotonic(), list[tuple[float, int]]()
    while process.poll() is None:
        try:
            sizes.append((time.monotonic() - began, watched.memory_info().rss))
        except psutil.NoSuchProcess:
            break
        time.sleep(1.0)
    return sizes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    modes = parser.add_subparsers(dest="mode", required=True)
    modes.add_parser("make").add_argument("folder", type=Path)
    for mode, seconds in (("cameras", 30.0), ("latency", 60.0), ("webhook", 60.0)):
        own = modes.add_parser(mode)
        own.add_argument("run", type=Path)
        own.add_argument("videos", type=Path, nargs="+")
        own.add_argument("--seconds", type=float, default=seconds)
        own.add_argument("--events", type=int, default=40)
        own.add_argument("--runtime")
    own = modes.add_parser("soak")
    own.add_argument("run", type=Path)
    own.add_argument("loop", type=Path, help="a minute of a small stream at 10 frames/s; `make` leaves small.mp4")
    own.add_argument("--hours", type=float, default=8.0)
    own.add_argument("--real", action="store_true", help="in real time")
    options = parser.parse_args()
    if options.mode == "make":
        make(options.folder)
    elif options.mode == "soak":
        soak(options.run, options.loop, options.hours, options.real)
    else:
        extra = ["--runtime", options.runtime] if options.runtime else []
        if options.mode == "cameras":
            cameras(options.run, options.videos, options.seconds, extra)
        elif options.mode == "latency":
            latency(options.run, options.videos[0], options.seconds, extra)
        else:
            webhook(options.run, options.videos[0], options.events, extra)


if __name__ == "__main__":
    main()
