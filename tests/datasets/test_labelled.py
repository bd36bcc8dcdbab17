"""Opening a test set by NAME:PATH."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from oddframe.datasets.labelled import as_labels, labels_from_intervals
from oddframe.datasets.readers import open_labelled
from oddframe.errors import InputError
from oddframe.types import Interval


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "frames" / "01").mkdir(parents=True)
    (tmp_path / "labels").mkdir()
    for number in range(3):
        cv2.imwrite(str(tmp_path / "frames" / "01" / f"{number}.png"), np.zeros((8, 8, 3), np.uint8))
    np.save(tmp_path / "labels" / "01.npy", np.array([0, 1, 0]))
    return tmp_path


def test_a_named_reader_and_a_path_alone(folder: Path) -> None:
    named, alone = open_labelled(f"folder:{folder}"), open_labelled(str(folder))
    for found in (named, alone):
        assert [video.labels.tolist() for video in found.videos] == [[0, 1, 0]]


def test_an_unknown_reader_is_answered_with_those_there_are(folder: Path) -> None:
    for spec in (f"avenu:{folder}", str(folder / "none")):
        with pytest.raises(InputError, match="NAME is one of folder, ucsd-ped1, ucsd-ped2"):
            open_labelled(spec)


def test_a_known_reader_with_a_wrong_path_says_so() -> None:
    with pytest.raises(InputError, match="no such folder"):
        open_labelled("folder:does/not/exist")


def test_intervals_are_clipped_to_the_video() -> None:
    intervals = [Interval(1, 3), Interval(4, 10), Interval(2, 2), Interval(7, 9)]
    assert labels_from_intervals(intervals, 6).tolist() == [0, 1, 1, 0, 1, 1]
    assert labels_from_intervals([], 2).tolist() == [0, 0]


def test_labels_are_int8_of_one_dimension() -> None:
    labels = as_labels(np.array([[0.0], [1.0]]), Path("x"))
    assert labels.dtype == np.int8 and labels.tolist() == [0, 1]
    with pytest.raises(InputError, match=r"x: labels have the shape \(0,\)"):
        as_labels([], Path("x"))
