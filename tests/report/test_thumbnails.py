from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from oddframe.report.thumbnails import grab_thumbnails
from oddframe.video.decode import VideoReader

if TYPE_CHECKING:
    from tests.report.conftest import Scene


def test_pictures_are_those_frames(scene: Scene) -> None:
    pictures = grab_thumbnails(scene.source, [31, 2, 2, 5000], width=80)
    assert sorted(pictures) == [2, 31]
    with VideoReader(scene.source, size=(60, 80)) as reader:
        frames = {frame.index: frame.image for frame in reader}
    for index, picture in pictures.items():
        assert picture.dtype == np.uint8
        assert (picture == frames[index]).all()


def test_nothing_wanted_nothing_decoded(scene: Scene, tmp_path: Path) -> None:
    missing = type(scene.source)("x", tmp_path / "missing.mp4", "file")
    assert grab_thumbnails(missing, []) == {}
