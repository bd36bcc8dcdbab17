"""Frame folders whose frames tell their number, for the tests of extraction and stores."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from oddframe.video.search import find_videos
from oddframe.video.sources import VideoSource

MakeVideo = Callable[..., VideoSource]


@pytest.fixture
def make_video(tmp_path: Path) -> MakeVideo:
    """Writes frame folders of grey pictures; picture i has the value first + i everywhere."""

    def make(frames: int, name: str = "videos/v", size: tuple[int, int] = (16, 20), first: int = 0) -> VideoSource:
        folder = tmp_path / name
        folder.mkdir(parents=True)
        for number in range(frames):
            cv2.imwrite(str(folder / f"{number:03}.png"), np.full((*size, 3), first + number, np.uint8))
        return find_videos(folder)[0]

    return make
