"""From normal video to a calibrated bundle of a fitted detector: one pass, cross-fitted, with a self-check at the end.

1. learn      all of the video, or a sample of it where there are hours
2. cross-fit  the same on one half, scoring the other, and the other way round: every second is scored by a detector
              that has not seen it
3. levels     what is normal for each component in each mode of the camera, from those scores
4. self-check what each component tells from normal life; it decides on the weights
5. promise    the threshold, from the same scores
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oddframe.bundle import BACKBONE, SkippedVideo, TrainingData, TrainingVideo, save_bundle
from oddframe.datasets.windows import stream_chunks
from oddframe.errors import InputError
from oddframe.models.backbone import Network
from oddframe.models.camera import LIGHT, CameraDetector, peaks_of
from oddframe.models.registry import create_fitted
from oddframe.progress import ProgressCall
from oddframe.recipes import Recipe
from oddframe.runtime.backbone import open_backbone, write_backbone
from oddframe.scoring.heldout_store import HeldOutScores
from oddframe.scoring.smooth import smooth
from oddframe.settings import ThresholdOptions
from oddframe.video.decode import Frame, VideoReader
from oddframe.video.sources import Videos, find_sources
from oddframe.workflow.run import Run
from oddframe.workflow.self_check import SelfCheck, run_self_check
from oddframe.workflow.stretches import (
    BATCH,
    NormalVideo,
    Stretch,
    divide,
    measure_videos,
    read_chunks,
    read_until,
    sample_stretches,
)

FOLDS = 2
GAP = 2.0  # seconds beside a held-out stretch that are not learned from
MOST_SECONDS = 1800.0  # of video that is learned from
CHECKED_SECONDS = 20.0  # of video in the self-check
CHECKED_STRETCHES = 4
MEMORY = 1 << 30  # bytes of patch vectors that are kept between the passes


class RememberedNetwork:
    """A network that computes every picture once, as long as memory lasts: the passes see the same pictures."""

    def __init__(self, network: Network) -> None:
        self._network, self._kept, self._room = network, dict[bytes, NDArray[np.float32]](), MEMORY

    def __call__(self, frames: NDArray[np.uint8]) -> NDArray[np.float32]:
        keys = [blake2b(frame.tobytes(), digest_size=16).digest() for frame in frames]
        new = [number for number, key in enumerate(keys) if key not in self._kept]
        fresh = dict(zip([keys[n] for n in new], self._network(frames[new]), strict=True)) if new else {}
        found = np.stack([fresh[key] if key in fresh else self._kept[key] for key in keys])
        for key, vectors in fresh.items():
            if self._room >= vectors.nbytes:
                self._kept[key] = vectors.copy()
                self._room -= vectors.nbytes
        return found


@dataclass(frozen=True)
class Measured:
    """What a detector says of normal video that it was not fitted on: rows of consecutive frames of one stretch."""

    time: NDArray[np.float64]
    values: NDArray[np.float64]
    modes: NDArray[np.int64]
    peaks: NDArray[np.float64]


class FittedTraining:
    """One fit: the recipe, the camera's geometry, and the network that all passes share."""

    def __init__(self, recipe: Recipe, first: NormalVideo, show: ProgressCall | None) -> None:
        self.recipe, self._info, self._show = recipe, first.info, show
        self.seconds: dict[str, float] = {}
        self.notes: tuple[str, ...] = ()
        probe = self._new()
        self._network: RememberedNetwork | None = None
        if probe.blocks is not None:
            try:
                self._network = RememberedNetwork(open_backbone(probe.blocks))
            except InputError as error:
                probe = self._without_patches(error)
        self.window, self.blocks = probe.window, probe.blocks

    def _without_patches(self, error: InputError) -> CameraDetector:
        """A detector of the other parts, where the frozen network is not installed and nobody has asked for it."""
        if "parts" in self.recipe.options:
            raise error
        self.notes = (f"The part patches is left out, so that strange things are found less well: {error}.",)
        options = {**self.recipe.options, "parts": ["monitors", "scene"]}
        self.recipe = self.recipe.model_copy(update={"options": options})
        return self._new()

    def _new(self) -> CameraDetector:
        made = create_fitted(self.recipe.model, self._info, self.recipe.options)
        assert isinstance(made, CameraDetector), "the parts are fitted through a camera"
        return made

    def learn(self, stretches: Sequence[Stretch], what: str) -> CameraDetector:
        """A new detector, fitted on stretches in their order."""
        began = monotonic()
        detector = self._new()
        detector.network = self._network
        detector.begin_learning(self.recipe.training.seed)
        for stretch in self._told(stretches, what):
            detector.begin_video()
            for chunk in read_chunks(stretch, self.window):
                detector.learn(chunk)
        detector.finish_learning()
        self.seconds[what] = monotonic() - began
        return detector

    def measure(
        self, detector: CameraDetector, final: CameraDetector, stretches: Sequence[Stretch], what: str
    ) -> list[Measured]:
        """What a detector says of stretches; modes are those of the final one."""
        began, found = monotonic(), []
        for stretch in self._told(stretches, what):
            detector.begin_video()
            parts = []
            for chunk in read_chunks(stretch, self.window):
                values, maps = detector.measure(chunk)
                parts.append((chunk.time, values, final.modes(chunk), peaks_of(maps)))
            if parts:
                found.append(Measured(*(np.concatenate(column) for column in zip(*parts, strict=True))))
        self.seconds[what] = monotonic() - began
        return found

    def _told(self, stretches: Sequence[Stretch], what: str) -> Iterator[Stretch]:
        whole = max(1, round(sum(stretch.seconds for stretch in stretches)))
        done = 0.0
        for stretch in stretches:
            yield stretch
            done += stretch.seconds
            if self._show is not None:
                self._show(what, round(done), whole)


def fit_fitted(
    videos: Videos,
    recipe: Recipe,
    out: Path,
    threshold: ThresholdOptions = ThresholdOptions(),
    show: ProgressCall | None = None,
) -> Run:
    """Fit, check and calibrate a detector that learns without gradients; leave a bundle in `out`.

    Args:
        videos: normal video of one fixed camera.
        show: called with a phase, seconds of video done, and seconds in all.

    Raises:
        InputError: no usable video, or too little of it.
        CalibrationError: the video cannot support the threshold that is asked for.
    """
    usable, skipped = measure_videos(find_sources(videos))
    if not usable:
        raise InputError(f"{videos}: not one video can be used; the first: {skipped[0][1]}")
    seed = recipe.training.seed
    training = FittedTraining(recipe, usable[0], show)
    stretches = sample_stretches(usable, MOST_SECONDS, seed)
    final = training.learn(stretches, "learning")
    folds = divide(stretches, FOLDS, GAP)
    measured: list[Measured] = []
    checks: SelfCheck | None = None
    rate = usable[0].info.fps or 25.0
    for number, (learned, held) in enumerate(folds):
        detector = training.learn(learned, f"learning, part {number + 1} of {FOLDS}")
        measured += training.measure(detector, final, held, f"scoring, part {number + 1} of {FOLDS}")
        if number == 0:
            began = monotonic()
            set_levels(detector, measured)
            checks = _check(detector, held, recipe, seed)
            training.seconds["self-check"] = monotonic() - began
    set_levels(final, measured)
    assert checks is not None, "there is a first fold"
    weights = earned_weights(final, checks)
    recipe = training.recipe  # without patches where their network is missing
    recipe = recipe.model_copy(update={"scoring": recipe.scoring.model_copy(update={"weights": weights})})
    data = TrainingData(
        videos=tuple(TrainingVideo(video.source.name, video.info.frames) for video in usable),
        skipped=tuple(SkippedVideo(source.name, reason) for source, reason in skipped),
        heldout_seconds=round(sum(one.time[-1] - one.time[0] for one in measured), 3),
        frame_rate=round(rate, 3),
        frame_size=(usable[0].info.height, usable[0].info.width),
        notes=training.notes,
    )
    history: dict[str, Any] = {
        "seconds": {"fit": training.seconds}, "self_check": {name: dict(row) for name, row in checks.auc.items()},
    }  # fmt: skip
    if training.blocks is not None:
        write_backbone(out / BACKBONE, training.blocks)
    run = Run(save_bundle(out, final, recipe, history, data), skipped)
    run.calibrate(
        list(_pieces(final, measured)), alarms_per_hour=threshold.alarms_per_hour, quantile=threshold.quantile
    )
    return run


def set_levels(detector: CameraDetector, measured: Sequence[Measured]) -> None:
    """Give a detector its levels from normal video that it, or a fold of it, had not seen."""
    modes = np.concatenate([one.modes for one in measured])
    values = np.concatenate([one.values for one in measured])
    detector.set_levels(modes, values, np.concatenate([one.peaks for one in measured]))


def earned_weights(detector: CameraDetector, checks: SelfCheck) -> dict[str, float]:
    """The weight of every component: its trust over the number of components of its part.

    Where every component is at chance all of them count alike: the check could not tell, and nothing is left out.
    """
    weights: dict[str, float] = {}
    for part in detector.parts.values():
        names = [name for name in part.components if name != LIGHT]
        weights |= {name: checks.trust(name) / len(names) for name in names}
    if not any(weights.values()):
        weights = dict.fromkeys(weights, 1.0)
    return {name: round(weight, 4) for name, weight in weights.items() if weight > 0}


def _pieces(detector: CameraDetector, measured: Sequence[Measured]) -> Iterator[HeldOutScores]:
    for one in measured:
        detector.begin_video()
        standing = detector.standing(one.time, one.modes, one.values)
        yield one.time, {name: standing[:, k] for k, name in enumerate(detector.components)}


def _check(detector: CameraDetector, held: Sequence[Stretch], recipe: Recipe, seed: int) -> SelfCheck:
    """The self-check of the first fold's detector on some of the stretches that it has not seen."""
    step = max(1, len(held) // CHECKED_STRETCHES)
    window, each = detector.window, CHECKED_SECONDS / CHECKED_STRETCHES
    shown: list[list[Frame]] = []
    for stretch in held[::step][:CHECKED_STRETCHES]:
        source = stretch.video.source
        with VideoReader(source, window.size, window.colour, window.resize, start=stretch.start) as reader:
            shown.append(list(read_until(reader, min(stretch.stop, stretch.start + each))))
    smoothing = recipe.scoring.smoothing

    def scorer(frames: Sequence[Frame]) -> NDArray[np.float64]:
        detector.begin_video()
        rows = []
        for chunk in stream_chunks(iter(frames), window, BATCH):
            components = detector.score(chunk).components
            rows.append(np.stack(list(components.values()), axis=1))
        whole = np.concatenate(rows)
        return np.stack([smooth(column, smoothing) for column in whole.T], axis=1)

    return run_self_check(list(detector.components), [one for one in shown if len(one) > 1], scorer, seed)
