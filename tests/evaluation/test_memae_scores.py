"""The figures that MemAE's clip errors make on UCSD Ped2, from the raw errors of a model trained by others."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from oddframe.evaluation.protocol import Protocol, evaluate
from oddframe.evaluation.protocols import get_protocol
from oddframe.models.memae import MemAE
from oddframe.scoring.combine import ScoreRule
from oddframe.settings import Smoothing
from oddframe.types import FrameScores, VideoInfo

pytestmark = pytest.mark.realdata
MODEL = MemAE.from_preset("code", size=(16, 16), width=1, items=2)
OWN = ScoreRule(MODEL.combination, Smoothing("none"))


@pytest.fixture(scope="module")
def published(shared_data: Path) -> tuple[list[FrameScores], dict[str, np.ndarray]]:
    """Scores placed where MemAE's window places them, and the labels of whole videos."""
    with np.load(shared_data / "scores" / "memae_ped2.npz") as stored:
        lengths, kept = stored["length"], stored["length_kept"]
        errors = np.split(stored["error"].astype(np.float64), np.cumsum(kept)[:-1])
        labels = np.split(stored["label"], np.cumsum(lengths)[:-1])
        label_kept = stored["label_kept"]
    scores, truth = [], {}
    for number, (error, label) in enumerate(zip(errors, labels, strict=True), start=1):
        name, frame = f"{number:02d}", np.array(MODEL.window.scorable(len(label)))
        truth[name] = label
        info = VideoInfo(name, name, 360, 240, 10.0, len(label))
        scores.append(FrameScores(name, frame, frame / 10, {"reconstruction": error}, error, info))
    placed = np.concatenate([truth[s.video][s.frame] for s in scores])
    np.testing.assert_array_equal(placed, label_kept)
    return scores, truth


@pytest.mark.parametrize(
    ("protocol", "micro"),
    [
        (get_protocol("code/memae"), 0.934060),
        (get_protocol("paper/memae"), 0.934060),
        (get_protocol("honest"), 0.695808),
        (get_protocol("code/memae/ped2"), 0.934060),
        (get_protocol("code/mpn").standing_in(OWN.combination), 0.9397),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_the_figure_depends_on_the_protocol(
    published: tuple[list[FrameScores], dict[str, np.ndarray]], protocol: Protocol, micro: float
) -> None:
    result = evaluate(*published, protocol, OWN)
    assert result.micro_auc == pytest.approx(micro, abs=5e-5 if protocol.name == "code/mpn" else 1e-6)
    assert (result.videos, result.frames, result.positives) == (12, 1830, 1526)
    assert result.one_class_videos == ("03", "08", "09", "10", "11")
    if protocol.ground_truth is not None:
        frames = sum(len(labels) for labels in published[1].values())
        positives = sum(int(labels.sum()) for labels in published[1].values())
        assert protocol.ground_truth.differs(frames, positives) is None


def test_the_mean_over_the_seven_videos_with_both_classes(
    published: tuple[list[FrameScores], dict[str, np.ndarray]],
) -> None:
    for name in ("code/memae", "honest"):
        assert evaluate(*published, get_protocol(name), OWN).macro_auc == pytest.approx(0.9710, abs=5e-5)
