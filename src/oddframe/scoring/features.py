"""From features to frame scores: what a weakly supervised network says of the segments of a video, frame by frame.

Nothing here needs torch: the network is whatever can be called, and extractors may be ONNX files.

Shape letters: P bags (parts of a video), S segments of a bag, D length of a backbone's vectors.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import pairwise
from math import ceil

import numpy as np
from numpy.typing import NDArray

from oddframe.datasets.segments import pool, spread
from oddframe.errors import InputError
from oddframe.features.extract import extract
from oddframe.features.extractor import SNIPPET, Extractor
from oddframe.features.snippets import SnippetFeatures, SnippetSampling
from oddframe.scoring.combine import Components, ScoreRule
from oddframe.scoring.scorer import FrameCount, ScoreStore
from oddframe.types import FrameScores, VideoInfo
from oddframe.video.identity import content_key
from oddframe.video.sources import VideoSource

FPS = 25.0  # of features that come without times, as of a folder of frames

BagNetwork = Callable[[Mapping[str, NDArray[np.float32]]], Mapping[str, NDArray[np.float64]]]
"""Backbone -> (P, S, D) features, to component -> (P, S) scores of segments, higher = more anomalous."""


def frames_of(
    features: Mapping[str, SnippetFeatures], frames: int | None = None
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The first frame of each of n rows and the end of the last, (n+1,), and the time of every frame in seconds.

    Args:
        features: backbone -> features of the same video, n rows each; one may have a row more.
        frames: of the video, where the features do not say. Without it a row counts as one snippet.

    Raises:
        InputError: the backbones do not agree on the length of the video, or rows and frames differ by more than one
            snippet.
    """
    first = next(iter(features.values()))
    rows = min(len(own.features) for own in features.values())
    for name, own in features.items():
        if len(own.features) > rows + 1:  # released features of two frame rates lose one snippet, not more
            raise InputError(f"{first.video}: {len(own.features)} rows of {name} features, {rows} of another backbone")
    total = first.frames if first.frames is not None else frames
    for name, own in features.items():
        due = None if total is None or own.kind == "segments" else ceil(total / SNIPPET)
        if due is not None and abs(len(own.features) - due) > 1:
            raise InputError(
                f"{own.video}: {len(own.features)} rows of {name} features for {total} frames, but {due} are due, one "
                f"for every {SNIPPET} frames; extract features of this video at its own frame rate"
            )
    bounds = first.bounds(rows * SNIPPET if total is None else total)[: rows + 1]
    bounds[-1] = max(bounds[-1], total or 0)  # where a backbone has one row less, its last one takes the rest
    return bounds, np.arange(bounds[-1]) / FPS if first.time is None else first.time[: bounds[-1]]


def score_bag(
    network: BagNetwork,
    segments: int,
    features: Mapping[str, SnippetFeatures],
    segment_seconds: float | None = None,
    frames: int | None = None,
) -> tuple[NDArray[np.float64], Components]:
    """The time of every frame of a video in seconds, (N,), and its components, (N,) each.

    Args:
        segments: S, of every bag that the network is given.
        features, frames: see `frames_of`.
        segment_seconds: how long a segment may be. A longer video is divided into equal parts, each a bag of its own;
            None makes every video one bag, as in training and in the publications. Features that come as segments are
            not divided.

    Raises:
        InputError: see `frames_of`.
    """
    bounds, time = frames_of(features, frames)
    rows, parts = len(bounds) - 1, 1
    if segment_seconds is not None and all(own.kind == "snippets" for own in features.values()):
        parts = min(rows, max(1, ceil((time[-1] - time[0]) / (segment_seconds * segments))))
    edges = np.arange(parts + 1) * rows // parts
    bags = {
        name: np.stack([pool(own.features[start:stop], segments) for start, stop in pairwise(edges)])
        for name, own in features.items()
    }
    scores = network(bags)
    return time, {name: np.repeat(_rows(values, edges), np.diff(bounds)) for name, values in scores.items()}


def _rows(values: NDArray[np.float64], edges: NDArray[np.int64]) -> NDArray[np.float64]:
    """(n,) scores of rows from (P, S) scores of segments."""
    return np.concatenate([spread(part, count) for part, count in zip(values, np.diff(edges), strict=True)])


class FeatureScorer:
    """Scores videos by the features that it extracts from them. An `oddframe.scoring.scorer.VideoScorer`.

    Args:
        extractors: backbone -> extractor, on its device, and how it looks at snippets.
        network, segments, segment_seconds: see `score_bag`.
        rule: how components become a score.
        store: where scores are kept.
        batch: snippets per forward pass of an extractor.
    """

    carries_over = False

    def __init__(
        self,
        extractors: Mapping[str, tuple[Extractor, SnippetSampling]],
        network: BagNetwork,
        segments: int,
        segment_seconds: float | None,
        rule: ScoreRule,
        store: ScoreStore,
        batch: int,
    ) -> None:
        self.extractors, self.network, self.batch = extractors, network, batch
        self.segments, self.segment_seconds = segments, segment_seconds
        self.rule, self.store = rule, store

    def score(self, source: VideoSource, progress: FrameCount | None = None) -> FrameScores:
        """See `oddframe.scoring.scorer.VideoScorer.score`; there are no maps."""
        self.store.check_name(source)
        key = content_key(source)
        stored = self.store.load(source, key, self.rule)
        if stored is not None:
            return stored
        done = 0

        def count(frames: int) -> None:
            nonlocal done
            done += frames
            if progress is not None:
                progress(done // len(self.extractors), None)

        features = {
            name: extract(source, extractor, sampling, self.batch, count)
            for name, (extractor, sampling) in self.extractors.items()
        }
        time, components = score_bag(self.network, self.segments, features, self.segment_seconds)
        info = next(iter(features.values())).info
        assert isinstance(info, VideoInfo), "extracted just now"
        score, index = self.rule(components, time), np.arange(len(time))
        identity = self.store.identity
        return self.store.save(FrameScores(source.name, index, time, dict(components), score, info, identity))
