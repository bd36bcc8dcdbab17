"""Which of several calibrations holds for a frame: by the clock, or by the brightness of the picture.

A schedule is part of a calibration that is made of others, such as one for the day and one for the night (see
`oddframe.scoring.calibrate.Calibration`). It looks at no later frame, so a file and a stream choose alike.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from zoneinfo import ZoneInfo

import cv2
import numpy as np
from numpy.typing import NDArray

from oddframe.errors import InputError
from oddframe.reading.guard import reading
from oddframe.reading.records import check_types
from oddframe.reading.tables import read_text
from oddframe.reading.yaml_values import yaml_value
from oddframe.reading.zones import time_zone
from oddframe.suggest import one_of
from oddframe.types import Colour
from oddframe.video.decode import Frame
from oddframe.video.pauses import PauseFinder, durations

if TYPE_CHECKING:
    from oddframe.scoring.stream import Piece

CHOSEN = "calibration"
"""The component of a frame that says which calibration holds: its number in the order of the schedule, from 0."""
DAY = 24 * 60  # minutes
MOST = 16  # calibrations
LUMA = {"gray": (1.0,), "bgr": (0.114, 0.587, 0.299), "rgb": (0.299, 0.587, 0.114)}  # ITU-R BT.601
_HOURS = re.compile(r"(\d\d):(\d\d)-(\d\d):(\d\d)", re.ASCII)
_NAME = re.compile(r"\w[\w -]{0,39}")


@dataclass(frozen=True)
class ClockSchedule:
    """Hours of the day. Every minute of the day belongs to exactly one calibration.

    Attributes:
        zone: of the hours, such as "Europe/Berlin"; summer time is kept to.
        calibrations: name -> its hours, such as "06:30-20:00"; "20:00-06:30" goes over midnight.

    Raises:
        ValueError: a value is not as described here. The message names it.
    """

    zone: str
    calibrations: dict[str, tuple[str, ...]]
    by: Literal["clock"] = "clock"

    def __post_init__(self) -> None:
        _check_names(self.calibrations)
        try:
            time_zone(self.zone)
        except ValueError as error:
            raise ValueError(f"zone: {error}") from None
        _minutes(self.calibrations)

    @property
    def words(self) -> str:
        """How it chooses, for people."""
        hours = ", ".join(f"{name} {' and '.join(hours)}" for name, hours in self.calibrations.items())
        return f"by the clock of {self.zone} ({hours})"

    def at(self, utc: float) -> int:
        """The number of the calibration at a moment, in seconds since 1970."""
        moment = datetime.fromtimestamp(utc, ZoneInfo(self.zone))
        return self._of_minute[60 * moment.hour + moment.minute]

    @cached_property
    def _of_minute(self) -> list[int]:
        return _minutes(self.calibrations)


@dataclass(frozen=True)
class BrightnessSchedule:
    """The mean luma of the picture, from 0, black, to 255, white, smoothed.

    A calibration holds from its own level up to that of the next. It changes only when the smoothed luma is past the
    level by `hysteresis`, so that dusk does not make it flicker. The first frame of a video, or after a pause, is
    judged by the levels alone.

    Attributes:
        calibrations: name -> the luma from which it holds; one of them from 0.
        seconds: time constant of the smoothing, an exponential mean over the time of the frames; 0 does not smooth.
        hysteresis: in levels of luma.

    Raises:
        ValueError: a value is not as described here. The message names it.
    """

    calibrations: dict[str, float]
    seconds: float = 10.0
    hysteresis: float = 5.0
    by: Literal["brightness"] = "brightness"

    def __post_init__(self) -> None:
        _check_names(self.calibrations)
        levels = sorted(self.calibrations.values())
        if levels[0] != 0:
            raise ValueError(f"calibrations: the darkest begins at {levels[0]:g}; one has to begin at 0")
        if levels[-1] >= 255:
            raise ValueError(f"calibrations: {levels[-1]:g} is no level of luma; it lies from 0 to below 255")
        twice = [low for low, high in pairwise(levels) if low == high]
        if twice:
            raise ValueError(f"calibrations: two begin at {twice[0]:g}; give each its own level")
        for name in ("seconds", "hysteresis"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ValueError(f"{name}: {getattr(self, name):g} is no number of 0 or more")
        room = min(levels[1], 255 - levels[-1])
        if self.hysteresis >= room:
            raise ValueError(
                f"hysteresis: {self.hysteresis:g} is too much, because no picture is so far past every level; give "
                f"less than {room:g}"
            )

    @property
    def words(self) -> str:
        """How it chooses, for people."""
        levels = ", ".join(f"{name} from luma {level:g}" for name, level in self.calibrations.items())
        return f"by the brightness of the picture ({levels})"


Schedule = ClockSchedule | BrightnessSchedule


def _check_names(names: Mapping[Any, Any]) -> None:
    if not 2 <= len(names) <= MOST:
        raise ValueError(f"calibrations: {len(names)} of them; name at least two, and at most {MOST}")
    wrong = [name for name in names if not isinstance(name, str) or not _NAME.fullmatch(name)]
    if wrong:  # YAML takes `off` and `1` for other things than text
        quotes = "" if isinstance(wrong[0], str) else ", in quotes where it is a number or a word such as yes or off"
        raise ValueError(f"calibrations: {wrong[0]!r} is no name; write up to 40 letters, such as day{quotes}")


def _minutes(calibrations: Mapping[str, Iterable[str]]) -> list[int]:
    """The number of the calibration for every minute of the day.

    Raises:
        ValueError: hours cannot be read, or a minute belongs to none or to two.
    """
    found: list[int | None] = [None] * DAY
    names = list(calibrations)
    for number, (name, hours) in enumerate(calibrations.items()):
        if not hours:
            raise ValueError(f'calibrations.{name}: no hours; write such as "06:30-20:00"')
        for text in hours:
            match = _HOURS.fullmatch(text.replace(" ", ""))
            if match is None:
                raise ValueError(f'calibrations.{name}: {text!r} are no hours; write such as "06:30-20:00"')
            start, stop = (60 * int(match[at]) + int(match[at + 1]) for at in (1, 3))
            if max(start, stop) > DAY or int(match[2]) > 59 or int(match[4]) > 59 or start == stop:
                raise ValueError(f'calibrations.{name}: {text!r} are no hours; write such as "06:30-20:00"')
            for minute in range(start, stop if stop > start else stop + DAY):
                other = found[minute % DAY]
                if other is not None:
                    both = f"{names[other]} and {name}" if other != number else f"{name} twice"
                    raise ValueError(f"calibrations: {_clock(minute)} belongs to {both}; every minute belongs to one")
                found[minute % DAY] = number
    whole = [number for number in found if number is not None]
    if len(whole) < DAY:
        raise ValueError(f"calibrations: {_clock(found.index(None))} belongs to none; every minute belongs to one")
    return whole


def _clock(minute: int) -> str:
    return f"{minute % DAY // 60:02}:{minute % 60:02}"


def load_schedule(path: Path) -> Schedule:
    """The schedule in a YAML file.

    Raises:
        InputError: it is no such file. The message names what is wrong.
    """
    with reading(path, "not a schedule", "correct it"):
        return schedule_of(yaml_value(read_text(path)))


def schedule_of(content: Any) -> Schedule:
    """The schedule that plain values describe, as YAML and JSON hold them.

    Raises:
        ValueError: they describe none. The message names what is wrong.
    """
    if not isinstance(content, Mapping) or content.get("by") not in ("clock", "brightness"):
        raise ValueError("by: write `by: clock` or `by: brightness`")
    named = content.get("calibrations")
    if not isinstance(named, Mapping):
        raise ValueError("calibrations: write the name of each, and when it holds")
    _check_names(named)
    known = {"by", "calibrations", *(("zone",) if content["by"] == "clock" else ("seconds", "hysteresis"))}
    if unknown := sorted(map(str, set(content) - known)):
        raise ValueError(f"{unknown[0]}: there is no such field{one_of(unknown[0], known)}")
    if content["by"] == "brightness":
        values = {"seconds": 10.0, "hysteresis": 5.0, **content, "calibrations": named}
        check_types(values, {"calibrations": dict[str, float], "seconds": float, "hysteresis": float})
        levels = {name: float(level) for name, level in named.items()}
        return BrightnessSchedule(levels, float(values["seconds"]), float(values["hysteresis"]))
    hours = {name: [one] if isinstance(one, str) else one for name, one in named.items()}
    check_types({**content, "calibrations": hours}, {"zone": str, "calibrations": dict[str, list[str]]})
    return ClockSchedule(content["zone"], {name: tuple(some) for name, some in hours.items()})


class Chooser:
    """Chooses the calibration of every frame of one video, on the way of its frames to their scores.

    Show it the frames in order with `see`, and give it what comes of them, in order, with `choose`.

    Args:
        colour: of the frames.
        began: seconds since 1970 of the media time 0; only a clock needs it.

    Attributes:
        began: the same; it may be set anew where the clock of a machine is.

    Raises:
        InputError: the schedule goes by the clock, and `began` is not known.
    """

    def __init__(self, schedule: Schedule, colour: Colour, began: float | None) -> None:
        if isinstance(schedule, ClockSchedule) and began is None:
            raise InputError(f"when the video was taken is not known, and calibrations are chosen {schedule.words}")
        self._schedule, self._weights, self.began = schedule, LUMA[colour], began or 0.0
        self._seen: deque[tuple[int, int]] = deque()  # frame and calibration, of frames that have no score yet
        self._pauses = PauseFinder()
        self._luma: float | None = None
        self._last, self._place = 0.0, 0
        levels = schedule.calibrations if isinstance(schedule, BrightnessSchedule) else {}
        self._order = sorted(range(len(levels)), key=lambda number: list(levels.values())[number])
        self._levels = sorted(levels.values())

    def watch(self, frames: Iterable[Frame]) -> Iterator[Frame]:
        """The same frames, each seen on its way."""
        for frame in frames:
            self.see(frame)
            yield frame

    def see(self, frame: Frame) -> None:
        """Take the next frame that the detector looks at."""
        schedule = self._schedule
        if isinstance(schedule, ClockSchedule):
            chosen = schedule.at(self.began + frame.time)
        else:
            chosen = self._by_luma(frame, schedule)
        self._seen.append((frame.index, chosen))

    def choose(self, piece: Piece) -> Piece:
        """The piece with the component that says which calibration holds for each of its frames."""
        chosen = np.zeros(len(piece.index))
        for row, index in enumerate(piece.index.tolist()):
            while self._seen[0][0] < index:  # a frame without a score
                self._seen.popleft()
            chosen[row] = self._seen[0][1]
        return replace(piece, components={**piece.components, CHOSEN: chosen})

    def _by_luma(self, frame: Frame, schedule: BrightnessSchedule) -> int:
        means = cv2.mean(frame.image)
        luma = sum(weight * mean for weight, mean in zip(self._weights, means, strict=False))
        if self._pauses.push(frame.time) or self._luma is None:
            self._luma = luma
            self._place = bisect_right(self._levels, luma) - 1
        else:
            passed = frame.time - self._last
            share = 1.0 if not schedule.seconds else 1 - math.exp(-passed / schedule.seconds)
            self._luma += share * (luma - self._luma)
            up = bisect_right(self._levels, self._luma - schedule.hysteresis) - 1
            down = bisect_right(self._levels, self._luma + schedule.hysteresis) - 1
            self._place = min(max(self._place, up), down)
        self._last = frame.time
        return self._order[self._place]


def constant(chosen: NDArray[np.float64]) -> list[tuple[slice, int]]:
    """The rows that follow one another under one calibration, and its number, for the (N,) choices of frames."""
    edges = [0, *(np.flatnonzero(np.diff(chosen)) + 1).tolist(), len(chosen)]
    return [(slice(start, stop), int(chosen[start])) for start, stop in pairwise(edges) if start < stop]


def chosen_again(
    schedule: Schedule | None, components: Mapping[str, NDArray[np.float64]], time: NDArray[np.float64],
    began: float | None,
) -> dict[str, NDArray[np.float64]]:  # fmt: skip
    """Stored components of a video; under a clock those of a video that began then, whatever was thought before."""
    if not isinstance(schedule, ClockSchedule) or began is None:
        return dict(components)
    return {**components, CHOSEN: np.array([float(schedule.at(began + moment)) for moment in time.tolist()])}


def seconds_chosen(
    schedule: Schedule, components: Mapping[str, NDArray[np.float64]], time: NDArray[np.float64]
) -> dict[str, float]:
    """Name of each calibration -> seconds of a video of (N,) time stamps, pauses left out, for which it holds."""
    lasting = durations(time) if len(time) > 1 else np.zeros(len(time))
    chosen = components[CHOSEN]
    return {name: float(lasting[chosen == number].sum()) for number, name in enumerate(schedule.calibrations)}
