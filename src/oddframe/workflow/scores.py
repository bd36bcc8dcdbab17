"""The scores of one or more videos in memory, with the events that a threshold makes of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from html import escape
from typing import Any

import numpy as np

from oddframe.errors import CalibrationError
from oddframe.extras import imported
from oddframe.models.teaching import ShownEvent, Teaching, zone_of
from oddframe.scoring.calibrate import Calibration
from oddframe.scoring.combine import explainer
from oddframe.scoring.drift import NormalScore
from oddframe.scoring.elsewhere import elsewhere, elsewhere_text
from oddframe.scoring.events import find_events
from oddframe.scoring.findings import find_drift, held_by
from oddframe.scoring.heldout import alarm_count
from oddframe.scoring.promise import Fit, fits
from oddframe.scoring.schedule import seconds_chosen
from oddframe.types import CameraFault, Combination, Event, FrameScores, IgnoredPlace
from oddframe.video.pauses import plausible_seconds
from oddframe.video.sources import VideoSource

Skipped = tuple[VideoSource, str]
"""A video that could not be used, and why."""


@dataclass(frozen=True, repr=False)
class Scores:
    """Scores of one or more videos, under one threshold.

    `scores["02"]` and `scores[0]` are the `FrameScores` of one video; iterating gives all of them in order.

    Attributes:
        videos: scores, in the order of the videos.
        calibration: thresholds used by `events`; None where the run has none.
        combination: how the score came of its components.
        sources: of the scored videos, in the same order.
        skipped: videos that could not be scored, and why; and those that were scored and then could not be drawn.
        notes: what the user should know of these scores, each a sentence.
        reasons: event id -> why in words; see `oddframe.types.Event`.
        normal: what the minutes of a normal score are; None looks for no drift.
        teaching: what marks of people say of events; None where the detector has learned from none.
        zones: places where nobody wants to be told of an event whose middle lies there, which is then on hold.
    """

    videos: tuple[FrameScores, ...]
    calibration: Calibration | None
    combination: Combination
    sources: tuple[VideoSource, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    notes: tuple[str, ...] = ()
    reasons: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    normal: NormalScore | None = None
    teaching: Teaching | None = None
    zones: tuple[IgnoredPlace, ...] = ()

    def __iter__(self) -> Iterator[FrameScores]:
        return iter(self.videos)

    def __len__(self) -> int:
        return len(self.videos)

    def __getitem__(self, video: str | int) -> FrameScores:
        """The scores of a video by its name or its number.

        Raises:
            KeyError: there is no video of that name.
        """
        if isinstance(video, int):
            return self.videos[video]
        for scores in self.videos:
            if scores.video == video:
                return scores
        raise KeyError(f"no video {video!r}; there are: {', '.join(scores.video for scores in self.videos)}")

    def threshold(self) -> Calibration:
        """The thresholds.

        Raises:
            CalibrationError: the run was never calibrated, and none were given.
        """
        if self.calibration is None:
            raise CalibrationError("these scores have no threshold; calibrate the run first, or pass a calibration")
        return self.calibration

    def events(self) -> list[Event]:
        """All events, video by video, in order of time.

        Raises:
            CalibrationError: there is no threshold.
        """
        return [event for scores in self.videos for event in self.events_of(scores)]

    def events_of(self, scores: FrameScores) -> list[Event]:
        """The events of one of the videos.

        Raises:
            CalibrationError: there is no threshold.
        """
        c = self.threshold()
        explain = explainer(self.combination, c)
        found = find_events(scores, c.threshold, c.low, c.merge_s, c.min_s, explain=explain)
        faults, size = self.findings_of(scores), (scores.info.width, scores.info.height)

        def held(event: Event) -> str:
            shown = ShownEvent(event.why, event.box, size)
            taught = "" if self.teaching is None else self.teaching.held(shown)
            return held_by(faults, event) or zone_of(shown, self.zones) or taught

        return [replace(event, reasons=self.reasons.get(event.id, ()), held=held(event)) for event in found]

    def findings(self) -> list[CameraFault]:
        """The camera's own faults, video by video, in order of time; none where nobody looked for them."""
        return [fault for scores in self.videos for fault in self.findings_of(scores)]

    def findings_of(self, scores: FrameScores) -> list[CameraFault]:
        """The camera's own faults in one of the videos: what the sentinel saw, and the drift of the score."""
        drifts = find_drift(scores, self.normal) if self.normal is not None else ()
        return [*(scores.faults or ()), *drifts]

    def against_promise(self) -> Fit | None:
        """Whether the alarms in these videos agree with the rate that the threshold promises.

        None where there is no threshold, or one that promises no rate.
        """
        promise = None if self.calibration is None else self.calibration.promise
        if promise is None:
            return None
        lengths = [event.end_s - event.start_s for event in self.events()]
        hours = sum(plausible_seconds(one.time) for one in self.videos) / 3600
        return fits(alarm_count(lengths) if lengths else 0, hours, promise) if hours > 0 else None

    def doubts(self) -> list[str]:
        """What does not fit what was learned and promised, a line each: another scene, or another rate of alarms."""
        if self.calibration is None:
            return []
        parts = [part.levels for part in self.calibration.parts.values()]
        others = elsewhere(self.videos, self.combination, self.calibration.levels, parts)
        found = elsewhere_text(others, len(self.videos))
        agreement = self.against_promise()
        told = agreement is not None and agreement.verdict in ("more", "fewer")
        return [line for line in (found, agreement.sentence if agreement is not None and told else "") if line]

    def seconds_chosen(self, only: FrameScores | None = None) -> dict[str, float]:
        """Name of each of several calibrations -> seconds for which it holds, in all videos or in one of them; empty
        where there is one calibration alone."""
        schedule, found = None if self.calibration is None else self.calibration.schedule, Counter[str]()
        if schedule is not None:
            for one in self.videos if only is None else (only,):
                found.update(seconds_chosen(schedule, one.components, one.time))
        return dict(found)

    def to_dataframe(self) -> Any:
        """A pandas data frame with one row per scored frame: video, frame, time, score, and every component.

        Raises:
            InputError: pandas is not installed.
        """
        pandas = imported("pandas", "dataframe")
        columns: dict[str, list[Any]] = {}
        parts = [
            {
                "video": np.full(len(one.frame), one.video, object),
                "frame": one.frame,
                "time": one.time,
                "score": one.score,
                **one.components,
            }
            for one in self.videos
        ]
        for name in parts[0] if parts else ():
            columns[name] = np.concatenate([part[name] for part in parts]).tolist()
        return pandas.DataFrame(columns)

    def __repr__(self) -> str:
        frames = sum(len(scores.frame) for scores in self.videos)
        count = _count(len(self.videos), "video")
        skipped = f", {len(self.skipped)} skipped" if self.skipped else ""
        if self.calibration is None:
            return f"Scores of {count}, {_count(frames, 'frame')}, no threshold{skipped}"
        events = _count(len(self.events()), "event")
        return f"Scores of {count}, {_count(frames, 'frame')}: {events} above {self.calibration.threshold:.4g}{skipped}"

    def _repr_html_(self) -> str:
        """A table of the events, for notebooks."""
        rows = ""
        if self.calibration is not None:
            for e in self.events():
                cells = (escape(e.video), f"{e.start_s:.1f}", f"{e.peak_s:.1f}", f"{e.end_s:.1f}", f"{e.score:.4g}")
                rows += "<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"
        head = "".join(f"<th>{name}</th>" for name in ("video", "start s", "peak s", "end s", "score"))
        return f"<p>{escape(repr(self))}</p><table><tr>{head}</tr>{rows}</table>"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
