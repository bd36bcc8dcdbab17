"""A small video whose right half turns hot for a second, and its scores."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

from oddframe.scoring.calibrate import Calibration
from oddframe.scoring.events import find_events
from oddframe.types import Event, FrameScores
from oddframe.video.decode import probe
from oddframe.video.encode import VideoWriter
from oddframe.video.sources import VideoSource

FRAMES, SIZE, GRID = 40, (120, 160), (6, 8)
HOT = range(20, 30)
THRESHOLD, LOW = 1.0, 0.5


@dataclass(frozen=True)
class Scene:
    """A video, what was made of it, and the truth."""

    source: VideoSource
    time: NDArray[np.float64]
    scores: FrameScores
    events: list[Event]
    labels: NDArray[np.int8]


@pytest.fixture(scope="session")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    path = tmp_path_factory.mktemp("scene") / "gate.mp4"
    rng = np.random.default_rng(0)
    time = np.cumsum(rng.choice([0.04, 0.1, 0.2], FRAMES)) - 0.04  # a variable frame rate
    time -= time[0]
    shade = np.linspace(60, 160, SIZE[1]).astype(np.uint8)
    picture = np.broadcast_to(shade[None, :, None], (*SIZE, 3)).copy()
    with VideoWriter(path, SIZE, fps=None) as writer:
        for moment in time:
            writer.write(picture, float(moment))
    source = VideoSource("gate", path, "file")

    labels = np.zeros(FRAMES, dtype=np.int8)
    labels[HOT.start : HOT.stop] = 1
    maps = rng.uniform(0.0, 0.2, (FRAMES, *GRID))
    maps[HOT.start : HOT.stop, 2:4, 5:7] = 3.0
    score = 0.2 + 2.0 * labels + 0.005 * np.arange(FRAMES)
    scores = FrameScores(
        "gate", np.arange(FRAMES), time, {"error": score}, score, probe(source), map=maps.astype(np.float16)
    )
    return Scene(source, time, scores, find_events(scores, THRESHOLD, LOW), labels)


@pytest.fixture
def calibration() -> Calibration:
    quantiles = {"0.5": 0.2, "0.9": 0.5, "0.99": 0.8, "0.999": 0.9, "1.0": 1.1}
    return Calibration(THRESHOLD, LOW, 2.0, 0.0, 4.0, None, 3, 2700.0, 2, 4 / 3, quantiles)
