"""UBnormal in its released layout, in miniature."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
import tiny

from oddframe.datasets.labelled import LabelledSet
from oddframe.datasets.masks import read_masks
from oddframe.datasets.readers import open_labelled
from oddframe.errors import InputError

ABNORMAL, NORMAL = "abnormal_scene_1_scenario_2", "normal_scene_1_scenario_1"


def annotate(scene: Path, name: str, ids: dict[int, Sequence[int]], tracks: str | None) -> Path:
    """Annotation images of some frames: pixel (0, n) has the n-th id."""
    folder = scene / f"{name}_annotations"
    folder.mkdir(parents=True)
    for frame, own in ids.items():
        image = np.zeros((6, 8), np.uint8)
        image[0, : len(own)] = own
        cv2.imwrite(str(folder / f"{name}_{frame:04d}_gt.png"), image)
    if tracks is not None:
        (folder / f"{name}_tracks.txt").write_text(tracks)
    return folder


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A normal video and an abnormal one whose object 7 is abnormal in frames 2 and 3 of 5; object 9 is not."""
    scene = tmp_path / "UBnormal" / "Scene1"
    tiny.video(scene / f"{ABNORMAL}.mp4", 5)
    tiny.video(scene / f"{NORMAL}.mp4", 3)
    annotate(scene, ABNORMAL, {1: [0, 9], 2: [7, 9], 3: [7], 4: [7, 9]}, "7, 2, 4\n")
    (tmp_path / "abnormal_test_video_names.txt").write_text(f"{ABNORMAL}.mp4\n")
    (tmp_path / "normal_test_video_names.txt").write_text(f"{NORMAL}\n")
    return tmp_path


def read(root: Path) -> LabelledSet:
    return open_labelled(f"ubnormal:{root}")


def test_tracks_count_from_zero_and_exclude_their_last_frame(root: Path) -> None:
    found = read(root)
    labels = {video.source.name: video.labels.tolist() for video in found.videos}
    assert labels == {NORMAL: [0, 0, 0], ABNORMAL: [0, 0, 1, 1, 0]}
    assert found.notes == ()
    assert found.published is not None and (found.published.videos, found.published.frames) == (211, 92_640)


def test_masks_show_only_objects_inside_their_tracks(root: Path) -> None:
    normal, abnormal = read(root).videos
    masks = read_masks(abnormal)
    assert masks.shape == (5, 6, 8)
    assert np.argwhere(masks).tolist() == [[2, 0, 0], [3, 0, 0]]
    assert normal.masks is None


def test_without_tracks_the_annotation_decides(root: Path) -> None:
    (root / "UBnormal" / "Scene1" / f"{ABNORMAL}_annotations" / f"{ABNORMAL}_tracks.txt").unlink()
    found = read(root)
    assert found.videos[1].labels.tolist() == [0, 1, 1, 1, 1]
    assert "no tracks, so frames whose annotation shows an object" in found.notes[0]


def test_folders_of_frames_and_tracks_beside_them(tmp_path: Path) -> None:
    tiny.frames(tmp_path / "Scene1" / ABNORMAL, 4)
    (tmp_path / "Scene1" / f"{ABNORMAL}_tracks.txt").write_text("1 0 2\n2 1 9\n")
    (video,) = read(tmp_path).videos
    assert (video.labels.tolist(), video.masks, video.source.kind) == ([1, 1, 1, 1], None, "frames")
    past, one_class, everything = sorted(read(tmp_path).notes, key=lambda note: "names.txt" in note)
    assert "tracks reach to frame 8 (from 0), but abnormal_scene_1_scenario_2 has 4 frames" in past
    assert "all 1 videos were taken for test videos" in everything
    assert one_class == "all 4 frames are labelled anomalous, so no AUC can be computed; label both classes"


def test_what_is_missing_is_named(root: Path) -> None:
    scene = root / "UBnormal" / "Scene1"
    table = scene / f"{ABNORMAL}_annotations" / f"{ABNORMAL}_tracks.txt"
    table.write_text("7 5 4\n")
    with pytest.raises(InputError, match=r"_tracks\.txt, line 1: frames 5 to 4 are not a track"):
        read(root)
    table.write_text("")
    assert "no anomalous frame" in read(root).notes[0]
    table.parent.rename(root / "put away")
    with pytest.raises(InputError, match=f"no annotation; looked for {ABNORMAL}_annotations/ beside it"):
        read(root)
    (scene / f"{NORMAL}.mp4").unlink()
    with pytest.raises(InputError, match=rf"{NORMAL} is a test video and is missing \(1 of 2 are\)"):
        read(root)
    (scene / f"{ABNORMAL}.mp4").rename(scene / "other.mp4")
    with pytest.raises(InputError, match="no videos of UBnormal"):
        read(root)
