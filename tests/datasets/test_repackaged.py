"""Re-packaged test sets: places of the videos, one label file for all, and how each counts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tiny
from scipy.io import savemat

from oddframe.datasets.readers import open_labelled
from oddframe.datasets.repackaged import find_testing, read_gt, read_joined
from oddframe.errors import InputError
from oddframe.types import Interval

LENGTHS = {"01": 4, "02": 3}
LABELS = [[0, 1, 1, 0], [1, 0, 1]]


def listed(labels: dict[str, np.ndarray]) -> list[list[int]]:
    return [own.tolist() for own in labels.values()]


@pytest.mark.parametrize("place", ["testing/frames", "testing", "Ped2/data/testing/frames", "test/frames"])
def test_frames_wherever_they_lie(tmp_path: Path, place: str) -> None:
    for name in ("10", "9"):
        tiny.frames(tmp_path / place / name, 3)
    tiny.array(tmp_path / place / ".." / "test_frame_mask" / "9.npy", [0])
    found, notes = find_testing(tmp_path)
    assert ([source.name for source in found], notes) == (["9", "10"], [])


@pytest.mark.parametrize("place", ["testing/videos", "testing_videos"])
def test_videos_wherever_they_lie(tmp_path: Path, place: str) -> None:
    tiny.video(tmp_path / place / "01.mp4", 3)
    assert [source.name for source in find_testing(tmp_path)[0]] == ["01"]


def test_the_folder_of_testing_itself(tmp_path: Path) -> None:
    tiny.frames(tmp_path / "testing" / "frames" / "01", 3)
    tiny.array(tmp_path / "testing" / "labels" / "01.npy", [0, 1, 0])
    found = open_labelled(f"ucsd-ped2:{tmp_path / 'testing'}")
    assert [(video.source.name, video.labels.tolist()) for video in found.videos] == [("01", [0, 1, 0])]


def test_frames_for_training_are_not_taken_for_test_videos(tmp_path: Path) -> None:
    tiny.frames(tmp_path / "training" / "frames" / "01", 3)
    with pytest.raises(InputError, match="no test videos"):
        find_testing(tmp_path)


def test_a_folder_too_deep_is_read_and_noted(tmp_path: Path) -> None:
    tiny.frames(tmp_path / "testing" / "frames" / "01", 3)
    tiny.frames(tmp_path / "testing" / "frames" / "02" / "02", 3)
    found, (note,) = find_testing(tmp_path)
    assert [source.name for source in found] == ["01", "02"]
    assert "1 of 2 videos do" in note and note.endswith("move its frames up")


def test_no_place_and_no_videos(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no test videos; looked for testing/frames, testing/videos"):
        find_testing(tmp_path)
    tiny.frames(tmp_path / "testing" / "test_pixel_mask" / "01", 3)
    with pytest.raises(InputError, match="no test videos in this folder"):
        find_testing(tmp_path)


@pytest.mark.parametrize("shape", [(7,), (1, 7), (7, 1)])
def test_one_array_for_all_of_any_dimension(tmp_path: Path, shape: tuple[int, ...]) -> None:
    file = tiny.array(tmp_path / "frame_labels_x.npy", np.reshape(np.concatenate(LABELS), shape))
    assert listed(read_joined(file, LENGTHS)[0]) == LABELS


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ([0, 1, 1, 0, 1, 0], "6 labels for 7 frames of 2 videos"),
        (1, r"labels have the shape \(\)"),
        ([0, 1, 1, 0, 1, 0, 2], "found 2"),
    ],
)
def test_arrays_that_cannot_be_right(tmp_path: Path, values: object, says: str) -> None:
    with pytest.raises(InputError, match=rf"x\.npy: .*{says}"):
        read_joined(tiny.array(tmp_path / "x.npy", values), LENGTHS)


def test_intervals_of_a_mat_count_from_one_and_include_their_last(tmp_path: Path) -> None:
    file = tiny.intervals_mat(tmp_path / "x.mat", [[(2, 3)], [(1, 1), (3, 3)]])
    assert read_gt(file) == [[Interval(1, 3)], [Interval(0, 1), Interval(2, 3)]]
    labels, notes = read_joined(file, LENGTHS)
    assert (listed(labels), notes) == (LABELS, [])


def test_intervals_past_the_end_are_clipped_and_noted(tmp_path: Path) -> None:
    labels, (note,) = read_joined(tiny.intervals_mat(tmp_path / "x.mat", [[(4, 9)], []]), LENGTHS)
    assert listed(labels) == [[0, 0, 0, 1], [0, 0, 0]]
    assert "labels frames up to 9 of 01, which has 4" in note


def test_a_mat_that_cannot_be_right(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="labels of 1 videos, but there are 2; a clip is missing"):
        read_joined(tiny.intervals_mat(tmp_path / "x.mat", [[(1, 2)]]), LENGTHS)
    with pytest.raises(InputError, match="are not intervals counted from 1"):
        read_gt(tiny.intervals_mat(tmp_path / "x.mat", [[(0, 2)]]))
    savemat(tmp_path / "x.mat", {"gt": tiny.cell([np.ones((3, 2))])})
    with pytest.raises(InputError, match=r"video 1 has the shape \(3, 2\), not 2 x intervals"):
        read_gt(tmp_path / "x.mat")
    savemat(tmp_path / "x.mat", {"other": 1})
    with pytest.raises(InputError, match="no intervals can be read from it"):
        read_gt(tmp_path / "x.mat")
    (tmp_path / "x.mat").write_text("no such thing")
    with pytest.raises(InputError, match="no intervals can be read from it"):
        read_gt(tmp_path / "x.mat")


@pytest.mark.parametrize("labels", ["ped2.mat", "frame_labels_ped2.npy", "testing/labels", "test_frame_mask"])
def test_ped2_in_its_re_packagings(tmp_path: Path, labels: str) -> None:
    for number, own in enumerate(LABELS, 1):
        # The first image is 001 here and 000 elsewhere: only their order counts.
        tiny.frames(tmp_path / "ped2" / "testing" / "frames" / f"{number:02d}", len(own), first=1)
        if "." not in labels:
            tiny.array(tmp_path / "ped2" / labels / f"{number:02d}.npy", own)
    if labels.endswith(".mat"):
        tiny.intervals_mat(tmp_path / "ped2" / labels, [[(2, 3)], [(1, 1), (3, 3)]])
    elif labels.endswith(".npy"):
        tiny.array(tmp_path / "ped2" / labels, [np.concatenate(LABELS)])
    found = open_labelled(f"ucsd-ped2:{tmp_path}")
    assert [video.labels.tolist() for video in found.videos] == LABELS
    assert (found.name, found.notes) == ("UCSD Ped2", ())


def test_re_packaged_without_labels_or_with_too_few(tmp_path: Path) -> None:
    tiny.frames(tmp_path / "testing" / "frames" / "01", 3)
    tiny.frames(tmp_path / "testing" / "frames" / "02", 3)
    with pytest.raises(InputError, match=r"no labels; looked for ped1\.mat, frame_labels_ped1\.npy"):
        open_labelled(f"ucsd-ped1:{tmp_path}")
    tiny.array(tmp_path / "testing" / "labels" / "01.npy", [0, 1])
    with pytest.raises(InputError, match=r"02\.npy: missing; 1 of 2 test videos have no labels"):
        open_labelled(f"ucsd-ped1:{tmp_path}")
    tiny.array(tmp_path / "testing" / "labels" / "02.npy", [0, 1])
    with pytest.raises(InputError, match="labels: 2 labels for 3 frames of 01, and so with 1 more videos"):
        open_labelled(f"ucsd-ped1:{tmp_path}")
