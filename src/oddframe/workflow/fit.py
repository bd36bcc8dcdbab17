"""From normal video to a calibrated bundle."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch

from oddframe.bundle import META, SkippedVideo, TrainingData, TrainingVideo, save_bundle
from oddframe.datasets.clips import ClipSet, split_holdout
from oddframe.datasets.pseudo import Paster
from oddframe.datasets.sequences import (
    ObjectSequence,
    sequences_from_folder,
    sequences_from_ubnormal,
    sequences_from_world,
)
from oddframe.errors import InputError, RecipeError
from oddframe.models.reference import read_checkpoint
from oddframe.models.registry import create, entry
from oddframe.progress import shown
from oddframe.recipes import Recipe, load_recipe, recipe_of
from oddframe.runtime.torch import TorchRuntime
from oddframe.scoring.calibrate import supported_rate
from oddframe.scoring.heldout_store import HeldOutScores
from oddframe.scoring.stream import collect, score_frames
from oddframe.settings import PseudoAnomalies, ThresholdOptions, TrainingOptions
from oddframe.training.loop import train
from oddframe.video.cache import CachedVideo, build_cache, default_cache_root
from oddframe.video.decode import Frame
from oddframe.video.sources import find_videos
from oddframe.workflow.begin import check_out, check_recipe, note_recipe
from oddframe.workflow.card import write_card
from oddframe.workflow.fit_bags import fit_bags
from oddframe.workflow.fit_fitted import fit_fitted
from oddframe.workflow.run import Run


def fit(
    videos: str | Path,
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
        videos: normal video only: a folder of videos or of frame folders, a video, or a CSV of paths. Systems that
            learn from labelled videos (dakd, mil) take the labels here: a CSV of video,label, or NAME:PATH of a data
            set (see `oddframe.datasets.weak.open_weak`).
        model: the system, with its small recipe where `recipe` names none.
        recipe: a built-in recipe, a YAML file, or a `Recipe`.
        changes: `key=value` changes to a recipe given by name or file, such as "training.batch_size=8".
        out: folder for the bundle.
        threshold: how the threshold is chosen.
        training: budget, devices, resuming, what is shown, and for labelled videos their features.

    Raises:
        InputError: there is no usable video, or `out` holds another run.
        RecipeError: the model, the recipe or an option is unknown, a value is impossible, or there are changes to a
            `Recipe` that is taken as it is.
        CalibrationError: the held-out video cannot support the threshold asked for; found before training starts.
    """
    out = Path(out)
    if not isinstance(recipe, Recipe):
        recipe = load_recipe(recipe or recipe_of(model), changes)
    elif changes:
        raise RecipeError("changes go with a recipe's name or file; a `Recipe` is taken as it is")
    plan = replace(recipe.training, budget=training.budget or recipe.training.budget)
    check_out(out, training.resume)
    kind = entry(recipe.model).kind
    if kind == "bags":
        return fit_bags(str(videos), recipe, plan, out, threshold, training)
    if kind == "fitted" and not training.features:
        refuse_training_options(recipe.model, training)
        with shown(training.progress) as show:
            return fit_fitted(videos, recipe, out, threshold, training.workers, show)
    if training.features:
        raise InputError(
            f"{recipe.model} learns from the frames of normal video, not from features; leave --features out, or "
            "choose a system that learns from labelled videos: --model dakd"
        )
    check_recipe(recipe, out, training.resume)
    torch.manual_seed(plan.seed)
    detector = create(recipe.model, recipe.preset, **recipe.options).one_class("learning from frames")
    window = detector.window

    sources = find_videos(videos)
    with shown(training.progress) as show:
        decoded = None if show is None else partial(show, "decoding")
        cached, skipped = build_cache(sources, window, default_cache_root(), training.workers, decoded)
    if not cached:
        raise InputError(f"{videos}: not one video can be used; the first: {skipped[0][1]}")
    gap = window.look_ahead + window.look_back
    learnt, heldout = split_holdout([len(v.frames) for v in cached], plan.holdout, gap, plan.seed)
    seconds = sum(_seconds(video, part) for video, part in zip(cached, heldout, strict=True))
    if threshold.quantile is None:
        supported_rate(threshold.alarms_per_hour, seconds)

    paster = make_paster(recipe.pseudo, window.size, plan.seed)
    note_recipe(recipe, out)
    history = train(
        detector,
        ClipSet(cached, window, learnt, paster),
        ClipSet(cached, window, heldout, paster),
        plan,
        out,
        training,
    )
    learned = TrainingData(
        videos=tuple(
            TrainingVideo(v.source.name, len(v.frames), heldout=(part.start, part.stop) if part else None)
            for v, part in zip(cached, heldout, strict=True)
        ),
        skipped=tuple(SkippedVideo(source.name, reason) for source, reason in skipped),
        heldout_seconds=round(seconds, 3),
        frame_rate=round(float(np.median([_rate(video) for video in cached])), 3),
    )
    run = Run(save_bundle(out, detector, recipe, asdict(history), learned), skipped)
    runtime = TorchRuntime(detector, training.accelerator)
    pieces = list(heldout_pieces(runtime, cached, heldout))
    run.calibrate(pieces, alarms_per_hour=threshold.alarms_per_hour, quantile=threshold.quantile)
    return run


def refuse_training_options(model: str, training: TrainingOptions) -> None:
    """See to it that no option is given that means nothing where there is no training loop.

    Raises:
        InputError: a budget, several devices, an accelerator or TensorBoard.
    """
    given = {
        "--budget": training.budget is not None,
        "--devices": training.devices != 1,
        "--accelerator": training.accelerator not in ("auto", "cpu"),
        "--tensorboard": training.tensorboard,
    }
    for option, is_given in given.items():
        if is_given:
            raise InputError(
                f"{model} is fitted in one pass, and {option} means nothing to it: leave it out, or choose a system "
                "that is trained, such as --model sdmae"
            )


def make_paster(pseudo: PseudoAnomalies, size: tuple[int, int], seed: int) -> Paster | None:
    """What pastes pseudo-anomalies into training clips, or None for a recipe without.

    Raises:
        RecipeError: a source of another form.
        InputError: the source holds no object sequences.
    """
    kind, _, path = pseudo.source.partition(":")
    sequences: Sequence[ObjectSequence]
    if kind == "none":
        return None
    if kind == "world":
        sequences = sequences_from_world(seed, size, pseudo.sequences)
    elif kind == "ubnormal" and path:
        sequences = sequences_from_ubnormal(Path(path))
    elif kind == "folder" and path:
        sequences = sequences_from_folder(Path(path))
    else:
        raise RecipeError(f"pseudo.source is {pseudo.source!r}; write world, ubnormal:PATH, folder:PATH or none")
    return Paster(sequences, size, pseudo, seed)


def heldout_pieces(
    runtime: TorchRuntime, videos: Sequence[CachedVideo], ranges: Sequence[range]
) -> Iterator[HeldOutScores]:
    """What the detector says of every held-out block, scored as if it were a video of its own."""
    for video, block in zip(videos, ranges, strict=True):
        if block:
            whole = collect(score_frames(runtime, _frames(video, block)))
            yield whole.time, whole.components


def _frames(video: CachedVideo, block: range) -> Iterator[Frame]:
    for number, position in enumerate(block):
        yield Frame(number, float(video.time[position]), np.ascontiguousarray(video.frames[position]))


def _seconds(video: CachedVideo, block: range) -> float:
    if len(block) < 2:
        return 0.0
    time = video.time[block.start : block.stop]
    return float(time[-1] - time[0] + np.median(np.diff(time)))


def _rate(video: CachedVideo) -> float:
    """Frames per second of a video, by the median interval of its time stamps."""
    return 1 / float(np.median(np.diff(video.time))) if len(video.time) > 1 else 0.0


def import_checkpoint(
    model: str, file: str | Path, out: str | Path, *, recipe: str, changes: Iterable[str] = ()
) -> Run:
    """Make a bundle of a checkpoint that was trained with the authors' released code.

    Args:
        model: name of the system.
        file: .pth, .pt or .safetensors with the released key names, alone or under the key "model".
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
    detector.load_reference_state_dict(read_checkpoint(Path(file)))
    bundle = save_bundle(out, detector, chosen, {}, TrainingData(checkpoint=Path(file).name))
    write_card(bundle, None)
    return Run(bundle)
