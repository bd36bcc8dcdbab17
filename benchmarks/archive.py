"""Archives: a simulated year, kills at random moments, the efficiency of runners, a long video in parts, and what
training in two processes changes.

    python benchmarks/archive.py year FOLDER [--jobs 10000]
    python benchmarks/archive.py kills FOLDER RUN VIDEOS [--kills 40]
    python benchmarks/archive.py efficiency FOLDER RUN VIDEOS [--ray ADDRESS]
    python benchmarks/archive.py parts FOLDER RUN VIDEO [--minutes 15]
    python benchmarks/archive.py rounding FOLDER [--steps 40]

FOLDER is new. `efficiency` wants a quiet machine. Every command prints its figures as one JSON document.
"""

from __future__ import annotations

import argparse
import heapq
import json
import os
import random
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

import oddframe
from oddframe.archive.journal import Journal
from oddframe.archive.merging import merge_plan
from oddframe.archive.place import Place
from oddframe.archive.plan import ArchivePlan, Job, job_of
from oddframe.archive.planning import PlanOptions, make_plan
from oddframe.archive.running import run_plan
from oddframe.archive.status import read_status
from oddframe.archive.work import JobResult, write_failure
from oddframe.bundle import TrainingData, save_bundle
from oddframe.models.mnad import MNAD
from oddframe.models.registry import create
from oddframe.recipes import parse_recipe
from oddframe.runners.local import LocalRunner
from oddframe.runners.ray import RayRunner
from oddframe.runners.runner import Runner
from oddframe.runtime.runtime import RuntimeOptions
from oddframe.scoring.files import load_scores
from oddframe.scoring.open_scorer import score_identity
from oddframe.settings import TrainingPlan
from oddframe.testing.windows import CPU, batches, training_set
from oddframe.training.loop import train
from oddframe.video.sources import VideoSource
from oddframe.workflow.run import Run

RATE = 8.0  # seconds of video that a slot scores in a second, as measured for `camera` on one core
FAILING = 0.02
HOUR = 3600.0


@dataclass
class SimulatedMachine:
    """Slots that are there from one simulated second to another."""

    name: str
    slots: int
    begins: float
    ends: float


class SimulatedCluster:
    """A runner whose machines and time are simulated; the files that it leaves are real. A `Runner`."""

    shared, workers = False, 2

    def __init__(self, place: Place, machines: Sequence[SimulatedMachine], failing: set[str]) -> None:
        self.place, self.machines, self.failing = place, machines, failing
        self.now, self.lost_s = 0.0, 0.0
        self.journals = {one.name: Journal(place, one.name, lambda: self.now) for one in machines}
        self.memory: list[int] = []

    def own(self, tasks: Sequence[Job]) -> list[Job]:
        return list(tasks)

    def run(
        self, begin: Any, tasks: Sequence[Job], tell: Callable[[float], None] | None = None
    ) -> Generator[tuple[Job, JobResult]]:
        """Hand out jobs as slots become free. What a machine works on when it goes is begun again elsewhere."""
        queue = list(reversed(tasks))
        coming: list[tuple[float, int, int, Job | None]] = []
        for number, machine in enumerate(self.machines):
            for _ in range(machine.slots):
                heapq.heappush(coming, (machine.begins, len(coming), number, None))
        count, left = len(coming), len(queue)
        idle: list[int] = []
        while left:
            self.now, _, number, job = heapq.heappop(coming)
            machine = self.machines[number]
            if job is not None and self.now >= machine.ends:
                queue.append(job)
                self.lost_s += job.seconds
                while idle and queue:
                    count += 1
                    heapq.heappush(coming, (self.now, count, idle.pop(), None))
                continue
            if job is not None:
                left -= 1
                yield job, self._finish(job, self.journals[machine.name])
                if left % 1000 == 0:
                    self.memory.append(resident())
            if self.now >= machine.ends:
                continue
            if not queue:
                idle.append(number)
                continue
            own = queue.pop()
            self.journals[machine.name].begun(own.id)
            count += 1
            heapq.heappush(coming, (min(self.now + own.seconds / RATE, machine.ends), count, number, own))

    def _finish(self, job: Job, journal: Journal) -> JobResult:
        if job.id in self.failing:
            write_failure(self.place, journal, job, "no frame of this video can be decoded")
            return JobResult("no frame of this video can be decoded")
        self.place.write(job.output, b"scores")
        journal.done(job.id, job.seconds, job.seconds / RATE)
        return JobResult()


def resident() -> int:
    """Bytes of memory of this process."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()


def year(folder: Path, jobs: int) -> dict[str, Any]:
    """Ten thousand jobs of a synthetic year on machines that come and go."""
    chance = random.Random(5)
    bundle = tiny_bundle(folder / "run")
    identity, place = score_identity(bundle.bundle, RuntimeOptions(), bundle.rule), Place(folder / "plan")
    sources = [VideoSource(f"camera{n % 40}/{n:06}", folder / f"{n}.mp4", "file") for n in range(jobs)]
    made = [job_of(one, f"{n:032x}", identity, chance.uniform(300, HOUR)) for n, one in enumerate(sources)]
    made.sort(key=lambda job: -job.seconds)
    plan = ArchivePlan(str(bundle.path.absolute()), identity, RuntimeOptions(), tuple(made))
    plan.save(place, {})
    machines = [SimulatedMachine("steady", 8, 0.0, float("inf"))]
    machines += [
        SimulatedMachine(f"guest{n}", chance.choice([2, 4, 8]), begin := chance.uniform(0, 60 * HOUR),
                         begin + chance.uniform(4, 20) * HOUR)
        for n in range(20)
    ]  # fmt: skip
    failing = {job.id for job in chance.sample(made, round(FAILING * jobs))}
    cluster = SimulatedCluster(place, machines, failing)
    done = run_plan(folder / "plan", cluster, progress=False)  # type: ignore[arg-type]
    status = read_status(folder / "plan")
    expected = {job.video for job in made if job.id in failing}
    earliest = bound(machines, plan.seconds)
    return {
        "jobs": jobs, "hours_of_video": plan.seconds / HOUR, "failed": len(done.failed),
        "manifest_right": set(status.failed) == expected and status.done == jobs - len(failing),
        "begun_again": len(status.retried), "hours_lost": cluster.lost_s / HOUR, "hours": cluster.now / HOUR,
        "bound_hours": earliest / HOUR, "over_bound": cluster.now / earliest - 1,
        "memory_mb": [round(value / 1e6, 1) for value in cluster.memory],
    }  # fmt: skip


def bound(machines: Sequence[SimulatedMachine], seconds: float) -> float:
    """When this much video could be scored at the earliest, if it could be divided at will and nothing was lost."""
    low, high = 0.0, seconds
    for _ in range(60):
        middle = (low + high) / 2
        worked = sum(one.slots * max(0.0, min(middle, one.ends) - one.begins) for one in machines)
        low, high = (middle, high) if worked * RATE < seconds else (low, middle)
    return high


def tiny_bundle(folder: Path) -> Run:
    """A detector that learns nothing."""
    folder.mkdir(parents=True)
    recipe = parse_recipe({"name": "tiny", "summary": "", "model": "frame_difference", "options": {}}, "here")
    return Run(save_bundle(folder, create("frame_difference"), recipe, {}, TrainingData(checkpoint="none")))


def kills(folder: Path, run: Path, videos: Path, count: int) -> dict[str, Any]:
    """Kill plan, run and merge at random moments; what comes of it equals an undisturbed run."""
    chance = random.Random(6)
    words = [sys.executable, "-m", "oddframe", "archive"]
    steps = {
        "plan": [
            *words,
            "plan",
            str(run),
            str(videos),
            "--out",
            str(folder / "killed"),
            "--part",
            "0.25",
            "--no-measure",
        ],
        "run": [*words, "run", str(folder / "killed")],
        "merge": [*words, "merge", str(folder / "killed"), "--no-pages"],
    }
    undisturbed = {name: [word.replace("killed", "whole") for word in own] for name, own in steps.items()}
    lasts = {}
    for name, own in undisturbed.items():
        began = time.perf_counter()
        subprocess.run(own, capture_output=True, check=False)
        lasts[name] = time.perf_counter() - began
    killed = dict.fromkeys(steps, 0)
    for name, own in steps.items():
        while killed[name] < -(-count // 3):
            process = subprocess.Popen(own, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            try:
                process.wait(chance.uniform(0.2, 1.0) * lasts[name])
                if name == "run":  # it came to its end: begin anew
                    for path in (folder / "killed" / "scores").rglob("*.npz"):
                        path.unlink()
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                process.wait()
                killed[name] += 1
        subprocess.run(own, capture_output=True, check=False)
    same = (folder / "killed" / "events.jsonl").read_bytes() == (folder / "whole" / "events.jsonl").read_bytes()
    files = sorted(path.relative_to(folder / "whole") for path in (folder / "whole" / "scores").rglob("*.npz"))
    scores = all(same_scores(folder / "whole" / name, folder / "killed" / name) for name in files)
    hidden = [str(path) for path in (folder / "killed").rglob(".*") if path.is_file()]
    return {"killed": killed, "events_equal": same, "scores_equal": scores, "videos": len(files), "left_over": hidden}


def same_scores(one: Path, other: Path) -> bool:
    """Whether two score files hold the same, bit for bit."""
    a, b = load_scores(one), load_scores(other)
    same = [np.array_equal(a.score, b.score), np.array_equal(a.time, b.time), np.array_equal(a.frame, b.frame)]
    same += [np.array_equal(values, b.components[name]) for name, values in a.components.items()]
    same.append((a.map is None) == (b.map is None) and (a.map is None or np.array_equal(a.map, np.asarray(b.map))))
    return all(same) and a.faults == b.faults


def efficiency(folder: Path, run: Path, videos: Path, ray: str | None) -> dict[str, Any]:
    """Seconds of video per second, of runners against one process with one thread; three rounds, the best of each."""
    os.environ["OMP_NUM_THREADS"] = "1"
    runners: dict[str, Runner] = {"1": LocalRunner(1), "2": LocalRunner(2, threads=1)}
    if ray is not None:
        runners["ray"] = RayRunner(ray)
    best: dict[str, float] = {}
    for turn in range(3):
        for name, runner in runners.items():
            plan = make_plan(
                oddframe.load_run(run),
                str(videos),
                folder / f"{name}-{turn}",
                PlanOptions(measure=False),
                progress=False,
            )
            began = time.perf_counter()
            done = run_plan(folder / f"{name}-{turn}", runner, progress=False)
            assert done.seconds == plan.seconds, "a video failed"
            best[name] = max(best.get(name, 0.0), done.seconds / (time.perf_counter() - began))
    return {"times_real_time": best, "efficiency_of_2": best["2"] / (2 * best["1"])}


def parts(folder: Path, run: Path, video: Path, minutes: float) -> dict[str, Any]:
    """A long video whole and in parts."""
    trained = oddframe.load_run(run)
    for name, length in (("whole", 1e9), ("parts", minutes * 60)):
        make_plan(trained, video, folder / name, PlanOptions(part_s=length, measure=False), progress=False)
        run_plan(folder / name, progress=False)
        merge_plan(folder / name, progress=False)
    (file,) = (folder / "whole" / "scores").rglob("*.npz")
    name = file.relative_to(folder / "whole")
    jobs = len((folder / "parts" / "jobs.jsonl").read_text().splitlines())
    events = (folder / "whole" / "events.jsonl").read_bytes() == (folder / "parts" / "events.jsonl").read_bytes()
    return {"parts": jobs, "scores_equal": same_scores(file, folder / "parts" / name), "events_equal": events}


def rounding(folder: Path, steps: int) -> dict[str, Any]:
    """MNAD at a tiny size: what two processes change, and what one process does whose first weights differ by 1e-7.

    Adam's first step is the learning rate with the sign of the gradient. A weight whose gradient is lost in rounding
    goes either way, and a bias before BatchNorm, which has no gradient but rounding, never stops to.
    """
    told: dict[str, Any] = {}
    for name, dtype in (("float32", torch.float32), ("float64", torch.float64)):
        one = learned(folder / f"{name}-one", dtype, steps)
        told[name] = {
            "two_processes": apart(one, learned(folder / f"{name}-two", dtype, steps, devices=2)),
            "nudged_by_1e-7": apart(one, learned(folder / f"{name}-nudged", dtype, steps, nudge=1e-7)),
        }
    told["float32"]["after_one_step"] = apart(
        learned(folder / "begun", torch.float32, 1), learned(folder / "begun-nudged", torch.float32, 1, nudge=1e-7)
    )
    return told


def learned(folder: Path, dtype: torch.dtype, steps: int, devices: int = 1, nudge: float = 0.0) -> MNAD:
    """A small MNAD after some steps."""
    torch.manual_seed(0)
    detector = create("mnad", size=(16, 32), width=4)
    assert isinstance(detector, MNAD)
    detector.to(dtype)
    chance = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in detector.parameters():
            parameter.mul_(1 + nudge * torch.randn(parameter.shape, generator=chance, dtype=dtype))
    plan = TrainingPlan(batch_size=8, budget=f"{steps}steps")
    train(detector, training_set(detector.window), None, plan, folder, replace(CPU, devices=devices))
    return detector


def apart(one: MNAD, other: MNAD) -> dict[str, float]:
    """The largest differences: of biases before BatchNorm, other weights, the memory, and the scores of a batch."""
    kids = [list(part.named_children()) for part in one.modules() if isinstance(part, nn.Sequential)]
    before = {id(a) for row in kids for (_, a), (_, b) in pairwise(row) if isinstance(b, nn.BatchNorm2d)}
    silent = {f"{name}.bias" for name, part in one.named_modules() if id(part) in before}
    gaps = {
        name: float((value - weight).abs().max())
        for (name, value), weight in zip(one.named_parameters(), other.parameters(), strict=True)
    }
    with torch.no_grad():
        batch = next(batches(training_set(one.window)))
        scores = [detector.score(batch).components for detector in (one, other)]
    return {
        "biases_before_norm": max(gap for name, gap in gaps.items() if name in silent),
        "other_weights": max(gap for name, gap in gaps.items() if name not in silent),
        "memory": float((one.memory - other.memory).abs().max()),
        "scores_relative": max(float((a / scores[1][name] - 1).abs().max()) for name, a in scores[0].items()),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["year", "kills", "efficiency", "parts", "rounding"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("run", type=Path, nargs="?")
    parser.add_argument("videos", type=Path, nargs="?")
    parser.add_argument("--jobs", type=int, default=10_000)
    parser.add_argument("--kills", type=int, default=40)
    parser.add_argument("--ray")
    parser.add_argument("--minutes", type=float, default=15.0)
    parser.add_argument("--steps", type=int, default=40)
    told = parser.parse_args()
    calls: dict[str, Callable[[], dict[str, Any]]] = {
        "year": lambda: year(told.folder, told.jobs),
        "kills": lambda: kills(told.folder, told.run, told.videos, told.kills),
        "efficiency": lambda: efficiency(told.folder, told.run, told.videos, told.ray),
        "parts": lambda: parts(told.folder, told.run, told.videos, told.minutes),
        "rounding": lambda: rounding(told.folder, told.steps),
    }
    print(json.dumps(calls[told.what](), indent=2))


if __name__ == "__main__":
    main()
