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
from contextlib import closing
from functools import partial
from math import ceil
from pathlib import Path
from typing import Any

from oddframe.bundle import BACKBONE, SkippedVideo, TrainingData, TrainingVideo, save_bundle
from oddframe.errors import InputError, OddframeError, VideoError
from oddframe.models.camera import LIGHT, CameraDetector
from oddframe.processes import Killed, cores, run_tasks
from oddframe.progress import ProgressCall, say, shown
from oddframe.recipes import Recipe
from oddframe.report.moments import save_moments
from oddframe.runtime.backbone import open_backbone, write_backbone
from oddframe.scoring.calibrate import NormalAmount, check_quantile, plan_promise
from oddframe.scoring.heldout_store import HeldOutScores
from oddframe.scoring.promise import hours_text
from oddframe.scoring.sentinel_reference import save_reference
from oddframe.settings import ThresholdOptions, TrainingOptions
from oddframe.types import VideoInfo
from oddframe.video.identity import content_key
from oddframe.video.levels import learn_levels, levels_note
from oddframe.video.pauses import plausible_seconds
from oddframe.video.rate import assumption
from oddframe.video.search import Videos, search_videos
from oddframe.video.sources import VideoSource, with_levels
from oddframe.workflow.frame_rates import refuse_guesses
from oddframe.workflow.notes import damage_notes, incomplete_parts, order_notes, repeated_notes
from oddframe.workflow.passes import Measured, Pass, Passed, begin_passes, new_detector, set_levels
from oddframe.workflow.run import Run
from oddframe.workflow.self_check import CHANCE, SelfCheck
from oddframe.workflow.stretches import divide, measure_videos, sample_stretches

FOLDS = 2
GAP = 2.0  # seconds beside a held-out stretch that are not learned from
MOST_SECONDS = 2700.0  # of video that is learned from: enough to count one alarm per hour
READING = "reading normal video for its content keys, MB"
PHASE = "learning, scoring and checking, seconds looked at"


def fit_fitted(
    videos: Videos,
    recipe: Recipe,
    out: Path,
    threshold: ThresholdOptions = ThresholdOptions(),
    training: TrainingOptions = TrainingOptions(),
) -> Run:
    """Fit, check and calibrate a detector that learns without gradients; leave a bundle in `out`.

    Args:
        videos: normal video of one fixed camera.
        threshold: how the threshold is chosen.
        training: how many processes share the passes, and whether progress is shown.

    Raises:
        InputError: no usable video, or too little of it.
        CalibrationError: the video cannot support the threshold that is asked for; mostly found before work starts.
    """
    found = search_videos(videos)
    levels = learn_levels(found.sources)
    usable, skipped = measure_videos(with_levels(found.sources, levels))
    if not usable:
        raise InputError(f"{skipped[0][1]} (not one of {len(skipped)} videos can be used)")
    sources = {video.source.name: video.source for video in usable}  # a video with pauses is several in `usable`
    info = usable[0].info
    guessed = [video for video in usable if video.info.rate == "assumed"]
    if threshold.alarms_per_hour is not None:
        refuse_guesses([video.source for video in guessed])
    recipe, notes = equipped(recipe, info)
    notes += (*found.notes(), *order_notes(list(sources.values())), *(() if levels is None else (levels_note(levels),)))
    stretches = sample_stretches(usable, MOST_SECONDS, recipe.training.seed)
    ignored = tuple(training.ignore)
    folds = [
        Pass(recipe, info, tuple(learned), tuple(held), check=number == 0, ignored=ignored)
        for number, (learned, held) in enumerate(divide(stretches, FOLDS, GAP))
    ]
    if not all(sum(stretch.seconds for stretch in fold.learned) > 0 for fold in folds):
        raise InputError(
            f"{sum(video.seconds for video in usable):.1f} s of normal video are too few: one half is scored by what "
            f"learned from the other, and {GAP:g} s beside it are not learned from; give at least a minute"
        )
    tasks = [*folds, Pass(recipe, info, tuple(stretches), ignored=ignored)]
    held = sum(stretch.seconds for fold in folds for stretch in fold.held)
    if threshold.quantile is not None:
        fastest = max(video.info.fps or 0.0 for video in usable)
        if fastest:
            check_quantile(threshold.quantile, ceil(held * fastest) + len(stretches))
    else:
        video = NormalAmount(sum(video.seconds for video in usable), held, 1.0, MOST_SECONDS)
        say(f"promise: {plan_promise(threshold.alarms_per_hour, video)}", training.progress)
    once, looks = sum(stretch.seconds for stretch in stretches), sum(task.seconds for task in tasks)
    say(
        f"looks: three times at {hours_text(once / 3600)} of video, to learn from one half and score the other, and to "
        f"learn from all of it; and at some of it again, to check what is found: {looks:.0f} s in all",
        training.progress,
    )
    with shown(training.progress) as show:
        keys, gone = read_keys(list(sources.values()), show)
        *crossed, last = run_passes(tasks, training.workers, show)
    lost = gone | {name: reason for passed in (*crossed, last) for name, reason in passed.lost}
    skipped += [(sources[name], f"{reason}; what was read of it before is learned") for name, reason in lost.items()]
    skipped += [(sources[name], reason) for name, reason in incomplete_parts(last.read).items() if name not in lost]
    final = new_detector(tasks[-1])
    final.load_state(last.state)
    measured = [one for passed in crossed for one in passed.measured]
    checks = crossed[0].checks
    assert checks is not None, "the first fold is checked"
    parts = [[name for name in part.components if name != LIGHT] for part in final.parts.values()]
    weights = {name: round(weight, 4) for name, weight in checks.weights(parts).items() if weight}
    final.show(weights)
    if LIGHT in final.components:
        weights[LIGHT] = 1.0
    set_levels(final, measured, recipe.scoring.smoothing)
    recipe = recipe.model_copy(update={"scoring": recipe.scoring.model_copy(update={"weights": weights})})
    lengths = {video.source.name: video.info.frames for video in usable}
    data = TrainingData(
        videos=tuple(TrainingVideo(name, lengths[name], key=key) for name, key in keys.items()),
        skipped=tuple(SkippedVideo(source.name, reason) for source, reason in skipped),
        heldout_seconds=round(sum(plausible_seconds(one.time) for one in measured), 3),
        frame_rate=None if info.fps is None or info.rate == "assumed" else round(info.fps, 3),
        assumed_rate=guessed[0].info.fps if guessed else None,
        frame_size=(info.height, info.width),
        levels=levels,
        ignored=ignored,
        notes=tuple(
            note
            for note in (
                *notes,
                assumption([video.info for video in guessed]),
                *repeated_notes(keys),
                *damage_notes(last.read),
                *unearned(checks),
                *last.odd,
            )
            if note
        ),
    )
    names = [*(f"fold {number + 1}" for number in range(len(folds))), "final"]
    history: dict[str, Any] = {
        "seconds": {name: passed.seconds for name, passed in zip(names, (*crossed, last), strict=True)},
        "self_check": {name: dict(row) for name, row in checks.auc.items()},
    }
    if final.blocks is not None:
        write_backbone(out / BACKBONE, final.blocks)
    save_moments(out, last.moments)
    save_reference(out, last.sentinel)
    run = Run(save_bundle(out, final, recipe, history, data), skipped)
    pieces = list(_pieces(final, measured))
    run.calibrate(
        pieces, alarms_per_hour=threshold.alarms_per_hour, quantile=threshold.quantile, assumed_fps=data.assumed_rate
    )
    return run


def read_keys(sources: Sequence[VideoSource], show: ProgressCall | None) -> tuple[dict[str, str], dict[str, str]]:
    """Name -> content key of the videos, which are read as a whole for them; and of those that cannot be read, why."""
    done = 0

    def count(read: int) -> None:
        nonlocal done
        done += read
        if show is not None:
            show(READING, done >> 20, None)

    keys, gone = dict[str, str](), dict[str, str]()
    for source in sources:
        try:
            keys[source.name] = content_key(source, count)
        except VideoError as error:
            gone[source.name] = str(error)
    return keys, gone


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
        OddframeError: the process of a pass was killed twice.
    """
    total = round(sum(task.seconds for task in tasks))
    workers = min(workers, cores(), len(tasks))
    passed: dict[int, Passed] = {}

    def tell(seconds: float) -> None:
        if show is not None:
            show(PHASE, min(round(seconds), total), total)

    begin = partial(begin_passes, cores() // workers if workers > 1 else None)
    with closing(run_tasks(begin, list(enumerate(tasks)), workers, tell)) as answers:
        for (number, _), answer in answers:
            if isinstance(answer, Killed):
                raise OddframeError(f"learning: {answer}; fit on fewer videos, or find the one that does it")
            passed[number] = answer
    tell(total)  # what videos lacked at their ends is no work that is left
    return [passed[number] for number in range(len(tasks))]


def unearned(checks: SelfCheck) -> list[str]:
    """A sentence where no component tells any test from normal life."""
    best = max((auc for name, row in checks.auc.items() if name != LIGHT for auc in row.values()), default=1.0)
    if best > CHANCE:
        return []
    return [
        f"No component tells anything in the self-check from normal life of this camera (best AUC {best:.2f}): it has "
        "learned nothing that helps; give more normal video."
    ]


def _pieces(detector: CameraDetector, measured: Sequence[Measured]) -> Iterator[HeldOutScores]:
    for one in measured:
        detector.begin_video()
        standing = detector.standing(one.time, detector.modes_of(one.looks), one.values)
        yield one.time, {name: standing[:, k] for k, name in enumerate(detector.components)}
