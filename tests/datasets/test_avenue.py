"""Avenue as released and re-packaged, in miniature: two ground truths that are never mistaken for each other."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tiny

from oddframe.datasets import avenue
from oddframe.datasets.readers import open_labelled
from oddframe.errors import InputError

LENGTHS = (4, 3)
TRUTH_A = [[0, 1, 1, 0], [0, 0, 1]]
TRUTH_B = [[0, 1, 0, 0], [0, 0, 1]]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two re-packaged clips below the folder of an archive."""
    for number, length in enumerate(LENGTHS, 1):
        tiny.frames(tmp_path / "Avenue" / "testing" / "frames" / f"{number:02d}", length)
    return tmp_path


def labels(spec: str) -> list[list[int]]:
    return [video.labels.tolist() for video in open_labelled(spec).videos]


def test_the_released_lengths_sum_to_the_published_frames() -> None:
    assert (len(avenue.LENGTHS), sum(avenue.LENGTHS)) == (21, 15_324)


def test_the_ground_truth_has_to_be_chosen(root: Path) -> None:
    with pytest.raises(InputError, match="two ground truths, 441 frames apart; choose one by name: avenue-3867"):
        open_labelled(f"avenue:{root}")


@pytest.mark.parametrize("name", ["avenue.mat", "frame_labels_avenue.npy", "labels.npy", "test_frame_mask"])
def test_files_by_their_names_where_clips_are_not_whole(root: Path, name: str) -> None:
    if name.endswith(".mat"):
        tiny.intervals_mat(root / name, [[(2, 3)], [(3, 3)]])  # counted from 1, the last one belongs to it
    elif name.endswith(".npy"):
        tiny.array(root / name, [np.concatenate(TRUTH_A)])
    else:
        for number, own in enumerate(TRUTH_A, 1):
            tiny.array(root / name / f"{number:02d}.npy", own)
    found = open_labelled(f"avenue-3867:{root}")
    assert [video.labels.tolist() for video in found.videos] == TRUTH_A
    assert found.name == "Avenue (ground truth of 3867)"
    assert "nothing shows that this is the ground truth of 3867" in found.notes[0]
    assert found.published is not None and found.published.positives == 3867


def test_neither_is_taken_for_the_other(root: Path) -> None:
    tiny.intervals_mat(root / "avenue.mat", [[(2, 3)], [(3, 3)]])
    with pytest.raises(InputError, match=r"no labels with 3712 anomalous frames: looked for Avenue_gt\.npy"):
        open_labelled(f"avenue-3712:{root}")
    tiny.array(root / "Avenue_gt.npy", np.concatenate(TRUTH_B))
    assert labels(f"avenue-3712:{root}") == TRUTH_B
    assert labels(f"avenue-3867:{root}") == TRUTH_A


def test_a_whole_set_is_counted_not_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One clip of 15,324 frames that claims to be all of them, with the real numbers of anomalous frames."""
    monkeypatch.setattr(avenue, "LENGTHS", (15_324,))
    monkeypatch.setattr(avenue, "lengths_of", lambda sources: {"01": 15_324})
    tiny.frames(tmp_path / "testing" / "frames" / "01", 2)
    values = np.zeros((1, 15_324), np.uint8)
    values[:, :3712] = 1
    tiny.array(tmp_path / "frame_labels_avenue.npy", values)  # the name of the other one
    found = open_labelled(f"avenue-3712:{tmp_path}")
    assert (found.positives, found.frames, found.notes) == (3712, 15_324, ())
    with pytest.raises(InputError, match=r"no labels with 3867 anomalous frames: .*avenue\.npy has 3712$"):
        open_labelled(f"avenue-3867:{tmp_path}")
    values[:, :3867] = 1
    tiny.array(tmp_path / "Avenue_gt.npy", values)
    assert open_labelled(f"avenue-3867:{tmp_path}").positives == 3867


def test_the_released_layout_with_masks_numbered_without_zeros(tmp_path: Path) -> None:
    for number, own in enumerate(TRUTH_A, 1):
        tiny.video(tmp_path / "testing_videos" / f"{number:02d}.mp4", len(own))
        tiny.masks_mat(tmp_path / "ground_truth_demo" / "testing_label_mask" / f"{number}_label.mat", own)
    found = open_labelled(f"avenue-masks:{tmp_path}")
    assert [video.labels.tolist() for video in found.videos] == TRUTH_A
    assert [video.masks and video.masks.name for video in found.videos] == ["1_label.mat", "2_label.mat"]
    assert found.published is not None and found.published.positives is None
    tiny.array(tmp_path / "Avenue_gt.npy", np.concatenate(TRUTH_B))
    assert labels(f"avenue-3712:{tmp_path}") == TRUTH_B


def test_masks_that_are_missing_or_too_few(root: Path) -> None:
    with pytest.raises(InputError, match="no folder testing_label_mask"):
        open_labelled(f"avenue-masks:{root}")
    tiny.masks_mat(root / "testing_label_mask" / "1_label.mat", TRUTH_A[0])
    with pytest.raises(InputError, match=r"2_label\.mat: missing; it should hold the masks of clip 02"):
        open_labelled(f"avenue-masks:{root}")
    tiny.masks_mat(root / "testing_label_mask" / "2_label.mat", [0, 1])
    with pytest.raises(InputError, match="testing_label_mask: 2 labels for 3 frames of 02"):
        open_labelled(f"avenue-masks:{root}")
