"""Baselines: what a figure is worth is seen beside methods that learn nothing.

    frame_difference    mean of |f(t-1) - f(t+1)| over pixels and channels, grey values
    optical_flow        mean length of the flow from f(t-1) to f(t), pixels of a 60 x 80 frame (Farnebäck, SCIA 2003)
    clock               number of the frame in its video: anomalies often lie late in a test video
    median_background   mean of |grey - b| over pixels; b is the per-pixel median of normal video of the same camera
    running_median      the same where no normal video is known; b is the median of what the video has shown so far

All of them see the frame at 80 x 160 pixels, whatever the system beside them sees. So a baseline belongs to a test set
alone, and one decoding of a video serves all. No label is used. But for the frame difference, which looks one frame
ahead, a value depends on nothing later than its frame.

The running median is taken over pictures of the last minute that are half a second apart, up to and with the scored
frame. So it knows little at the start of a video.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable

import cv2
import numpy as np
from numpy.typing import NDArray

from oddframe.types import Combination, FrameScores
from oddframe.video.decode import Frame, VideoReader
from oddframe.video.sources import VideoSource

PLAIN = ("frame_difference", "optical_flow", "clock")
MEDIAN, RUNNING = "median_background", "running_median"
BASELINES = (*PLAIN, MEDIAN, RUNNING)
SIZE = (80, 160)
FLOW_SIZE = (60, 80)
# Three scales, each half of the one before: coarse ones for what moves by more than the window.
FARNEBACK = {
    "pyr_scale": 0.5, "levels": 3, "winsize": 9, "iterations": 3, "poly_n": 5, "poly_sigma": 1.1, "flags": 0,
}  # fmt: skip
EVERY, KEPT = 0.5, 60.0  # seconds, of the running median

Grey = NDArray[np.uint8]
Background = NDArray[np.float32]
"""(40, 80) grey values."""


def combination_of(baseline: str) -> Combination:
    """The score that is this baseline alone."""
    return Combination({baseline: 1.0})


def small_grey(image: NDArray[np.uint8]) -> Grey:
    """(40, 80) grey picture of an (80, 160, 3) BGR one."""
    grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    return np.asarray(cv2.resize(grey, (SIZE[1] // 2, SIZE[0] // 2), interpolation=cv2.INTER_AREA), np.uint8)


def median_of(pictures: Iterable[Grey]) -> Background:
    """Per-pixel median of (40, 80) pictures, at least one."""
    return np.asarray(np.median(np.stack(list(pictures)), axis=0), np.float32)


class RunningMedian:
    """The per-pixel median of what a video has shown in the last minute."""

    def __init__(self) -> None:
        self._kept: deque[tuple[float, Grey]] = deque()
        self._median: Background | None = None

    def push(self, time: float, picture: Grey) -> Background:
        """The background at this frame, which may take part in it."""
        if self._median is None or time - self._kept[-1][0] >= EVERY - 1e-6:
            self._kept.append((time, picture))
            while self._kept[0][0] < time - KEPT:
                self._kept.popleft()
            self._median = median_of(picture for _, picture in self._kept)
        return self._median


def baseline_scores(
    source: VideoSource, background: Background | None = None, progress: Callable[[int, int | None], None] | None = None
) -> FrameScores:
    """The four baselines of one video, as components of their names, in one decoding; `score` is all zeros.

    Args:
        background: the median of normal video of the same camera; None takes the running median.
        progress: called with frames done, and frames in all where the file says so.

    Raises:
        VideoError: the video cannot be decoded.
    """
    with VideoReader(source, SIZE) as reader:
        found = _measure(reader, background, progress, reader.info.frames)
        info = reader.info
    time, components = found
    count = len(time)
    return FrameScores(source.name, np.arange(count), time, components, np.zeros(count), info, "baselines")


def _measure(
    frames: Iterable[Frame],
    background: Background | None,
    progress: Callable[[int, int | None], None] | None,
    total: int | None,
) -> tuple[NDArray[np.float64], dict[str, NDArray[np.float64]]]:
    times: list[float] = []
    difference, flow, distance = [], [], []
    running = RunningMedian()
    two: deque[NDArray[np.uint8]] = deque(maxlen=3)  # the last frames; a frame beyond the ends is the scored one
    before: Grey | None = None
    for frame in frames:
        if not two:
            two.append(frame.image)
        two.append(frame.image)
        if len(two) == 3:
            difference.append(_apart(two[0], two[2]))
        grey = cv2.cvtColor(frame.image, cv2.COLOR_BGR2GRAY)
        now = np.asarray(cv2.resize(grey, FLOW_SIZE[::-1], interpolation=cv2.INTER_AREA), np.uint8)
        flow.append(0.0 if before is None else _speed(before, now))
        before = now
        small = small_grey(frame.image)
        distance.append(
            float(np.abs(small - (running.push(frame.time, small) if background is None else background)).mean())
        )
        times.append(frame.time)
        if progress is not None:
            progress(len(times), total)
    difference.append(_apart(two[-2], two[-1]))
    names = (*PLAIN, RUNNING if background is None else MEDIAN)
    columns = (difference, flow, range(len(times)), distance)
    return np.array(times), {name: np.array(column, np.float64) for name, column in zip(names, columns, strict=True)}


def _apart(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    return float(cv2.absdiff(one, other).mean())


def _speed(before: Grey, now: Grey) -> float:
    vectors = cv2.calcOpticalFlowFarneback(before, now, None, **FARNEBACK)  # type: ignore[call-overload]
    return float(np.linalg.norm(vectors, axis=-1).mean())
