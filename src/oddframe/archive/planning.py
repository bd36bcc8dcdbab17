"""Making a plan: which videos there are, how long they are, which are broken or copies, and what the work will take."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from itertools import takewhile
from pathlib import Path

from oddframe.archive.cuts import PART_S, WarmUp, cut
from oddframe.archive.place import Place
from oddframe.archive.plan import ArchivePlan, Estimate, Job, job_identity, job_of
from oddframe.archive.replanning import dropped_videos, earlier_plan, take_over
from oddframe.errors import InputError, VideoError
from oddframe.processes import Count, Killed
from oddframe.progress import ProgressCall, shown
from oddframe.runners.choose import as_runner
from oddframe.runners.runner import Runner
from oddframe.runtime.exported import is_trained
from oddframe.runtime.runtime import RuntimeOptions
from oddframe.scoring.files import save_scores
from oddframe.scoring.open_scorer import open_scorer, score_identity
from oddframe.scoring.part import why_not_cut
from oddframe.scoring.scorer import VideoScorer, WindowScorer
from oddframe.scoring.stream import collect, score_frames
from oddframe.types import FrameScores
from oddframe.video.decode import VideoReader, probe
from oddframe.video.identity import content_key
from oddframe.video.pauses import pace, plausible_seconds
from oddframe.video.search import Videos, find_videos
from oddframe.video.sources import VideoSource, with_levels
from oddframe.video.timeline import VideoTimeline, read_timeline
from oddframe.workflow.began import NAME_IT, with_starts
from oddframe.workflow.run import Run

LONGEST = 1.5  # times as long as a part: from there on a video is cut
SAMPLES, SAMPLE_S = 3, 10.0  # videos that are measured, and seconds of each


@dataclass(frozen=True)
class PlanOptions:
    """How an archive is divided into jobs.

    Attributes:
        part_s: seconds of a part; a video that is longer than one and a half of them is cut.
        warm_s: seconds that are read before a part; None takes what the detector needs as a rule. A part whose warm-up
            was too short is found and scored once more, so this changes the speed, not the scores.
        measure: score a sample, to say what the work will take.

    Raises:
        InputError: a value out of its range.
    """

    part_s: float = PART_S
    warm_s: float | None = None
    measure: bool = True

    def __post_init__(self) -> None:
        if not self.part_s >= 1:
            raise InputError(f"a part of {self.part_s:g} s: give at least a second")
        if self.warm_s is not None and not self.warm_s >= 0:
            raise InputError(f"a warm-up of {self.warm_s:g} s: give a time of 0 or more")


@dataclass(frozen=True)
class _Look:
    """What a look at a video found: its key, its length, and where it may be cut, or why it may not."""

    key: str
    seconds: float
    timeline: VideoTimeline | str


def make_plan(
    run: Run,
    videos: Videos,
    where: str | Path,
    options: PlanOptions = PlanOptions(),
    runtime: RuntimeOptions = RuntimeOptions(),
    workers: int | Runner = 1,
    progress: ProgressCall | bool = True,
) -> ArchivePlan:
    """Look at all videos, and write a plan for scoring them.

    Args:
        run: the detector. Places that it ignores (see `oddframe.workflow.run.Run.ignoring`) are part of the plan.
        where: folder or URL of the plan and of its outputs. A plan of the same detector may be there already: what was
            done stays done, new videos are added, and those that are gone are dropped; see
            `oddframe.archive.replanning`.
        runtime: what computes the scores; not "auto", since all machines have to compute the same.
        workers: processes that look at videos.

    Raises:
        InputError: not one of the videos can be read; a plan of another detector or of other videos is there, scores
            without a plan, or a trained detector; or what the detector sees of one video changes how it scores the
            next.
    """
    if runtime.runtime == "auto":
        raise InputError("a plan needs one runtime for all machines: choose torch, onnx or openvino instead of auto")
    place = Place(where)
    if place.local is not None and is_trained(place.local):
        raise InputError(f"{where}: holds a trained detector; choose a folder of its own for the plan with --out")
    sources = with_starts(with_levels(find_videos(videos), run.bundle.data.levels), run.rule.schedule, NAME_IT)
    identity = score_identity(run.bundle, runtime, run.rule)
    wanted = job_identity(identity, run.ignored)
    scorer = open_scorer(run.bundle, runtime, run.rule)
    if scorer.carries_over:
        raise InputError(
            f"{run.path}: what this detector sees of one video changes how it scores the next, and the jobs of a plan "
            "have no order; use `oddframe score` with one worker"
        )
    earlier = earlier_plan(place, identity, run.ignored, [source.name for source in sources])
    longest, uncut = LONGEST * options.part_s, why_not_cut(scorer)
    looks: dict[str, _Look] = {}
    skipped: dict[str, str] = {}
    with shown(progress) as show, closing(as_runner(workers).run(partial(_begin, longest, uncut), sources)) as answers:
        for done, (source, look) in enumerate(answers, 1):
            if isinstance(look, _Look):
                looks[source.name] = look
            else:
                skipped[source.name] = f"{source.where}: {look}" if isinstance(look, Killed) else look
            if show is not None:
                show("videos", done, len(sources))
    if not looks:
        reason = next(iter(skipped.values()))
        raise InputError(f"not one of {len(skipped)} videos can be read; first: {reason}")
    first_of: dict[tuple[str, float | None], str] = {}  # of a content, and where the clock counts, of a start
    copies: dict[str, str] = {}
    jobs: list[Job] = []
    timelines: dict[str, VideoTimeline] = {}
    for source in sources:
        found = looks.get(source.name)
        if found is None:
            continue
        first = first_of.setdefault((found.key, source.began), source.name)
        if first != source.name:
            copies[source.name] = first
            continue
        own = _jobs_of(scorer, source, found, wanted, options)
        if isinstance(found.timeline, VideoTimeline) and len(own) > 1:
            timelines[found.key] = found.timeline
        jobs += own
    jobs.sort(key=lambda job: (-job.seconds, job.video, job.id))
    chosen = [source for source in sources if source.name in first_of.values()]
    estimate = _measure(scorer, chosen) if options.measure else None
    plan = ArchivePlan(
        str(run.path.absolute()),
        identity,
        runtime,
        tuple(jobs),
        skipped,
        copies,
        options.part_s,
        options.warm_s,
        estimate,
        run.ignored,
    )
    if earlier is not None:
        plan = replace(plan, dropped=dropped_videos(earlier, plan))
        take_over(place, earlier, plan)
    plan.save(place, timelines)
    return plan


def _begin(longest_s: float, uncut: str) -> Callable[[VideoSource, Count], _Look | str]:
    """What looks at a video: reads all of it for its key, and one frame. Only one longer than this may be cut, and none
    where `uncut` says why."""

    def look(source: VideoSource, count: Count) -> _Look | str:
        try:
            key, info = content_key(source), probe(source)
            seconds = (info.frames or 0) / info.fps if info.fps else 0.0
            timeline: VideoTimeline | str = ""
            if not seconds or (seconds > longest_s and not uncut):
                timeline = read_timeline(source)
            if isinstance(timeline, VideoTimeline):
                seconds = plausible_seconds(timeline.time)
            elif not seconds and info.account is not None:
                seconds = info.account.promised_s or 0.0
            if not seconds:
                return _Look(key, 0.0, f"its length is not known before it is scored; {timeline}")
            return _Look(key, seconds, "" if seconds <= longest_s else uncut or timeline)
        except VideoError as error:
            return str(error)

    return look


def _jobs_of(scorer: VideoScorer, source: VideoSource, look: _Look, identity: str, options: PlanOptions) -> list[Job]:
    whole = job_of(source, look.key, identity, look.seconds)
    if isinstance(look.timeline, str):
        return [replace(whole, whole=look.timeline)]
    assert isinstance(scorer, WindowScorer), "others are not cut"
    time = look.timeline.time
    parts = cut(look.timeline, options.part_s, WarmUp.of(scorer, options.warm_s, pace(time)))
    if len(parts) == 1:
        return [replace(whole, whole="it has no key frame at which it could be cut")]
    return [job_of(source, look.key, identity, plausible_seconds(time[part.first : part.stop]), part) for part in parts]


def _measure(scorer: VideoScorer, sources: Sequence[VideoSource]) -> Estimate | None:
    """Score the beginning of some videos; None where that is not possible, as with detectors of whole videos."""
    if not isinstance(scorer, WindowScorer):
        return None
    window = scorer.runtime.signature.window
    step = max(1, len(sources) // SAMPLES)
    spent = seconds = 0.0
    size = 0
    for source in sources[::step][:SAMPLES]:
        try:
            with VideoReader(source, window.size, window.colour, window.resize) as reader:
                began = time.perf_counter()
                frames = takewhile(lambda frame: frame.time < SAMPLE_S, reader)
                with scorer.store.maps(scorer.runtime.signature.map_grid) as maps:
                    piece = collect(score_frames(scorer.runtime, frames, scorer.batch), maps)
                spent += time.perf_counter() - began
                scores = FrameScores(
                    "sample", piece.index, piece.time, dict(piece.components), piece.time * 0, reader.info, map=None
                )
                scores = scorer.store.save(scores, maps)
        except VideoError:
            continue
        with tempfile.TemporaryDirectory() as folder:
            path = save_scores(scores, Path(folder))
            size += sum(file.stat().st_size for file in path.parent.iterdir())
        seconds += plausible_seconds(piece.time)
    return Estimate(seconds / spent, size / seconds, seconds) if seconds and spent else None
