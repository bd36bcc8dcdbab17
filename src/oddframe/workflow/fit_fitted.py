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
from concurrent.futures import wait
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

from oddframe.bundle import BACKBONE, SkippedVideo, TrainingData, TrainingVideo, save_bundle
from oddframe.errors import InputError, OddframeError
from oddframe.models.camera import LIGHT, CameraDetector
from oddframe.processes import SPAWN, cores, main_hidden, process_pool
from oddframe.progress import ProgressCall
from oddframe.recipes import Recipe
from oddframe.runtime.backbone import open_backbone, write_backbone
from oddframe.scoring.heldout_store import HeldOutScores
from oddframe.settings import ThresholdOptions
from oddframe.types import VideoInfo
from oddframe.video.sources import Videos, find_videos
from oddframe.workflow.passes import Measured, Pass, Passed, begin, new_detector, run_pass, set_levels
from oddframe.workflow.run import Run
from oddframe.workflow.self_check import SelfCheck
from oddframe.workflow.stretches import divide, measure_videos, sample_stretches

FOLDS = 2
GAP = 2.0  # seconds beside a held-out stretch that are not learned from
MOST_SECONDS = 1800.0  # of video that is learned from
POLL = 0.5  # seconds
PHASE = "learning and scoring normal video, seconds"


def fit_fitted(
    videos: Videos,
    recipe: Recipe,
    out: Path,
    threshold: ThresholdOptions = ThresholdOptions(),
    workers: int = 1,
    show: ProgressCall | None = None,
) -> Run:
    """Fit, check and calibrate a detector that learns without gradients; leave a bundle in `out`.

    Args:
        videos: normal video of one fixed camera.
        workers: processes that share the passes.
        show: called with the phase, seconds of video done, and seconds in all.

    Raises:
        InputError: no usable video, or too little of it.
        CalibrationError: the video cannot support the threshold that is asked for.
    """
    usable, skipped = measure_videos(find_videos(videos))
    if not usable:
        raise InputError(f"{videos}: not one video can be used; the first: {skipped[0][1]}")
    info = usable[0].info
    recipe, notes = equipped(recipe, info)
    stretches = sample_stretches(usable, MOST_SECONDS, recipe.training.seed)
    folds = [
        Pass(recipe, info, tuple(learned), tuple(held), check=number == 0)
        for number, (learned, held) in enumerate(divide(stretches, FOLDS, GAP))
    ]
    tasks = [*folds, Pass(recipe, info, tuple(stretches))]
    *crossed, last = run_passes(tasks, workers, show)
    final = new_detector(tasks[-1])
    final.load_state(last.state)
    measured = [one for passed in crossed for one in passed.measured]
    set_levels(final, measured)
    checks = crossed[0].checks
    assert checks is not None, "the first fold is checked"
    weights = earned_weights(final, checks)
    recipe = recipe.model_copy(update={"scoring": recipe.scoring.model_copy(update={"weights": weights})})
    data = TrainingData(
        videos=tuple(TrainingVideo(video.source.name, video.info.frames) for video in usable),
        skipped=tuple(SkippedVideo(source.name, reason) for source, reason in skipped),
        heldout_seconds=round(sum(float(one.time[-1] - one.time[0]) for one in measured), 3),
        frame_rate=None if info.fps is None else round(info.fps, 3),
        frame_size=(info.height, info.width),
        notes=notes,
    )
    names = [*(f"fold {number + 1}" for number in range(len(folds))), "final"]
    history: dict[str, Any] = {
        "seconds": {name: passed.seconds for name, passed in zip(names, (*crossed, last), strict=True)},
        "self_check": {name: dict(row) for name, row in checks.auc.items()},
    }
    if final.blocks is not None:
        write_backbone(out / BACKBONE, final.blocks)
    run = Run(save_bundle(out, final, recipe, history, data), skipped)
    pieces = list(_pieces(final, measured))
    run.calibrate(pieces, alarms_per_hour=threshold.alarms_per_hour, quantile=threshold.quantile)
    return run


def equipped(recipe: Recipe, info: VideoInfo) -> tuple[Recipe, tuple[str, ...]]:
    """The recipe that can be fitted here, and what the user should know about it.

    Where the frozen network is not installed and nobody has asked for `patches`, the other parts are fitted.

    Raises:
        InputError: the recipe names `patches`, and its network is not installed.
    """
    blocks = new_detector(Pass(recipe, info, ())).blocks
    if blocks is None:
        return recipe, ()
    try:
        open_backbone(blocks)
    except InputError as error:
        if "parts" in recipe.options:
            raise
        options = {**recipe.options, "parts": ["monitors", "scene"]}
        note = f"The part patches is left out, so that strange things are found less well: {error}."
        return recipe.model_copy(update={"options": options}), (note,)
    return recipe, ()


def run_passes(tasks: Sequence[Pass], workers: int, show: ProgressCall | None) -> list[Passed]:
    """What all tasks leave, in their order.

    Raises:
        OddframeError: a process was killed.
    """
    total = round(sum(task.seconds for task in tasks))
    if workers < 2 or cores() < 2:
        passed = []
        for number, task in enumerate(tasks):
            passed.append(run_pass(task))
            if show is not None:
                show(PHASE, round(sum(own.seconds for own in tasks[: number + 1])), total)
        return passed
    done = SPAWN.Value("d", 0.0)
    workers = min(workers, cores(), len(tasks))
    pool = process_pool(workers, begin, max(1, cores() // workers), done)
    try:
        with main_hidden():
            futures = [pool.submit(run_pass, task) for task in tasks]
        waiting = set(futures)
        while waiting:
            _, waiting = wait(waiting, POLL)
            if show is not None:
                show(PHASE, round(done.value), total)
        return [future.result() for future in futures]
    except BrokenProcessPool as error:
        raise OddframeError("a process was killed (out of memory?) while it learned; try --workers 1") from error
    finally:
        pool.shutdown(cancel_futures=True)


def earned_weights(detector: CameraDetector, checks: SelfCheck) -> dict[str, float]:
    """The weight of every component: its trust.

    Where every component is at chance all of them count alike: the check could not tell, and nothing is left out.
    """
    weights = {name: checks.trust(name) for name in detector.components if name != LIGHT}
    if not any(weights.values()):
        weights = dict.fromkeys(weights, 1.0)
    return {name: round(weight, 4) for name, weight in weights.items() if weight > 0}


def _pieces(detector: CameraDetector, measured: Sequence[Measured]) -> Iterator[HeldOutScores]:
    for one in measured:
        detector.begin_video()
        standing = detector.standing(one.time, detector.modes_of(one.looks), one.values)
        yield one.time, {name: standing[:, k] for k, name in enumerate(detector.components)}
