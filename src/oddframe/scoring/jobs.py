"""Scoring many videos: one after the other in this process, or several at once in processes beside it.

Spawned processes import this module and nothing above it; torch only where they need it.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from oddframe.bundle import EXTRACTORS
from oddframe.errors import InputError, OddframeError, VideoError
from oddframe.features.catalogue import load_extractor
from oddframe.features.extract import BATCH
from oddframe.features.snippets import SnippetSampling
from oddframe.processes import cores, main_hidden, process_pool
from oddframe.runtime.exported import Exported, load_trained
from oddframe.runtime.runtime import RuntimeOptions
from oddframe.runtime.session_runtime import bag_network
from oddframe.runtime.sessions import open_session
from oddframe.scoring.choose_runtime import open_runtime
from oddframe.scoring.combine import ScoreRule
from oddframe.scoring.features import FeatureScorer
from oddframe.scoring.files import MapSpool, load_scores, save_scores, score_path
from oddframe.scoring.scorer import Scorer, WindowScorer
from oddframe.types import BagSignature, FrameScores
from oddframe.video.sources import VideoSource

if TYPE_CHECKING:
    from oddframe.bundle import Bundle

ScoreProgress = Callable[[str, int, int | None], None]
"""Called with a video's name, frames done, and frames in all where the file says so."""
Outcome = tuple[VideoSource, FrameScores | str]
"""A video and its scores, or why it has none."""


@dataclass(frozen=True)
class Job:
    """How videos are scored.

    Attributes:
        options: not "auto" any more.
        folder: for score files; None keeps the scores in memory.
        force: score again what `folder` already holds.
    """

    trained: Bundle | Exported
    options: RuntimeOptions
    rule: ScoreRule
    folder: Path | None
    force: bool = False

    @property
    def identity(self) -> str:
        """What scores depend on: the detector, what computes them, and where they do, the levels of calibration."""
        parts = [self.trained.id]
        if not isinstance(self.trained, Exported) and self.options.label:
            parts.append(self.options.label)
        if self.rule.combination.scale == "normal":
            parts.append(f"{zlib.crc32(json.dumps(dict(self.rule.levels), sort_keys=True).encode()):08x}")
        return "-".join(parts)


def open_scorer(trained: Bundle | Exported, options: RuntimeOptions) -> Scorer:
    """What scores videos with a trained detector.

    Raises:
        InputError: the options are not for it.
    """
    if isinstance(trained, Exported):
        if isinstance(trained.outline, BagSignature):
            return _feature_scorer(trained, trained.outline, options)
    else:
        from oddframe.models.bag_detector import BagDetector

        if isinstance(trained.detector, BagDetector):
            from oddframe.scoring.bags import BagScorer

            if options.runtime not in (None, "auto", "torch"):
                raise InputError(
                    f"{trained.path}: its time goes to its feature extractors; leave --runtime out, or export it"
                )
            return BagScorer(trained, trained.detector, options.device, options.precision or "fp32", options.batch)
    return WindowScorer(open_runtime(trained, options), options.batch)


def _feature_scorer(trained: Exported, signature: BagSignature, options: RuntimeOptions) -> Scorer:
    extractors = {
        name: (load_extractor(trained.path / EXTRACTORS / name), SnippetSampling.from_dict(dict(sampling)))
        for name, sampling in trained.sampling.items()
    }
    session = open_session(trained.runtime, trained.network, trained.precision, options.device)
    network, seconds = bag_network(session, signature), trained.recipe.scoring.segment_seconds
    return FeatureScorer(extractors, network, signature.segments, seconds, options.batch or BATCH)


def score_here(job: Job, sources: Sequence[VideoSource], progress: ScoreProgress | None = None) -> Iterator[Outcome]:
    """Score videos in this process and in their order."""
    work = _Work(job)
    for source in sources:
        yield source, work(source, progress)


def score_in_processes(
    job: Job, sources: Sequence[VideoSource], workers: int, progress: ScoreProgress | None = None
) -> Iterator[Outcome]:
    """Score videos in processes that share the cores, the largest files first; yields each as it is done.

    Raises:
        OddframeError: a process was killed.
        InputError: what the detector sees of one video changes how it scores the next.
    """
    if open_scorer(job.trained, job.options).carries_over:
        raise InputError("this detector learns from one video for the next; score with one worker")
    threads = max(1, cores() // workers)
    pool = process_pool(min(workers, len(sources)), _begin, replace(job, trained=None), job.trained.path, threads)  # type: ignore[arg-type]  # loaded there
    largest_first = sorted(sources, key=lambda source: -source.path.stat().st_size)
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


class _Work:
    """Scores one video after the other."""

    def __init__(self, job: Job) -> None:
        self.job, self.identity = job, job.identity
        self.scorer = open_scorer(job.trained, job.options)
        self.force = job.force or self.scorer.carries_over  # scores then depend on the videos before

    def __call__(self, source: VideoSource, progress: ScoreProgress | None) -> FrameScores | str:
        """The scores of a video, from the folder if they are there, or why it cannot be scored."""
        try:
            return self._stored(source) or self._scored(source, progress)
        except VideoError as error:
            return str(error)

    def _stored(self, source: VideoSource) -> FrameScores | None:
        folder = self.job.folder
        if folder is None or self.force or not score_path(folder, source.name).is_file():
            return None
        done = load_scores(score_path(folder, source.name))
        same = done.bundle == self.identity and Path(done.info.path).resolve() == source.path.resolve()
        return done if same else None

    def _scored(self, source: VideoSource, progress: ScoreProgress | None) -> FrameScores:
        def count(frames: int, total: int | None) -> None:
            if progress is not None:
                progress(source.name, frames, total)

        scorer, rule, folder = self.scorer, self.job.rule, self.job.folder
        if folder is None:
            maps: list[NDArray[np.float16]] = []
            scores = scorer.score(source, rule, self.identity, maps, count)  # type: ignore[arg-type]  # appends like a spool
            return replace(scores, map=np.concatenate(maps)) if maps else scores
        if scorer.map_grid is None:
            save_scores(scorer.score(source, rule, self.identity, None, count), folder)
        else:
            with MapSpool(folder, scorer.map_grid) as spool:
                save_scores(scorer.score(source, rule, self.identity, spool, count), folder, spool)
        return load_scores(score_path(folder, source.name))


_work: _Work


def _begin(job: Job, path: Path, threads: int) -> None:
    """Make a spawned process ready; every library in it then uses `threads` cores."""
    global _work
    os.environ["OMP_NUM_THREADS"] = str(threads)
    _work = _Work(replace(job, trained=load_trained(path)))


def _score(source: VideoSource) -> FrameScores | str:
    """The work of a spawned process."""
    return _work(source, None)
