"""A simulated year of an archive: 10,000 jobs on machines that come and go, under a simulated clock.

    python benchmarks/archive_year.py FOLDER [--jobs 10000]

FOLDER is new. The figures are printed as one JSON document. It takes about a minute.
"""

from __future__ import annotations

import argparse
import heapq
import json
import random
import resource
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from oddframe.archive.journal import Journal
from oddframe.archive.place import Place
from oddframe.archive.plan import ArchivePlan, Job, job_of
from oddframe.archive.running import run_plan
from oddframe.archive.status import read_status
from oddframe.archive.work import JobResult, write_failure
from oddframe.bundle import TrainingData, save_bundle
from oddframe.models.registry import create
from oddframe.recipes import parse_recipe
from oddframe.runtime.runtime import RuntimeOptions
from oddframe.scoring.open_scorer import score_identity
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--jobs", type=int, default=10_000)
    told = parser.parse_args()
    print(json.dumps(year(told.folder, told.jobs), indent=2))


if __name__ == "__main__":
    main()
