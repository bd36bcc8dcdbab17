"""Where pasted objects come from: UBnormal's layout, folders of cut-outs, the synthetic street."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from oddframe.datasets.sequences import (
    UBNORMAL_CANVAS,
    ObjectSequence,
    project,
    resize_matrix,
    sequences_from_folder,
    sequences_from_ubnormal,
    sequences_from_world,
)
from oddframe.errors import InputError
from oddframe.street import PSEUDO_KINDS
from oddframe.video.encode import VideoWriter

HEIGHT, WIDTH = 160, 240


def scenery(n: int) -> NDArray[np.uint8]:
    image = np.full((HEIGHT, WIDTH, 3), 60, np.uint8)
    image[40:70, 20 + 5 * n : 40 + 5 * n] = (30, 90, 220)  # object 7
    image[100:130, 100:130] = (200, 60, 40)  # object 9
    return image


def annotation(n: int) -> NDArray[np.uint8]:
    ids = np.zeros((HEIGHT, WIDTH), np.uint8)
    ids[40:70, 20 + 5 * n : 40 + 5 * n] = 7
    side = 30 if n < 4 else 10  # 100 px: too few from frame 4 on
    ids[100 : 100 + side, 100 : 100 + side] = 9
    return ids


def ubnormal(root: Path, frames: str, rows: str = "7,0,6\n9,1,8\n") -> Path:
    """A scene as it is released, with its frames in a `frames` "video", "folder" or nowhere."""
    name = "abnormal_scene_3_scenario_2"
    scene = root / "Scene3"
    notes = scene / f"{name}_annotations"
    notes.mkdir(parents=True)
    for n in range(8):
        cv2.imwrite(str(notes / f"{name}_{n:04d}_gt.png"), annotation(n))
    (notes / f"{name}_tracks.txt").write_text(rows)
    (scene / "normal_scene_3_scenario_1_annotations").mkdir()
    (scene / "normal_scene_3_scenario_1_annotations" / "normal_scene_3_scenario_1_tracks.txt").write_text("1,0,5\n")
    if frames == "video":
        with VideoWriter(scene / f"{name}.mp4", (HEIGHT, WIDTH), 30) as writer:
            for n in range(8):
                writer.write(scenery(n))
    elif frames == "folder":
        (scene / name).mkdir()
        for n in range(8):
            cv2.imwrite(str(scene / name / f"{n:04d}.png"), scenery(n))
    return root


@pytest.mark.parametrize("frames", ["video", "folder"])
def test_ubnormal_tracks_are_cut_out_and_brought_to_the_recipes_size(tmp_path: Path, frames: str) -> None:
    first, second = sequences_from_ubnormal(ubnormal(tmp_path, frames))
    assert len(first) == 6  # frames 0 to 5: the last one of a row is not part of it
    assert len(second) == 3  # frames 1 to 3: from frame 4 on there are fewer than 267 pixels
    assert first.canvas == UBNORMAL_CANVAS and first.source == "abnormal_scene_3_scenario_2" == second.source
    assert first.area == pytest.approx(30 * 20 / (HEIGHT * WIDTH), rel=0.05)
    scale = np.array([320 / HEIGHT, 640 / WIDTH])
    for n, (crop, corner) in enumerate(zip(first.crops, first.corners, strict=True)):
        assert corner == pytest.approx(np.array([40, 20 + 5 * n]) * scale, abs=3)
        inner = crop[8:-8, 8:-8]
        assert (inner[..., 3] == 255).all()
        assert np.abs(inner[..., :3].astype(int) - (30, 90, 220)).mean() < 14  # H.264 halves the colours
    edge = first.crops[0][0, :, 3]
    assert 0 < edge.max() < 255  # the grey rim of a bilinear mask


def test_ubnormal_without_frames_or_tracks_says_so(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="frames are missing"):
        sequences_from_ubnormal(ubnormal(tmp_path / "a", "none"))
    with pytest.raises(InputError, match="tracks"):
        sequences_from_ubnormal(tmp_path / "b")
    root = ubnormal(tmp_path / "c", "folder")
    next(root.rglob("*_0002_gt.png")).unlink()
    with pytest.raises(InputError, match="frame 2"):
        sequences_from_ubnormal(root)


def cutouts(folder: Path, form: str) -> None:
    folder.mkdir(parents=True)
    for n in (1, 2, 10):
        image, mask = scenery(n), (annotation(0) == 9).astype(np.uint8) * (255 if n != 2 else 1)
        if form == "rgba":
            cv2.imwrite(str(folder / f"f{n}.png"), np.dstack([image, (annotation(0) == 9).astype(np.uint8) * 255]))
        elif form == "beside":
            cv2.imwrite(str(folder / f"f{n}.png"), image)
            cv2.imwrite(str(folder / f"f{n}_mask.png"), mask)
        else:
            for name, picture in (("images", image), ("masks", mask)):
                (folder / name).mkdir(exist_ok=True)
                cv2.imwrite(str(folder / name / f"f{n}.png"), picture)


@pytest.mark.parametrize("form", ["rgba", "beside", "folders"])
@pytest.mark.parametrize("nested", [True, False])
def test_cutouts_are_read_in_every_form(tmp_path: Path, form: str, nested: bool) -> None:
    cutouts(tmp_path / "set" / "crate" if nested else tmp_path / "set", form)
    (sequence,) = sequences_from_folder(tmp_path / "set")
    assert len(sequence) == 3 and sequence.canvas == (HEIGHT, WIDTH)
    assert (sequence.corners == (100, 100)).all()
    assert all((crop == (200, 60, 40, 255)).all() and crop.shape == (30, 30, 4) for crop in sequence.crops)
    assert sequence.source == ("crate" if nested else "set")


def test_cutouts_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such folder"):
        sequences_from_folder(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no object sequences"):
        sequences_from_folder(tmp_path / "empty")
    cutouts(tmp_path / "a" / "s", "beside")
    (tmp_path / "a" / "s" / "f2_mask.png").unlink()
    with pytest.raises(InputError, match=r"f2\.png"):
        sequences_from_folder(tmp_path / "a")
    cutouts(tmp_path / "b" / "s", "rgba")
    (tmp_path / "b" / "s" / "f2.png").write_bytes(b"no image")
    with pytest.raises(InputError, match=r"f2\.png"):
        sequences_from_folder(tmp_path / "b")
    cutouts(tmp_path / "c" / "s", "folders")
    cv2.imwrite(str(tmp_path / "c" / "s" / "images" / "f2.png"), scenery(2)[:100])
    with pytest.raises(InputError, match="mask"):
        sequences_from_folder(tmp_path / "c")


def test_the_street_draws_every_pseudo_kind_in_motion() -> None:
    sequences = sequences_from_world(seed=0, size=(80, 160), count=2 * len(PSEUDO_KINDS))
    assert [s.source for s in sequences] == list(PSEUDO_KINDS) * 2
    again = sequences_from_world(seed=0, size=(80, 160), count=3)
    for one, other in zip(sequences, again, strict=False):
        assert all((a == b).all() for a, b in zip(one.crops, other.crops, strict=True))
    for sequence in sequences:
        assert sequence.canvas == (80, 160) and len(sequence) >= 10
        assert (sequence.area > 0.0003).mean() > 0.5
        way = np.ptp(sequence.corners[sequence.area > 0, 1])
        assert (way == 0) == (sequence.source == "crate")
        assert all((crop[..., :3] <= crop[..., 3:]).all() for crop in sequence.crops)  # multiplied by alpha


@pytest.mark.parametrize("size", [(80, 160), (320, 100), (HEIGHT, WIDTH)])
def test_a_crop_is_projected_as_if_the_whole_frame_were_resized(size: tuple[int, int]) -> None:
    rng = np.random.default_rng(2)
    whole = np.zeros((HEIGHT, WIDTH, 4), np.uint8)
    whole[50:81, 33:90] = cv2.GaussianBlur(rng.integers(0, 255, (31, 57, 4), dtype=np.uint8), (0, 0), 2)
    expected = cv2.resize(whole, size[::-1], interpolation=cv2.INTER_LINEAR)
    placed = project(whole[50:81, 33:90], np.array([50, 33]), resize_matrix((HEIGHT, WIDTH), size), size)
    assert placed is not None
    top, left, picture = placed
    found = np.zeros_like(expected)
    found[top : top + picture.shape[0], left : left + picture.shape[1]] = picture
    assert np.abs(found.astype(int) - expected).max() <= 6  # OpenCV's warp places pixels to 1/32


def test_what_lies_outside_is_not_projected() -> None:
    sequence = ObjectSequence.from_frames(np.full((2, 10, 10, 3), 9, np.uint8), np.zeros((2, 10, 10), np.uint8))
    assert sequence.area.tolist() == [0, 0]
    assert project(sequence.crops[0], sequence.corners[0], resize_matrix((10, 10), (5, 5)), (5, 5)) is None
    far = np.array([[1.0, 0.0, 99.0], [0.0, 1.0, 0.0]])
    assert project(np.full((3, 3, 4), 255, np.uint8), np.array([0, 0]), far, (10, 10)) is None
