"""Labelled bags of features of three backbones, made of random numbers: no single backbone sees the whole of them.

A bag has 32 segments. A segment has 16 latent numbers, noise averaged over three segments; in an anomalous bag one
interval of 3 to 8 segments is raised by 2.5 in one of the first three of them. Three backbones, "one", "two" and
"three", see linear maps of the latent numbers to 128, 128 and 64 dimensions plus noise, and each is blind to another of
the three. So it pays to look at all of them, and at neighbouring segments.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from oddframe.errors import InputError

SEGMENTS, LATENT, RAISED, SIGNAL = 32, 16, 2.5, 1.1
SEGMENT_FRAMES = 16
DIMS = {"one": 128, "two": 128, "three": 64}


@dataclass(frozen=True)
class ToyBags:
    """N bags of S segments.

    Attributes:
        features: backbone -> (N, S, D) float32.
        label: (N,) of 0 and 1.
        truth: (N, S) of 0 and 1, for every segment.
    """

    features: dict[str, NDArray[np.float32]]
    label: NDArray[np.int64]
    truth: NDArray[np.int64]


def make_toy_bags(seed: int, bags: int, world: int) -> ToyBags:
    """`bags` normal bags and as many anomalous ones.

    Args:
        seed: of the bags.
        world: seed of the maps, which training and test have in common.
    """
    random, maps = np.random.default_rng(seed), np.random.default_rng(world)
    noise = random.standard_normal((2 * bags, SEGMENTS + 2, LATENT))
    latent = (noise[:, :-2] + noise[:, 1:-1] + noise[:, 2:]) / 3
    label = np.repeat([0, 1], bags)
    truth = np.zeros((2 * bags, SEGMENTS), np.int64)
    for bag in range(bags, 2 * bags):
        length = random.integers(3, 9)
        start = random.integers(SEGMENTS - length + 1)
        truth[bag, start : start + length] = 1
        latent[bag, start : start + length, random.integers(3)] += RAISED
    features = {}
    for blind, (name, dim) in enumerate(DIMS.items()):
        seen = SIGNAL * maps.standard_normal((LATENT, dim))
        seen[blind] = 0
        x = latent @ seen + random.standard_normal((2 * bags, SEGMENTS, dim))
        features[name] = x.astype(np.float32)
    return ToyBags(features, label, truth)


def write_toy_bags(out: Path, seed: int, bags: int, test_bags: int) -> list[str]:
    """Write train.csv, test.csv and a file of features for each backbone to a folder.

    A segment counts as 16 frames. What is written is read by `oddframe.datasets.weak.open_weak` and
    `oddframe.features.store.open_features`.

    Returns:
        The features, as `fit --features` takes them.

    Raises:
        InputError: fewer than two bags to learn from, or none to test.
    """
    if bags < 2 or test_bags < 1:
        raise InputError(f"cannot make {bags} bags to learn from and {test_bags} to test: at least two and one")
    out.mkdir(parents=True, exist_ok=True)
    stored: dict[str, dict[str, NDArray[np.float32]]] = {name: {} for name in DIMS}
    for part, own, count in (("train", seed, bags), ("test", seed + 500, test_bags)):
        toy = make_toy_bags(own, count, seed + 1000)
        with (out / f"{part}.csv").open("w", newline="", encoding="utf-8") as file:
            rows = csv.writer(file, lineterminator="\n")
            rows.writerow(["video", "label", "frames", "start_frame", "end_frame"])
            for bag, (label, truth) in enumerate(zip(toy.label, toy.truth, strict=True)):
                name, raised = f"{part}-{bag:03d}", np.flatnonzero(truth)
                bounds = [raised[0] * SEGMENT_FRAMES, (raised[-1] + 1) * SEGMENT_FRAMES - 1] if label else ["", ""]
                rows.writerow([name, label, SEGMENTS * SEGMENT_FRAMES, *bounds])
                for backbone, values in toy.features.items():
                    stored[backbone][name] = values[bag]
    for backbone, arrays in stored.items():
        np.savez(out / f"{backbone}.npz", **arrays)  # type: ignore[arg-type]  # numpy's stubs take no such names
    return [f"segments:{out / backbone}.npz" for backbone in DIMS]
