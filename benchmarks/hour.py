"""Memory and open files of `fit`, `score` and `features` over an hour of video at 25 frames/s, under a limit of memory.

    python benchmarks/hour.py [--hours 1] [--gigabytes 12]

The video is a street of 160x120 pixels whose packets are repeated. Every command runs in a process of its own with
RLIMIT_AS ("ulimit -v"), and once a second the resident memory and the open files of it and its workers are added up.
Printed are they, as medians, in the third and in the last quarter of the time: flat means that the two are alike.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import onnx
from loops import join, street, write_video
from onnx import TensorProto, helper

from oddframe.benchmark.table import markdown_table

FPS, SIZE, LOOP = 25.0, (120, 160), 24.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hours", type=float, default=1.0)
    parser.add_argument("--gigabytes", type=float, default=12.0, help="of address space, for each process")
    chosen = parser.parse_args()
    limit = round(chosen.gigabytes * 2**30)
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder)
        video, run = here / "hour.mp4", here / "run"
        write_video(here / "loop.mp4", street(5, 0, SIZE, FPS, LOOP), SIZE, FPS)
        seconds = join([here / "loop.mp4"], [0] * round(chosen.hours * 3600 / LOOP), video)
        network = write_network(here / "mean.onnx")
        print(f"{seconds:.0f} s of video, {seconds * FPS:.0f} frames, {video.stat().st_size >> 20} MiB\n")
        parts = ["--set", "options.parts=[monitors, scene]"]
        commands = {
            "fit": ["fit", str(video), "--out", str(run), *parts],
            "score": ["score", str(run), str(video), "--out", str(here / "scores"), "--no-overlay"],
            "features": ["features", f"onnx:{network}", str(video), "--out", str(here / "features")],
        }
        rows = [[name, *watched(words, limit, seconds)] for name, words in commands.items()]
    columns = ["command", "exit", "video / time", "MiB, 3rd quarter", "MiB, last", "ratio", "files, 3rd", "files, last"]
    print(markdown_table(columns, rows, columns[1:]))


def watched(words: Sequence[str], limit: int, seconds: float) -> list[str]:
    """Run a command and watch it; the cells of its row."""
    began = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-m", "oddframe", *words],
        stdout=subprocess.DEVNULL,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)),
    )
    seen: list[tuple[float, int]] = []
    while process.poll() is None:
        seen.append(used(process.pid))
        time.sleep(1)
    took = time.monotonic() - began
    quarter = max(1, len(seen) // 4)
    third, last = seen[2 * quarter : 3 * quarter], seen[3 * quarter : 4 * quarter]
    memory = [statistics.median(one[0] for one in part) for part in (third, last)]
    files = [statistics.median(one[1] for one in part) for part in (third, last)]
    return [
        str(process.returncode), f"{seconds / took:.1f}", *(f"{mib:.0f}" for mib in memory),
        f"{memory[1] / memory[0]:.3f}", *(f"{count:.0f}" for count in files),
    ]  # fmt: skip


def used(process: int) -> tuple[float, int]:
    """MiB of resident memory and open files of a process and all below it; what ends meanwhile does not count."""
    memory, files, page = 0.0, 0, resource.getpagesize()
    try:
        memory += int(Path(f"/proc/{process}/statm").read_text().split()[1]) * page / 2**20
        files += len(list(Path(f"/proc/{process}/fd").iterdir()))
        children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    except OSError:
        return memory, files
    for child in children:
        more = used(int(child))
        memory, files = memory + more[0], files + more[1]
    return memory, files


def write_network(path: Path) -> Path:
    """An image network whose features are the means of the colours; returns the path."""
    nodes = [helper.make_node("ReduceMean", ["input", "axes"], ["features"], keepdims=0)]
    graph = helper.make_graph(
        nodes,
        "mean",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["n", 3, 60, 80])],
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["n", 3])],
        [helper.make_tensor("axes", TensorProto.INT64, [2], [2, 3])],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8), path)
    path.with_suffix(".yaml").write_text("resize: [60, 80]\nmean: 0\nstd: 1\n", encoding="utf-8")
    return path


if __name__ == "__main__":
    main()
