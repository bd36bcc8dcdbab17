"""The toy: what is written is what was made, and the readers of labels and features take it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from oddframe.datasets.toy_bags import DIMS, make_toy_bags, write_toy_bags
from oddframe.datasets.weak import labels, open_weak
from oddframe.errors import InputError
from oddframe.features.collection import Collection


def test_what_is_written_is_read(tmp_path: Path) -> None:
    features = write_toy_bags(tmp_path, seed=3, bags=4, test_bags=2)
    found, collection = open_weak(f"csv:{tmp_path}"), Collection(features)
    assert [video.label for video in found.train] == [0] * 4 + [1] * 4 and len(found.test) == 4
    assert collection.dims == DIMS
    toy = make_toy_bags(503, 2, 1003)
    for bag, video in enumerate(found.test):
        assert np.array_equal(labels(video, 512), np.repeat(toy.truth[bag], 16))
        for name, own in collection.load(video.name, list(DIMS)).items():
            assert np.array_equal(own.features, toy.features[name][bag])


def test_one_interval_of_an_anomalous_bag_is_raised() -> None:
    toy = make_toy_bags(0, 60, 7)
    assert toy.label.tolist() == [0] * 60 + [1] * 60 and not toy.truth[:60].any()
    lengths, begins = toy.truth[60:].sum(1), np.diff(toy.truth[60:], axis=1, prepend=0) == 1
    assert lengths.min() >= 3 and lengths.max() <= 8 and (begins.sum(1) == 1).all()
    for x in toy.features.values():
        assert np.linalg.norm(x[toy.truth == 1].mean(0) - x[toy.truth == 0].mean(0)) > 2


def test_too_few_bags_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot make 1 bags to learn from and 1 to test"):
        write_toy_bags(tmp_path, 0, 1, 1)
