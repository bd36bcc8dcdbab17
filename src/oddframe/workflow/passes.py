"""The passes of a fit over normal video: learning, scoring what was held out, and the self-check.

Every pass is a task that needs nothing of the others, so that they run side by side in processes of their own. A task
is given plain values and returns plain arrays.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.sharedctypes import Synchronized
from time import monotonic

import numpy as np
from numpy.typing import NDArray

from oddframe.datasets.windows import stream_chunks
from oddframe.models.camera import CameraDetector, peaks_of
from oddframe.models.fitted import State
from oddframe.models.registry import create_fitted
from oddframe.recipes import Recipe
from oddframe.runtime.backbone import open_backbone
from oddframe.scoring.smooth import smooth
from oddframe.types import VideoInfo
from oddframe.video.decode import Frame, VideoReader
from oddframe.workflow.self_check import SelfCheck, run_self_check
from oddframe.workflow.stretches import BATCH, Stretch, read_chunks, read_until

CHECKED_SECONDS = 30.0  # of video in the self-check
CHECKED_STRETCHES = 2  # long ones: `dwell` needs seconds to see that something stays


@dataclass(frozen=True)
class Measured:
    """What a detector says of one stretch that it was not fitted on, N consecutive frames.

    Attributes:
        time: (N,) seconds.
        values: (N, components), see `CameraDetector.measure`.
        looks: (N, 3) of the whole picture, which tell the mode of the camera.
        peaks: (N, parts) maxima of the parts' maps.
    """

    time: NDArray[np.float64]
    values: NDArray[np.float64]
    looks: NDArray[np.float32]
    peaks: NDArray[np.float64]


@dataclass(frozen=True)
class Pass:
    """One task.

    Attributes:
        recipe: with the options of the detector, the seed and the smoothing.
        info: geometry of the camera.
        learned: stretches to learn from, in order.
        held: stretches to score afterwards; none for the detector that goes to work.
        check: run the self-check on some of `held`.
    """

    recipe: Recipe
    info: VideoInfo
    learned: tuple[Stretch, ...]
    held: tuple[Stretch, ...] = ()
    check: bool = False

    @property
    def seconds(self) -> float:
        """Of video that is read."""
        return sum(stretch.seconds for stretch in (*self.learned, *self.held))


@dataclass(frozen=True)
class Passed:
    """What a task left: the detector's state, what it says of `held`, the self-check, and seconds spent by part."""

    state: State
    measured: tuple[Measured, ...]
    checks: SelfCheck | None
    seconds: dict[str, float]


_done: Synchronized[float] | None = None


def begin(threads: int, done: Synchronized[float]) -> None:
    """Make a spawned process ready.

    Args:
        threads: that every library in it may use.
        done: seconds of video that all processes together have read.
    """
    global _done
    os.environ["OMP_NUM_THREADS"] = str(threads)
    _done = done


def run_pass(task: Pass) -> Passed:
    """Do one task.

    Raises:
        InputError: there is too little video to learn from, or a library is missing.
    """
    began, seconds = monotonic(), dict[str, float]()
    detector = new_detector(task)
    if detector.blocks is not None:
        detector.network = open_backbone(detector.blocks)
    detector.begin_learning(task.recipe.training.seed)
    for stretch in _counted(task.learned):
        detector.begin_video()
        for chunk in read_chunks(stretch, detector.window):
            detector.learn(chunk)
    detector.finish_learning()
    seconds["learning"], began = monotonic() - began, monotonic()
    measured = tuple(one for stretch in _counted(task.held) if (one := _measure(detector, stretch)) is not None)
    seconds["scoring"], began = monotonic() - began, monotonic()
    checks = None
    if task.check:
        set_levels(detector, measured)
        checks = _check(detector, task)
    seconds["self-check"] = monotonic() - began
    return Passed(detector.state(), measured, checks, seconds)


def new_detector(task: Pass) -> CameraDetector:
    """A detector that has learned nothing yet."""
    made = create_fitted(task.recipe.model, task.info, task.recipe.options)
    assert isinstance(made, CameraDetector), "the parts are fitted through a camera"
    return made


def set_levels(detector: CameraDetector, measured: Sequence[Measured]) -> None:
    """Give a detector its levels from normal video that it, or the detector of its fold, has not seen."""
    looks = np.concatenate([one.looks for one in measured])
    values = np.concatenate([one.values for one in measured])
    detector.set_levels(detector.modes_of(looks), values, np.concatenate([one.peaks for one in measured]))


def _counted(stretches: Sequence[Stretch]) -> Iterator[Stretch]:
    for stretch in stretches:
        yield stretch
        if _done is not None:
            with _done.get_lock():
                _done.value += stretch.seconds


def _measure(detector: CameraDetector, stretch: Stretch) -> Measured | None:
    """What a detector says of a stretch; None where it has no frame."""
    detector.begin_video()
    parts = []
    for chunk in read_chunks(stretch, detector.window):
        values, maps = detector.measure(chunk)
        parts.append((chunk.time, values, detector.looks(chunk), peaks_of(maps)))
    return Measured(*(np.concatenate(column) for column in zip(*parts, strict=True))) if parts else None


def _check(detector: CameraDetector, task: Pass) -> SelfCheck:
    """The self-check on some of the stretches that the detector has not seen."""
    step = max(1, len(task.held) // CHECKED_STRETCHES)
    window, each = detector.window, CHECKED_SECONDS / CHECKED_STRETCHES
    shown: list[list[Frame]] = []
    for stretch in task.held[::step][:CHECKED_STRETCHES]:
        source = stretch.video.source
        with VideoReader(source, window.size, window.colour, window.resize, start=stretch.start) as reader:
            shown.append(list(read_until(reader, min(stretch.stop, stretch.start + each))))

    def scorer(frames: Sequence[Frame]) -> NDArray[np.float64]:
        detector.begin_video()
        rows = []
        for chunk in stream_chunks(iter(frames), window, BATCH):
            components = detector.score(chunk).components
            rows.append(np.stack(list(components.values()), axis=1))
        return np.stack([smooth(column, task.recipe.scoring.smoothing) for column in np.concatenate(rows).T], axis=1)

    frames = [one for one in shown if len(one) > 1]
    return run_self_check(list(detector.components), frames, scorer, task.recipe.training.seed)
