"""What the AUC of frames does not say: how sure it is, what the events are worth, and whether the place was right."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

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
from oddframe.scoring.heldout import LASTING_S, alarm_count
from oddframe.scoring.promise import Promise, Verdict, alarms_text, bound_text, fits, hours_text
from oddframe.types import Event, FrameScores
from oddframe.video.pauses import durations

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
class PromiseFigures:
    """What the threshold promised, and what came on the normal frames of the test set.

    Attributes:
        promised: alarms per hour of normal video.
        upper_rate, confidence: the true rate on video like the held-out one lies below, so the calibration said.
        alarms: that came on normal frames: an event without an anomalous frame, counted once for every five minutes
            that it has begun, and every full five minutes of normal frames inside another event.
        hours: of normal frames.
        per_hour: their quotient; nan without normal frames.
        share: of the time of normal frames, 0..1, that lies inside events; nan without normal frames.
        verdict: see `oddframe.scoring.promise.Fit`.
    """

    promised: float
    upper_rate: float
    confidence: float
    alarms: int
    hours: float
    per_hour: float
    share: float
    verdict: Verdict

    def sentence(self) -> str:
        """All of it in words."""
        text = f"promised {alarms_text(self.promised)} per hour, and {bound_text(self.upper_rate, self.confidence)}"
        if not self.hours:
            return f"{text}; the test set has no normal frames"
        counted = f"{alarms_text(self.alarms)} in {hours_text(self.hours)} of normal frames"
        return f"{text}; had {self.per_hour:.3g} per hour ({counted}, {self.share:.1%} of it in alarm)"


@dataclass(frozen=True)
class Details:
    """Of a system on a test set.

    Attributes:
        protocol: of the interval and of the latency-aware AP.
        micro_auc: with its 95 % interval, videos drawn anew, or blocks of ten seconds where there is one video.
        latency_ap: see `oddframe.evaluation.events.latency_average_precision`.
        events: those at the run's threshold; None for stored scores, which have none.
        promise: alarms promised and had; None for stored scores, and for a threshold that promises no rate.
        place: None without masks or without maps.
    """

    protocol: str
    micro_auc: ConfidenceInterval
    latency_ap: float
    events: EventResult | None
    promise: PromiseFigures | None
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
    promise: Promise | None = None,
) -> Details:
    """All of it, of one set of scores, their events, and what the threshold of these events promises.

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
        None if events is None or promise is None else hold_against(promise, scores, labels, events),
        _place(scores, labelled),
    )


def hold_against(
    promise: Promise, scores: Sequence[FrameScores], labels: Mapping[str, NDArray[np.integer]], events: Sequence[Event]
) -> PromiseFigures:
    """Compare the alarms on normal frames with those that were promised.

    Args:
        labels: video -> (N,) 0 or 1 for each frame of the video.
        events: of all the videos, at the threshold that promises.
    """
    alarms, seconds, inside = 0, 0.0, 0.0
    for video in scores:
        normal = np.asarray(labels[video.video])[video.frame] == 0
        lasting = np.minimum(durations(video.time), _longest_step(video))
        seconds += float(lasting[normal].sum())
        for event in (event for event in events if event.video == video.video):
            part = (video.frame >= event.start_frame) & (video.frame <= event.end_frame)
            calm = float(lasting[part & normal].sum())
            inside += calm
            alarms += alarm_count([event.end_s - event.start_s]) if normal[part].all() else int(calm // LASTING_S)
    hours = seconds / 3600
    return PromiseFigures(
        promise.rate, promise.upper_rate, promise.confidence, alarms, hours, alarms / hours if hours else math.nan,
        inside / seconds if seconds else math.nan, fits(alarms, hours, promise).verdict,
    )  # fmt: skip


def _longest_step(video: FrameScores) -> float:
    """Seconds that a frame lasts at most; a longer step is a pause (see `oddframe.scoring.heldout`)."""
    steps = np.diff(video.time)
    return max(1.0, 10 * float(np.median(steps))) if len(steps) else 1.0


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
