"""Bags for training: one label per video and features pooled into segments, all in memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from oddframe.errors import InputError

CLASSES = ("normal", "anomalous")


@dataclass(frozen=True)
class Bags:
    """N bags in any order.

    Attributes:
        features: backbone -> (N, S, D_t) float32.
        label: (N,) float32, 1 anomalous, 0 normal.
        index: (N,) int64, the number of each bag, which stays the same in every epoch.
        key: (N,) int64, the keys given to `BagSet.batch`.
    """

    features: Mapping[str, NDArray[np.float32]]
    label: NDArray[np.float32]
    index: NDArray[np.int64]
    key: NDArray[np.int64]


class BagSet:
    """A set of bags, numbered class by class: first the normal bags, then the anomalous ones.

    Args:
        features: backbone -> (N, S, D_t) float32.
        labels: (N,) of 0 and 1, in the same order.
        first: `index` of the first bag. Sets that are used together must not share numbers.

    Attributes:
        features, labels: of all bags, in the order of their numbers. `first` is as given.

    Raises:
        InputError: a class has no bag.
    """

    def __init__(
        self, features: Mapping[str, NDArray[np.float32]], labels: NDArray[np.integer], first: int = 0
    ) -> None:
        labels = np.asarray(labels)
        order = np.argsort(labels, kind="stable")
        self.features = {name: values[order] for name, values in features.items()}
        self.labels = labels[order].astype(np.float32)
        self.first = first
        normal = int(np.count_nonzero(labels == 0))
        self.groups = [range(normal), range(normal, len(labels))]
        for name, group in zip(CLASSES, self.groups, strict=True):
            if not group:
                raise InputError(f"there is no {name} video to learn from: training needs examples of both classes")

    def __len__(self) -> int:
        return len(self.labels)

    def batch(self, samples: NDArray[np.int64], keys: NDArray[np.int64], epoch: int) -> Bags:
        """The bags with the numbers `samples`. They are the same in every epoch."""
        features = {name: values[samples] for name, values in self.features.items()}
        return Bags(features, self.labels[samples], self.first + samples, np.asarray(keys, np.int64))
