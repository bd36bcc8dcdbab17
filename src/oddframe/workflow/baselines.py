"""Baselines of a labelled test set: from its videos, or from the score files of an earlier evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path

from oddframe.datasets.labelled import LabelledSet
from oddframe.errors import InputError, VideoError
from oddframe.evaluation.baselines import PLAIN, SIZE, Background, Grey, baseline_scores, median_of, small_grey
from oddframe.evaluation.protocol import Result
from oddframe.progress import ProgressCall
from oddframe.scoring.files import load_scores, save_scores, score_path
from oddframe.settings import Smoothing
from oddframe.types import FrameScores
from oddframe.video.decode import VideoReader
from oddframe.video.identity import content_key, content_of
from oddframe.video.search import Videos, find_videos
from oddframe.video.sources import VideoSource
from oddframe.workflow.stretches import NormalVideo, measure_videos

FOLDER = "baselines"
# What recipes have that say nothing else. So a figure of a baseline depends on the test set and the protocol alone, and
# not on the system that it stands beside.
BASELINE_SMOOTHING = Smoothing()
MOMENTS = 200  # pictures of normal video that a background is the median of


def normal_background(normal: Videos) -> Background:
    """The per-pixel median of up to 200 moments of normal video, spread evenly over all of it.

    Raises:
        InputError: not one of the videos can be used.
        VideoError: a video breaks off.
    """
    usable, skipped = measure_videos(find_videos(normal))
    if not usable:
        raise InputError(f"{normal}: not one video can be used; the first: {skipped[0][1]}")
    total = sum(video.seconds for video in usable)
    counts = [max(1, round(MOMENTS * video.seconds / total)) for video in usable]
    return median_of(picture for video, count in zip(usable, counts, strict=True) for picture in _moments(video, count))


def _moments(video: NormalVideo, count: int) -> list[Grey]:
    """Pictures from the middles of `count` equal parts of a video; a file is entered at the key frame before each."""
    pictures = []
    for number in range(count):
        with VideoReader(video.source, SIZE, start=(number + 0.5) / count * video.seconds) as reader:
            pictures += [small_grey(frame.image) for frame in islice(reader, 1)]
    return pictures


def measure_baselines(
    labelled: LabelledSet, background: Background | None = None, progress: ProgressCall | None = None
) -> tuple[FrameScores, ...]:
    """Baselines of a test set from its videos, each decoded once.

    Args:
        background: of normal video of the same camera; None takes a running median.

    Raises:
        VideoError: a video cannot be decoded, or has not as many frames as labels.
    """
    scores = []
    for video in labelled.videos:
        name, count = video.source.name, len(video.labels)
        shown = None if progress is None else partial(progress, f"baselines of {name}")
        own = baseline_scores(video.source, background, shown)
        if len(own.frame) != count:
            raise VideoError(f"{name}: {count} labels for {len(own.frame)} decoded frames; there must be one per frame")
        scores.append(replace(own, info=replace(own.info, key=content_key(video.source))))
    return tuple(scores)


def save_baselines(scores: Sequence[FrameScores], folder: Path) -> None:
    """Keep them as score files, for `stored_baselines`."""
    for one in scores:
        save_scores(one, folder / FOLDER)


def stored_baselines(folder: Path, labelled: LabelledSet) -> tuple[FrameScores, ...]:
    """What `save_baselines` left of a test set; empty where it is not complete or not of these videos."""
    paths = [score_path(folder / FOLDER, video.source.name) for video in labelled.videos]
    if not all(path.is_file() for path in paths):
        return ()
    try:
        scores = tuple(load_scores(path) for path in paths)
    except InputError:  # damaged, or of another version
        return ()
    pairs = zip(scores, labelled.videos, strict=True)
    whole = all(
        one.components.keys() > set(PLAIN) and len(one.frame) == len(video.labels) and _unchanged(one, video.source)
        for one, video in pairs
    )
    return scores if whole else ()


def _unchanged(scores: FrameScores, source: VideoSource) -> bool:
    """Whether scores are of the video that lies there now; of one that cannot be read nothing else is known."""
    try:
        return content_of(content_key(source)) == content_of(scores.info.key)
    except VideoError:
        return True


def ahead(system: str, own: Result, beside: Sequence[tuple[str, Result]]) -> str:
    """A sentence on the best of the baselines that are ahead of a system under a protocol; empty where none is."""
    found = []
    for metric, words in (("micro_auc", "micro AUC"), ("macro_auc", "macro AUC")):
        mine = getattr(own, metric)
        better = [(getattr(result, metric), name) for name, result in beside if getattr(result, metric) > mine]
        if better:
            value, name = max(better)
            found.append(f"{name} has {words} {value:.4f} and {system} {mine:.4f}")
    return f"A baseline is ahead under {own.protocol}: {'; '.join(found)}." if found else ""
