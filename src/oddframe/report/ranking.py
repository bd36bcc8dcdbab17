"""The videos of a report, and their events in order of how unusual they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from html import escape
from urllib.parse import quote

import numpy as np
from numpy.typing import ArrayLike, NDArray

from oddframe.models.reasons import ninth
from oddframe.report.moments import Moment
from oddframe.report.style import clock
from oddframe.scoring.schedule import CHOSEN, constant
from oddframe.types import CameraFault, Event, FrameScores

STANDS_OUT = 2.0  # standard deviations above the normal mean from which a component is named as a reason
BEFORE_S = 2.0  # before an event a link into its overlay begins


@dataclass(frozen=True)
class ReportVideo:
    """One video of a report.

    Attributes:
        scores: its scores.
        events: its events, in order of time.
        thumbnails: frame index -> (h, w, 3) uint8 BGR picture. The pictures of the events' peak frames are shown.
        labels: 0/1 per frame of the video if the truth is known; shaded in the timeline.
        overlay: path of the overlay video for a link, relative to the report.
        words: component -> its meaning in words, for the `why` of events.
        nearest: frame index -> the normal moment that looks most like it, shown beside the picture.
        faults: of the camera, in order of time.
        clips: event id -> path of its clip, relative to the report.
        began: when its first frame was taken; None where nobody knows.
        calibrations: name of each of several calibrations -> seconds for which it held; empty where there is one alone.
    """

    scores: FrameScores
    events: Sequence[Event]
    thumbnails: Mapping[int, NDArray[np.uint8]] = field(default_factory=dict)
    labels: ArrayLike | None = None
    overlay: str | None = None
    words: Mapping[str, str] = field(default_factory=dict)
    nearest: Mapping[int, Moment] = field(default_factory=dict)
    faults: Sequence[CameraFault] = ()
    clips: Mapping[str, str] = field(default_factory=dict)
    began: datetime | None = None
    calibrations: Mapping[str, float] = field(default_factory=dict)

    @property
    def changes(self) -> list[tuple[float, str]]:
        """When another of several calibrations holds, in seconds, and its name."""
        if not self.calibrations:
            return []
        names, begun = list(self.calibrations), constant(self.scores.components[CHOSEN])
        return [(float(self.scores.time[rows.start]), names[number]) for rows, number in begun[1:]]

    def moment(self, seconds: float) -> str:
        """A time of the video in words, with the time of day where that is known."""
        text = clock(seconds, 1)
        if self.began is None:
            return text
        return f"{text} ({self.began + timedelta(seconds=seconds):%Y-%m-%d %H:%M:%S %Z})"

    def overlay_at(self, seconds: float) -> str:
        """A link into the overlay video, shortly before a time; empty where there is no overlay."""
        if self.overlay is None:
            return ""
        return f"{escape(quote(self.overlay))}#t={max(seconds - BEFORE_S, 0.0):.1f}"


@dataclass(frozen=True)
class RankedEvent:
    """An event with its place in a report.

    Attributes:
        event: itself.
        video: in which it is.
        rank: among all events, from 1; 1 is the most unusual one, and those on hold come last.
        number: in its video, from 1, in order of time; the overlay and the timeline show it.
        anchor: id of its place in the page.
    """

    event: Event
    video: ReportVideo
    rank: int
    number: int
    anchor: str

    @property
    def name(self) -> str:
        """What people call it, as HTML."""
        return f"{escape(self.event.video)}, event {self.number}"

    @property
    def link(self) -> str:
        """A link to it within the page."""
        return f'<a href="#{self.anchor}">{self.name}</a>'

    @property
    def field(self) -> str:
        """The ninth of the picture in which the middle of its box lies, such as "lower left"; empty without a box."""
        if self.event.box is None:
            return ""
        left, top, right, bottom = self.event.box
        width, height = max(self.video.scores.info.width, 1), max(self.video.scores.info.height, 1)
        return ninth((left / width, top / height, right / width, bottom / height))

    @property
    def phrases(self) -> list[str]:
        """The components that stood out, in words with their deviations, the most unusual first."""
        why, words = self.event.why, self.video.words
        found = sorted(((sigmas, name) for name, sigmas in why.items() if sigmas >= STANDS_OUT), reverse=True)
        return [f"{words.get(name, name.replace('_', ' '))} ({sigmas:.3g} σ)" for sigmas, name in found]


def event_anchor(video: int, event: int) -> str:
    """The id in a page of an event, by the numbers of its video and of the event in it, both from 1."""
    return f"video-{video}-event-{event}"


def rank_events(videos: Sequence[ReportVideo]) -> list[RankedEvent]:
    """All events, the most unusual first; those on hold, of which nobody is told, come last."""
    found = [
        (video, event, number, event_anchor(place, number))
        for place, video in enumerate(videos, start=1)
        for number, event in enumerate(video.events, start=1)
    ]
    found.sort(key=lambda one: (bool(one[1].held), -one[1].score))
    return [
        RankedEvent(event, video, rank, number, anchor)
        for rank, (video, event, number, anchor) in enumerate(found, start=1)
    ]
