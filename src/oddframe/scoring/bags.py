"""From features to frame scores: what a weakly supervised detector says of the segments of a video, frame by frame."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from math import ceil
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from oddframe.bundle import EXTRACTORS, Bundle
from oddframe.data.segments import pool, spread
from oddframe.errors import BundleError, InputError
from oddframe.features.catalogue import load_extractor
from oddframe.features.extract import BATCH, extract
from oddframe.features.extractor import SNIPPET, Extractor
from oddframe.features.snippets import Sampling, SnippetFeatures
from oddframe.models.bag_detector import BagDetector
from oddframe.runtime.runtime import Precision
from oddframe.scoring.combine import ScoreRule
from oddframe.scoring.files import MapSpool
from oddframe.scoring.scorer import Count
from oddframe.scoring.stream import Piece
from oddframe.types import FrameScores, VideoInfo
from oddframe.video.sources import VideoSource

FPS = 25.0  # of features that come without times, as of a folder of frames


def frames_of(
    features: Mapping[str, SnippetFeatures], frames: int | None = None
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The first frame of each of n rows and the end of the last, (n+1,), and the time of every frame in seconds.

    Args:
        features: backbone -> features of the same video, n rows each; one may have a row more.
        frames: of the video, where the features do not say. Without it a row counts as one snippet.

    Raises:
        InputError: the backbones do not agree on the length of the video.
    """
    first = next(iter(features.values()))
    rows = min(len(own.features) for own in features.values())
    for name, own in features.items():
        if len(own.features) > rows + 1:  # released features of two frame rates lose one snippet, not more
            raise InputError(f"{first.video}: {len(own.features)} rows of {name} features, {rows} of another backbone")
    known = first.frames if first.frames is not None else frames
    bounds = first.bounds(rows * SNIPPET if known is None else known)[: rows + 1]
    bounds[-1] = max(bounds[-1], known or 0)  # where a backbone has one row less, its last one takes the rest
    return bounds, np.arange(bounds[-1]) / FPS if first.time is None else first.time[: bounds[-1]]


def score_bag(
    detector: BagDetector,
    features: Mapping[str, SnippetFeatures],
    segment_seconds: float | None = None,
    frames: int | None = None,
) -> Piece:
    """Components of every frame of a video.

    Args:
        features, frames: see `frames_of`.
        segment_seconds: how long a segment may be. A longer video is divided into equal parts, each a bag of its own;
            None makes every video one bag, as in training and in the publications. Features that come as segments are
            not divided.
    """
    bounds, time = frames_of(features, frames)
    rows, parts = len(bounds) - 1, 1
    if segment_seconds is not None and all(own.kind == "snippets" for own in features.values()):
        parts = min(rows, max(1, ceil((time[-1] - time[0]) / (segment_seconds * detector.segments))))
    edges = np.arange(parts + 1) * rows // parts
    device = next(detector.parameters()).device

    def bags(own: SnippetFeatures) -> torch.Tensor:
        pieces = [pool(own.features[start:stop], detector.segments) for start, stop in pairwise(edges)]
        return torch.from_numpy(np.stack(pieces)).to(device)

    with torch.inference_mode():
        scores = detector.eval().score({name: bags(own) for name, own in features.items()})
    components = {
        name: np.repeat(_rows(values.double().cpu().numpy(), edges), np.diff(bounds)) for name, values in scores.items()
    }
    return Piece(np.arange(bounds[-1]), time, components, None)


def _rows(values: NDArray[np.float64], edges: NDArray[np.int64]) -> NDArray[np.float64]:
    """(n,) scores of rows from (parts, S) scores of segments."""
    return np.concatenate([spread(part, count) for part, count in zip(values, np.diff(edges), strict=True)])


class BagScorer:
    """Scores videos with the extractors that a bundle carries.

    Raises:
        BundleError: it carries none, because it was trained on features of unknown origin.
        InputError: a precision other than that of the features.
    """

    carries_over = False
    map_grid: tuple[int, int] | None = None

    def __init__(
        self, bundle: Bundle, detector: BagDetector, device: str, precision: Precision, batch: int | None
    ) -> None:
        if precision != "fp32":
            raise InputError(f"{bundle.path}: its precision is that of its features; leave --precision out")
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        self.detector, self.batch = detector.to(device), batch or BATCH
        self.segment_seconds = bundle.recipe.scoring.segment_seconds
        self.extractors: dict[str, tuple[Extractor, Sampling]] = {}
        for name in detector.required:
            about: Mapping[str, Any] = bundle.data["features"][name]
            if about["sampling"] is None:
                raise BundleError(
                    f"{bundle.path}: was trained on {name} features whose extractor is not known, so it cannot score "
                    f"videos; measure it on features with `oddframe evaluate {bundle.path} --data ... --features ...`"
                )
            extractor = load_extractor(bundle.path / EXTRACTORS / name)
            extractor.to(device)
            sampling = Sampling(about["sampling"]["frames_per_snippet"], about["sampling"]["crops"])
            self.extractors[name] = (extractor, sampling)

    def score(
        self, source: VideoSource, rule: ScoreRule, bundle: str, spool: MapSpool | None, progress: Count
    ) -> FrameScores:
        done = 0

        def count(frames: int) -> None:
            nonlocal done
            done += frames
            progress(done // len(self.extractors), None)

        features = {
            name: extract(source, extractor, sampling, self.batch, count)
            for name, (extractor, sampling) in self.extractors.items()
        }
        piece = score_bag(self.detector, features, self.segment_seconds)
        info = next(iter(features.values())).info
        assert isinstance(info, VideoInfo), "extracted just now"
        components = dict(piece.components)
        return FrameScores(source.name, piece.index, piece.time, components, rule(components), info, bundle)
