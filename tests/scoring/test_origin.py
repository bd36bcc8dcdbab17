"""Stored scores know where they come from, and are refused where they do not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from oddframe.errors import InputError
from oddframe.scoring.combine import ScoreRule
from oddframe.scoring.files import save_scores
from oddframe.scoring.origin import NAME, Origin, load_origin, score_folder, stored_scores
from oddframe.settings import Smoothing
from oddframe.types import Combination, FrameScores, VideoInfo

RULE = ScoreRule(
    Combination({"a": 0.25, "b": 1.0}, {"a": "decibel"}, "normal"), Smoothing("held", 15, 2.0), {"a": (1.5, 2.0)}
)
ORIGIN = Origin("mnad", "0123", RULE)


def scores(video: str, bundle: str = "0123") -> FrameScores:
    frame = np.arange(3)
    info = VideoInfo(video, video, 8, 8, None, 3)
    return FrameScores(video, frame, frame / 25, {"a": np.ones(3)}, np.ones(3), info, bundle)


def test_what_is_saved_is_read_again(tmp_path: Path) -> None:
    folder = tmp_path / "out" / "scores"
    for video in ("gate/2", "gate/1"):
        save_scores(scores(video), folder)
    ORIGIN.save(folder)
    assert load_origin(folder) == ORIGIN
    origin, found = stored_scores(folder)
    assert origin == ORIGIN and [one.video for one in found] == ["gate/1", "gate/2"]
    assert score_folder(tmp_path / "out") == score_folder(folder) == folder


def test_what_is_not_whole_is_named(tmp_path: Path) -> None:
    assert score_folder(tmp_path) is None and score_folder(tmp_path / "nowhere") is None
    save_scores(scores("1"), tmp_path)
    with pytest.raises(InputError, match=r"there is no origin\.json beside the scores; score with --out .* once more"):
        stored_scores(tmp_path)
    ORIGIN.save(tmp_path)
    save_scores(replace(scores("2"), bundle="4567"), tmp_path)
    with pytest.raises(InputError, match=r"2: scored by bundle 4567, the folder's others by 0123"):
        stored_scores(tmp_path)
    (tmp_path / NAME).write_text('{"model": "mnad"}')
    with pytest.raises(InputError, match=r"origin\.json: damaged"):
        load_origin(tmp_path)
    (tmp_path / "empty").mkdir()
    ORIGIN.save(tmp_path / "empty")
    with pytest.raises(InputError, match="there are no score files here"):
        stored_scores(tmp_path / "empty")
