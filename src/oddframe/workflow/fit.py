"""From normal video to a calibrated bundle."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import asdict, replace
from functools import partial
from math import ceil
from pathlib import Path

import numpy as np
import torch

from oddframe.bundle import META, SkippedVideo, TrainingData, TrainingVideo, save_bundle
from oddframe.datasets.clips import ClipSet, scored_frames, split_holdout
from oddframe.datasets.own_objects import sequences_from_training
from oddframe.datasets.pseudo import Paster
from oddframe.datasets.sequences import (
    ObjectSequence,
    sequences_from_folder,
    sequences_from_ubnormal,
    sequences_from_world,
)
from oddframe.errors import BundleError, InputError, RecipeError, VideoError
from oddframe.locks import holding
from oddframe.models.reference import read_checkpoint
from oddframe.models.registry import create, entry
from oddframe.places import default_cache_root
from oddframe.progress import say, shown
from oddframe.recipes import Recipe, load_recipe, recipe_of
from oddframe.runtime.torch import TorchRuntime
from oddframe.scoring.calibrate import NormalAmount, check_quantile, plan_promise
from oddframe.scoring.heldout_store import HeldOutScores
from oddframe.scoring.sentinel_reference import ReferenceLearner, save_reference
from oddframe.scoring.stream import collect, score_frames
from oddframe.settings import PseudoAnomalies, ThresholdOptions, TrainingOptions, TrainingPlan
from oddframe.training.loop import check_options, train
from oddframe.training.world import world
from oddframe.types import Window
from oddframe.video.cache import CachedVideo, build_cache
from oddframe.video.decode import Frame
from oddframe.video.levels import learn_levels, levels_note
from oddframe.video.pauses import pace, plausible_seconds
from oddframe.video.rate import assumption, picked, rate_to_pick, tracks
from oddframe.video.search import Videos, search_videos
from oddframe.video.sources import VideoSource, with_levels
from oddframe.workflow.begin import check_out, check_recipe, note_recipe
from oddframe.workflow.card import write_card
from oddframe.workflow.fit_bags import fit_bags
from oddframe.workflow.fit_fitted import fit_fitted
from oddframe.workflow.frame_rates import most_common_rate, refuse_guesses
from oddframe.workflow.learned import LONGEST, STRETCHES, Learned, ask, check_weights, epochs_text, rule_of
from oddframe.workflow.notes import damage_notes, incomplete_parts, order_notes, repeated_notes
from oddframe.workflow.run import Run
from oddframe.workflow.standouts import glance_at, standouts, unsteady

LONGEST_PART, MOST_PARTS = 300, 200  # frames of a part, and parts, that are searched for objects


def fit(
    videos: Videos,
    *,
    model: str = "camera",
    recipe: str | Recipe | None = None,
    changes: Iterable[str] = (),
    out: str | Path = "run",
    threshold: ThresholdOptions = ThresholdOptions(),
    training: TrainingOptions = TrainingOptions(),
) -> Run:
    """Learn what is normal from `videos`, find a threshold on a held-out part of them, and leave a bundle in `out`.

    Args:
        videos: normal video only: a folder of videos or of frame folders, a video, a CSV of paths, or a list of them
            (see `oddframe.video.sources.find_videos`). Systems that learn from labelled videos (dakd, mil) take the
            labels here: a CSV of video,label, or NAME:PATH of a data set (see `oddframe.datasets.weak.open_weak`).
        model: the system, with its small recipe where `recipe` names none.
        recipe: a built-in recipe, a YAML file, or a `Recipe`.
        changes: `key=value` changes to a recipe given by name or file, such as "training.batch_size=8".
        out: folder for the bundle.
        threshold: how the threshold is chosen.
        training: budget, devices, resuming, what is shown, and for labelled videos their features.

    Raises:
        InputError: there is no usable video, `out` holds another run, another process is writing into it, or a rate of
            alarms is asked for and the frame rate is not known.
        RecipeError: the model, the recipe or an option is unknown, a value is impossible, or there are changes to a
            `Recipe` that is taken as it is.
        CalibrationError: the held-out video cannot support the threshold asked for; found before training starts.
        SystemExit: this is not the first process of `torchrun` (see `oddframe.training.world`), and its part is done.
    """
    out = Path(out)
    if not isinstance(recipe, Recipe):
        recipe = load_recipe(recipe or recipe_of(model), changes)
    elif changes:
        raise RecipeError("changes go with a recipe's name or file; a `Recipe` is taken as it is")
    plan = replace(recipe.training, budget=training.budget or recipe.training.budget)
    with holding(out) if world().leads else nullcontext():
        return _fit(videos, recipe, plan, out, threshold, training)


def _fit(
    videos: Videos,
    recipe: Recipe,
    plan: TrainingPlan,
    out: Path,
    threshold: ThresholdOptions,
    training: TrainingOptions,
) -> Run:
    """`fit` of a complete recipe, in a folder that nobody else writes into, or which the first process holds."""
    check_out(out, training.resume)
    kind = entry(recipe.model).kind
    if kind != "fitted":
        check_options(plan, training)
    if kind == "bags":
        if training.ignore:
            raise InputError(
                f"{recipe.model} learns from features of whole pictures, and cannot leave places out; leave --ignore "
                "out, or choose a system that learns from frames"
            )
        if not isinstance(videos, str | Path):
            raise InputError(f"{recipe.model} learns from labelled videos; give a CSV of video,label or NAME:PATH")
        return fit_bags(str(videos), recipe, plan, out, threshold, training)
    if kind == "fitted" and not training.features:
        refuse_training_options(recipe.model, training)
        return fit_fitted(videos, recipe, out, threshold, training)
    if training.features:
        raise InputError(
            f"{recipe.model} learns from the frames of normal video, not from features; leave --features out, or "
            "choose a system that learns from labelled videos: --model dakd"
        )
    ignored = tuple(training.ignore)
    check_recipe(recipe, out, training.resume, ignored)
    torch.manual_seed(plan.seed)
    detector = create(recipe.model, recipe.preset, **recipe.options).one_class("learning from frames")
    detector.ignore(ignored)
    window = detector.window
    check_weights(recipe, detector.signature.reported)

    found = search_videos(videos)
    # Without stages nothing is learnt, and nothing pasted. A source elsewhere is opened before the videos are decoded.
    pastes, own = bool(detector.stages()), recipe.pseudo.from_training
    later = own or (recipe.pseudo.source == "world" and not pastes)
    paster = None if later else make_paster(recipe.pseudo, window.size, plan.seed)
    levels = learn_levels(found.sources)
    sources = with_levels(found.sources, levels)
    with shown(training.progress) as show:
        decoded = None if show is None else partial(show, "decoding")
        cached, skipped = build_cache(sources, window, default_cache_root(), training.workers, decoded)
    if not cached:
        raise InputError(f"{skipped[0][1]} (not one of {len(skipped)} videos can be used)")
    paced = detector.signature.paced
    rate, takes, cached, slower = one_rate(cached) if paced else (_common(cached), [None] * len(cached), cached, [])
    sources_by_name = {video.source.name: video.source for video in cached}
    incomplete = incomplete_parts(video.info for video in cached)
    skipped = [*skipped, *slower, *((sources_by_name[name], reason) for name, reason in incomplete.items())]
    guessed = [video for video in cached if video.info.rate == "assumed"]
    if threshold.alarms_per_hour is not None:
        refuse_guesses([video.source for video in guessed])
    # A window reaches over more frames of a video from which only some are picked.
    widest = max(_ratio(video, take) for video, take in zip(cached, takes, strict=True))
    gap = ceil((window.look_ahead + window.look_back) * widest)
    learnt, heldout = split_holdout([len(v.frames) for v in cached], plan.holdout, gap, plan.seed)
    followed = [tracks(video.time, take) for video, take in zip(cached, takes, strict=True)]
    frames = [scored_frames(window, own, part) for own, part in zip(followed, heldout, strict=True)]
    refuse_short(heldout, sum(frames), window)
    for number, scored in enumerate(frames):  # a block that is too short to be scored holds nothing out
        if heldout[number] and not scored:
            learnt[number], heldout[number] = range(len(cached[number].frames)), range(0)
    if pastes and own:
        paster = make_paster(recipe.pseudo, window.size, plan.seed, parts_of(cached, learnt, plan.seed))
    seconds = sum(plausible_seconds(v.time[part.start : part.stop]) for v, part in zip(cached, heldout, strict=True))
    if threshold.quantile is not None:
        check_quantile(threshold.quantile, sum(frames))
    else:
        given = sum(plausible_seconds(video.time) for video in cached)
        video = NormalAmount(given, seconds, plan.holdout)
        say(f"promise: {plan_promise(threshold.alarms_per_hour, video)}", training.progress)
    note_recipe(recipe, out, ignored)
    history = train(
        detector,
        ClipSet(cached, window, learnt, paster, followed),
        ClipSet(cached, window, heldout, paster, followed),
        plan,
        out,
        training,
    )
    glances = ReferenceLearner(window.colour)
    glance_at(cached, glances, plan.seed)
    reference = glances.learned()
    save_reference(out, reference)
    runtime = TorchRuntime(detector, training.device)
    pieces = list(heldout_pieces(runtime, cached, heldout, takes))
    measured = ClipSet(cached, window, heldout, paster, followed)
    rule = rule_of(recipe, detector.combination, [components for _, components in pieces])
    stretches = stretches_of(cached, heldout)
    asked = ask(runtime, measured, rule, stretches, plan.seed) if history.records and training.check else Learned()
    doubts = (*epochs_text(history, plan, len(ClipSet(cached, window, learnt, None, followed))), *asked.doubts)
    learned = TrainingData(
        videos=tuple(
            TrainingVideo(
                v.source.name, len(v.frames), heldout=(part.start, part.stop) if part else None, key=v.info.key
            )
            for v, part in zip(cached, heldout, strict=True)
        ),
        skipped=tuple(SkippedVideo(source.name, reason) for source, reason in skipped),
        heldout_seconds=round(seconds, 3),
        frame_rate=None if rate is None else round(rate, 3),
        assumed_rate=guessed[0].info.fps if guessed else None,
        levels=levels,
        ignored=ignored,
        notes=tuple(
            note
            for note in (
                *found.notes(),
                "" if levels is None else levels_note(levels),
                assumption([video.info for video in guessed]),
                *order_notes([video.source for video in cached]),
                *repeated_notes({video.source.name: video.info.key for video in cached}),
                *damage_notes(v.info for v in cached),
                *doubts,
                *standouts(glances, cached[0].info),
                *unsteady(reference, cached[0].info),
            )
            if note
        ),
    )
    kept = {**asdict(history), "self_check": asked.checks, "plainest": asked.plainest}
    run = Run(save_bundle(out, detector, recipe, kept, learned), skipped)
    run.calibrate(
        pieces,
        alarms_per_hour=threshold.alarms_per_hour,
        quantile=threshold.quantile,
        assumed_fps=learned.assumed_rate,
    )
    return run


def one_rate(
    videos: Sequence[CachedVideo],
) -> tuple[float | None, list[float | None], list[CachedVideo], list[tuple[VideoSource, str]]]:
    """The frame rate to learn at, which most frames have, and how each video comes to it.

    Returns:
        The rate, None where it is not known of any video; the rate at which frames of each usable video are picked,
        None for all of its frames; the usable videos; and those that are slower, with the reason.
    """
    rate = _common(videos)
    takes, usable, slower = [], [], []
    for video in videos:
        own = pace(video.time)
        try:
            takes.append(rate_to_pick(replace(video.info, fps=own), rate))
            usable.append(video)
        except VideoError:
            reason = f"{video.info.path}: {own:.4g} frames/s, and most training frames come at {rate:.4g}"
            slower.append((video.source, f"{reason}; frames between cannot be made up: fit a detector of its own"))
    return rate, takes, usable, slower


def _common(videos: Sequence[CachedVideo]) -> float | None:
    known = [(pace(video.time), len(video.time)) for video in videos if video.info.rate != "assumed"]
    return most_common_rate([(rate, frames) for rate, frames in known if rate is not None])


def _ratio(video: CachedVideo, take: float | None) -> float:
    """Frames of a video for every frame that is taken."""
    return 1.0 if take is None else (pace(video.time) or take) / take


def refuse_short(heldout: Sequence[range], frames: int, window: Window) -> None:
    """See to it that something of what is held out can be scored.

    Args:
        frames: of all blocks that get a score.

    Raises:
        InputError: no block is as long as a window.
    """
    if not frames:
        raise InputError(
            f"no part of the videos that is held out for the threshold is as long as a window of "
            f"{window.look_back + window.look_ahead + 1} frames (the longest has {max(map(len, heldout))}): give "
            "longer videos, or hold out more of them, as with --set training.holdout=0.4"
        )


def refuse_training_options(model: str, training: TrainingOptions) -> None:
    """See to it that no option is given that means nothing where there is no training loop.

    Raises:
        InputError: a budget, several devices, a GPU, TensorBoard, or several processes of `torchrun`.
    """
    if world().started:
        raise InputError(f"{model} is fitted in one pass by one process; run the command without torchrun")
    given = {
        "--budget": training.budget is not None,
        "--devices": training.devices != 1,
        "--device": training.device not in ("auto", "cpu"),
        "--resident": training.resident != "auto",
        "--graphs": training.graphs,
        "--tensorboard": training.tensorboard,
    }
    for option, is_given in given.items():
        if is_given:
            raise InputError(
                f"{model} is fitted in one pass, and {option} means nothing to it: leave it out, or choose a system "
                "that is trained, such as --model sdmae"
            )


def make_paster(
    pseudo: PseudoAnomalies, size: tuple[int, int], seed: int, parts: Iterable[Sequence[Frame]] = ()
) -> Paster | None:
    """What pastes pseudo-anomalies into training clips, or None for a recipe without.

    Args:
        parts: consecutive frames of the training video, for the sources that cut objects out of it; see `parts_of`.

    Raises:
        RecipeError: a source of another form.
        InputError: the source holds no object sequences.
    """
    kind, _, path = pseudo.source.partition(":")
    sequences: Sequence[ObjectSequence]
    if pseudo.source == "none":
        return None
    if pseudo.source == "world":
        sequences = sequences_from_world(seed, size, pseudo.sequences)
    elif pseudo.source == "training":
        sequences = sequences_from_training(parts, seed, pseudo.sequences)
    elif pseudo.source == "world+training":
        sequences = [
            *sequences_from_world(seed, size, pseudo.sequences),
            *sequences_from_training(parts, seed, pseudo.sequences),
        ]
    elif kind == "ubnormal" and path:
        sequences = sequences_from_ubnormal(Path(path))
    elif kind == "folder" and path:
        sequences = sequences_from_folder(Path(path))
    else:
        raise RecipeError(
            f"pseudo.source is {pseudo.source!r}; write world, training, world+training, ubnormal:PATH, folder:PATH "
            "or none"
        )
    return Paster(sequences, size, pseudo, seed)


def parts_of(videos: Sequence[CachedVideo], ranges: Sequence[range], seed: int) -> Iterator[list[Frame]]:
    """Parts of these videos, in an order that depends on the seed, for `sequences_from_training`."""
    parts = [
        (video, block[first : first + LONGEST_PART])
        for video, block in zip(videos, ranges, strict=True)
        for first in range(0, len(block), LONGEST_PART)
    ]
    for number in np.random.default_rng(seed).permutation(len(parts))[:MOST_PARTS]:
        yield list(_frames(*parts[number]))


def heldout_pieces(
    runtime: TorchRuntime,
    videos: Sequence[CachedVideo],
    ranges: Sequence[range],
    takes: Sequence[float | None] | None = None,
) -> Iterator[HeldOutScores]:
    """What the detector says of every held-out block, scored as if it were a video of its own.

    Args:
        takes: the rate at which frames of each video are picked; None, alone or as one of them, takes all frames.
    """
    for video, block, take in zip(videos, ranges, takes or [None] * len(videos), strict=True):
        if block:
            frames = _frames(video, block)
            whole = collect(score_frames(runtime, frames if take is None else picked(frames, take)))
            yield whole.time, whole.components


def stretches_of(videos: Sequence[CachedVideo], ranges: Sequence[range]) -> list[list[Frame]]:
    """The beginnings of the longest held-out blocks, for the self-check."""
    longest = sorted(zip(videos, ranges, strict=True), key=lambda pair: -len(pair[1]))[:STRETCHES]
    return [list(_frames(video, block[:LONGEST])) for video, block in longest if block]


def _frames(video: CachedVideo, block: range) -> Iterator[Frame]:
    for number, position in enumerate(block):
        yield Frame(number, float(video.time[position]), np.ascontiguousarray(video.frames[position]))


def import_checkpoint(
    model: str, file: str | Path, out: str | Path, *, recipe: str, changes: Iterable[str] = ()
) -> Run:
    """Make a bundle of a checkpoint that was trained with the authors' released code.

    Args:
        model: name of the system.
        file: .pth, .pt or .safetensors with the released key names; `oddframe.models.reference` says which wrappers and
            prefixes are opened.
        recipe: a recipe of that model whose sizes fit the checkpoint; the preset becomes "code" unless `changes` say
            otherwise.

    Raises:
        BundleError: the file cannot be read safely, or does not fit the network.
    """
    chosen = load_recipe(recipe, ["preset=code", *changes])
    if chosen.model != model:
        raise RecipeError(f"recipe {recipe} is for {chosen.model}, not for {model}")
    out = Path(out)
    if (out / META).exists():
        raise InputError(f"{out}: already holds a bundle; choose another --out")
    detector = create(chosen.model, chosen.preset, **chosen.options)
    state = read_checkpoint(Path(file))
    try:
        detector.load_reference_state_dict(state)
    except BundleError as error:
        raise BundleError(f"{file}: {error}") from error
    with holding(out):
        bundle = save_bundle(out, detector, chosen, {}, TrainingData(checkpoint=Path(file).name))
        write_card(bundle, None)
    return Run(bundle)
