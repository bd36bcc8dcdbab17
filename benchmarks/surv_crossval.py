"""Settings compared on training clips alone: the 200 surveillance clips of `surv_fight.py`, repeated cross-validation.

    python benchmarks/surv_crossval.py CLIPS OUT --try RECIPE NETWORKS [NAME=VALUE ...] [--try ...] [--splits 0 10]

OUT is the folder of `surv_fight.py`, whose stored features of `train.csv` are read; no test clip is. NETWORKS are
joined by "+", the first is the student's; "mean:" or "change:" before them takes that channel alone. `steps=`, of each
stage, is known beside the options of the recipe; bags have 4 segments unless `segments=` says otherwise. A split holds
out a fifth of each class; five make a repetition. Every `--try` is trained on the same splits, all in one process.

Printed is the AUC of held-out clips by their highest score, the mean over the splits, and how far it lies from that of
the best baseline, with the standard error of the difference. Baselines are those of
`oddframe.evaluation.weak_baselines`.
"""

from __future__ import annotations

import argparse
import csv
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from numpy.typing import NDArray
from ucf_crossval import held_out, learn

from oddframe.datasets.segments import pool
from oddframe.evaluation.auc import roc_auc
from oddframe.evaluation.weak_baselines import ridge, summarise, weak_baselines
from oddframe.features.collection import Collection
from oddframe.features.snippets import SnippetFeatures
from oddframe.models.bag_detector import BagDetector
from oddframe.models.registry import create
from oddframe.recipes import load_recipe

BOTH = "mean and change of all backbones, ridge"
Clips = dict[str, dict[str, SnippetFeatures]]
Label = NDArray[np.int64]


def training_clips(clips: Path, out: Path) -> tuple[Clips, Label, Collection]:
    """Clip -> backbone -> features, of the training clips, and their labels (N,)."""
    with (clips / "train.csv").open(newline="", encoding="utf-8") as file:
        label = {row["video"]: int(row["label"]) for row in csv.DictReader(file)}
    stores = sorted(str(path.parent) for path in (out / "features").glob("*/store.json"))
    collection = Collection(stores)
    backbones = list(collection.sources)
    return {name: collection.load(name, backbones) for name in label}, np.array(list(label.values())), collection


def baselines(features: Clips, label: Label, held: NDArray[np.bool_], collection: Collection) -> dict[str, float]:
    """AUC of the held-out clips by every baseline, and by a regression on all that a network is given."""
    channels = {name: sources[0].channels for name, sources in collection.sources.items()}
    known = {clip: summarise(own, channels) for clip, own in features.items()}
    parts = [
        {clip: known[clip] for clip, out in zip(known, held, strict=True) if out == side} for side in (True, False)
    ]
    found, _ = weak_baselines(parts[0], parts[1], dict(zip(known, label.tolist(), strict=True)))
    aucs = {name: roc_auc(label[held], list(one.score.values())) for name, one in found.items()}
    both = np.stack([np.concatenate([*own.mean.values(), *own.change.values()]) for own in known.values()])
    scores, _ = ridge(both[~held].astype(float), label[~held].astype(float), both[held])
    return {**aucs, BOTH: roc_auc(label[held], scores)}


def attempt(
    words: Sequence[str], features: Clips, label: Label, held: NDArray[np.bool_], split: int
) -> dict[str, float]:
    """AUC of the held-out clips by every component of a network that is trained on the others."""
    recipe, networks = load_recipe(words[0]), words[1]
    changes: dict[str, Any] = {
        name: yaml.safe_load(value) for name, value in (word.split("=", 1) for word in words[2:])
    }
    steps = changes.pop("steps", 200)
    part, _, together = networks.rpartition(":")
    names = together.split("+")
    options: dict[str, Any] = {**recipe.options, "segments": 4, **changes}
    x = {name: np.stack([pool(own[name].features, options["segments"]) for own in features.values()]) for name in names}
    if part:
        x = {name: np.split(values, 2, -1)[("mean", "change").index(part)] for name, values in x.items()}
    options["backbones"] = {name: values.shape[-1] for name, values in x.items()}
    if "student" in options and "student" not in changes:
        options["student"] = names[0] if len(names) > 1 else None
    torch.manual_seed(split)
    detector = create(recipe.model, recipe.preset, **options)
    assert isinstance(detector, BagDetector)
    learn(detector, {name: values[~held] for name, values in x.items()}, label[~held], steps, split)
    with torch.no_grad():
        scores = detector.eval().score({name: torch.from_numpy(values[held]) for name, values in x.items()})
    return {name: roc_auc(label[held], score.amax(1).numpy()) for name, score in scores.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("clips", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--try", nargs="+", action="append", default=[], dest="attempts")
    parser.add_argument("--splits", nargs=2, type=int, default=[0, 10])
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")  # of collapse: bags of three snippets are alike
    torch.set_num_threads(1)
    features, label, collection = training_clips(arguments.clips, arguments.out)
    splits = [(split, held_out(label, split)) for split in range(*arguments.splits)]
    found: dict[str, list[float]] = {}
    for _, held in splits:
        for name, value in baselines(features, label, held, collection).items():
            found.setdefault(name, []).append(value)
    best = max(found, key=lambda name: float(np.mean(found[name])))
    for name, values in found.items():
        print(f"{np.mean(values):.4f}  {name}")
    print(f"best baseline: {best}", flush=True)
    for words in arguments.attempts:
        began, own = time.process_time(), dict[str, list[float]]()
        for split, held in splits:
            for name, value in attempt(words, features, label, held, split).items():
                own.setdefault(name, []).append(value)
        for name, values in own.items():
            gap = np.subtract(values, found[best])
            error = gap.std(ddof=1) / len(gap) ** 0.5 if len(gap) > 1 else float("nan")
            print(f"{np.mean(values):.4f}  {gap.mean():+.4f} +- {error:.4f}  {' '.join(words)}: {name}", flush=True)
        print(f"        {time.process_time() - began:.0f} s", flush=True)


if __name__ == "__main__":
    main()
