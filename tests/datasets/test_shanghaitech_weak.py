"""ShanghaiTech in the weakly supervised split, lists and masks in miniature."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from oddframe.datasets.weak import labels, open_weak
from oddframe.errors import InputError
from oddframe.types import Interval


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "SH_Train.txt").write_text("01_0014\n01_002\n")
    (tmp_path / "SH_Test.txt").write_text("01_001\n01_0015\n")
    (tmp_path / "test_frame_mask").mkdir()
    mask = np.zeros(20, np.uint8)
    mask[[3, 4, 18, 19]] = 1
    np.save(tmp_path / "test_frame_mask" / "01_0015.npy", mask)
    return tmp_path


def test_lists_and_masks(root: Path) -> None:
    found = open_weak(f"shanghaitech-weak:{root}")
    assert [(v.name, v.label, v.category, v.intervals, v.frames) for v in found.test] == [
        ("01_001", 0, "Normal", (), None),
        ("01_0015", 1, "Anomaly", (Interval(3, 5), Interval(18, 20)), 20),
    ]
    assert [(v.name, v.label, v.intervals) for v in found.train] == [("01_0014", 1, None), ("01_002", 0, ())]
    assert found.notes == (
        "1 anomalous and 1 normal training videos; published: 63 and 175",
        "1 anomalous and 1 normal test videos; published: 44 and 155",
    )


def test_masks_leave_no_doubt_but_about_what_lies_beyond(root: Path) -> None:
    video = open_weak(f"shanghaitech-weak:{root}").test[1]
    for rule in ("exclusive", "sultani", "seominseok"):
        assert np.flatnonzero(labels(video, 32, rule)).tolist() == [3, 4, 18, 19]
    assert np.flatnonzero(labels(video, 32, "rtfm")).tolist() == [3, 4, *range(18, 32)]


def test_lists_with_labels_and_frame_counts(root: Path) -> None:
    (root / "SH_Train.txt").unlink()
    (root / "SH_Train_new.txt").write_text("01_0014,1\n01_002,0\n")
    # The list in circulation gives anomalous videos the number of frames of the line before.
    (root / "SH_Test.txt").write_text("01_001,0,764\n01_0015,1,764\n01_004,0,-1\n")
    found = open_weak(f"shanghaitech-weak:{root}")
    assert [v.frames for v in found.test] == [764, 20, None]
    assert [v.label for v in found.train] == [1, 0]


def test_lists_of_crops(tmp_path: Path) -> None:
    for name, videos in (("train.list", ("01_0014", "01_002")), ("test.list", ("07_0008", "01_001"))):
        (tmp_path / name).write_text("".join(f"x/{video}_{crop}.npy\n" for video in videos for crop in range(10)))
    found = open_weak(f"shanghaitech-weak:{tmp_path}")
    assert [v.name for v in (*found.train, *found.test)] == ["01_0014", "01_002", "07_0008", "01_001"]
    assert found.test[0].intervals is None
    assert "no test_frame_mask or frame_masks, so only the labels" in found.notes[0]


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("1_001", "'1_001' is not the name of a video of ShanghaiTech"),
        ("01_0016,0", "01_0016 is labelled 0, but its number has 4 digits"),
        ("01_003,yes", "'yes' is not a label"),
    ],
)
def test_bad_lines_are_named(root: Path, line: str, says: str) -> None:
    (root / "SH_Test.txt").write_text(f"01_001\n{line}\n")
    with pytest.raises(InputError, match=rf"SH_Test\.txt, line 2: {says}"):
        open_weak(f"shanghaitech-weak:{root}")


def test_masks_that_cannot_be_right(root: Path) -> None:
    mask = root / "test_frame_mask" / "01_0015.npy"
    np.save(mask, np.zeros(20))
    with pytest.raises(InputError, match="no anomalous frame"):
        open_weak(f"shanghaitech-weak:{root}")
    mask.write_text("no array")
    with pytest.raises(InputError, match=r"01_0015\.npy: cannot be read as one 0 or 1"):
        open_weak(f"shanghaitech-weak:{root}")
    mask.unlink()
    with pytest.raises(InputError, match=r"01_0015\.npy: missing; 01_0015 is an anomalous test video"):
        open_weak(f"shanghaitech-weak:{root}")
