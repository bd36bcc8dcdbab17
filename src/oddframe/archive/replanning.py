"""Planning again into the folder of a plan: what is done stays done, and what belongs to no video any more goes aside.

Scores of a video that is gone, or that has other content now, go to PLACE/dropped, under the id that the video has as
one job. Where a later plan has this very video again, they come back. So nothing that was computed is lost.
"""

from __future__ import annotations

from collections.abc import Sequence

from oddframe.archive.place import Place
from oddframe.archive.plan import PLAN, SCORES, ArchivePlan, Job, job_id, job_identity, load_plan
from oddframe.errors import InputError
from oddframe.types import IgnoredPlace

DROPPED = "dropped"
FILES = (".csv", ".npz")  # of the scores of a video; the last one says that both are there


def earlier_plan(
    place: Place, identity: str, ignored: Sequence[IgnoredPlace], names: Sequence[str]
) -> ArchivePlan | None:
    """The plan that is there already; None where there is none.

    Args:
        identity: of the detector that is planned for, see `oddframe.scoring.open_scorer.score_identity`.
        ignored: places that it leaves out besides those of its bundle.
        names: of the videos that are planned.

    Raises:
        InputError: it is damaged, or is for another detector, other places, or other videos altogether; or there are
            scores without a plan.
    """
    if not place.exists(PLAN):
        if place.names(SCORES, ".npz"):
            raise InputError(f"{place}: holds scores, and no plan says of what they are; choose another --out")
        return None
    there = load_plan(place)
    if there.identity != identity:
        raise InputError(f"{place}: holds another plan, which is for detector {there.identity}; choose another --out")
    if there.ignored != tuple(ignored):
        raise InputError(f"{place}: holds another plan, which leaves out other places; choose another --out")
    if there.videos and not {*there.videos, *there.skipped, *there.copies} & set(names):
        raise InputError(f"{place}: holds another plan, and has none of its videos in common; choose another --out")
    return there


def dropped_videos(earlier: ArchivePlan, plan: ArchivePlan) -> dict[str, str]:
    """Video of an earlier plan that has no job any more, or that has other content now -> why it is dropped."""
    before, now = _ids(earlier), _ids(plan)
    found = {}
    for video in before:
        if video not in now:
            reason = "it is not among the videos any more"
            if video in plan.skipped:
                reason = "it cannot be read any more"
            elif video in plan.copies:
                reason = f"it is a copy of {plan.copies[video]} now"
            found[video] = reason
        elif now[video] != before[video]:
            found[video] = "it has other content now, and is scored again"
    return found


def take_over(place: Place, earlier: ArchivePlan, plan: ArchivePlan) -> None:
    """Put aside the scores of what the new plan drops, and bring back those that an earlier plan has dropped."""
    before, done = _ids(earlier), place.names(SCORES, ".npz")
    for video in plan.dropped:
        if video in done:
            _move(place, f"{SCORES}/{video}", f"{DROPPED}/{before[video]}/{video}")
    aside, done = place.names(DROPPED, ".npz"), done - set(plan.dropped)
    for video, own in _ids(plan).items():
        if video not in done and f"{own}/{video}" in aside:
            _move(place, f"{DROPPED}/{own}/{video}", f"{SCORES}/{video}")


def _ids(plan: ArchivePlan) -> dict[str, str]:
    """Video -> the id that it has as one job, whether it is cut or not."""
    identity = job_identity(plan.identity, plan.ignored)
    return {video: _whole_id(jobs[0], identity) for video, jobs in plan.videos.items()}


def _whole_id(job: Job, identity: str) -> str:
    return job_id(job.key, identity, None, job.source.get("began"))


def _move(place: Place, source: str, target: str) -> None:
    for suffix in FILES:
        if place.exists(source + suffix):
            place.write(target + suffix, place.read(source + suffix))
    for suffix in reversed(FILES):
        place.remove(source + suffix)
