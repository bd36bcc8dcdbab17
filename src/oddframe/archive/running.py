"""Running a plan: the jobs whose outputs are not there yet, in the processes of a runner.

There is no coordinator. Whoever runs a plan looks for what is done, does its own share of the rest, and leaves. A run
that dies leaves nothing that another one would have to wait for.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from oddframe.archive.journal import Journal
from oddframe.archive.place import Place
from oddframe.archive.plan import SCORES, Job, load_plan
from oddframe.archive.work import JobResult, JobWork, begin_jobs, done_jobs, run_of, write_failure
from oddframe.locks import remove_leftovers
from oddframe.processes import Killed
from oddframe.progress import ProgressCall, shown
from oddframe.runners.choose import as_runner
from oddframe.runners.runner import Runner
from oddframe.scoring.origin import NAME as ORIGIN
from oddframe.scoring.origin import Origin


@dataclass(frozen=True)
class RunResult:
    """What a run of a plan came to.

    Attributes:
        own: jobs that were this run's share.
        before: of these, were done before.
        done: jobs that it did.
        failed: jobs that could not be done, and why.
        seconds: of video that it scored.
        skipped: video that has no job, because the plan could not read it -> why.
    """

    own: int
    before: int
    done: int
    failed: tuple[tuple[Job, str], ...]
    seconds: float
    skipped: dict[str, str]


def run_plan(where: str | Path, workers: int | Runner = 1, progress: ProgressCall | bool = True) -> RunResult:
    """Do the jobs of a plan that are not done. What failed before is tried again.

    Args:
        where: folder or URL of the plan.
        workers: processes of this machine, or another runner.

    Raises:
        InputError: there is no plan, or its detector is gone.
        OddframeError: no process lives long enough to do a job.
    """
    place, runner = Place(where), as_runner(workers)
    plan = load_plan(place)
    run = run_of(plan)
    calibration = run.calibration() if run.bundle.calibration.is_file() else None
    if place.local is not None:
        remove_leftovers(place.local)
        if not (place.local / SCORES / ORIGIN).is_file():  # a merge may have written it, with its own thresholds
            origin = Origin(run.bundle.recipe.model, plan.identity, run.rule, str(run.path.absolute()), calibration)
            origin.save(place.local / SCORES)
    own = runner.own(plan.jobs)
    there = done_jobs(place, own)
    left = [job for job in own if job.id not in there]
    failed: list[tuple[Job, str]] = []
    journal, seconds, done = Journal(place), 0.0, 0
    with shown(progress) as show, closing(runner.run(partial(begin_jobs, place), left)) as answers:
        for job, answer in answers:
            if isinstance(answer, Killed):
                reason = f"{job.video_source().where}: {answer}"
                write_failure(place, journal, job, reason)
                answer = JobResult(reason)
            if answer.reason:
                failed.append((job, answer.reason))
            else:
                seconds, done = seconds + job.seconds, done + 1
            if show is not None:
                show("jobs", done + len(failed), len(left))
    _join_rest(place, own)
    return RunResult(len(own), len(there), done, tuple(failed), seconds, plan.skipped)


def _join_rest(place: Place, jobs: list[Job]) -> None:
    """Join the videos all of whose parts are there: a run that died may have left them so."""
    plan = load_plan(place)
    joined, done = place.names(SCORES, ".npz"), done_jobs(place, plan.jobs)
    waiting = dict.fromkeys(job.video for job in jobs if job.part is not None and job.video not in joined)
    waiting = {video: None for video in waiting if all(job.id in done for job in plan.videos[video])}
    if waiting:
        work = JobWork(place, plan)
        for video in waiting:
            work.join(video)
