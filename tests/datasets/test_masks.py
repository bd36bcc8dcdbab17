"""Pixel masks in every published form mean the same."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import tiny
from scipy.io import savemat

from oddframe.datasets.labelled import LabelledVideo
from oddframe.datasets.masks import anomalous_frames, iterate_masks, read_image, read_masks, read_tracks
from oddframe.errors import InputError
from oddframe.video.sources import VideoSource

LABELS = [0, 1, 1, 0, 1]
MASKS = tiny.volume(LABELS)


def as_npz(folder: Path) -> Path:
    np.savez(folder / "01.npz", masks=MASKS)
    return folder / "01.npz"


def as_images(folder: Path) -> Path:
    for number, mask in enumerate(MASKS):
        cv2.imwrite(str(folder / f"{number + 8}.png"), 255 * mask)  # 10 comes after 9
    return folder


def as_array_mat(folder: Path) -> Path:
    savemat(folder / "1_label.mat", {"volLabel": np.moveaxis(MASKS, 0, 2)})
    return folder / "1_label.mat"


@pytest.mark.parametrize(
    "write",
    [
        as_npz,
        as_images,
        as_array_mat,
        lambda folder: tiny.array(folder / "01.npy", 255 * MASKS),
        lambda folder: tiny.masks_mat(folder / "1_label.mat", LABELS),
    ],
)
def test_every_form_means_the_same(tmp_path: Path, write: Callable[[Path], Path]) -> None:
    path = write(tmp_path)
    assert anomalous_frames(path).tolist() == LABELS
    video = LabelledVideo(VideoSource("01", tmp_path, "frames"), np.array(LABELS, np.int8), path)
    masks = read_masks(video)
    assert masks.dtype == np.bool_ and np.array_equal(masks, MASKS > 0)


def test_frames_left_out_have_no_mask(tmp_path: Path) -> None:
    video = LabelledVideo(
        VideoSource("01", tmp_path, "frames"), np.array([0, 1, 0, 1], np.int8), as_npz(tmp_path), left_out=(2,)
    )
    assert read_masks(video).any(axis=(1, 2)).tolist() == [False, True, False, True]


def test_masks_that_cannot_be_used(tmp_path: Path) -> None:
    source, labels = VideoSource("01", tmp_path, "frames"), np.zeros(3, np.int8)
    with pytest.raises(InputError, match="no pixel masks of this video"):
        read_masks(LabelledVideo(source, labels))
    with pytest.raises(InputError, match="5 masks for 3 labelled frames"):
        read_masks(LabelledVideo(source, labels, as_npz(tmp_path)))
    for number, size in enumerate([(4, 4), (4, 4), (4, 5)]):
        (tmp_path / "odd").mkdir(exist_ok=True)
        cv2.imwrite(str(tmp_path / "odd" / f"{number}.png"), np.zeros(size, np.uint8))
    with pytest.raises(InputError, match="the masks differ in size"):
        read_masks(LabelledVideo(source, labels, tmp_path / "odd"))


@pytest.mark.parametrize("name", ["x.npz", "x.npy", "x.mat"])
def test_files_that_hold_no_masks(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("no masks")
    with pytest.raises(InputError, match=f"{name}: no masks can be read from it"):
        list(iterate_masks(tmp_path / name))
    np.savez(tmp_path / "other.npz", x=1)
    with pytest.raises(InputError, match=r"other\.npz: no masks"):
        list(iterate_masks(tmp_path / "other.npz"))
    with pytest.raises(InputError, match=r"flat\.npy: masks have the shape \(5,\)"):
        list(iterate_masks(tiny.array(tmp_path / "flat.npy", LABELS)))


def test_colours_are_one_mask_and_alpha_is_none(tmp_path: Path) -> None:
    image = np.zeros((4, 4, 4), np.uint8)
    image[..., 3], image[1, 2, 1] = 255, 9
    cv2.imwrite(str(tmp_path / "x.png"), image)
    assert np.argwhere(read_image(tmp_path / "x.png")).tolist() == [[1, 2]]


def test_tracks_in_every_way_of_writing_them(tmp_path: Path) -> None:
    (tmp_path / "x.txt").write_text("\nid start end\n1,0,5\n2 3.0 4\n\n")
    assert read_tracks(tmp_path / "x.txt") == [(1, 0, 5), (2, 3, 4)]
    (tmp_path / "x.txt").write_bytes(b"\xff\xfe1")
    with pytest.raises(InputError, match=r"x\.txt, line 1: not UTF-16-LE"):
        read_tracks(tmp_path / "x.txt")


def test_an_annotation_without_a_number_is_named(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "scene_gt.png"), MASKS[0])
    with pytest.raises(InputError, match=r"scene_gt\.png: no frame number in the name"):
        anomalous_frames(tmp_path, 3)


@pytest.mark.parametrize("names", [("arr_0",), ("gt", "boxes"), ()])
def test_an_archive_without_masks_says_what_it_holds(tmp_path: Path, names: tuple[str, ...]) -> None:
    np.savez(tmp_path / "v.npz", **{name: np.zeros((2, 6, 8)) for name in names})
    held = ", ".join(names) or "nothing"
    with pytest.raises(InputError, match=rf"v\.npz: .*there is no array masks in it; it holds {held}\); save it again"):
        anomalous_frames(tmp_path / "v.npz")
