"""A model that has learned nothing says so: against the plainest predictor, at its class head, in the self-check."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
import pytest
import torch

from oddframe.datasets.clips import ClipSet
from oddframe.datasets.pseudo import Paster
from oddframe.datasets.sequences import sequences_from_world
from oddframe.models.detector import Batch, Detector, FrameErrors, Plainest
from oddframe.models.registry import create, entry
from oddframe.models.stage import Stage
from oddframe.runtime.torch import TorchRuntime
from oddframe.scoring.combine import ScoreRule
from oddframe.scoring.smooth import Smoothing
from oddframe.settings import PseudoAnomalies, TrainingPlan
from oddframe.training.checkpoint import TrainingHistory
from oddframe.training.sampling import as_batch
from oddframe.types import Combination, Window
from oddframe.video.decode import Frame
from oddframe.workflow.learned import ask, bags_text, epochs_text
from oddframe.workflow.self_check import TESTS

SIZE = (32, 64)
RULE = ScoreRule(Combination({"prediction": 1.0}), Smoothing(kind="none"))


class Toy(Detector):
    """Its error is `factor` times that of a copy of the frame before; its class head is as sure as `head` says."""

    combination = Combination({"prediction": 1.0})

    def __init__(self, factor: float, head: float, blind: bool = False) -> None:
        super().__init__()
        self.components = {"prediction": "how it moves", "class": "pasted"}
        self.window = Window(offsets=(-1,), target=(0,), size=SIZE, missing="drop")
        self.factor, self.head, self.blind = factor, head, blind

    @classmethod
    def from_preset(cls, preset: str = "paper", **options: Any) -> Self:
        return cls(**options)

    def error(self, batch: Batch) -> torch.Tensor:
        return (batch.frames[:, 0].float() - batch.target[:, 0].float()).square().mean((1, 2, 3)) + 1

    def score(self, batch: Batch) -> FrameErrors:
        error = self.error(batch)
        told = torch.zeros(len(batch)) if batch.pasted is None else (batch.pasted.flatten(1).amax(1) > 127).float()
        if self.blind:
            error = (batch.key % 7).float()
        return FrameErrors({"prediction": error * self.factor, "class": 0.25 + self.head * told})

    def plainest(self, batch: Batch) -> Plainest:
        return Plainest("a copy of the frame before", "prediction", self.error(batch))

    def stages(self) -> list[Stage]:
        return []

    def load_reference_state_dict(self, state: Mapping[str, Any]) -> None:
        raise NotImplementedError


class Video:
    def __init__(self, frames: np.ndarray) -> None:
        self.frames = frames


def walk(frames: int = 80) -> np.ndarray:
    """A grey block that walks over a plain picture, and some noise."""
    random = np.random.default_rng(0)
    video = random.integers(98, 103, (frames, *SIZE, 3)).astype(np.uint8)
    for number in range(frames):
        left = number % (SIZE[1] - 8)
        video[number, 10:22, left : left + 6] = 160
    return video


def asked(detector: Detector) -> Any:
    video = walk()
    how = PseudoAnomalies(sequences=9, probability=0.5, max_area=0.2)
    clips = ClipSet([Video(video)], detector.window, None, Paster(sequences_from_world(0, SIZE, 9), SIZE, how, 0))
    stretch: Sequence[Frame] = [Frame(n, n / 10, image) for n, image in enumerate(video)]
    return ask(TorchRuntime(detector, "cpu"), clips, RULE, [stretch], 0)


@pytest.mark.slow
def test_nothing_is_said_of_a_model_that_has_learned() -> None:
    found = asked(Toy(factor=0.5, head=0.6))
    assert found.doubts == ()
    assert found.plainest == ("a copy of the frame before", pytest.approx(0.5, rel=1e-5))
    assert set(found.checks) == {"prediction", "class", "score"} and set(found.checks["score"]) == set(TESTS)
    assert found.checks["score"]["double"] > 0.8


@pytest.mark.slow
def test_one_that_is_worse_than_a_copy_of_the_frame_before_says_so() -> None:
    (doubt,) = asked(Toy(factor=3, head=0.6)).doubts
    assert doubt.startswith(
        "On held-out video the error of component prediction is 3 times that of a copy of the frame"
    )
    assert "train longer (--budget)" in doubt


@pytest.mark.slow
def test_a_class_head_at_its_base_rate_is_named() -> None:
    (doubt,) = asked(Toy(factor=0.5, head=0.0)).doubts
    assert doubt.startswith(
        "The class head is still at its base rate: it says 0.25 of held-out frames with a pasted object"
    )


@pytest.mark.slow
def test_a_score_that_tells_nothing_says_so() -> None:
    doubts = asked(Toy(factor=1e-6, head=0.6, blind=True)).doubts
    assert any("tells nothing from normal life of this camera in the self-check" in doubt for doubt in doubts)


def test_less_than_an_epoch_is_named_by_its_stage() -> None:
    records = [{"stage": "teacher", "step": 50}, {"stage": "teacher", "step": 100}, {"stage": "student", "step": 110}]
    (found,) = epochs_text(TrainingHistory(records), TrainingPlan(batch_size=10), 1000)
    assert found.startswith("Stage student saw 10 % of its 1,000 training windows, less than one epoch: train longer")
    assert epochs_text(TrainingHistory(records[:2]), TrainingPlan(batch_size=10), 1000) == []


def test_a_weakly_supervised_one_at_chance_says_so_of_its_held_out_videos() -> None:
    calm, wild = np.zeros(9), np.r_[np.zeros(8), 1.0]
    assert bags_text([calm] * 3, [wild] * 3) == []
    (doubt,) = bags_text([wild] * 3, [wild] * 3)
    assert doubt.startswith("On the 6 held-out videos it does not tell anomalous from normal ones (AUC 0.50)")
    assert bags_text([wild] * 2, [wild] * 3) == [], "so few say nothing"


@pytest.mark.parametrize("name", ["mnad", "mpn", "std", "memae", "sdmae"])
def test_an_untrained_network_is_worse_than_the_plainest_predictor(name: str) -> None:
    torch.manual_seed(0)
    detector = create(name, "paper", **entry(name).tiny).one_class("a test").eval()
    window = detector.window
    frames = np.full((40, *window.size, window.channels), 100, np.uint8)
    frames[::3, 4:8, 4:8] = 110  # next to nothing happens, so that the mean frame and the frame before are near
    batch = as_batch(ClipSet([Video(frames)], window).batch(np.arange(12), np.arange(12), 0))
    assert isinstance(batch, Batch)
    with torch.inference_mode():
        own, plain = detector.score(batch).components, detector.plainest(batch)
    assert plain is not None and plain.errors.shape == (12,) and bool(torch.isfinite(plain.errors).all())
    assert float(own[plain.component].median()) > float(plain.errors.median()) >= 0
