"""Extraction of the features of many videos, in this process or in the processes of a runner.

Every process works on one video at a time. Such processes import this module and nothing above it, which saves a second
for each of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial

from oddframe.errors import VideoError
from oddframe.features.extract import Seconds, extract
from oddframe.features.extractor import Extractor
from oddframe.features.store import FeatureStore
from oddframe.processes import Count, Killed
from oddframe.runners.local import LocalRunner
from oddframe.runners.runner import Runner
from oddframe.video.sources import VideoSource

Tell = Callable[[str, int, int | None], None]
"""Progress callback, called with "frames", the number of frames that all processes have finished, and None."""


@dataclass(frozen=True)
class Made:
    """The result of a video whose features are now in the store: number of frames, damage, notes, and times."""

    frames: int
    damage: tuple[str, ...]
    notes: tuple[str, ...]
    seconds: Seconds


Outcome = tuple[VideoSource, Made | str]
"""A video and its result, or the reason why it cannot be used."""


def extract_here(
    store: FeatureStore, extractor: Extractor, batch: int, sources: Sequence[VideoSource], tell: Tell
) -> Iterator[Outcome]:
    """Extract videos into a store, in this process and in their order; yields each as it is done."""
    return _outcomes(LocalRunner(), lambda: _extracting(store, extractor, batch), sources, tell)


def extract_beside(
    store: FeatureStore, device: str, batch: int, sources: Sequence[VideoSource], runner: Runner, tell: Tell
) -> Iterator[Outcome]:
    """Extract videos into a store in the processes of a runner, in their order; yields each as it is done.

    Every process opens the extractor as recorded in the store.

    Raises:
        OddframeError: no process lives long enough to extract a video.
    """
    return _outcomes(runner, partial(_begin, store, device, batch), sources, tell)


Work = Callable[[VideoSource, Count], Made | str]


def _outcomes(
    runner: Runner, begin: Callable[[], Work], sources: Sequence[VideoSource], tell: Tell
) -> Iterator[Outcome]:
    with closing(runner.run(begin, sources, lambda frames: tell("frames", round(frames), None))) as answers:
        for source, answer in answers:
            yield source, f"{source.path}: {answer}" if isinstance(answer, Killed) else answer


def _begin(store: FeatureStore, device: str, batch: int) -> Work:
    """Prepare a process."""
    extractor = store.open_extractor()
    extractor.to(device)
    return _extracting(store, extractor, batch)


def _extracting(store: FeatureStore, extractor: Extractor, batch: int) -> Work:
    """The function that extracts a video: its result, or the reason of a failure."""

    def work(source: VideoSource, count: Count) -> Made | str:
        seconds = Seconds()
        try:
            features = extract(source, extractor, store.sampling, batch, count, seconds)
        except VideoError as error:
            return str(error)
        store.save(features, source)
        assert features.frames is not None and features.info is not None
        return Made(features.frames, features.info.damage, features.info.notes, seconds)

    return work
