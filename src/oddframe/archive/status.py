"""How far a plan is: read from the outputs that are there, and from what its processes said of their work."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from oddframe.account import count_of
from oddframe.archive.journal import Machine, read_history
from oddframe.archive.place import Place
from oddframe.archive.plan import FAILED, SCORES, ArchivePlan, load_plan
from oddframe.archive.work import done_jobs


@dataclass(frozen=True)
class Status:
    """How far a plan is.

    Attributes:
        jobs, done: how many there are, and how many outputs are there.
        videos, scored: the same of videos.
        seconds, done_s: of video, in all and scored.
        failed: what could not be done -> the last reason. What is done by now is not among it.
        retried: what was begun more than once -> how often.
        skipped, copies: see `ArchivePlan`.
        machines: what each has done.
        first, last: seconds since 1970 of the first and the last sign of work; None without any.
    """

    jobs: int
    done: int
    videos: int
    scored: int
    seconds: float
    done_s: float
    failed: dict[str, str]
    retried: dict[str, int]
    skipped: dict[str, str]
    copies: dict[str, str]
    machines: dict[str, Machine]
    first: float | None
    last: float | None

    @property
    def finished(self) -> bool:
        """Whether every job is done, and the parts of every video are joined."""
        return self.left == ""

    @property
    def left(self) -> str:
        """What is not done, in words; empty where all is."""
        if self.done < self.jobs:
            return f"{self.jobs - self.done} of {self.jobs} jobs are not done"
        if self.scored < self.videos:  # a run that dies may leave the parts so
            return f"the parts of {self.videos - self.scored} of {count_of(self.videos, 'video')} are not joined"
        return ""

    @property
    def left_s(self) -> float:
        """Seconds of video that are still to be scored; those of failed jobs are among them."""
        return self.seconds - self.done_s

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {**asdict(self), "finished": self.finished, "left_s": self.left_s}


def read_status(where: str | Path | Place, plan: ArchivePlan | None = None) -> Status:
    """How far a plan is.

    Raises:
        InputError: there is no plan.
    """
    place = where if isinstance(where, Place) else Place(where)
    plan = load_plan(place) if plan is None else plan
    done, history = done_jobs(place, plan.jobs), read_history(place)
    by_id = {job.id: job for job in plan.jobs}
    failed = {}
    for name in sorted(place.names(FAILED, ".txt")):
        if name in by_id and name not in done:
            reason = place.read(f"{FAILED}/{name}.txt").decode("utf-8", "surrogateescape").strip()
            failed[by_id[name].words] = reason
    joined = place.names(SCORES, ".npz")
    return Status(
        jobs=len(plan.jobs),
        done=len(done),
        videos=len(plan.videos),
        scored=sum(video in joined for video in plan.videos),
        seconds=plan.seconds,
        done_s=sum(job.seconds for job in plan.jobs if job.id in done),
        failed=failed,
        retried={by_id[own].words: count for own, count in history.begun.items() if count > 1 and own in by_id},
        skipped=plan.skipped,
        copies=plan.copies,
        machines=history.machines,
        first=history.first,
        last=history.last,
    )
