"""From labelled videos and their features to a calibrated bundle."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from oddframe.bundle import EXTRACTORS, FeatureOrigin, TrainingData, TrainingVideo, save_bundle
from oddframe.datasets.bags import CLASSES, BagSet
from oddframe.datasets.segments import pool
from oddframe.datasets.weak import WeakVideo, open_weak
from oddframe.datasets.weak_csv import read_csv
from oddframe.errors import InputError
from oddframe.features.collection import Collection
from oddframe.features.snippets import FeatureSource
from oddframe.features.store import FeatureStore
from oddframe.models.bag_detector import BagDetector
from oddframe.models.registry import create
from oddframe.progress import say
from oddframe.recipes import Recipe
from oddframe.scoring.bags import torch_network
from oddframe.scoring.calibrate import NormalAmount, check_quantile, plan_promise
from oddframe.scoring.features import frames_of, score_bag
from oddframe.settings import ThresholdOptions, TrainingOptions, TrainingPlan
from oddframe.training.loop import train
from oddframe.workflow.begin import check_recipe, note_recipe
from oddframe.workflow.learned import bags_text, check_weights, epochs_text, rule_of
from oddframe.workflow.run import Run


def fit_bags(
    labels: str, recipe: Recipe, plan: TrainingPlan, out: Path, threshold: ThresholdOptions, training: TrainingOptions
) -> Run:
    """Train a weakly supervised system, calibrate it on held-out normal videos, and leave a bundle in `out`.

    `plan` is the recipe's, with the budget of this call. Everything that can be wrong with labels and features is found
    before training starts. See `oddframe.fit`.
    """
    if not training.features:
        raise InputError(
            f"{recipe.model} learns from features: extract them with `oddframe features EXTRACTOR VIDEOS --out STORE`, "
            "then give --features STORE"
        )
    videos = read_csv(labels) if Path(labels).is_file() else open_weak(labels).train
    if not videos:
        raise InputError(f"{labels}: has no training videos")
    collection = Collection(training.features)
    recipe = fill_in(recipe, collection)
    check_recipe(recipe, out, training.resume)
    torch.manual_seed(plan.seed)
    detector = create(recipe.model, recipe.preset, **recipe.options).weakly_supervised()
    check_weights(recipe, detector.signature.reported)
    check_features(detector, collection, videos, labels)

    truth = np.array([video.label for video in videos])
    aside = hold_out(truth, plan.holdout, plan.seed)
    pooled = pool_all(detector, collection, videos)
    learnt = BagSet({name: rows[~aside] for name, rows in pooled.items()}, truth[~aside])
    measured = BagSet({name: rows[aside] for name, rows in pooled.items()}, truth[aside], first=len(learnt))
    heldout = [video for video, held in zip(videos, aside, strict=True) if held]
    normal = [(video, collection.load(video.name, detector.required)) for video in heldout if not video.label]
    seconds = sum(float(np.ptp(frames_of(own, video.frames)[1])) for video, own in normal)
    if threshold.quantile is not None:
        check_quantile(threshold.quantile, sum(len(frames_of(own, video.frames)[1]) for video, own in normal))
    else:
        video = NormalAmount(None, seconds, plan.holdout)
        say(f"promise: {plan_promise(threshold.alarms_per_hour, video)}", training.progress)
    sources = {name: collection.sources[name][0] for name in detector.backbones}
    extractors = {
        name: source.open_extractor()
        for name, source in sources.items()
        if name in detector.required and isinstance(source, FeatureStore)
    }

    note_recipe(recipe, out)
    history = train(detector, learnt, measured, plan, out, training)
    for name, extractor in extractors.items():
        extractor.save(out / EXTRACTORS / name)
    network, longest = torch_network(detector), recipe.scoring.segment_seconds
    pieces = [score_bag(network, detector.segments, own, longest, video.frames) for video, own in normal]
    anomalous = [
        score_bag(network, detector.segments, collection.load(video.name, detector.required), longest, video.frames)
        for video in heldout
        if video.label
    ]
    rule = rule_of(recipe, detector.combination, [components for _, components in pieces])
    doubts = epochs_text(history, plan, len(learnt), "videos")
    doubts += bags_text([rule(own) for _, own in pieces], [rule(own) for _, own in anomalous])
    data = TrainingData(
        videos=tuple(
            TrainingVideo(video.name, label=video.label, key=collection.content_key(video.name, detector.required))
            for video in videos
        ),
        heldout_videos=tuple(video.name for video in heldout),
        heldout_seconds=round(seconds, 3),
        labels=labels,
        features={name: origin_of(source) for name, source in sources.items()},
        notes=tuple(doubts),
    )
    run = Run(save_bundle(out, detector, recipe, asdict(history), data))
    run.calibrate(pieces, alarms_per_hour=threshold.alarms_per_hour, quantile=threshold.quantile)
    return run


def origin_of(source: FeatureSource) -> FeatureOrigin:
    """What a bundle remembers of the features that it learned from."""
    sampling = source.sampling.to_dict() if isinstance(source, FeatureStore) else None
    return FeatureOrigin(source.fingerprint, source.dim, sampling)


def fill_in(recipe: Recipe, collection: Collection) -> Recipe:
    """The recipe with what it leaves open about backbones: all that there are features of; the first is the student's.

    Raises:
        InputError: it names a backbone without features, or features of another length.
    """
    options, dims = dict(recipe.options), collection.dims
    named = options.get("backbones")
    if named is None:
        options["backbones"] = dims
        if "student" in options and options["student"] is None:
            options["student"] = next(iter(dims))
        return recipe.model_copy(update={"options": options})
    for name, dim in named.items():
        if name not in dims:
            raise InputError(
                f"recipe {recipe.name} asks for {name} features; there are features of {', '.join(dims)}. "
                f"Extract them, or name a store so: --features {name}=STORE"
            )
        if dims[name] != dim:
            raise InputError(f"recipe {recipe.name} asks for {name} features of length {dim}; these have {dims[name]}")
    return recipe


def check_features(detector: BagDetector, collection: Collection, videos: Sequence[WeakVideo], labels: str) -> None:
    """See to it that there are two classes, and features of every video from every backbone.

    Raises:
        InputError: there are not; the message names the first that is missing.
    """
    for number, name in enumerate(CLASSES):
        if sum(video.label == number for video in videos) < 2:
            raise InputError(
                f"{labels}: fewer than two {name} videos; training needs both classes, and holds some of each out"
            )
    backbones = list(detector.backbones)
    without = {video.name: collection.missing(video.name, backbones) for video in videos}
    unknown = [video for video, missing in without.items() if missing == backbones]
    if unknown:
        more = f" and {len(unknown) - 1} more" if len(unknown) > 1 else ""
        raise InputError(f"{labels}: no features of {unknown[0]}{more}; extract them, or take them off the list")
    partly = [(video, missing) for video, missing in without.items() if missing]
    if partly:
        video, missing = partly[0]
        more = f" (and {len(partly) - 1} more videos)" if len(partly) > 1 else ""
        raise InputError(f"{video}: no {missing[0]} features of it{more}; other backbones have them: extract these")


def hold_out(labels: NDArray[np.integer], share: float, seed: int) -> NDArray[np.bool_]:
    """(N,) which bags are held out: this share of each class, at least one."""
    random = np.random.default_rng((seed, len(labels)))
    chosen = np.zeros(len(labels), bool)
    for kind in (0, 1):
        members = np.flatnonzero(labels == kind)
        count = min(max(1, round(share * len(members))), len(members) - 1)
        chosen[random.permutation(members)[:count]] = True
    return chosen


def pool_all(
    detector: BagDetector, collection: Collection, videos: Sequence[WeakVideo]
) -> dict[str, NDArray[np.float32]]:
    """Backbone -> (N, S, D) segments of all videos; one video's snippets are in memory at a time."""
    return {
        name: np.stack([
            pool(collection.load(video.name, [name])[name].features, detector.segments) for video in videos
        ])
        for name in detector.backbones
    }  # fmt: skip
