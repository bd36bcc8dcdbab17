"""The frame rate of a video: what its container says, what the user says, or what is assumed; and another rate.

Images and raw streams have no time stamps. Their rate is given (`--fps`, or a column `fps` in a CSV of videos), or 25
frames/s are assumed; `VideoInfo.rate` says which. All other videos play as their container says.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from math import inf

import numpy as np
from numpy.typing import NDArray

from oddframe.errors import InputError, VideoError
from oddframe.types import VideoInfo
from oddframe.video.decode import Frame
from oddframe.video.pauses import PACED, PauseFinder, pace, stretches
from oddframe.video.sources import VideoSource

TOLERANCE = 0.05
"""Rates that differ by less, as a share of the slower one, count as the same."""


def given_rate(sources: Sequence[VideoSource], fps: float | None) -> list[VideoSource]:
    """The same videos, those without time stamps at `fps` frames/s, unless their list names a rate of its own.

    Raises:
        InputError: `fps` is not above 0, or all videos have time stamps of their own.
    """
    if fps is None:
        return list(sources)
    check_rate(fps, "--fps")
    if not any(source.timeless for source in sources):
        raise InputError(
            f"--fps {fps:g} is for frame folders and raw streams; {sources[0].path} has time stamps of its own, "
            "and plays as they say: leave --fps out"
        )
    return [replace(one, fps=one.fps or fps) if one.timeless else one for one in sources]


def check_rate(fps: float, where: str) -> None:
    """See to it that a frame rate is one.

    Raises:
        InputError: it is not above 0.
    """
    if not 0 < fps < inf:
        raise InputError(f"{where}: a frame rate must be above 0, not {fps:g}")


def same_rate(first: float, second: float) -> bool:
    """Whether two rates are the same but for `TOLERANCE`."""
    return max(first, second) <= (1 + TOLERANCE) * min(first, second)


def rate_to_pick(info: VideoInfo, learned: float | None) -> float | None:
    """The rate at which a detector of several frames looks at a video; None: at all of its frames.

    Args:
        learned: frames/s that the detector learned at; None where that is not known. Then, and for videos whose own
            rate is not known, all frames are taken.

    Raises:
        VideoError: the video is slower. Frames that are missing cannot be made up: repeated ones would stand still.
    """
    if learned is None or info.fps is None or info.rate == "assumed" or same_rate(info.fps, learned):
        return None
    if info.fps < learned:
        raise VideoError(
            f"{info.path}: {info.fps:.4g} frames/s, fewer than the {learned:.4g} that the detector learned at, and the "
            "frames between cannot be made up; fit a detector on video of this rate, or pass --any-rate to score it as "
            "if the rates were the same"
        )
    return learned


def assumption(videos: Iterable[VideoInfo]) -> str:
    """A sentence on the videos whose rate was assumed; empty where there are none."""
    assumed = [video for video in videos if video.rate == "assumed"]
    if not assumed:
        return ""
    more = f" and {len(assumed) - 1} more" if len(assumed) > 1 else ""
    return (
        f"{assumed[0].name}{more}: no time stamps; {assumed[0].fps:g} frames/s were assumed, so all seconds and hours "
        "rest on a guess: say the true rate with --fps"
    )


class FramePicker:
    """Picks from the frames of one video those of a slower rate: for each of its ticks the frame that is nearest.

    A pause begins the ticks anew. Picked frames keep their numbers and their times. `push` and `flush` return those
    that are now final; a frame is final when the one after it is known.

    Args:
        rate: frames/s, at most that of the video.
    """

    def __init__(self, rate: float) -> None:
        self._rate, self._pauses = rate, PauseFinder()
        self._held: Frame | None = None  # the last frame; it may be picked yet
        self._step = 0.0  # between the last two frames
        self._start, self._tick = 0.0, 0

    def push(self, frame: Frame) -> list[Frame]:
        """Take the next frame."""
        if self._pauses.push(frame.time) or self._held is None:
            done = self.flush()
            self._held, self._step, self._start, self._tick = frame, 0.0, frame.time, 0
            return done
        picked = self._held if self._due <= (self._held.time + frame.time) / 2 else None
        self._step, self._held = frame.time - self._held.time, frame
        if picked is None:
            return []
        while self._due <= (picked.time + frame.time) / 2:  # a frame was lost: no frame is picked twice
            self._tick += 1
        return [picked]

    def flush(self) -> list[Frame]:
        """End the video."""
        held, self._held = self._held, None
        return [held] if held is not None and self._due <= held.time + self._step / 2 else []

    @property
    def _due(self) -> float:
        """The time of the next tick; ticks are counted, so that no error adds up."""
        return self._start + self._tick / self._rate


class PacedFrames:
    """The frames of one video that a detector of several frames looks at: all, or those at the rate that it learned at.

    The rate of the video is the pace of its first frames, `oddframe.video.pauses.PACED` of them, which wait until it is
    known. A stream and a file know it alike; what a header says counts only for a video of a single frame. `push` and
    `flush` return the frames that are now final.

    Args:
        info: of the video, whose rate is not assumed.
        learned: frames/s that the detector learned at.
    """

    def __init__(self, info: VideoInfo, learned: float) -> None:
        self._info, self._learned = info, learned
        self._first: list[Frame] | None = []  # None as soon as the rate is known
        self._picker: FramePicker | None = None

    @property
    def memory(self) -> object:
        """All that the choice among later frames depends on."""
        return self._first, self._picker

    def push(self, frame: Frame) -> list[Frame]:
        """Take the next frame.

        Raises:
            VideoError: see `rate_to_pick`.
        """
        if self._first is None:
            return [frame] if self._picker is None else self._picker.push(frame)
        self._first.append(frame)
        return self._begin(self._first) if len(self._first) == PACED else []

    def flush(self) -> list[Frame]:
        """End the video. The errors are those of `push`."""
        last = [] if self._first is None else self._begin(self._first)
        return last if self._picker is None else [*last, *self._picker.flush()]

    def _begin(self, first: list[Frame]) -> list[Frame]:
        own = pace(np.array([frame.time for frame in first])) or self._info.fps
        rate = rate_to_pick(replace(self._info, fps=own), self._learned)
        self._first = None
        if rate is None:
            return first
        self._picker = FramePicker(rate)
        return [one for frame in first for one in self._picker.push(frame)]


def paced(frames: Iterable[Frame], info: VideoInfo, learned: float | None) -> Iterator[Frame]:
    """The frames of a whole video that a detector looks at; see `PacedFrames`.

    Args:
        learned: frames/s that the detector learned at; None takes all frames, as does a video whose rate is assumed.

    Raises:
        VideoError: see `rate_to_pick`.
    """
    if learned is None or info.rate == "assumed":
        yield from frames
        return
    chosen = PacedFrames(info, learned)
    for frame in frames:
        yield from chosen.push(frame)
    yield from chosen.flush()


def tracks(time: NDArray[np.floating], rate: float | None) -> list[NDArray[np.int64]]:
    """The numbers of the frames of a video, of (N,) time stamps, that follow one another: a row for every stretch.

    Args:
        rate: of a `FramePicker`; None takes all frames.
    """
    found = [np.arange(part.start, part.stop) for part in stretches(time)]
    if rate is None:
        return found
    nothing = np.zeros((0, 0, 0), np.uint8)
    return [
        np.array([frame.index for frame in picked((Frame(int(n), float(time[n]), nothing) for n in numbers), rate)])
        for numbers in found
    ]


def picked(frames: Iterable[Frame], rate: float) -> Iterator[Frame]:
    """The frames of a whole video that a `FramePicker` picks."""
    picker = FramePicker(rate)
    for frame in frames:
        yield from picker.push(frame)
    yield from picker.flush()
