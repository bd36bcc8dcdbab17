"""What a process does with a job: it scores the video, or the part, and joins the parts when all of them are there."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from oddframe.archive.cuts import entered_earlier
from oddframe.archive.journal import Journal
from oddframe.archive.place import Place
from oddframe.archive.plan import FAILED, PARTS, SCORES, ArchivePlan, Job, load_plan, load_timeline
from oddframe.errors import InputError, SpaceError, VideoError
from oddframe.processes import Count
from oddframe.scoring.files import MapSpool
from oddframe.scoring.open_scorer import open_scorer, score_identity
from oddframe.scoring.part import PartScores, join_parts, load_part, score_part
from oddframe.scoring.scorer import ScoreStore, WindowScorer
from oddframe.video.identity import content_key
from oddframe.video.sources import VideoSource
from oddframe.workflow.run import Run, load_run


@dataclass(frozen=True)
class JobResult:
    """What came of a job: nothing to say, or why it cannot be done."""

    reason: str = ""


def run_of(plan: ArchivePlan) -> Run:
    """The detector of a plan, which leaves out what the plan leaves out.

    Raises:
        InputError: it is gone, or is another one now.
    """
    run = load_run(plan.run).ignoring(plan.ignored)
    own = score_identity(run.bundle, plan.options, run.rule)
    if own != plan.identity:
        raise InputError(f"{plan.run}: is detector {own} now, and the plan is for {plan.identity}; make a new plan")
    return run


def begin_jobs(place: Place) -> Callable[[Job, Count], JobResult]:
    """Make a process ready: open the plan and its detector."""
    return JobWork(place, load_plan(place))


class JobWork:
    """Does the jobs of a plan, one after the other."""

    def __init__(self, place: Place, plan: ArchivePlan) -> None:
        run = run_of(plan)
        self._place, self._plan, self._journal = place, plan, Journal(place)
        self._scorer = open_scorer(run.bundle, plan.options, run.rule)

    def __call__(self, job: Job, count: Count) -> JobResult:
        self._journal.begun(job.id)
        began = time.perf_counter()
        try:
            self._work(job)
        except SpaceError:
            raise
        except (VideoError, FileNotFoundError) as error:
            write_failure(self._place, self._journal, job, str(error))
            return JobResult(str(error))
        self._place.remove(f"{FAILED}/{job.id}.txt")
        self._journal.done(job.id, job.seconds, time.perf_counter() - began)
        count(job.seconds)
        return JobResult()

    def _work(self, job: Job) -> None:
        if not self._place.exists(job.output) and not self._joined(job):
            self._score(job)
        if job.part is not None:
            self.join(job.video)

    def join(self, video: str) -> bool:
        """Join the parts of a video, if all of them are there and they are not joined yet; whether they are now."""
        jobs = self._plan.videos[video]
        if self._joined(jobs[0]):
            return True
        if not all(self._place.exists(job.output) for job in jobs):
            return False
        assert isinstance(self._scorer, WindowScorer)
        source = jobs[0].video_source()
        with self._place.folder() as folder, self._writing(folder) as scorer:
            try:
                parts = [self._part(scorer, folder, job) for job in jobs]
            except (InputError, FileNotFoundError):
                if self._joined(jobs[0]):  # another machine was faster, and has taken the parts away
                    return True
                raise
            join_parts(scorer, source, parts, lambda number: self._again(scorer, folder, jobs[number]))
            self._keep(folder, video)
        for job in jobs:
            self._place.remove(job.output)
        return True

    def _part(self, scorer: WindowScorer, folder: Path, job: Job) -> PartScores:
        """A part that is done; a damaged one is scored again."""
        path = self._place.fetch(folder, job.output)
        try:
            return load_part(path)
        except InputError:
            if not self._place.exists(job.output):
                raise
        self._refuse_changed(job, job.video_source())
        self._score_part(scorer, folder, job)
        return load_part(path)

    def _joined(self, job: Job) -> bool:
        return self._place.exists(f"{SCORES}/{job.video}.npz")

    def _score(self, job: Job) -> None:
        source = job.video_source()
        with self._place.folder() as folder, self._writing(folder) as scorer:
            self._refuse_changed(job, source)
            if job.part is None:
                scorer.score(source)
                self._keep(folder, job.video)
            else:
                self._score_part(scorer, folder, job)

    def _score_part(self, scorer: WindowScorer, folder: Path, job: Job) -> None:
        assert job.part is not None
        times = load_timeline(self._place, job.key).time
        with self._maps(scorer, folder) as maps:
            found = score_part(scorer, job.video_source(), job.key, job.part, times, maps)
            found.save(folder / job.output, maps)
        self._place.keep(folder, job.output)

    def _again(self, scorer: WindowScorer, folder: Path, job: Job) -> PartScores:
        """A part with a longer warm-up than the last time."""
        timeline, output = load_timeline(self._place, job.key), folder / job.output
        longer = replace(job, part=entered_earlier(load_part(output).part, timeline))
        self._score_part(scorer, folder, longer)
        return load_part(output)

    @contextmanager
    def _maps(self, scorer: WindowScorer, folder: Path) -> Iterator[MapSpool | None]:
        grid = scorer.runtime.signature.map_grid
        if grid is None:
            yield None
        else:
            with MapSpool(folder / SCORES, grid) as spool:
                yield spool

    @contextmanager
    def _writing(self, folder: Path) -> Iterator[WindowScorer]:
        """The scorer with its files below a folder."""
        before = self._scorer.store  # type: ignore[attr-defined]
        self._scorer.store = ScoreStore(self._plan.identity, folder / SCORES)  # type: ignore[attr-defined]
        try:
            yield self._scorer  # type: ignore[misc]
        finally:
            self._scorer.store = before  # type: ignore[attr-defined]

    def _keep(self, folder: Path, video: str) -> None:
        self._place.keep(folder, f"{SCORES}/{video}.csv")
        self._place.keep(folder, f"{SCORES}/{video}.npz")  # it comes last, and says that both are there

    def _refuse_changed(self, job: Job, source: VideoSource) -> None:
        """See that the video is the one of the plan. A large file is read for this once on each machine.

        Raises:
            VideoError: it is another one now.
        """
        if content_key(source) != job.key:
            raise VideoError(f"{source.where}: has changed since the plan was made; make a new plan")


def write_failure(place: Place, journal: Journal, job: Job, reason: str) -> None:
    """Say that a job cannot be done, and why."""
    journal.failed(job.id, reason)
    place.write(f"{FAILED}/{job.id}.txt", (reason + "\n").encode("utf-8", "surrogateescape"))


def done_jobs(place: Place, jobs: Sequence[Job]) -> set[str]:
    """The ids of the jobs whose output is there."""
    videos, parts = place.names(SCORES, ".npz"), place.names(PARTS, ".npz")
    return {job.id for job in jobs if job.video in videos or job.id in parts}
