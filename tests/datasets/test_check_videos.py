"""`data check` of videos without labels: one line for each odd input, with what to do."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import tiny

from oddframe.datasets.check_videos import check_videos
from tests.conftest import Ask


def sixteen_bit(root: Path) -> None:
    for n in range(3):
        cv2.imwrite(str(root / "cam" / f"{n:03d}.png"), np.full((6, 8), 7100 + n, np.uint16))


def decimal_names(root: Path) -> None:
    for number, path in enumerate(sorted((root / "cam").iterdir())):
        path.rename(path.with_name(f"{1700000000 + round(number * 0.05, 2)}.png"))


def dangling(root: Path) -> None:
    os.symlink("/mnt/nas/b.mp4", root / "b.mp4")


def hidden(root: Path) -> None:
    (root / "._v.mp4").touch()


def stacks(root: Path) -> None:
    cv2.imwritemulti(str(root / "cam" / "9.tif"), [np.zeros((6, 8), np.uint8)] * 3)
    cv2.imwrite(str(root / "cam" / "8.tif"), np.zeros((6, 8), np.uint8))


def small_first(root: Path) -> None:
    cv2.imwrite(str(root / "cam" / "000.png"), np.zeros((3, 4), np.uint8))


def pipe(root: Path) -> None:
    os.mkfifo(root / "live.mp4")


def text(root: Path) -> None:
    (root / "c.mp4").write_text("a shopping list\n" * 40)


CASES: list[tuple[Callable[[Path], None], str]] = [
    (sixteen_bit, "cam: 16-bit frames use 1 of 256 grey levels (values 7100 to 7102 of 65535); a detector that is"),
    (decimal_names, "cam: the frames are taken in the order of the decimal numbers in their names: "),
    (dangling, "b.mp4: a link to /mnt/nas/b.mp4, which is not there; mount that place, or remove the link"),
    (hidden, ": 1 hidden file, first ._v.mp4; give it by name if it is meant"),
    (stacks, "cam: holds 1 TIFF of several pages beside 1 of one page; give stacks and frames folders of their own"),
    (small_first, "1 of 3 frames have another size than 8x6, the first is frame 0 with 4x3; they are resized to it"),
    (pipe, "live.mp4: a named pipe, not a file; record it to a file first"),
    (text, "c.mp4: this is a text file, not a video; get the file again, repair it, or leave it out"),
]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    tiny.video(tmp_path / "v.mp4", 5)
    tiny.frames(tmp_path / "cam", 3)
    return tmp_path


def test_sound_videos_have_no_findings(root: Path, ask: Ask) -> None:
    assert check_videos(root) == []
    answer = ask("data", "check", root)
    assert answer.status == 0 and answer.out.endswith("no findings\n")


@pytest.mark.parametrize(("spoil", "line"), CASES, ids=[spoil.__name__ for spoil, _ in CASES])
def test_each_odd_input_has_a_line_with_its_remedy(
    root: Path, ask: Ask, spoil: Callable[[Path], None], line: str
) -> None:
    spoil(root)
    answer = ask("data", "check", root)
    told = answer.out.strip().splitlines()
    first, last = (one for one in told if not one.startswith("note: "))  # a folder of frames without a rate has one
    assert line in first and answer.status == 3
    assert last.endswith("1 finding")


def test_a_labelled_folder_names_what_was_left_out_too(tmp_path: Path, ask: Ask) -> None:
    tiny.frames(tmp_path / "videos" / "a", 3)
    tiny.array(tmp_path / "labels" / "a.npy", [0, 1, 0])
    (tmp_path / "videos" / ".b.mp4").touch()
    answer = ask("data", "check", f"folder:{tmp_path}")
    assert answer.status == 3 and "1 hidden file, first .b.mp4" in answer.out
