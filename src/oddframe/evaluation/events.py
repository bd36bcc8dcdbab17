"""Event-level metrics: how many anomalies raise an alarm, how soon, and how many alarms are false.

Frame metrics count frames, but a person who answers alarms counts events. Times are those of the frames, in seconds. An
interval is a run of anomalous frames. Frames without a score are ignored, as if the video began and ended with the
scored frames. A frame lasts until the next one; before a pause and at the end it lasts as long as the median of the
others (see `oddframe.video.pauses`), so that pauses are no hours.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from oddframe.errors import InputError
from oddframe.evaluation.auc import ranks
from oddframe.evaluation.plain import plain
from oddframe.types import Event, FrameScores, runs
from oddframe.video.pauses import durations


@dataclass(frozen=True)
class EventResult:
    """Metrics of a list of events. An event is correct if it has at least one frame in common with an interval.

    Attributes:
        events, intervals: number of events and of intervals.
        precision: share of the events that are correct; nan without events.
        recall: share of the intervals that have at least one frame in common with an event; nan without intervals.
        f1: harmonic mean of precision and recall, 0 if both are 0; nan if one of them is nan.
        delay_mean, delay_median: seconds from the start of an interval to the first alarm in it, over the detected
            intervals. An event that began before the interval has delay 0. nan if no interval is detected.
        false_alarms_per_hour: events that are not correct, per hour outside the intervals, over all videos.
        alarms_per_hour: events in videos without intervals, per hour of these videos; nan if there is no such video.
    """

    events: int
    intervals: int
    precision: float
    recall: float
    f1: float
    delay_mean: float
    delay_median: float
    false_alarms_per_hour: float
    alarms_per_hour: float

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; undefined metrics become None."""
        row: dict[str, Any] = plain(asdict(self))
        return row


def evaluate_events(
    scores: Sequence[FrameScores], labels: Mapping[str, NDArray[np.integer]], events: Sequence[Event]
) -> EventResult:
    """Compare the events that `oddframe.scoring.events.find_events` finds with the labels of the videos.

    Args:
        scores: all videos that were searched for events, with or without events.
        labels: video -> (N,) 0 or 1 for each frame of the video, scored or not.
        events: events of all the videos, in any order.

    Raises:
        InputError: an event belongs to another video, a video has no labels, or labels end before the scores.
    """
    strange = {event.video for event in events} - {video.video for video in scores}
    if strange:
        raise InputError(f"{min(strange)}: has events, but is not among the videos evaluated")
    right = detected = intervals = alarms = 0
    outside = normal = 0.0
    delays: list[float] = []
    for video in scores:
        found = np.array([(e.start_s, e.end_s) for e in events if e.video == video.video]).reshape(-1, 2)
        truth = _labels_of(video, labels)
        spans = np.array([(video.time[run.start], video.time[run.stop - 1]) for run in runs(truth)]).reshape(-1, 2)
        overlap = (found[:, None, 0] <= spans[:, 1]) & (found[:, None, 1] >= spans[:, 0])
        intervals += len(spans)
        right += int(overlap.any(axis=1).sum())
        detected += int(overlap.any(axis=0).sum())
        first = np.where(overlap, found[:, None, 0], np.inf).min(axis=0, initial=np.inf)
        delays += (first - spans[:, 0])[np.isfinite(first)].clip(min=0).tolist()
        lasting = durations(video.time)
        outside += float(lasting[truth == 0].sum())
        if not len(spans):
            alarms += len(found)
            normal += float(lasting.sum())
    precision = right / len(events) if events else math.nan
    recall = detected / intervals if intervals else math.nan
    both = precision + recall
    return EventResult(
        events=len(events),
        intervals=intervals,
        precision=precision,
        recall=recall,
        f1=2 * precision * recall / both if both else both,
        delay_mean=float(np.mean(delays)) if delays else math.nan,
        delay_median=float(np.median(delays)) if delays else math.nan,
        false_alarms_per_hour=(len(events) - right) / outside * 3600 if outside else math.nan,
        alarms_per_hour=alarms / normal * 3600 if normal else math.nan,
    )


def latency_average_precision(videos: Sequence[tuple[ArrayLike, ArrayLike, ArrayLike]]) -> float:
    """Average precision that gives an interval less credit the later its alarm is raised.

    At a threshold, the alarm of an interval is its first frame whose score reaches the threshold. The credit of the
    interval is the share of its time from the start of that frame: 1 at the first frame, almost 0 at the last frame,
    and 0 without an alarm. Latency-aware recall is the mean credit of all intervals, so long and short intervals count
    equally. Precision is the usual share of anomalous frames among the frames that reach the threshold. The result is
    the area under precision over recall: a sum of steps, one per distinct score, as in `average_precision`.

    This definition is oddframe's. Liu et al., Rethinking Metrics and Benchmarks of Video Anomaly Detection,
    arXiv:2505.19022, propose a latency-aware AP (LaAP) for the same purpose. The two values are not comparable.

    Args:
        videos: for each video (N,) increasing seconds of its frames, (N,) labels of 0 and 1, and (N,) scores.

    Returns:
        0..1. A constant score gets the share of anomalous frames. The result is nan without anomalous frames.

    Raises:
        InputError: the three arrays differ in shape, times do not increase, a label is not 0 or 1, or a score is NaN.
    """
    checked = [_checked(number, *video) for number, video in enumerate(videos)]
    place, levels = ranks(np.concatenate([np.zeros(0), *(scores for _, _, scores in checked)]))
    truth = np.concatenate([np.zeros(0, np.int64), *(labels for _, labels, _ in checked)])
    gain, intervals, begin = np.zeros(levels), 0, 0
    for time, labels, _ in checked:
        lasting = durations(time)
        for run in runs(labels):
            left = np.cumsum(lasting[run.start : run.stop][::-1])[::-1]
            rank = place[begin + run.start : begin + run.stop]
            # A lower threshold moves the alarm to an earlier frame only where a frame exceeds all frames before it.
            record = np.flatnonzero(np.append(True, rank[1:] > np.maximum.accumulate(rank)[:-1]))
            credit = left[record] / left[0]
            gain[rank[record]] += credit - np.append(credit[1:], 0)
            intervals += 1
        begin += len(time)
    if not intervals:
        return math.nan
    found = np.cumsum(np.bincount(place[truth == 1], minlength=levels)[::-1])
    raised = np.cumsum(np.bincount(place, minlength=levels)[::-1])
    return float((gain[::-1] / intervals * found / raised).sum())


def _labels_of(video: FrameScores, labels: Mapping[str, NDArray[np.integer]]) -> NDArray[np.int64]:
    """Labels of the scored frames."""
    if video.video not in labels:
        raise InputError(f"{video.video}: there are no labels for this video")
    truth = np.asarray(labels[video.video])
    if len(video.frame) and video.frame[-1] >= len(truth):
        raise InputError(f"{video.video}: {len(truth)} labels, but frame {video.frame[-1]} has a score")
    _, chosen, _ = _checked(video.video, video.time, truth[video.frame], video.score)
    return chosen


def _checked(
    which: int | str, time: ArrayLike, labels: ArrayLike, scores: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.float64]]:
    times, truth, score = np.asarray(time, np.float64), np.asarray(labels), np.asarray(scores, np.float64)
    name = which if isinstance(which, str) else f"video {which}"
    if times.ndim != 1 or truth.shape != times.shape or score.shape != times.shape:
        raise InputError(f"{name}: times {times.shape}, labels {truth.shape} and scores {score.shape} differ in shape")
    if not (np.diff(times) > 0).all():
        raise InputError(f"{name}: the times of its frames do not increase")
    if not ((truth == 0) | (truth == 1)).all():
        raise InputError(f"{name}: labels must be 0 (normal) or 1 (anomalous)")
    return times, truth.astype(np.int64), score
