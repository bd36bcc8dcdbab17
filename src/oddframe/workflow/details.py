"""What the AUC of frames does not say: how sure it is, what the events are worth, and whether the place was right."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from oddframe.datasets.labelled import LabelledSet
from oddframe.datasets.masks import read_masks
from oddframe.evaluation.auc import equal_error_rate, roc_auc
from oddframe.evaluation.bootstrap import ConfidenceInterval, bootstrap_micro_auc
from oddframe.evaluation.events import EventResult, evaluate_events, latency_average_precision
from oddframe.evaluation.pixels import pixel_auc, pixel_criterion
from oddframe.evaluation.plain import plain
from oddframe.evaluation.protocol import Protocol, curves
from oddframe.evaluation.regions import map_detection, regions_of_masks
from oddframe.scoring.combine import ScoreRule
from oddframe.types import Event, FrameScores

BLOCK_S = 10.0  # of the bootstrap of a single video: longer than what passes a camera stays in view


@dataclass(frozen=True)
class LocalisationFigures:
    """Where in the picture, from the detector's maps; see `oddframe.evaluation.pixels` and `.regions`.

    Attributes:
        pixel_auc: of all pixels.
        pixel_level_auc, pixel_level_eer: of frames, where an anomalous one counts as detected if at least 40 % of its
            anomalous pixels are.
        rbdc, tbdc: tracks are made from the masks.
    """

    pixel_auc: float
    pixel_level_auc: float
    pixel_level_eer: float
    rbdc: float
    tbdc: float


@dataclass(frozen=True)
class Details:
    """Of a system on a test set.

    Attributes:
        protocol: of the interval and of the latency-aware AP.
        micro_auc: with its 95 % interval, videos drawn anew, or blocks of ten seconds where there is one video.
        latency_ap: see `oddframe.evaluation.events.latency_average_precision`.
        events: those at the run's threshold; None for stored scores, which have none.
        place: None without masks or without maps.
    """

    protocol: str
    micro_auc: ConfidenceInterval
    latency_ap: float
    events: EventResult | None
    place: LocalisationFigures | None

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; undefined metrics become None."""
        row: dict[str, Any] = plain(asdict(self))
        return row


def measure(
    scores: Sequence[FrameScores],
    labelled: LabelledSet,
    protocol: Protocol,
    own: ScoreRule,
    events: Sequence[Event] | None,
) -> Details:
    """All of it, of one set of scores.

    Raises:
        InputError: a single video of fewer than four frames, or masks that cannot be read.
    """
    labels = {video.source.name: video.labels for video in labelled.videos}
    judged = curves(scores, labels, protocol, own)
    whole = [video for video in scores if len(judged[video.video][1]) == len(video.frame)]
    timed = [(video.time, *judged[video.video]) for video in whole]
    return Details(
        protocol.name,
        bootstrap_micro_auc(list(judged.values()), block=_block(scores[0])),
        latency_average_precision(timed) if len(whole) == len(scores) else math.nan,
        None if events is None else evaluate_events(scores, labels, events),
        _place(scores, labelled),
    )


def _block(video: FrameScores) -> int:
    """Frames in ten seconds."""
    step = float(np.median(np.diff(video.time))) if len(video.time) > 1 else 1.0
    return max(1, round(BLOCK_S / step)) if step > 0 else 1


def _place(scores: Sequence[FrameScores], labelled: LabelledSet) -> LocalisationFigures | None:
    """None where a video has no masks, or no maps were kept."""
    by_name = {video.video: video for video in scores}
    if any(video.masks is None or by_name[video.source.name].map is None for video in labelled.videos):
        return None
    pixels, regions = [], []
    for video in labelled.videos:
        own = by_name[video.source.name]
        assert own.map is not None, "asked above"
        masks, maps = read_masks(video)[own.frame], np.asarray(own.map, np.float32)
        pixels.append((masks, maps))
        regions.append((regions_of_masks(masks), maps, (masks.shape[1], masks.shape[2])))
    detected = pixel_criterion(pixels)
    found = map_detection(regions)
    return LocalisationFigures(
        pixel_auc(pixels), roc_auc(*detected), equal_error_rate(*detected), found.rbdc, found.tbdc
    )
