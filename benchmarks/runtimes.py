"""Every system at its published size, in every runtime and precision, against torch eager in fp32.

    python benchmarks/runtimes.py [SYSTEM ...] [--rounds 5] [--int8]

Untrained networks on frames of the built-in street; preprocessing, errors and map are included, decoding and filters
not. Every runtime has the batch that it chooses. All runtimes of a system are measured in turn, round by round, in this
one process; printed are medians. The floor is the network's arithmetic at the rate of a large matrix product of the
same precision, measured in the same rounds.
For SDMAE there is a row for the plain reference (plain_sdmae.py), for DAKD the student on 30 bags of 32 segments.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from plain_sdmae import PlainSDMAE

from oddframe.benchmark.table import markdown_table
from oddframe.datasets.windows import Chunk, stream_chunks
from oddframe.errors import InputError
from oddframe.models.bag_detector import BagDetector
from oddframe.models.detector import Detector
from oddframe.models.registry import create
from oddframe.models.sdmae import SDMAE
from oddframe.runtime.cost import matrix_rate
from oddframe.runtime.onnx_graph import write_window_graph
from oddframe.runtime.quantise import quantise
from oddframe.runtime.runtime import CPU_BATCH, Precision
from oddframe.runtime.session_runtime import GraphRuntime, bag_network
from oddframe.runtime.sessions import Target, open_session
from oddframe.runtime.torch import TorchRuntime
from oddframe.scoring.bags import torch_network
from oddframe.street import render_world
from oddframe.video.decode import VideoReader
from oddframe.video.search import find_videos

SYSTEMS = ("sdmae", "std", "memae", "mnad", "mpn", "dakd")
BAGS = 30
SECONDS = 2.0  # at least, of each runtime in each round
GRAPHS: tuple[tuple[Target, Precision], ...] = (("onnx", "fp32"), ("openvino", "fp32"), ("openvino", "bf16"))
INT8: tuple[tuple[Target, Precision], ...] = (("onnx", "int8"), ("openvino", "int8"))

Pass = Callable[[], int]
"""One forward pass; how many frames it scored."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("systems", nargs="*", default=SYSTEMS)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--int8", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder)
        render_world(here, videos=1, test_videos=0, seconds=6)
        for name in arguments.systems:
            torch.manual_seed(0)
            detector = create(name, "paper").eval().requires_grad_(False)
            if isinstance(detector, BagDetector):
                passes = bag_passes(detector, here / f"{name}.onnx")
            else:
                assert isinstance(detector, Detector)
                passes = window_passes(detector, here, arguments.int8)
            report(name, passes, detector.flops_per_frame(), arguments.rounds)


def window_passes(detector: Detector, here: Path, int8: bool) -> dict[tuple[str, str], Pass]:
    """Every way to score chunks of the street."""
    window = detector.window
    with VideoReader(find_videos(here)[0], window.size, window.colour, window.resize) as reader:
        frames = list(reader)
    passes: dict[tuple[str, str], Pass] = {}

    def chunks(batch: int) -> list[Chunk]:
        return [chunk for chunk in stream_chunks(frames, window, batch) if len(chunk.index) == batch]

    def add(runtime: str, precision: str, score: Callable[[Chunk], object], batch: int) -> None:
        chunk = chunks(batch)[0]

        def run() -> int:
            score(chunk)
            return batch

        passes[runtime, precision] = run

    if isinstance(detector, SDMAE):
        plain = PlainSDMAE.like(detector)

        def straightforward(chunk: Chunk) -> None:
            frames, index = torch.from_numpy(chunk.frames), torch.from_numpy(chunk.index)
            with torch.inference_mode():
                plain(frames[chunk.inputs], frames[chunk.targets[:, 0]], detector.noise(index))

        add("plain eager", "fp32", straightforward, CPU_BATCH)
    for precision in ("fp32", "bf16"):
        eager = TorchRuntime(detector, "cpu", precision)
        add("torch", precision, eager.score, eager.batch)
    graph = here / f"{type(detector).__name__}.onnx"
    write_window_graph(detector, graph)
    quantised = graph.with_name(f"{graph.stem}-int8.onnx")
    if int8:
        quantise(graph, quantised, detector.signature, chunks(CPU_BATCH))
    for target, precision in (*GRAPHS, *(INT8 if int8 else ())):
        try:
            file = quantised if precision == "int8" else graph
            runtime = GraphRuntime(target, file, detector.signature, precision)
            add(target, precision, runtime.score, runtime.batch)
        except InputError as error:
            print(f"{target} {precision}: {error}")
    return passes


def bag_passes(detector: BagDetector, graph: Path) -> dict[tuple[str, str], Pass]:
    """Every way to score bags of features; a segment counts as 16 frames."""
    generator = np.random.default_rng(0)
    features = {
        name: generator.normal(size=(BAGS, detector.segments, detector.backbones[name])).astype(np.float32)
        for name in detector.required
    }
    write_window_graph(detector, graph)
    networks = {("torch", "fp32"): torch_network(detector)}
    for target, precision in GRAPHS:
        networks[target, precision] = bag_network(open_session(target, graph, precision), detector.signature)

    def scoring(network: Callable[..., object]) -> Pass:
        def run() -> int:
            network(features)
            return BAGS * detector.segments * 16

        return run

    return {key: scoring(network) for key, network in networks.items()}


def report(name: str, passes: dict[tuple[str, str], Pass], flops: float, rounds: int) -> None:
    """Measure in turn, and print a table."""
    for run in passes.values():
        run()
    speeds: dict[tuple[str, str], list[float]] = {key: [] for key in passes}
    rates: dict[str, list[float]] = {precision: [] for _, precision in passes}
    for _ in range(rounds):
        for key, run in passes.items():
            began, frames = time.perf_counter(), 0
            while time.perf_counter() - began < SECONDS:
                frames += run()
            speeds[key].append(frames / (time.perf_counter() - began))
        for precision, found in rates.items():
            found.append(matrix_rate("cpu", precision, seconds=0.5))  # type: ignore[arg-type]
    medians = {key: statistics.median(found) for key, found in speeds.items()}
    rows = []
    for (runtime, precision), speed in medians.items():
        floor = statistics.median(rates[precision]) / flops
        against = speed / medians["torch", "fp32"]
        plain = speed / medians["plain eager", "fp32"] if ("plain eager", "fp32") in medians else None
        low, high = min(speeds[runtime, precision]), max(speeds[runtime, precision])
        rows.append(
            [
                runtime, precision, f"{speed:.4g}", f"{low:.4g} to {high:.4g}", f"{against:.2f}",
                "-" if plain is None else f"{plain:.2f}", f"{speed / floor:.0%}",
            ]
        )  # fmt: skip
    told = ", ".join(f"{p} {statistics.median(found) / 1e9:.0f}" for p, found in rates.items())
    print(f"\n{name}: {flops / 1e9:.4g} GFLOP a frame; matrix products, GFLOP/s: {told}; median of {rounds} rounds\n")
    columns = ["runtime", "precision", "frames/s", "range", "x torch fp32", "x plain", "of the floor"]
    print(markdown_table(columns, rows, columns[2:]), flush=True)


if __name__ == "__main__":
    main()
