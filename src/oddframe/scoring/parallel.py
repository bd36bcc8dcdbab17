"""Scoring many videos at once, in the processes of a runner.

These processes import this module and nothing above it; torch only where they need it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from oddframe.errors import InputError, VideoError
from oddframe.processes import Count, Killed
from oddframe.progress import ProgressCall
from oddframe.runners.runner import Runner
from oddframe.runtime.exported import load_trained
from oddframe.runtime.runtime import RuntimeOptions
from oddframe.scoring.combine import ScoreRule
from oddframe.scoring.masking import masked
from oddframe.scoring.open_scorer import open_scorer
from oddframe.scoring.scorer import VideoScorer
from oddframe.types import FrameScores, IgnoredPlace
from oddframe.video.sources import VideoSource, largest_first

Outcome = tuple[VideoSource, FrameScores | str]
"""A video and its scores, or why it has none."""


@dataclass(frozen=True)
class ScoringJob:
    """How videos are scored; the arguments of `open_scorer`, with the folder of the trained detector, and the places
    that it leaves out besides those of its bundle."""

    trained: Path
    options: RuntimeOptions
    rule: ScoreRule
    folder: Path | None
    force: bool
    ignored: tuple[IgnoredPlace, ...] = ()

    def open(self) -> VideoScorer:
        """The scorer of this job."""
        trained = load_trained(self.trained)
        trained = masked(trained, self.ignored) or trained
        return open_scorer(trained, self.options, self.rule, self.folder, self.force)


def score_beside(
    job: ScoringJob, sources: Sequence[VideoSource], runner: Runner, progress: ProgressCall | None = None
) -> Iterator[Outcome]:
    """Score the videos that are the runner's own, the largest files first; yields each as it is done.

    Raises:
        OddframeError: no process lives long enough to score a video.
        InputError: what the detector sees of one video changes how it scores the next.
    """
    if job.open().carries_over:
        raise InputError("this detector learns from one video for the next; score with one worker")
    own = runner.own(largest_first(sources))
    with closing(runner.run(partial(_begin, job), own)) as answers:
        for done, (source, answer) in enumerate(answers, 1):
            if progress is not None:
                progress("videos", done, len(own))
            yield source, f"{source.where}: {answer}" if isinstance(answer, Killed) else answer


def _begin(job: ScoringJob) -> Callable[[VideoSource, Count], FrameScores | str]:
    """Make a process ready."""
    scorer = job.open()

    def score(source: VideoSource, count: Count) -> FrameScores | str:
        try:
            return scorer.score(source)
        except VideoError as error:
            return str(error)

    return score
