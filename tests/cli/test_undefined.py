"""Figures that do not exist: the tables say so, and never print nan."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from oddframe.cli.console import figure
from oddframe.cli.evaluate import print_bags, print_details, print_evaluation
from oddframe.datasets.labelled import LabelledSet, LabelledVideo
from oddframe.datasets.weak import WeakVideo
from oddframe.evaluation.bootstrap import bootstrap_micro_auc
from oddframe.evaluation.protocol import evaluate
from oddframe.evaluation.protocols import HONEST
from oddframe.evaluation.weak import evaluate_weak
from oddframe.scoring.combine import ScoreRule
from oddframe.scoring.smooth import Smoothing
from oddframe.types import Combination, FrameScores, Interval, VideoInfo
from oddframe.video.sources import VideoSource
from oddframe.workflow.details import measure
from oddframe.workflow.evaluate import Evaluation, Row
from oddframe.workflow.evaluate_bags import BagEvaluation

RULE = ScoreRule(Combination({"a": 1.0}, scale="none"), Smoothing("none"))
FRAMES = 60


def scores(name: str) -> FrameScores:
    values = np.linspace(0, 1, FRAMES)
    info = VideoInfo(name, name, 8, 8, None)
    return FrameScores(name, np.arange(FRAMES), np.arange(FRAMES) / 5.0, {"a": values}, values, info)


def labelled(value: int) -> LabelledSet:
    videos = [
        LabelledVideo(VideoSource(name, Path(name), "file"), np.full(FRAMES, value, np.int8)) for name in ("x", "y")
    ]
    return LabelledSet("set", tuple(videos))


@pytest.mark.parametrize("label", [0, 1])
def test_a_set_of_one_class_without_events(label: int, capsys: pytest.CaptureFixture[str]) -> None:
    data, found = labelled(label), [scores("x"), scores("y")]
    labels = {video.source.name: video.labels for video in data.videos}
    details = measure(found, data, HONEST, RULE, [])
    rows = (Row("own", evaluate(found, labels, HONEST, RULE)),)
    print_evaluation(Evaluation("set", "b", rows, data.notes, details))
    text = capsys.readouterr().out
    assert "nan" not in text
    assert f"note: all {2 * FRAMES} frames are labelled" in text
    assert "micro AUC        - (undefined: all frames are of one class)" in text
    assert "events           none reaches the threshold; " in text
    assert "delay            - (no anomaly is found)" in text
    print_evaluation(Evaluation("set", "b", rows, data.notes, details), markdown=True)
    assert "nan" not in capsys.readouterr().out


def test_an_interval_without_resamples_of_both_classes(capsys: pytest.CaptureFixture[str]) -> None:
    two = [(np.zeros(4), np.arange(4.0)), (np.ones(4), np.arange(4.0))]
    interval = bootstrap_micro_auc(two, resamples=2, seed=1)
    assert "nan" not in str(replace(interval, low=np.nan, high=np.nan))
    details = replace(measure([scores("x")], replace(labelled(0), videos=labelled(0).videos[:1]), HONEST, RULE, None))
    print_details(details)
    assert "nan" not in capsys.readouterr().out


def test_weakly_labelled_videos_of_one_class(capsys: pytest.CaptureFixture[str]) -> None:
    for video in (
        WeakVideo("v", 0, "Normal"),
        WeakVideo("v", 1, "Fight", (Interval(0, 9),)),
        WeakVideo("v", 1, "Fight"),
    ):
        result = evaluate_weak({"v": np.linspace(0, 1, 9)}, [video])
        print_bags(BagEvaluation("set", "b", {"own": result}, result.notes))
        assert "nan" not in capsys.readouterr().out


def test_a_baseline_that_is_ahead_is_named_first(capsys: pytest.CaptureFixture[str]) -> None:
    videos = [WeakVideo("a", 1, "Fight"), WeakVideo("n", 0, "Normal"), WeakVideo("m", 0, "Normal")]
    scores = {"run": (0.5, 0.6, 0.2), "better": (0.9, 0.1, 0.2), "equal": (0.5, 0.9, 0.1), "label": (1, 0, 0)}
    rows = {
        name: evaluate_weak({v.name: np.full(4, s) for v, s in zip(videos, own, strict=True)}, videos)
        for name, own in scores.items()
    }
    print_bags(BagEvaluation("set", "b", rows, (), baselines=("better", "equal")))
    text = capsys.readouterr().out
    assert text.startswith("A baseline is ahead: better has AUC of videos 1.0000 and run 0.5000.\n")
    assert "better (baseline)" in text and "label (baseline)" not in text and "nan" not in text
    assert BagEvaluation("set", "b", rows, (), baselines=("equal",)).to_dict()["ahead"] == []


def test_an_event_beyond_the_scores_is_told() -> None:
    video = WeakVideo("v", 1, "Fight", (Interval(0, 9), Interval(200, 240)))
    (note,) = evaluate_weak({"v": np.linspace(0, 1, 100)}, [video]).notes
    assert note == (
        "v: the event from frame 200 to 240 reaches beyond its 100 scored frames; are they of the same video?"
    )
    assert evaluate_weak({"v": np.linspace(0, 1, 230)}, [video]).notes == ()


def test_a_figure_is_a_number_or_a_dash() -> None:
    assert (figure(0.5), figure(float("nan")), figure(2.0, ".1f")) == ("0.5000", "-", "2.0")
