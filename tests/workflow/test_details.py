"""Details of a test set: a set of a single video has an interval too."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from oddframe.datasets.labelled import LabelledSet, LabelledVideo
from oddframe.evaluation.protocols import HONEST
from oddframe.scoring.combine import ScoreRule
from oddframe.scoring.smooth import Smoothing
from oddframe.types import Combination, FrameScores, VideoInfo
from oddframe.video.sources import VideoSource
from oddframe.workflow.details import measure


@pytest.mark.parametrize("fps, block", [(5.0, 50), (25.0, 250), (0.05, 1)])
def test_one_video_is_resampled_in_blocks_of_ten_seconds(fps: float, block: int) -> None:
    frames, rng = 1200, np.random.default_rng(0)
    labels = (np.arange(frames) % 100 < 20).astype(np.int8)
    components = {"a": rng.normal(size=frames) + labels}
    info = VideoInfo("a", "a", 8, 8, None)
    scores = FrameScores("a", np.arange(frames), np.arange(frames) / fps, components, components["a"], info)
    labelled = LabelledSet("set", (LabelledVideo(VideoSource("a", Path("a.mp4"), "file"), labels),))
    rule = ScoreRule(Combination({"a": 1.0}, scale="none"), Smoothing("none"))
    found = measure([scores], labelled, HONEST, rule, None)
    assert found.micro_auc.block == block
    assert found.micro_auc.low < found.micro_auc.value < found.micro_auc.high
