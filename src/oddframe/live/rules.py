"""What is decided beforehand about a camera: its thresholds, and when and where nobody wants to be told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta, tzinfo

from oddframe.models.ignored import IgnoredPlace
from oddframe.models.teaching import ShownEvent, Teaching, zone_of
from oddframe.scoring.calibrate import Calibration
from oddframe.scoring.combine import ScoreRule
from oddframe.scoring.drift import NormalScore
from oddframe.scoring.sentinel_reference import SentinelReference
from oddframe.types import Signature

WEEK = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


@dataclass(frozen=True)
class Hours:
    """Hours of some days of the week. Those that end at or before they start last until the next day.

    Attributes:
        days: 0 for Monday to 6 for Sunday; the day on which the hours start.
    """

    days: frozenset[int]
    start: time = time(0)
    stop: time = time(0)

    def holds(self, moment: datetime) -> bool:
        """Whether a moment of local time lies inside."""
        clock = moment.time()
        if self.start < self.stop:
            return moment.weekday() in self.days and self.start <= clock < self.stop
        yesterday = (moment - timedelta(days=1)).weekday()
        return (moment.weekday() in self.days and clock >= self.start) or (yesterday in self.days and clock < self.stop)


@dataclass(frozen=True)
class Timetable:
    """When people want to be told.

    Attributes:
        hours: any of them is enough; none at all stands for always.
        zone: of the hours; None is the local time of this machine.
    """

    hours: tuple[Hours, ...] = ()
    zone: tzinfo | None = None

    def holds(self, utc: float) -> bool:
        """Whether people want to be told at this moment, in seconds since 1970."""
        moment = datetime.fromtimestamp(utc, self.zone)
        return not self.hours or any(hours.holds(moment) for hours in self.hours)


@dataclass(frozen=True)
class CameraRules:
    """How the frames of one camera become scores and notices.

    Attributes:
        name: of the camera.
        bundle: id that scores and notices carry.
        signature: of the detector.
        rule: from components to scores.
        calibration: the thresholds.
        learned: frames/s that the detector looks at; None takes all frames.
        zones: where nobody wants to be told.
        timetable: when people want to be told.
        sentinel: what the camera shows when nothing is wrong with it; None looks for no faults of the camera.
        normal: what the minutes of a normal score are; None looks for no drift.
        teaching: what marks of people say of events; None where the detector has learned from none.
        began: when a file was taken, in seconds since 1970; None for what is seen as it happens.
    """

    name: str
    bundle: str
    signature: Signature
    rule: ScoreRule
    calibration: Calibration
    learned: float | None = None
    zones: tuple[IgnoredPlace, ...] = ()
    timetable: Timetable = field(default_factory=Timetable)
    sentinel: SentinelReference | None = None
    normal: NormalScore | None = None
    teaching: Teaching | None = None
    began: float | None = None

    @property
    def words(self) -> Mapping[str, str]:
        """Component -> what it tells, in words that complete "unusual in ..."."""
        return self.signature.reported

    def held(self, shown: ShownEvent, utc: float) -> str:
        """Why nobody is told of an event that shows this at this moment; empty where people are."""
        if not self.timetable.holds(utc):
            return "outside the schedule"
        taught = "" if self.teaching is None else self.teaching.held(shown)
        return zone_of(shown, self.zones) or taught
