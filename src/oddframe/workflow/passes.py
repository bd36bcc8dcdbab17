"""The passes of a fit over normal video: learning, scoring what was held out, and the self-check.

Every pass is a task that needs nothing of the others, so that they run side by side in processes of their own. A task
is given plain values and returns plain arrays.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from time import monotonic
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oddframe.datasets.windows import Chunk, stream_chunks
from oddframe.errors import VideoError
from oddframe.models.camera import CameraDetector, peaks_of
from oddframe.models.fitted import State
from oddframe.models.registry import create_fitted
from oddframe.processes import Count
from oddframe.recipes import Recipe
from oddframe.report.moments import Moment, MomentKeeper, choose_moments
from oddframe.runtime.backbone import open_backbone
from oddframe.scoring.sentinel_reference import ReferenceLearner, SentinelReference
from oddframe.scoring.smooth import Smoothing, smooth
from oddframe.threads import one_blas_thread
from oddframe.types import IgnoredPlace, VideoInfo
from oddframe.video.decode import Frame, VideoReader
from oddframe.video.recode import Encoding
from oddframe.workflow.self_check import TESTS, SelfCheck, Shown, run_self_check
from oddframe.workflow.standouts import standouts, unsteady
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
        ignored: places that the detector leaves out, when it learns as when it scores.
    """

    recipe: Recipe
    info: VideoInfo
    learned: tuple[Stretch, ...]
    held: tuple[Stretch, ...] = ()
    check: bool = False
    ignored: tuple[IgnoredPlace, ...] = ()

    @property
    def seconds(self) -> float:
        """Of video that is looked at, about."""
        checked = min(CHECKED_SECONDS, sum(stretch.seconds for stretch in self.held)) * self.check
        return sum(stretch.seconds for stretch in (*self.learned, *self.held)) + checked * (1 + len(TESTS))


@dataclass(frozen=True)
class Passed:
    """What a task left.

    Attributes:
        state: of the detector.
        measured: what it says of `held`.
        checks: the self-check.
        seconds: spent by part.
        moments: of what it learned from, where nothing was held out.
        lost: names of videos that could not be read any more, and why.
        read: what is known of the videos that it learned from and read to their end.
        sentinel: what the camera shows when nothing is wrong with it, where nothing was held out.
        odd: a sentence for each video that stands out from the others.
    """

    state: State
    measured: tuple[Measured, ...]
    checks: SelfCheck | None
    seconds: dict[str, float]
    moments: tuple[Moment, ...] = ()
    lost: tuple[tuple[str, str], ...] = ()
    read: tuple[VideoInfo, ...] = ()
    sentinel: SentinelReference | None = None
    odd: tuple[str, ...] = ()


def begin_passes(threads: int | None = None) -> Callable[[tuple[int, Pass], Count], Passed]:
    """Make a process ready for numbered passes.

    Args:
        threads: that every library in it may use; None leaves that as it is.
    """
    if threads is not None:
        os.environ["OMP_NUM_THREADS"] = str(threads)
    return lambda numbered, count: run_pass(numbered[1], count)


@one_blas_thread()
def run_pass(task: Pass, count: Count) -> Passed:
    """Do one task. `count` is called with the seconds of video that are read.

    Raises:
        InputError: there is too little video to learn from, or a library is missing.
    """
    began, seconds, keeper = monotonic(), dict[str, float](), MomentKeeper()
    detector = new_detector(task)
    glances = None if task.held else ReferenceLearner(detector.window.colour)
    keeping = detector.moments > 0 and not task.held
    if detector.blocks is not None:
        detector.network = open_backbone(detector.blocks)
    detector.begin_learning(task.recipe.training.seed)
    lost: dict[str, str] = {}
    read: dict[str, VideoInfo] = {}
    for stretch in _counted(task.learned, count):
        keeper.begin()
        with _unless_lost(stretch, lost):
            for chunk in read_chunks(stretch, detector.window, read):
                if chunk.begins:
                    detector.begin_video()
                detector.learn(chunk)
                if glances is not None:
                    _glance(glances, stretch, chunk)
                for number, time in zip(chunk.inputs[:, -1], chunk.time, strict=True) if keeping else ():
                    keeper.see(stretch.video.source.name, float(time), chunk.frames[number])
    detector.finish_learning()
    seconds["learning"], began = monotonic() - began, monotonic()
    measured: list[Measured] = []
    for stretch in _counted(task.held, count):
        with _unless_lost(stretch, lost):
            measured += _measure(detector, stretch)
    seconds["scoring"], began = monotonic() - began, monotonic()
    checks = None
    if task.check:
        set_levels(detector, measured, task.recipe.scoring.smoothing)
        checks = _check(detector, task, count, lost)
    seconds["self-check"] = monotonic() - began
    began = monotonic()
    reference = None if glances is None else glances.learned()
    odd = () if glances is None else (*standouts(glances, task.info), *unsteady(reference, task.info))
    if glances is not None:
        seconds["camera"] = monotonic() - began
    moments = tuple(choose_moments(keeper.moments, detector.moments, task.recipe.training.seed))
    return Passed(
        detector.state(), tuple(measured), checks, seconds, moments, tuple(lost.items()), tuple(read.values()),
        reference, odd,
    )  # fmt: skip


def _glance(glances: ReferenceLearner, stretch: Stretch, chunk: Chunk) -> None:
    """Show the frames of a chunk to the learner of the sentinel's reference."""
    if chunk.begins:
        glances.begin(stretch.video.source.name)
    for number, time in zip(chunk.inputs[:, -1], chunk.time, strict=True):
        glances.see(float(time), chunk.frames[number])


@contextmanager
def _unless_lost(stretch: Stretch, lost: dict[str, str]) -> Iterator[None]:
    """Go on where a video cannot be read any more, because it was removed or replaced since the pass began."""
    try:
        yield
    except VideoError as error:
        lost.setdefault(stretch.video.source.name, str(error))


def new_detector(task: Pass) -> CameraDetector:
    """A detector that has learned nothing yet."""
    made = create_fitted(task.recipe.model, task.info, task.recipe.options)
    assert isinstance(made, CameraDetector), "the parts are fitted through a camera"
    made.ignore(task.ignored)
    return made


def set_levels(detector: CameraDetector, measured: Sequence[Measured], smoothing: Smoothing) -> None:
    """Give a detector its levels from normal video that it, or the detector of its fold, has not seen."""
    looks = np.concatenate([one.looks for one in measured])
    smoothed = np.concatenate([smooth_columns(one.values, smoothing, one.time) for one in measured])
    values, peaks = (np.concatenate(rows) for rows in zip(*((one.values, one.peaks) for one in measured), strict=True))
    detector.set_levels(detector.modes_of(looks), values, smoothed, detector.shown_peaks(values, peaks))


def smooth_columns(values: NDArray[np.float64], smoothing: Smoothing, time: NDArray[np.float64]) -> NDArray[np.float64]:
    """(N, components) of consecutive frames, each component smoothed."""
    return np.stack([smooth(column, smoothing, time) for column in values.T], axis=1)


def _counted(stretches: Sequence[Stretch], count: Count) -> Iterator[Stretch]:
    for stretch in stretches:
        yield stretch
        count(stretch.seconds)


def _measure(detector: CameraDetector, stretch: Stretch) -> list[Measured]:
    """What a detector says of a stretch, of each part between its pauses."""
    parts: list[list[tuple[Any, ...]]] = []
    for chunk in read_chunks(stretch, detector.window):
        if chunk.begins:
            detector.begin_video()
            parts.append([])
        values, maps = detector.measure(chunk)
        parts[-1].append((chunk.time, values, detector.looks(chunk), peaks_of(maps)))
    return [Measured(*(np.concatenate(column) for column in zip(*part, strict=True))) for part in parts]


def _check(detector: CameraDetector, task: Pass, count: Count, lost: dict[str, str]) -> SelfCheck:
    """The self-check on some of the stretches that the detector has not seen."""
    step = max(1, len(task.held) // CHECKED_STRETCHES)
    window, each = detector.window, CHECKED_SECONDS / CHECKED_STRETCHES
    shown: list[Shown] = []
    for stretch in task.held[::step][:CHECKED_STRETCHES]:
        source = stretch.video.source
        with _unless_lost(stretch, lost):
            with VideoReader(source, window.size, window.colour, window.resize, start=stretch.start) as reader:
                frames = list(read_until(reader, min(stretch.stop, stretch.start + each)))
            if len(frames) > 1:
                shown.append(Shown(frames, Encoding.of(source, stretch.video.info, [frame.image for frame in frames])))

    def scorer(frames: Sequence[Frame]) -> NDArray[np.float64]:
        detector.begin_video()
        rows = []
        for chunk in stream_chunks(iter(frames), window, BATCH):
            components = detector.score(chunk).components
            rows.append(np.stack(list(components.values()), axis=1))
        time = np.array([frame.time for frame in frames])
        count(float(time[-1] - time[0]))
        return smooth_columns(np.concatenate(rows), task.recipe.scoring.smoothing, time)

    return run_self_check(list(detector.components), shown, scorer, task.recipe.training.seed)
