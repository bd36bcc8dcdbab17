"""From normal video to a calibrated bundle."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict
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
from oddframe.models.detector import one_class
from oddframe.models.reference import read_checkpoint
from oddframe.models.registry import create, entry
from oddframe.recipes import PseudoPart, Recipe, load_recipe
from oddframe.runtime.torch import TorchRuntime
from oddframe.scoring.calibrate import supported_rate
from oddframe.scoring.heldout import HeldOutScores
from oddframe.scoring.stream import collect, score_frames
from oddframe.training.loop import train
from oddframe.video.cache import CachedVideo, build_cache, default_cache_root
from oddframe.video.decode import Frame
from oddframe.video.sources import find_videos
from oddframe.workflow.begin import check_out, check_recipe, note_recipe, training_plan
from oddframe.workflow.card import write_card
from oddframe.workflow.fit_bags import fit_bags
from oddframe.workflow.fit_fitted import fit_fitted
from oddframe.workflow.run import Run

CacheProgress = Callable[[int, int], None]


def fit(
    videos: str | Path,
    *,
    model: str = "sdmae",
    recipe: str | Recipe | None = None,
    out: str | Path = "run",
    features: Sequence[str] = (),
    changes: Iterable[str] = (),
    budget: str | None = None,
    alarms_per_hour: float | None = None,
    quantile: float | None = None,
    devices: int = 1,
    accelerator: str = "auto",
    workers: int = 2,
    resume: bool = False,
    tensorboard: bool = False,
    progress: bool = False,
    cache_progress: CacheProgress | None = None,
) -> Run:
    """Learn what is normal from `videos`, find a threshold on a held-out part of them, and leave a bundle in `out`.

    Args:
        videos: normal video only: a folder of videos or of frame folders, a video, or a CSV of paths. For systems that
            learn from labelled videos (dakd, mil) their labels: a CSV of video,label, or NAME:PATH of a data set (see
            `oddframe.datasets.weak.open_weak`).
        model: takes the model's small recipe, where `recipe` names none.
        recipe: a built-in recipe, a YAML file, or a `Recipe`.
        features: for those systems, features of the videos: stores that `oddframe features` made, or NAME=LAYOUT:PATH
            of published ones (see `oddframe.features.store.open_features`).
        changes: `key=value` changes to the recipe, such as "training.batch_size=8".
        budget: "30m", "2000steps", "5epochs"; None as the recipe says. The stages and the schedule scale with it.
        alarms_per_hour, quantile: how the threshold is chosen; see `Run.calibration`.
        devices: processes to train with, one device each; `accelerator` "auto", "cpu" or "cuda".
        workers: processes that decode the training videos.
        resume: go on with an interrupted run in `out`.

    Raises:
        InputError: no usable video, or an `out` that holds another run.
        RecipeError: unknown model, recipe or option.
        CalibrationError: the held-out video cannot support the threshold asked for; found before training starts.
    """
    out = Path(out)
    recipe = recipe if isinstance(recipe, Recipe) else load_recipe(recipe or f"{model}-small", changes)
    plan = training_plan(recipe, budget, tensorboard)
    check_out(out, resume)
    kind = entry(recipe.model).kind
    if kind == "fitted":
        check_recipe(recipe, out, resume)
        return fit_fitted(
            videos, recipe, out, alarms_per_hour=alarms_per_hour, quantile=quantile
        )
    if kind == "bags":
        return fit_bags(
            str(videos), features, recipe, plan, out,
            alarms_per_hour=alarms_per_hour, quantile=quantile,
            devices=devices, accelerator=accelerator, resume=resume, progress=progress,
        )  # fmt: skip
    if features:
        raise InputError(
            f"{recipe.model} learns from the frames of normal video, not from features; leave --features out, or "
            "choose a system that learns from labelled videos: --model dakd"
        )
    check_recipe(recipe, out, resume)
    torch.manual_seed(recipe.training.seed)
    detector = one_class(create(recipe.model, recipe.preset, **recipe.options), "learning from frames")
    window = detector.window

    sources = find_videos(videos)
    cached, skipped = build_cache(sources, window, default_cache_root(), workers, cache_progress)
    if not cached:
        raise InputError(f"{videos}: not one video can be used; the first: {skipped[0][1]}")
    gap = window.look_ahead + window.look_back
    training, heldout = split_holdout(
        [len(v.frames) for v in cached], recipe.training.holdout, gap, recipe.training.seed
    )
    seconds = sum(_seconds(video, part) for video, part in zip(cached, heldout, strict=True))
    if quantile is None:
        supported_rate(alarms_per_hour, seconds)

    paster = make_paster(recipe.pseudo, window.size, recipe.training.seed)
    note_recipe(recipe, out)
    history = train(
        detector,
        ClipSet(cached, window, training, paster),
        ClipSet(cached, window, heldout, paster),
        plan,
        out,
        devices=devices,
        accelerator=accelerator,
        resume=resume,
        progress=progress,
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
    runtime = TorchRuntime(detector, "auto" if accelerator == "auto" else accelerator)
    pieces = list(heldout_pieces(runtime, cached, heldout))
    run.calibrate(pieces, alarms_per_hour=alarms_per_hour, quantile=quantile)
    return run


def make_paster(pseudo: PseudoPart, size: tuple[int, int], seed: int) -> Paster | None:
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
    return Paster(
        sequences,
        size,
        probability=pseudo.probability,
        min_area=pseudo.min_area,
        max_area=pseudo.max_area,
        blend=pseudo.blend,
        place=pseudo.place,
        scale=pseudo.scale,
        refresh=pseudo.refresh,
        seed=seed,
    )


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
