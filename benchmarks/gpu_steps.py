"""The steps of `gpu_day.py`: what each measures or trains, and what it needs of the time."""

from __future__ import annotations

import csv
import gc
import importlib.util
import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from gpu_day import Day, Outcome, Step
from numpy.typing import ArrayLike

from oddframe.bundle import META, TrainingData, save_bundle
from oddframe.datasets.clips import ClipSet, split_holdout
from oddframe.datasets.readers import open_labelled
from oddframe.errors import OddframeError, TrainingError
from oddframe.models.bag_detector import BagDetector
from oddframe.models.detector import Batch, Detector
from oddframe.models.learner import Learner
from oddframe.models.registry import create, entry
from oddframe.places import default_cache_root
from oddframe.recipes import Recipe, load_recipe, recipe_of
from oddframe.runtime.cost import matrix_rate
from oddframe.runtime.onnx_graph import write_window_graph
from oddframe.runtime.runtime import Precision, RuntimeOptions
from oddframe.runtime.session_runtime import GraphRuntime
from oddframe.runtime.torch import TorchRuntime
from oddframe.settings import ThresholdOptions, TrainingOptions, TrainingPlan
from oddframe.street import World, render_world
from oddframe.testing import bags as toy_bags
from oddframe.testing import windows as toy_windows
from oddframe.training.checkpoint import TrainingHistory, load_checkpoint
from oddframe.training.loop import train
from oddframe.training.sampling import Sampler
from oddframe.training.stages import span_of_stage
from oddframe.training.tuning import channels_last
from oddframe.video.cache import build_cache
from oddframe.video.search import find_videos
from oddframe.workflow.bench import bench
from oddframe.workflow.evaluate import evaluate_run
from oddframe.workflow.evaluate_bags import BagOptions, evaluate_bags
from oddframe.workflow.fit import fit, make_paster
from oddframe.workflow.run import Run, load_run

WINDOWS = ("mnad", "sdmae", "mpn", "std", "memae")  # in order of value
BAGS = ("dakd", "mil")
TARGET = {"sdmae": 15_000}  # frames/s of the network alone that a device of the class of an H200 has to reach
BATCHES = (16, 64, 256)
SLOWEST = 60e12  # operations/s in training that are counted on where nothing was measured
PLAIN = 40.0  # seconds of a training besides its steps: decoding, calibration, evaluation
CLOSE = {"fp32": 2e-3, "bf16": 1e-1}  # greatest relative difference to a CPU in fp32 that is called the same


TRAINED = "Trained"
TRAINED_COLUMNS = (
    "system",
    "training",
    "minutes of it",
    "protocol",
    "micro AUC",
    "macro AUC",
    "best baseline, micro",
)


@dataclass(frozen=True)
class Published:
    """A training as published: recipe, changes to it, and what is to be known beside its figures."""

    recipe: str
    words: str
    changes: tuple[str, ...] = ()
    quick: tuple[str, ...] = ()


# What makes stages equally long while their speed is measured. STD's second stage computes all that its first does.
SPEED: dict[str, dict[str, Any]] = {
    "sdmae": {"teacher_epochs": 1, "student_epochs": 1},
    "std": {"warm_up_steps": 0, "centre_batches": 1},
}

# One of Ped2's 16 training clips is held out for the threshold; publications train on all.
COMMON = ("training.precision=bf16", "training.holdout=0.05")
PUBLISHED = {
    "mnad": Published("mnad-ped2", "60 epochs, batches of 4, 256x256", quick=("options={size: [32, 64], width: 4}",)),
    "sdmae": Published(
        "sdmae-ped2",
        "100 + 40 epochs, batches of 100, 80x160 with patch 4; pseudo-anomalies of the street, not of UBnormal",
        ("options={size: [80, 160], patch: 4}", "training={batch_size: 100}", "pseudo={source: world}"),
        (
            "options={size: [32, 64], patch: 8, encoder_width: 8, decoder_width: 8, heads: 2}",
            "pseudo={source: world, sequences: 6, min_area: 0.0, max_area: 0.5}",
        ),
    ),
    "mpn": Published("mpn-ped2", "60 epochs, batches of 4, 256x256", quick=("options={size: [32, 64], width: 4}",)),
    "std": Published(
        "std-ped2",
        "5,000 + 100,000 steps of 4 clips, 256x256",
        quick=("options={size: [32, 64], width: 2, clusters: 4, centre_batches: 2}",),
    ),
    "memae": Published(
        "memae-ped2", "100 epochs, batches of 10, 256x256", quick=("options={size: [32, 64], width: 2, items: 20}",)
    ),
}


def steps(day: Day) -> Iterator[Step]:
    """All steps, in order of value; a rehearsal has no more of a kind than teach something."""
    yield Step("machine", partial(seconds, 1), machine)
    for name in (*WINDOWS, *BAGS):
        yield Step(f"smoke-{name}", partial(seconds, 12), partial(smoke, name))
    yield Step("forward-sdmae", partial(seconds, 15), partial(forward, "sdmae"))
    for name in WINDOWS:
        yield Step(f"steps-{name}", partial(seconds, 20), partial(training_steps, name))
    for name in WINDOWS[:1] + WINDOWS[2:]:
        yield Step(f"forward-{name}", partial(seconds, 15), partial(forward, name))
    for name in ("sdmae", "mnad"):
        yield Step(f"files-{name}", partial(seconds, 20), partial(from_files, name))
    for name in WINDOWS:
        yield Step(f"train-{name}", partial(needs_training, name), partial(train_published, name))
    yield Step("patches", partial(seconds, 60), patches)
    yield Step("dakd", partial(seconds, 60), dakd)
    for name in () if day.quick else ("mpn", "std", "memae"):
        yield Step(f"files-{name}", partial(seconds, 20), partial(from_files, name))
    yield Step("train-rest", partial(seconds, 2 * PLAIN), train_rest)


def seconds(needed: float, day: Day) -> float:
    """What a step needs whatever was measured; a rehearsal needs little."""
    return 1.0 if day.quick else needed


def works(device: str) -> bool:
    """Whether the device still computes, after something went wrong on it."""
    try:
        x = torch.ones(8, 8, device=device, requires_grad=True)
        torch.nn.functional.dropout(x @ x, 0.5).sum().backward()
        if device == "cuda":
            torch.cuda.synchronize()
        return True
    except RuntimeError:
        return False


def clear(device: str) -> None:
    """Give back what the step before took of the device."""
    gc.collect()
    if device == "cuda":
        torch.cuda.empty_cache()


def data_folder(day: Day) -> Path:
    """DATA, or a small street of the shape of Ped2, which is rendered once."""
    if day.data != "street":
        return Path(day.data)
    folder = day.work / "street"
    if not (folder / "world.json").is_file():
        render_world(folder, World(size=(64, 96), fps=10.0), videos=5, test_videos=2, seconds=6)
    return folder


def machine(day: Day) -> Outcome:
    """What all figures were measured on."""
    found = Outcome("The machine", ["what", "which"])
    found.rows = [["torch", torch.__version__], ["CPU cores", f"{os.cpu_count()}"]]
    if day.device == "cuda":
        about = torch.cuda.get_device_properties(0)
        found.rows += [
            ["GPU", about.name],
            ["GPU memory, GiB", f"{about.total_memory / 2**30:.0f}"],
            ["CUDA", f"{torch.version.cuda}"],
            ["cuDNN", f"{torch.backends.cudnn.version()}"],
        ]
    return found


# Smoke test


def smoke(name: str, day: Day) -> Outcome:
    """A tiny network through all that is done on the device, beside the CPU."""
    found = Outcome("Smoke test", ["system", "what", "how it ended"])
    about = entry(name)
    bags = about.kind == "bags"
    options = {"backbones": toy_bags.BACKBONES, "segments": toy_bags.SEGMENTS} if bags else {}

    def new() -> Learner:
        torch.manual_seed(0)
        return create(name, about.presets[0], **{**options, **about.tiny})

    def learn(device: str, precision: str, **how: Any) -> tuple[Learner, list[float]]:
        detector = new()
        data = toy_bags.bags() if bags else toy_windows.training_set(detector.window)
        plan = TrainingPlan(batch_size=8, budget="8steps", precision=precision)  # type: ignore[arg-type]
        with tempfile.TemporaryDirectory() as folder:
            history = train(detector, data, None, plan, Path(folder), quiet(device, **how))
        return detector, [record["losses"]["loss"] for record in history.records]

    def told(what: str, off: float, bound: float) -> None:
        word = "ok" if off <= bound else "DIFFERS"
        found.rows.append([name, what, f"{word}: off by {off:.2g} of the largest value"])

    _, wanted = learn("cpu", "fp32", resident="never")
    found.facts["recordable"] = not bags
    for precision in CLOSE:
        _, losses = learn(day.device, precision, resident="always")
        told(f"losses of 8 steps in {precision}, against the CPU", difference(losses, wanted), 5 * CLOSE[precision])
    _, host = learn(day.device, "fp32", resident="never")
    resident, losses = learn(day.device, "fp32", resident="always")
    told("losses with resident data, against the host's", difference(losses, host), CLOSE["fp32"])
    if not bags:
        try:
            _, recorded = learn(day.device, "fp32", resident="always", graphs=True)
            told("losses of recorded steps, against the others", difference(recorded, losses), CLOSE["fp32"])
            found.facts["recordable"] = difference(recorded, losses) <= CLOSE["fp32"]
        except TrainingError as error:
            found.rows.append([name, "recorded steps", f"FAILED: {error}"])
            found.facts["recordable"] = False
    recipe = load_recipe(recipe_of(name), [])
    recipe = recipe.model_copy(update={"preset": about.presets[0], "options": {**options, **about.tiny}})
    with tempfile.TemporaryDirectory() as folder:
        save_bundle(Path(folder), resident, recipe, {}, TrainingData())
        again = load_run(folder).detector
        assert isinstance(again, Learner)
        precisions: tuple[Precision, ...] = ("fp32", "bf16")
        for precision in precisions:
            off = score_difference(resident, again, day.device, precision)
            told(f"scores of its bundle in {precision}, against the CPU", off, CLOSE[precision])
        if isinstance(again, Detector):
            found.rows.append([name, "ONNX Runtime on the GPU", onnx_on_gpu(again, Path(folder) / "graph.onnx")])
    clear(day.device)
    return found


def quiet(device: str, **how: Any) -> TrainingOptions:
    """Options of a training that shows nothing."""
    return TrainingOptions(device=device, progress=False, **how)


def difference(got: ArrayLike, wanted: ArrayLike) -> float:
    """The largest difference, as a share of the largest value."""
    one, other = np.asarray(got, float).ravel(), np.asarray(wanted, float).ravel()
    if one.shape != other.shape or not np.isfinite(one).all():
        return float("inf")
    return float(np.abs(one - other).max() / max(np.abs(other).max(), 1e-12))


def score_difference(detector: Learner, again: Learner, device: str, precision: Precision) -> float:
    """Scores of the detector on the device against those of its copy on the CPU in fp32: the largest difference."""
    if isinstance(detector, BagDetector) and isinstance(again, BagDetector):
        batch = toy_bags.whole_batch(toy_bags.bags())
        wanted = toy_bags.scores(again, batch.features)
        with torch.autocast(device, torch.bfloat16, precision == "bf16"):
            got = toy_bags.scores(detector.to(device), batch.to(device).features)
        detector.to("cpu")
        return max(difference(value.float().cpu(), wanted[name]) for name, value in got.items())
    assert isinstance(detector, Detector) and isinstance(again, Detector)
    images = toy_windows.video(detector.window)
    right = toy_windows.answers(TorchRuntime(again, "cpu"), images, 4)
    found = toy_windows.answers(TorchRuntime(detector, device, precision), images, 8)
    detector.to("cpu")
    return max(difference(found[name], value) for name, value in right.items())


def onnx_on_gpu(detector: Detector, path: Path) -> str:
    """How the graph of a detector does in ONNX Runtime on the GPU, where that is installed."""
    if not all(importlib.util.find_spec(name) for name in ("onnx", "onnxscript", "onnxruntime")):
        return "not installed"
    import onnxruntime

    if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
        return "not installed: this ONNX Runtime has no CUDA"
    try:
        write_window_graph(detector, path)
        images = toy_windows.video(detector.window)
        got = toy_windows.answers(GraphRuntime("onnx", path, detector.signature, "fp32", "cuda"), images, 8)
        wanted = toy_windows.answers(TorchRuntime(detector, "cpu"), images, 4)
    except OddframeError as error:
        return f"FAILED: {error}"
    off = max(difference(got[name], value) for name, value in wanted.items())
    return f"{'ok' if off <= CLOSE['fp32'] else 'DIFFERS'}: off by {off:.2g} of the largest value"


# Frames per second


def forward(name: str, day: Day) -> Outcome:
    """The published network alone, on windows that lie on the device; synchronised, median of five rounds."""
    columns = ["system", "precision", "layout", "batch", "frames/s", "range", "floor", "of the floor"]
    found = Outcome("Frames/s of the network alone", columns)
    torch.manual_seed(0)
    detector = create(name, "paper", **(entry(name).tiny if day.quick else {}))
    assert isinstance(detector, Detector)
    detector = detector.eval().requires_grad_(False).to(day.device)
    flops = detector.flops_per_frame()
    best: dict[str, tuple[float, int]] = {}
    batches = (4,) if day.quick else BATCHES

    def measure(precision: Precision, layout: str, batch: int) -> None:
        speeds, rates = frames_per_second(detector, precision, batch, day)
        if not speeds:
            found.rows.append([name, precision, layout, f"{batch}", "out of memory", "", "", ""])
            return
        speed, floor = statistics.median(speeds), statistics.median(rates) / flops
        best[precision] = max(best.get(precision, (0.0, 0)), (speed, batch))
        span = f"{min(speeds):.0f} to {max(speeds):.0f}"
        cells = [name, precision, layout, f"{batch}", f"{speed:.0f}", span, f"{floor:.0f}", f"{speed / floor:.0%}"]
        found.rows.append(cells)

    precisions: tuple[Precision, ...] = ("fp32", "bf16")
    for precision in precisions:
        for batch in batches:
            measure(precision, "as it comes", batch)
    if "bf16" in best:
        with channels_last(detector):
            measure("bf16", "channels last", best["bf16"][1])
    found.notes.append(f"{name}: {flops / 1e9:.4g} GFLOP a frame.")
    if name in TARGET:
        reached = max(speed for speed, _ in best.values())
        word = "reached" if reached >= TARGET[name] else "not reached"
        found.notes.append(f"{name}: the aim of {TARGET[name]:,} frames/s is {word}; the best is {reached:,.0f}.")
    clear(day.device)
    return found


def frames_per_second(
    detector: Detector, precision: Precision, batch: int, day: Day
) -> tuple[list[float], list[float]]:
    """Speeds of five rounds, and in the same rounds the rate of a large matrix product; none where memory is short."""
    window, device = detector.window, day.device
    shape = (*window.size, window.channels)
    inputs, targets = (
        torch.randint(0, 256, (batch, len(offsets), *shape), dtype=torch.uint8, device=device)
        for offsets in (window.offsets, window.target)
    )
    windows = Batch(inputs, targets, torch.arange(batch, device=device))
    rounds, least = (1, 0.01) if day.quick else (5, 0.2)
    speeds, rates = [], []
    try:
        for number in range(-1, rounds):  # the first warms up
            count, began = 0, time.perf_counter()
            while time.perf_counter() - began < least:
                for _ in range(1 if day.quick else 4):
                    with torch.inference_mode(), torch.autocast(device, torch.bfloat16, precision == "bf16"):
                        detector.score(windows)
                    count += batch
                synchronise(device)
            if number >= 0:
                speeds.append(count / (time.perf_counter() - began))
                rates.append(matrix_rate(device, precision, 256 if day.quick else None, least))
    except torch.OutOfMemoryError:
        clear(device)
        return [], []
    return speeds, rates


def synchronise(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()


def from_files(name: str, day: Day) -> Outcome:
    """From video files to scores and events, as `oddframe bench` measures it; the network is untrained."""
    columns = ["system", "precision", "batch", "frames/s", "decode alone", "network alone", "post", "GPU memory, GiB"]
    found = Outcome("From video files", columns)
    recipe, folder = published(name, day), day.work / "untrained" / name
    torch.manual_seed(0)
    save_bundle(folder, create(recipe.model, recipe.preset, **recipe.options), recipe, {}, TrainingData())
    sources = find_videos(data_folder(day) / "testing" / "videos")[: 1 if day.quick else 4]
    for precision in ("fp32", "bf16"):
        options = RuntimeOptions("torch", precision, day.device)  # type: ignore[arg-type]
        frames, rounds = (24, 1) if day.quick else (150, 3)
        got = bench(load_run(folder), sources, frames=frames, rounds=rounds, options=options)
        speeds = [f"{speed:.0f}" for speed in (got.end_to_end, got.decode, got.forward, got.post)]
        memory = "" if got.peak_gpu_mib is None else f"{got.peak_gpu_mib / 1024:.2f}"
        found.rows.append([name, precision, f"{got.batch}", *speeds, memory])
    clear(day.device)
    return found


# Training


def published(name: str, day: Day, *changes: str) -> Recipe:
    """The recipe of the published training, tiny in a rehearsal."""
    about = PUBLISHED[name]
    more = (*about.quick, "training.batch_size=4") if day.quick else ()
    return load_recipe(about.recipe, [*about.changes, *COMMON, *more, *changes])


def clips(recipe: Recipe, detector: Detector, day: Day) -> ClipSet:
    """The training windows of a recipe, as `fit` takes them."""
    window, plan = detector.window, recipe.training
    sources = find_videos(data_folder(day) / "training" / "videos")
    cached, _ = build_cache(sources, window, default_cache_root(), 2)
    gap = window.look_ahead + window.look_back
    learnt, _ = split_holdout([len(video.frames) for video in cached], plan.holdout, gap, plan.seed)
    paster = make_paster(recipe.pseudo, window.size, plan.seed)
    return ClipSet(cached, window, learnt, paster)


def training_steps(name: str, day: Day) -> Outcome:
    """Samples/s of the published training: frames with the host, frames on the device, and recorded steps."""
    columns = ["system", "precision", "frames", "steps", "stage", "samples/s", "waiting for data", "GPU memory, GiB"]
    found = Outcome("Training at the published size", columns)
    recipe = published(name, day)
    new = partial(create, recipe.model, recipe.preset, **{**recipe.options, **SPEED.get(name, {})})
    data = clips(recipe, new().one_class("training"), day)

    def learn(budget: str, resident: str, graphs: bool) -> TrainingHistory:
        torch.manual_seed(0)
        plan = replace(recipe.training, budget=budget)
        with tempfile.TemporaryDirectory() as folder:
            how = quiet(day.device, resident=resident, graphs=graphs)
            return train(new(), data, None, plan, Path(folder), how)

    learn("4steps", "always", False)  # libraries choose how to convolve, once for all that follows
    facts: dict[bool, dict[str, float]] = {}
    for resident, graphs in (("never", False), ("always", False), ("always", True)):
        if graphs and not day.facts(f"smoke-{name}").get("recordable", False):
            found.notes.append(f"{name}: recorded steps are left out, because the smoke test did not pass them.")
            continue
        clear(day.device)
        if day.device == "cuda":
            torch.cuda.reset_peak_memory_stats()
        history = learn("10steps" if day.quick else "4s", resident, graphs)
        memory = f"{torch.cuda.max_memory_allocated() / 2**30:.2f}" if day.device == "cuda" else ""
        speeds = speed_by_stage(history)
        for stage, speed in speeds.items():
            spent = history.seconds[stage]
            waiting = f"{spent.get('data', 0.0) / sum(s for part, s in spent.items() if part != 'prepare'):.1%}"
            place, way = {"never": "host", "always": "device"}[resident], "recorded" if graphs else "as they come"
            found.rows.append([name, recipe.training.precision, place, way, stage, f"{speed:.1f}", waiting, memory])
        if resident == "always":
            facts[graphs] = speeds
    plain, recorded = facts[False], facts.get(True, {})
    # Stages differ; the longest decides. A twentieth is not worth another way to compute.
    samples = stage_samples(name, day)
    longest = max(plain, key=lambda stage: samples[stage] / plain[stage])
    pays = recorded.get(longest, 0.0) > 1.05 * plain[longest]
    found.facts = {"graphs": pays, "samples_per_s": recorded if pays else plain}
    found.notes.append(f"{name}: {'recorded steps pay' if pays else 'recorded steps do not pay'}.")
    return found


def speed_by_stage(history: TrainingHistory) -> dict[str, float]:
    """Samples/s of each stage: median of the later half of the log, where nothing is measured or recorded any more."""
    found: dict[str, list[float]] = {}
    for record in history.records:
        found.setdefault(record["stage"], []).append(record["samples_per_s"])
    return {stage: statistics.median(speeds[len(speeds) // 2 :]) for stage, speeds in found.items()}


def stage_samples(name: str, day: Day) -> dict[str, int]:
    """Samples of each stage of the published training."""
    recipe = published(name, day)
    detector = create(recipe.model, recipe.preset, **recipe.options).one_class("training")
    data, plan = clips(replace_pseudo(recipe), detector, day), recipe.training
    stages, found = detector.stages(), {}
    lengths = [stage.length for stage in stages]
    for number, stage in enumerate(stages):
        sampler = Sampler(plan.seed, number, 0, tuple(data.groups), plan.batch_size, sampling=stage.sampling)
        span = span_of_stage(number, lengths, stage.unit, sampler.steps_per_epoch, None, 0.0)
        found[stage.name] = (span.steps or 0) * sampler.global_batch
    return found


def replace_pseudo(recipe: Recipe) -> Recipe:
    """The recipe without pseudo-anomalies, which take a second to draw."""
    return recipe.model_copy(update={"pseudo": replace(recipe.pseudo, source="none")})


def needs_training(name: str, day: Day) -> float:
    """Seconds of a published training and its evaluation, by the speed that was measured."""
    samples, speeds = stage_samples(name, day), day.facts(f"steps-{name}").get("samples_per_s", {})
    recipe, folder = published(name, day), day.work / "bundles" / name
    slowest = min(speeds.values(), default=SLOWEST / (3e9 * entry(recipe.model).gflop))
    whole = sum(count / speeds.get(stage, slowest) for stage, count in samples.items())
    begun = load_checkpoint(folder) if folder.is_dir() else None
    if begun is not None:  # an earlier call had to stop
        seen = (begun.state.first_step + begun.state.step) * recipe.training.batch_size
        whole *= 1 - min(1.0, seen / sum(samples.values()))
    if day.quick:  # the last one never fits, so that `train-rest` has something to do
        return min(whole, 1.0) if name != WINDOWS[-1] else 1e9
    return PLAIN + 1.05 * whole


def train_published(name: str, day: Day, budget: str | None = None, folder: str = "bundles") -> Outcome:
    """Train as published, or for a budget, and evaluate under the system's own protocols and `honest`."""
    found = Outcome(TRAINED, TRAINED_COLUMNS)
    about, recipe, out = PUBLISHED[name], published(name, day), day.work / folder / name
    budget = budget or ("6steps" if day.quick else None)
    if (out / META).is_file():
        run = load_run(out)
    else:
        how = TrainingOptions(
            device=day.device,
            budget=budget,
            resident="always",
            graphs=bool(day.facts(f"steps-{name}").get("graphs")),
            resume=True,
            progress=not day.quick,
        )
        videos = data_folder(day) / "training" / "videos"
        run = fit(videos, recipe=recipe, out=out, threshold=ThresholdOptions(quantile=0.9), training=how)
    spent = sum(sum(parts.values()) for parts in run.history["seconds"].values())
    waiting = sum(parts.get("data", 0.0) for parts in run.history["seconds"].values())
    found.rows += rows_of(name, about.words if budget is None else budget, spent, run, day)
    if name == "mnad":
        found.rows += rows_of(name, "the same; memory rewritten while scoring", spent, carried(run, day), day)
    done = 1.0 if budget is None else samples_seen(run) / sum(stage_samples(name, day).values())
    found.notes.append(f"{name}: {done:.1%} of the published samples; {waiting / spent:.1%} of the time for data.")
    found.notes += [f"{name}: {doubt}" for doubt in run.bundle.data.notes]
    clear(day.device)
    return found


def samples_seen(run: Run) -> float:
    """How many samples a training has seen."""
    steps_done = int(run.history["records"][-1]["step"])
    return float(steps_done * run.bundle.recipe.training.batch_size)


def rows_of(name: str, words: str, spent: float, run: Run, day: Day) -> list[list[str]]:
    """A row for each protocol, with the best of the baselines."""
    labelled = open_labelled(f"folder:{data_folder(day) / 'testing'}")
    if day.data != "street":
        labelled = replace(labelled, name="UCSD Ped2")
    evaluation = evaluate_run(run, labelled, runtime=RuntimeOptions(device=day.device), progress=False)
    rows = []
    for row in evaluation.rows:
        beside = [
            other.result.micro_auc
            for other in evaluation.rows
            if other.baseline and other.result.protocol == row.result.protocol
        ]
        if not row.baseline:
            figures = [f"{value:.4f}" for value in (row.result.micro_auc, row.result.macro_auc, max(beside))]
            rows.append([name, words, f"{spent / 60:.1f}", f"`{row.result.protocol}`", *figures])
    return rows


def carried(run: Run, day: Day) -> Run:
    """MNAD as it was published: every frame that passes for normal rewrites the memory, from video to video."""
    recipe = run.bundle.recipe
    recipe = recipe.model_copy(update={"options": {**recipe.options, "test_update": "carried"}})
    folder = day.work / "carried" / run.path.parent.name
    detector = create(recipe.model, recipe.preset, **recipe.options)
    detector.load_weights(run.path / "model.safetensors")
    save_bundle(folder, detector, recipe, run.history, run.bundle.data)
    (folder / run.bundle.calibration.name).write_bytes(run.bundle.calibration.read_bytes())
    return load_run(folder)


def train_rest(day: Day) -> Outcome:
    """The first training that did not fit, in the time that is left."""
    waiting = [name for name in WINDOWS if day.note(f"train-{name}").get("status") != "done"]
    if not waiting:
        return Outcome(TRAINED, TRAINED_COLUMNS, notes=["Every training fitted into the day."])
    budget = "6steps" if day.quick else f"{max(day.left - PLAIN, 10.0):.0f}s"
    return train_published(waiting[0], day, budget, f"rest-{day.number:.0f}")


# Fitted in one pass, and weak supervision


def patches(day: Day) -> Outcome:
    """The part `patches` of `camera`, which computes on the CPU."""
    found = Outcome("Fitted in one pass, on the CPU of this machine", TRAINED_COLUMNS)
    out, began = day.work / "bundles" / "patches", time.time()
    if (out / META).is_file():
        run = load_run(out)
    else:
        videos = find_videos(data_folder(day) / "training" / "videos")
        run = fit(
            videos[:4] if day.quick else videos,
            recipe="patches",
            changes=["options.patches={size: [64, 96], memory: 50, sample: 200}"] if day.quick else [],
            out=out,
            threshold=ThresholdOptions(quantile=0.9),
            training=TrainingOptions(progress=not day.quick),
        )
    found.rows += rows_of("patches", "one pass", time.time() - began, run, replace(day, device="cpu"))
    return found


def dakd(day: Day) -> Outcome:
    """DAKD at its published widths, on C3D features of the UCF-Crime subset, or on noise of the same shape."""
    columns = ["recipe", "component", "training s", "bags/s", "waiting for data", "AUC", "AUC of anomalous"]
    found = Outcome("Weak supervision", columns)
    if day.bags is None:
        labels, features = noise(day)
    else:
        labels, features = day.bags / "train.csv", f"c3d=segments:{day.bags / 'features.npz'}"
    dim = 64 if day.bags is None and day.quick else 4096
    backbones = [f"options.backbones={{c3d: {dim}}}", "options.student=c3d"]
    tiny = ["options.projection=[8, 8]", "options.attention_dim=16", "options.head=[8, 4]", "training.batch_size=8"]
    for recipe in ("dakd-ucf-crime", "dakd-small"):
        run = fit(
            str(labels), recipe=recipe, out=day.work / "bundles" / recipe,
            changes=[*backbones, *(tiny if day.quick else [])], threshold=ThresholdOptions(quantile=0.9),
            training=TrainingOptions(
                budget="4steps" if day.quick else None, device=day.device, resident="always",
                features=[features], resume=True, progress=not day.quick,
            ),
        )  # fmt: skip
        parts = run.history["seconds"].values()
        spent, waiting = sum(sum(part.values()) for part in parts), sum(part.get("data", 0.0) for part in parts)
        cells = [f"{spent:.1f}", f"{samples_seen(run) / spent:.0f}", f"{waiting / spent:.1%}"]
        if day.bags is None:
            found.rows.append([recipe, "", *cells, "noise", ""])
            continue
        evaluation = evaluate_bags(run, f"ucf-crime:{day.bags}", [features], BagOptions(leave_out=True))
        for name in (*run.detector.components, *evaluation.baselines):
            result, own = evaluation.rows[name], name in run.detector.components
            beside = cells if own else [""] * len(cells)
            words = name if own else f"{name} (baseline)"
            found.rows.append([recipe, words, *beside, f"{result.auc:.4f}", f"{result.anomalous_auc:.4f}"])
    clear(day.device)
    return found


def noise(day: Day) -> tuple[Path, str]:
    """Labels and features of bags of noise, as large as the UCF-Crime subset; small in a rehearsal."""
    count, dim = (24, 64) if day.quick else (551, 4096)
    folder, rng = day.work / "noise", np.random.default_rng(0)
    folder.mkdir(parents=True, exist_ok=True)
    names = [f"video{number:03d}" for number in range(count)]
    with (folder / "train.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerows([("video", "label"), *((name, number % 2) for number, name in enumerate(names))])
    arrays = {name: rng.random((32, dim), np.float32) for name in names}
    np.savez(folder / "features.npz", **arrays)
    return folder / "train.csv", f"c3d=segments:{folder / 'features.npz'}"
