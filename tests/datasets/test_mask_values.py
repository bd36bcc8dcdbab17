"""Which values of a mask are anomalous, and which masks are refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from oddframe.datasets.check import check
from oddframe.datasets.folder import read_folder
from oddframe.datasets.masks import anomalous_frames, mask_rule
from oddframe.errors import InputError

SHOWN = [0, 0, 1, 1, 1, 0]
"""Labels of the frames: the mask of each anomalous frame is a block."""


def blocks(value: float = 1, kind: Any = np.uint8) -> NDArray[Any]:
    masks = np.zeros((len(SHOWN), 24, 32), kind)
    masks[2:5, 5:15, 5:20] = value
    return masks


def images(folder: Path, masks: NDArray[Any], suffix: str = ".png") -> Path:
    folder.mkdir(parents=True)
    for n, mask in enumerate(masks):
        assert cv2.imwrite(str(folder / f"{n:03d}{suffix}"), mask)
    return folder


def array(path: Path, masks: NDArray[Any]) -> Path:
    np.save(path, masks)
    return path


def noise(masks: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Noise of 0 to 2 on black, as a sensor or a lossy file has it."""
    return np.clip(masks.astype(int) + np.random.default_rng(0).integers(0, 3, masks.shape), 0, 255).astype(np.uint8)


def soft(masks: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Edges as resizing makes them."""
    return np.stack([cv2.blur(mask, (3, 3)) for mask in masks])


def test_zero_and_one_other_value_need_no_note(tmp_path: Path) -> None:
    for number, (value, kind) in enumerate([(1, np.uint8), (255, np.uint8), (200, np.uint8), (1, np.float32),
                                            (255, np.float64), (True, bool), (65535, np.uint16)]):  # fmt: skip
        path = array(tmp_path / f"{number}.npy", blocks(value, kind))
        assert anomalous_frames(path).tolist() == SHOWN and not mask_rule(path).note
    assert anomalous_frames(array(tmp_path / "none.npy", blocks(0))).tolist() == [0] * 6


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda p: images(p / "m", noise(blocks(255)), ".jpg"), "masks are JPEG"),
        (lambda p: images(p / "m", blocks(255), ".jpg"), "masks are JPEG"),
        (lambda p: images(p / "m", noise(blocks(255))), "masks hold 4 values from 0 to 255; above 127.5 is taken"),
        (lambda p: images(p / "m", soft(blocks(255))), "from 0 to 255; above 127.5 is taken as anomalous"),
        (lambda p: array(p / "m.npy", np.where(blocks(1) > 0, 0.9, 0.01)), "0.5 and above is taken as anomalous"),
        (lambda p: array(p / "m.npy", blocks(1, np.float32) * 0.5 + 0.2), "0.5 and above is taken as anomalous"),
        (lambda p: array(p / "m.npy", blocks(3) + blocks(0)), ""),
    ],
)
def test_masks_that_are_nearly_black_and_white_are_cut_at_half(tmp_path: Path, make: Any, said: str) -> None:
    path = make(tmp_path)
    assert anomalous_frames(path).tolist() == SHOWN
    assert said in mask_rule(path).note


def test_small_whole_numbers_are_objects(tmp_path: Path) -> None:
    masks = blocks(1)
    masks[3, 5:15, 5:20], masks[4, 5:15, 5:20] = 2, 7
    path = array(tmp_path / "m.npy", masks)
    assert anomalous_frames(path).tolist() == SHOWN
    assert mask_rule(path).note.endswith("mask values 1, 2, 7 are taken as numbers of objects; all are anomalous")


def nan() -> NDArray[Any]:
    masks = blocks(1, np.float32)
    masks[0, 0, 0] = np.nan
    return masks


def grey_objects() -> NDArray[Any]:
    masks = blocks(80)
    masks[3, 5:15, 5:20], masks[4, 5:15, 5:20] = 160, 255
    return masks


@pytest.mark.parametrize(
    ("masks", "message"),
    [
        (nan(), "values that are no numbers"),
        (grey_objects(), "the values 80, 160, 255, neither 0 nor one other; write 0 and 255"),
        (blocks(1, np.int16) - 2, "values from -2 to -1"),
        (blocks(1) + np.uint8(1), "the values 1, 2, neither 0 nor one other"),
        (noise(blocks(100)), "neither 0 nor one other"),
        (blocks(1, np.float32) * 40 + 0.25, "with fractions"),
    ],
)
def test_masks_that_do_not_say_what_is_anomalous_are_refused(tmp_path: Path, masks: NDArray[Any], message: str) -> None:
    with pytest.raises(InputError, match=message) as refusal:
        anomalous_frames(array(tmp_path / "m.npy", masks))
    assert "m.npy" in str(refusal.value) and "\n" not in str(refusal.value)


def test_a_mask_in_the_alpha_channel_and_a_link_to_nowhere_are_refused(tmp_path: Path) -> None:
    colour = np.zeros((6, 24, 32, 4), np.uint8)
    colour[..., 3] = blocks(255)
    with pytest.raises(InputError, match=r"002\.png: the mask is in the alpha channel"):
        anomalous_frames(images(tmp_path / "alpha", colour))
    plain = images(tmp_path / "plain", blocks(255))
    (plain / "003.png").unlink()
    (plain / "003.png").symlink_to("/mnt/nas/003.png")
    with pytest.raises(InputError, match=r"003\.png: not an image that can be read"):
        anomalous_frames(plain)


def test_the_note_reaches_the_set_and_its_check(tmp_path: Path) -> None:
    images(tmp_path / "videos" / "a", np.repeat(blocks(255)[..., None], 3, axis=-1))
    images(tmp_path / "masks" / "a", noise(blocks(255)), ".jpg")
    labelled = read_folder(tmp_path)
    assert labelled.videos[0].labels.tolist() == SHOWN
    assert len(labelled.notes) == 1 and "masks are JPEG" in labelled.notes[0]
    assert any("masks are JPEG" in finding.what for finding in check(labelled))
