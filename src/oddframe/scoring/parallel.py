"""Scoring many videos at once, in processes beside this one.

Spawned processes import this module and nothing above it; torch only where they need it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path

from oddframe.errors import InputError, OddframeError, VideoError
from oddframe.processes import cores, main_hidden, process_pool
from oddframe.progress import ProgressCall
from oddframe.runtime.exported import load_trained
from oddframe.runtime.runtime import RuntimeOptions
from oddframe.scoring.combine import ScoreRule
from oddframe.scoring.open_scorer import open_scorer
from oddframe.scoring.scorer import VideoScorer
from oddframe.types import FrameScores
from oddframe.video.sources import VideoSource

Outcome = tuple[VideoSource, FrameScores | str]
"""A video and its scores, or why it has none."""


@dataclass(frozen=True)
class ScoringJob:
    """How videos are scored; the arguments of `open_scorer`, with the folder of the trained detector."""

    trained: Path
    options: RuntimeOptions
    rule: ScoreRule
    folder: Path | None
    force: bool

    def open(self) -> VideoScorer:
        """The scorer of this job."""
        return open_scorer(load_trained(self.trained), self.options, self.rule, self.folder, self.force)


def score_in_processes(
    job: ScoringJob, sources: Sequence[VideoSource], workers: int, progress: ProgressCall | None = None
) -> Iterator[Outcome]:
    """Score videos in processes that share the cores, the largest files first; yields each as it is done.

    Raises:
        OddframeError: a process was killed.
        InputError: what the detector sees of one video changes how it scores the next.
    """
    if job.open().carries_over:
        raise InputError("this detector learns from one video for the next; score with one worker")
    threads = max(1, cores() // workers)
    pool = process_pool(min(workers, len(sources)), _begin, job, threads)
    largest_first = sorted(sources, key=lambda source: -source.size)
    done = 0
    try:
        with main_hidden():
            running = {pool.submit(_score, source): source for source in largest_first}
        while running:
            finished, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in finished:
                done += 1
                if progress is not None:
                    progress("videos", done, len(sources))
                yield running.pop(future), future.result()
    except BrokenProcessPool as error:
        raise OddframeError(
            "a process was killed (out of memory?) while it scored; what is finished is kept: try again with fewer "
            "--workers or a smaller --batch"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


_scorer: VideoScorer


def _begin(job: ScoringJob, threads: int) -> None:
    """Make a spawned process ready; every library in it then uses `threads` cores."""
    global _scorer
    os.environ["OMP_NUM_THREADS"] = str(threads)
    _scorer = job.open()


def _score(source: VideoSource) -> FrameScores | str:
    """The work of a spawned process."""
    try:
        return _scorer.score(source)
    except VideoError as error:
        return str(error)
