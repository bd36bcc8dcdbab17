"""UCSD Ped1 and Ped2 in the released layout, written in miniature with its oddities, and the real sample."""

from __future__ import annotations

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from oddframe.datasets.masks import read_masks
from oddframe.datasets.readers import open_labelled
from oddframe.datasets.ucsd import PUBLISHED, read_ranges, read_ucsd
from oddframe.errors import InputError
from oddframe.types import Interval
from oddframe.video.decode import VideoReader

LENGTHS = (180, 180, 150, 180, 150, 180, 180, 180, 120, 150, 180, 180)


def write_clip(test: Path, name: str, frames: int, masks: str | None = None, anomalous: range = range(0)) -> Path:
    """A clip of tiny frames; `masks` is the pattern of its mask names, `anomalous` counts from 0."""
    clip = test / name
    clip.mkdir(parents=True)
    ok, tif = cv2.imencode(".tif", np.zeros((6, 8), np.uint8))
    assert ok
    for number in range(1, frames + 1):
        (clip / f"{number:03d}.tif").write_bytes(tif.tobytes())
    if masks:
        (test / f"{name}_gt").mkdir()
        for number in range(1, frames + 1):
            mask = np.zeros((6, 8), np.uint8)
            mask[2, 3] = 255 * (number - 1 in anomalous)
            cv2.imwrite(str(test / f"{name}_gt" / masks.format(number)), mask)
    return clip


def write_ranges(test: Path, *ranges: str, part: str = "ped2") -> None:
    lines = "".join(f"TestVideoFile{{end+1}}.gt_frame = [{entry}];\n" for entry in ranges)
    (test / f"UCSD{part}.m").write_text(f"TestVideoFile = {{}};\n{lines}")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """UCSDped2 with three clips of 5, 4 and 6 frames."""
    test = tmp_path / "UCSDped2" / "Test"
    write_clip(test, "Test001", 5, "{:03d}.bmp", range(2, 5))
    write_clip(test, "Test002", 4, "frame{:03d}.bmp", range(0, 2))
    write_clip(test, "Test003", 6, "{:03d}.bmp")
    return tmp_path / "UCSDped2"


def labels(root: Path, part: str = "Ped2") -> list[list[int]]:
    return [video.labels.tolist() for video in read_ucsd(root, part).videos]  # type: ignore[arg-type]


def test_ranges_are_one_based_and_inclusive(root: Path) -> None:
    write_ranges(root / "Test", "3:5", "1:2", "")
    assert labels(root) == [[0, 0, 1, 1, 1], [1, 1, 0, 0], [0] * 6]


def test_masks_serve_where_the_ranges_are_missing_under_both_names(root: Path) -> None:
    assert labels(root) == [[0, 0, 1, 1, 1], [1, 1, 0, 0], [0] * 6]


def test_sources_and_masks(root: Path) -> None:
    shutil.rmtree(root / "Test" / "Test003_gt")
    write_ranges(root / "Test", "3:5", "1:2", "2")
    found = read_ucsd(root)
    assert found.name == "UCSD Ped2"
    assert [(v.source.name, v.source.kind, v.source.path.name) for v in found.videos] == [
        (name, "frames", name) for name in ("Test001", "Test002", "Test003")
    ]
    masks = [video.masks and video.masks.name for video in found.videos]
    assert masks == ["Test001_gt", "Test002_gt", None]


def test_ranges_beyond_a_trimmed_clip_are_clipped_and_noted(root: Path) -> None:
    write_ranges(root / "Test", "3:180", "1:2", "7:9")
    found = read_ucsd(root)
    assert found.videos[0].labels.tolist() == [0, 0, 1, 1, 1]
    assert found.videos[2].labels.tolist() == [0] * 6
    assert len(found.notes) == 2
    assert "Test001: 5 frames, but UCSDped2.m labels frames up to 180" in found.notes[0]


def test_ranges_go_by_the_clips_number(root: Path) -> None:
    shutil.rmtree(root / "Test" / "Test001")
    shutil.rmtree(root / "Test" / "Test002")
    write_ranges(root / "Test", "1:1", "2:2", "3:3")
    assert labels(root) == [[0, 0, 1, 0, 0, 0]]


def test_every_way_of_writing_ranges(tmp_path: Path) -> None:
    table = tmp_path / "UCSDped1.m"
    table.write_text(
        "% gt_frame = [1:9];\nT{end+1}.gt_frame = [60:152];\nT{end+1}.gt_frame = [5:90, 140:200];\n"
        "T{end+1}.gt_frame=[ 1 : 2 4 ];\nT{end+1}.gt_frame = [];\n"
    )
    assert read_ranges(table) == [
        [Interval(59, 152)], [Interval(4, 90), Interval(139, 200)], [Interval(0, 2), Interval(3, 4)], [],
    ]  # fmt: skip


def test_ped1_stands_in_its_own_folder(tmp_path: Path, root: Path) -> None:
    test = tmp_path / "UCSDped1" / "Test"
    write_clip(test, "Test001", 3)
    write_ranges(test, "2:3", part="ped1")
    assert labels(tmp_path, "Ped1") == labels(tmp_path / "UCSDped1", "Ped1") == [[0, 1, 1]]
    with pytest.raises(InputError, match="not the released layout"):
        read_ucsd(root, "Ped1")


def test_the_folder_of_the_archive_is_found(tmp_path: Path, root: Path) -> None:
    (tmp_path / "download").mkdir()
    shutil.move(root, tmp_path / "download" / "UCSD_Anomaly_Dataset.v1p2" / "UCSDped2")
    assert len(read_ucsd(tmp_path / "download").videos) == 3
    assert len(open_labelled(f"ucsd-ped2:{tmp_path / 'download'}").videos) == 3


def test_the_folder_of_the_clips_is_answered_with_the_one_above(root: Path) -> None:
    with pytest.raises(InputError, match="Test: these are the clips of UCSD; give the folder above, UCSDped2"):
        read_ucsd(root / "Test")


def test_what_is_missing_is_named(root: Path) -> None:
    test = root / "Test"
    (test / "Test002_gt" / "frame003.bmp").unlink()
    with pytest.raises(InputError, match=r"Test002_gt: 3 masks for 4 frames; without UCSDped2\.m there must be one"):
        read_ucsd(root)
    (test / "Test001_gt" / "002.bmp").write_text("no image")
    with pytest.raises(InputError, match=r"002\.bmp: not an image"):
        read_ucsd(root)
    write_ranges(test, "1:2", "1:2")
    with pytest.raises(InputError, match=r"UCSDped2\.m: describes 2 clips, so there are no labels for Test003"):
        read_ucsd(root)
    write_ranges(test, "1:2", "one:2", "3")
    with pytest.raises(InputError, match=r"cannot read the frame ranges \[one:2\] of clip 2"):
        read_ucsd(root)
    (test / "UCSDped2.m").write_text("")
    with pytest.raises(InputError, match="no line of the form gt_frame"):
        read_ucsd(root)
    shutil.rmtree(test / "Test003")
    (test / "Test003").mkdir()
    write_ranges(test, "1", "1", "1")
    with pytest.raises(InputError, match="Test003: no frames in this folder"):
        read_ucsd(root)
    for clip in test.glob("Test*"):
        shutil.rmtree(clip)
    with pytest.raises(InputError, match="no test clips"):
        read_ucsd(root)
    with pytest.raises(InputError, match="no such folder"):
        read_ucsd(root / "none")


def test_a_frame_that_cannot_be_decoded_is_left_out_with_its_label_and_mask(tmp_path: Path) -> None:
    test = tmp_path / "UCSDped1" / "Test"
    clip = write_clip(test, "Test017", 5, "{:03d}.bmp", range(1, 4))
    write_ranges(test, *["1"] * 16, "2:4", part="ped1")
    frame = clip / "003.tif"  # as 142.tif of the release
    frame.write_bytes(frame.read_bytes()[:40])
    found = read_ucsd(tmp_path, "Ped1")
    (video,) = found.videos
    assert (video.labels.tolist(), video.left_out) == ([0, 1, 1, 0], (2,))
    assert "Test017: 003.tif cannot be decoded; left out with its label" in found.notes[0]
    with VideoReader(video.source) as reader:
        assert sum(1 for _ in reader) == len(video.labels)
    assert read_masks(video).any(axis=(1, 2)).tolist() == [False, True, True, False]


def test_published_counts_fit_the_published_lengths() -> None:
    for part, counts in PUBLISHED.items():
        assert (len(counts.lengths), sum(counts.lengths)) == (counts.videos, counts.frames), part
    assert PUBLISHED["Ped2"].lengths == LENGTHS


@pytest.mark.realdata
def test_the_real_videos_by_name(shared_data: Path) -> None:
    found = open_labelled(f"ucsd-ped2:{shared_data / 'ucsd_ped2'}")
    assert found.published is not None
    assert (len(found.videos), found.frames, found.positives) == (12, 2010, 1648)
    assert (found.published.frames, found.published.positives, found.notes) == (2010, 1648, ())


@pytest.mark.realdata
def test_the_real_sample(shared_data: Path) -> None:
    found = read_ucsd(shared_data / "ucsd_ped2_original_sample")
    (video,) = found.videos
    assert (video.source.name, video.labels.tolist()) == ("Test003", [1] * 40)
    note, one_class = found.notes
    assert "40 frames, but UCSDped2.m labels frames up to 146" in note
    assert one_class == "all 40 frames are labelled anomalous, so no AUC can be computed; label both classes"


@pytest.mark.realdata
def test_the_real_masks_say_the_same(shared_data: Path, tmp_path: Path) -> None:
    shutil.copytree(shared_data / "ucsd_ped2_original_sample" / "UCSDped2" / "Test", tmp_path / "Test")
    (tmp_path / "Test" / "UCSDped2.m").chmod(0o644)
    (tmp_path / "Test" / "UCSDped2.m").unlink()
    assert labels(tmp_path) == [[1] * 40]


@pytest.mark.realdata
def test_the_real_ranges_on_clips_of_full_length(shared_data: Path, tmp_path: Path) -> None:
    test = tmp_path / "UCSDped2" / "Test"
    for number, frames in enumerate(LENGTHS, start=1):
        write_clip(test, f"Test{number:03d}", frames)
    shutil.copy(shared_data / "ucsd_ped2_original_sample" / "UCSDped2" / "Test" / "UCSDped2.m", test)
    found = read_ucsd(tmp_path)
    assert sum(len(video.labels) for video in found.videos) == 2010
    assert sum(int(video.labels.sum()) for video in found.videos) == 1648
    assert found.notes == ()
