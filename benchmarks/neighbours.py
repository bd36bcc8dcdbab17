"""Every system and runtime beside busy neighbours: rates alone, beside one and beside two processes that spin.

    python benchmarks/neighbours.py [SYSTEM ...] [--seconds 4] [--rounds 1]

A system is measured in two processes, one as it comes and one with OMP_NUM_THREADS=1. In each of them every runtime,
and training, goes through the three conditions in turn. A rate counts frames or training samples per second from one
second after the neighbours have begun. Networks are small recipes, untrained, on noise; fitted systems learn from and
score the built-in street. Printed are rates, the share of one thread's rate in the same condition, and, alone, the same
share. Beside neighbours the share should not be below 0.7.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oddframe.benchmark.table import markdown_table

SYSTEMS = ("sdmae-small", "std-small", "memae-small", "mnad-small", "mpn-small", "mil-small", "camera")
NEIGHBOURS = (0, 1, 2)
SETTLE = 1.0  # seconds beside the neighbours before the count begins
BATCH = 8

Work = Callable[[float], float]
"""Works for so many seconds; frames or samples per second."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("systems", nargs="*", default=SYSTEMS)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--in-this-process", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.in_this_process:
        for system in arguments.systems:
            for name, condition, rate in measure(system, arguments.seconds):
                print(json.dumps([name, condition, rate]), flush=True)
        return
    rows = []
    for system in arguments.systems:
        for name, cells in compare(system, arguments.seconds, arguments.rounds).items():
            rows.append([system, name, *cells])
            print(*rows[-1], sep="  ", flush=True)
    columns = [f"{condition} beside: rate (one thread) share" for condition in NEIGHBOURS]
    print(markdown_table(["system", "work", *columns], rows))


def compare(system: str, seconds: float, rounds: int) -> dict[str, list[str]]:
    """A row for everything that a system does: rates in all conditions, and as shares of those of one thread."""
    rates: dict[tuple[str, int, bool], list[float]] = defaultdict(list)
    for _ in range(rounds):
        for single in (False, True):
            command = [sys.executable, __file__, system, "--seconds", str(seconds), "--in-this-process"]
            environment = {**os.environ, **({"OMP_NUM_THREADS": "1"} if single else {})}
            done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True)
            for line in done.stdout.splitlines():
                name, condition, rate = json.loads(line)
                rates[name, condition, single].append(rate)
    middle = {key: statistics.median(values) for key, values in rates.items()}
    rows: dict[str, list[str]] = defaultdict(list)
    for name, condition, single in middle:
        if not single:
            as_it_comes, one = middle[name, condition, False], middle[name, condition, True]
            rows[name].append(f"{as_it_comes:.1f} ({one:.1f}) {as_it_comes / one:.2f}")
    return rows


def measure(system: str, seconds: float) -> Iterator[tuple[str, int, float]]:
    """(work, number of neighbours, rate) of everything that a system does."""
    with tempfile.TemporaryDirectory() as folder:
        works = fitted_works(Path(folder)) if system == "camera" else network_works(system, Path(folder))
        for name, work in works.items():
            for condition in NEIGHBOURS:
                with beside(condition):
                    work(SETTLE)
                    yield name, condition, work(seconds)


@contextmanager
def beside(count: int) -> Iterator[None]:
    """So many processes that never sleep."""
    spinning = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for process in spinning:
            process.kill()
            process.wait()


def repeated(once: Callable[[], int]) -> Work:
    """Work that is done again and again; `once` gives what it counts."""

    def work(seconds: float) -> float:
        done, began = 0, time.monotonic()
        while time.monotonic() - began < seconds:
            done += once()
        return done / (time.monotonic() - began)

    return work


def network_works(recipe_name: str, here: Path) -> dict[str, Work]:
    """Training and every runtime of a system that learns by gradients."""
    import torch

    from oddframe.models.bag_detector import BagDetector
    from oddframe.models.detector import Detector
    from oddframe.models.registry import create
    from oddframe.recipes import load_recipe
    from oddframe.runtime.onnx_graph import write_bag_graph, write_window_graph

    recipe = load_recipe(recipe_name, [f"training.batch_size={BATCH}"])
    torch.manual_seed(0)
    options = {**recipe.options, "backbones": {"clip": 512}} if recipe.model == "mil" else recipe.options
    detector = create(recipe.model, recipe.preset, **options)
    works = training_works(recipe, here) if isinstance(detector, Detector) else {}
    detector.eval().requires_grad_(False)
    graph = here / "graph.onnx"
    if isinstance(detector, BagDetector):
        write_bag_graph(detector, graph)
        return works | bag_works(detector, graph)
    write_window_graph(detector, graph)
    return works | window_works(detector, graph)


def training_works(recipe: Any, here: Path) -> dict[str, Work]:
    """The training loop on noise in memory."""
    import torch

    from oddframe.datasets.clips import ClipSet
    from oddframe.models.registry import create
    from oddframe.settings import TrainingOptions
    from oddframe.training.loop import train
    from oddframe.workflow.fit import make_paster

    @dataclass
    class Noise:
        frames: NDArray[np.uint8]

    torch.manual_seed(0)
    detector = create(recipe.model, recipe.preset, **recipe.options).one_class("learning from frames")
    window, rng = detector.window, np.random.default_rng(0)
    videos = [Noise(rng.integers(0, 255, (60, *window.size, window.channels), dtype=np.uint8)) for _ in range(4)]
    data = ClipSet(videos, window, None, make_paster(recipe.pseudo, window.size, 0, learns=True))

    def work(seconds: float) -> float:
        plan = replace(recipe.training, budget=f"{seconds}s")
        options = TrainingOptions(device="cpu", progress=False)
        history = train(detector, data, None, plan, here / "training", options)
        steps = sum(
            max(line["step"] for line in history.records if line["stage"] == stage) for stage in history.seconds
        )
        return BATCH * steps / sum(sum(parts.values()) for parts in history.seconds.values())

    return {"training": work}


def window_works(detector: Any, graph: Path) -> dict[str, Work]:
    """Scoring chunks of noise."""
    from oddframe.datasets.windows import stream_chunks
    from oddframe.errors import InputError
    from oddframe.runtime.runtime import Runtime
    from oddframe.runtime.session_runtime import GraphRuntime
    from oddframe.runtime.torch import TorchRuntime
    from oddframe.video.decode import Frame

    window, rng = detector.window, np.random.default_rng(0)
    pictures = rng.integers(0, 255, (120, *window.size, window.channels), dtype=np.uint8)
    frames = [Frame(number, number / 25, picture) for number, picture in enumerate(pictures)]

    def scoring(runtime: Runtime) -> Work:
        whole = (chunk for chunk in stream_chunks(frames, window, runtime.batch) if len(chunk.index) == runtime.batch)
        chunk = next(whole)

        def once() -> int:
            runtime.score(chunk)
            return len(chunk.index)

        return repeated(once)

    works = {"torch fp32": scoring(TorchRuntime(detector, "cpu", "fp32"))}
    for target, precision in (("onnx", "fp32"), ("openvino", "fp32"), ("openvino", "bf16")):
        try:
            works[f"{target} {precision}"] = scoring(GraphRuntime(target, graph, detector.signature, precision))
        except InputError as error:
            print(error, file=sys.stderr)
    return works


def bag_works(detector: Any, graph: Path) -> dict[str, Work]:
    """Scoring bags of random features; a segment counts as one."""
    from oddframe.runtime.session_runtime import bag_network
    from oddframe.runtime.sessions import open_session
    from oddframe.scoring.bags import torch_network

    rng, bags = np.random.default_rng(0), 30
    features = {
        name: rng.normal(size=(bags, detector.segments, detector.backbones[name])).astype(np.float32)
        for name in detector.required
    }

    def scoring(network: Callable[..., object]) -> Work:
        def once() -> int:
            network(features)
            return bags * detector.segments

        return repeated(once)

    works = {"torch fp32": scoring(torch_network(detector))}
    for target in ("onnx", "openvino"):
        works[f"{target} fp32"] = scoring(bag_network(open_session(target, graph, "fp32"), detector.signature))
    return works


def fitted_works(here: Path) -> dict[str, Work]:
    """Learning the street in one process, as every process of `fit` does, and scoring it end to end."""
    from camera_speed import quick_run, video

    from oddframe.models.camera import PARTS
    from oddframe.runtime.runtime import RuntimeOptions
    from oddframe.scoring.open_scorer import open_runtime
    from oddframe.scoring.stream import score_frames
    from oddframe.video.decode import VideoReader
    from oddframe.workflow.passes import Pass, run_pass
    from oddframe.workflow.stretches import Stretch, measure_videos

    source = video(here, (240, 360), 8.0)
    run = quick_run(here / "run", source, tuple(PARTS))
    (normal,), _ = measure_videos([source])
    task = Pass(run.bundle.recipe, normal.info, (Stretch(normal, 0.0, 4.0),))
    runtime, window = open_runtime(run.bundle, RuntimeOptions()), run.signature.window

    def learning() -> int:
        run_pass(task, lambda seconds: None)
        return 100

    def scoring() -> int:
        with VideoReader(source, window.size, window.colour, window.resize) as reader:
            return sum(len(piece.index) for piece in score_frames(runtime, reader))

    return {"learning": repeated(learning), f"scoring ({runtime.name} {runtime.precision})": repeated(scoring)}


if __name__ == "__main__":
    main()
