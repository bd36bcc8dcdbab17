"""ShanghaiTech's test set with labels per frame, in miniature."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tiny

from oddframe.datasets.masks import read_masks
from oddframe.datasets.readers import open_labelled
from oddframe.errors import InputError

LABELS = {"01_0014": [0, 1, 1, 0], "12_0175": [1, 0, 0]}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    testing = tmp_path / "shanghaitech" / "testing"
    for name, own in LABELS.items():
        tiny.frames(testing / "frames" / name, len(own), suffix=".jpg")
        tiny.array(testing / "test_frame_mask" / f"{name}.npy", own)
        tiny.array(testing / "test_pixel_mask" / f"{name}.npy", tiny.volume(own))
    return tmp_path


def labels(root: Path) -> dict[str, list[int]]:
    return {video.source.name: video.labels.tolist() for video in open_labelled(f"shanghaitech:{root}").videos}


def test_the_released_layout(root: Path) -> None:
    found = open_labelled(f"shanghaitech:{root}")
    assert labels(root) == LABELS and found.notes == ()
    for video in found.videos:
        assert np.array_equal(read_masks(video), tiny.volume(video.labels.tolist()) > 0)
    assert found.published is not None
    assert (found.published.videos, found.published.frames, found.published.positives) == (107, 40_791, 17_326)


@pytest.mark.parametrize("shape", [(-1,), (1, -1)])
def test_one_array_for_all_in_one_dimension_or_two(root: Path, shape: tuple[int, ...]) -> None:
    (root / "shanghaitech" / "testing" / "test_frame_mask").rename(root / "put away")
    tiny.array(root / "frame_labels_shanghai.npy", np.reshape(np.concatenate(list(LABELS.values())), shape))
    assert labels(root) == LABELS


def test_labels_of_two_dimensions_or_none(root: Path) -> None:
    masks = root / "shanghaitech" / "testing" / "test_frame_mask"
    tiny.array(masks / "01_0014.npy", [LABELS["01_0014"]])
    assert labels(root) == LABELS
    tiny.array(masks / "01_0014.npy", 1)
    with pytest.raises(InputError, match=r"01_0014\.npy: labels have the shape \(\); give one 0 or 1 per frame"):
        labels(root)


def test_what_does_not_fit_is_named(root: Path) -> None:
    masks = root / "shanghaitech" / "testing" / "test_frame_mask"
    tiny.array(masks / "12_0175.npy", [1, 0, 0, 0])
    with pytest.raises(InputError, match="4 labels for 3 frames of 12_0175; there must be one per frame"):
        labels(root)
    (masks / "12_0175.npy").unlink()
    with pytest.raises(InputError, match=r"12_0175\.npy: missing; 1 of 2"):
        labels(root)
    masks.rename(root / "put away")
    with pytest.raises(
        InputError, match=r"no labels; looked for test_frame_mask, frame_masks, frame_labels_shanghai\.npy"
    ):
        labels(root)
