"""The why of events in words: a fitted detector looks again at the moment at which a component stood out."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np

from oddframe.bundle import TrainedDetector
from oddframe.datasets.windows import Chunk, stream_chunks
from oddframe.errors import VideoError
from oddframe.models.camera import LIGHT
from oddframe.models.fitted import FittedDetector
from oddframe.report.style import clock
from oddframe.runtime.runtime import RuntimeOptions
from oddframe.scoring.combine import Levels
from oddframe.scoring.open_scorer import open_runtime
from oddframe.types import Event, FrameScores
from oddframe.video.decode import VideoReader
from oddframe.video.sources import VideoSource
from oddframe.workflow.scores import Scores
from oddframe.workflow.stretches import BATCH, read_until

STANDS_OUT = 2.0  # standard deviations above the mean of held-out normal video
LAG = 2.0  # seconds before the peak of the smoothed score in which the components that made it are looked for
MOST_REASONS = 3  # of an event
MOST_EVENTS = 100  # the highest; each takes a part of a second, and "dwell" looks back a minute


@dataclass(frozen=True)
class Culprit:
    """A component that stands out in an event, how far in standard deviations, and when it does so most, in seconds."""

    component: str
    sigmas: float
    time: float


def culprits(event: Event, scores: FrameScores, levels: Levels, weights: Mapping[str, float]) -> list[Culprit]:
    """The components that made an event, first the one that adds most to the score.

    A component without a weight has no part in the score, and so none in the event. An unknown light is told all the
    same, and before the others, because it tells why they may be wrong.
    """
    inside = (scores.frame >= event.start_frame) & (scores.frame <= event.peak_frame)
    inside &= scores.time >= event.peak_s - LAG
    rows = np.flatnonzero(inside)
    found = []
    for name, (mean, deviation) in levels.items():
        if name in scores.components and (weights.get(name) or name == LIGHT):
            row = rows[int(scores.components[name][rows].argmax())]
            sigmas = float((scores.components[name][row] - mean) / deviation)
            if sigmas >= STANDS_OUT:
                found.append(Culprit(name, sigmas, float(scores.time[row])))

    def rank(culprit: Culprit) -> float:
        return math.inf if culprit.component == LIGHT else weights[culprit.component] * culprit.sigmas

    return sorted(found, key=rank, reverse=True)


class Explainer:
    """Says in words why events of a fitted detector are events."""

    def __init__(self, trained: TrainedDetector, options: RuntimeOptions) -> None:
        """Get a trained detector ready; `able` says whether it can explain anything.

        Raises:
            InputError: the runtime is not installed.
        """
        detector = None if trained.settled else trained.original().detector
        self.detector = detector if isinstance(detector, FittedDetector) else None
        if self.detector is not None and self.detector.blocks is not None and self.detector.network is None:
            open_runtime(trained, options)

    @property
    def able(self) -> bool:
        """Whether the detector is one that explains."""
        return self.detector is not None

    def reasons(self, found: Sequence[Culprit], source: VideoSource, scores: FrameScores) -> tuple[str, ...]:
        """A sentence for each culprit that can be explained, at most `MOST_REASONS`; none for a video that is gone."""
        assert self.detector is not None, "ask `able` before"
        sentences: list[str] = []
        for culprit in found:
            if len(sentences) == MOST_REASONS:
                break
            start = max(0.0, culprit.time - self.detector.look_back(culprit.component))
            try:
                chunks = self._chunks(source, start, culprit.time)
                first = next(chunks, None)
                if first is None:
                    continue
                reason = self.detector.explain(culprit.component, chain([first], chunks))
            except VideoError:
                continue
            if reason is not None:
                part = f"{reason.part}, " if reason.part else ""
                sentence = reason.sentence(scores.info.width, scores.info.height)
                # The box of the event is that of its peak, so a reason says of which moment it is.
                sentences.append(f"{part}{culprit.component}: {sentence}, at {clock(culprit.time, 1)}")
        return tuple(sentences)

    def _chunks(self, source: VideoSource, start: float, stop: float) -> Iterator[Chunk]:
        """The frames from `start` up to and with `stop`, in seconds."""
        assert self.detector is not None, "asked above"
        window = self.detector.window
        with VideoReader(source, window.size, window.colour, window.resize, start=start) as reader:
            yield from stream_chunks(read_until(reader, stop + 1e-6), window, BATCH)


def explain_events(trained: TrainedDetector, scores: Scores, options: RuntimeOptions) -> dict[str, tuple[str, ...]]:
    """Event id -> sentences, for the `MOST_EVENTS` highest events; empty for a detector that cannot explain.

    Raises:
        InputError: the runtime is not installed.
    """
    explainer = Explainer(trained, options)
    if not explainer.able:
        return {}
    calibration, weights = scores.threshold(), scores.combination.weights
    of_video = {own.video: (own, source) for own, source in zip(scores, scores.sources, strict=True)}
    highest = sorted(scores.events(), key=lambda event: -event.score)[:MOST_EVENTS]
    found = {}
    for event in highest:
        own, source = of_video[event.video]
        peak = int(np.searchsorted(own.frame, event.peak_frame))
        levels = calibration.at(own.components, peak).levels
        found[event.id] = explainer.reasons(culprits(event, own, levels, weights), source, own)
    return found
