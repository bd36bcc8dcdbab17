"""MIL: deep multiple-instance ranking, the foundation of weakly supervised detection and every table's baseline.

Sultani, Chen, Shah: "Real-World Anomaly Detection in Surveillance Videos", CVPR 2018, arXiv:1801.04264. The paper's
text was not at hand: what it says and its code does is known from a description of both.

A video is a bag of 32 segments with one feature vector each; one label tells whether anything in it is abnormal. Every
segment is scored by itself, by a network of three layers. The best segment of an anomalous bag has to lie above that of
a normal bag (`ranking_loss`), scores of neighbours should be alike, and few of them high.

Shape letters: N bags, S segments, D length of a segment's vector.

Where paper and released code differ, the difference is an option of `MILConfig`; `PRESETS` holds both readings.
Where this file departs from both:
- Batches are drawn in epochs: every bag of the larger class once, then again. In the released code every batch is drawn
  anew.
- Several backbones may be given; their normalised vectors are put side by side.
- How snippets become segments is not the model's business (the released code leaves a video's last snippet out).
- The released numbers 30 (bags of a class in a batch) is the recipe's batch size, 60.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Self

import torch
from torch import Tensor, nn

from oddframe.errors import RecipeError
from oddframe.models.bag_detector import BagBatch, BagDetector
from oddframe.models.catalogue import ModelEntry, ReportedFigure
from oddframe.models.layers.mil_ranking import FeatureNorm, Head, HeadShape, Norm, Ranking, known, ranking_loss, spread
from oddframe.models.layers.pixels import full
from oddframe.models.options import configure
from oddframe.models.reference import load_exactly
from oddframe.models.stage import BatchSampling, Stage, Update
from oddframe.types import Combination


@dataclass(frozen=True)
class MILConfig(HeadShape, Ranking):
    """Every choice of the method, with those of `HeadShape` and `Ranking`; the defaults are `preset="paper"`.

    Attributes:
        backbones: name -> D. None only in a recipe: `fit` fills in those it is given.
        segments: S.
        feature_norm: of every segment's vector: length 1 ("l2"), length sqrt(D) ("layernorm"), as it is ("none"), or
            every number to mean 0 and deviation 1 over the training videos ("standard").
        difference: the absolute difference to the segment before stands beside every vector.
        mil_scale: "sum" (times the number of anomalous bags in the batch, or in a device's share of it, code) or
            "mean".
        l2: what draws weights to 0: `l2_weight` times their squares, biases left out, is part of the loss ("loss",
            code), or it is the optimiser's weight decay of all parameters ("decay", most ports).
        l2_weight: 0.001.
        init: Glorot's normal distribution ("glorot", code) or PyTorch's own ("torch").
        learning_rate: of Adagrad: 0.001 in the paper, 0.01 in the code.
        steps: of training.
    """

    backbones: dict[str, int] | None = field(default_factory=lambda: {"c3d": 4096})
    segments: int = 32
    feature_norm: Norm = "l2"
    difference: bool = False
    mil_scale: Literal["mean", "sum"] = "sum"
    l2: Literal["loss", "decay"] = "loss"
    l2_weight: float = 1e-3
    init: Literal["glorot", "torch"] = "glorot"
    learning_rate: float = 1e-3
    steps: int = 20_000

    def __post_init__(self) -> None:
        try:
            HeadShape.__post_init__(self)
            Ranking.__post_init__(self)
        except RecipeError as error:
            raise RecipeError(f"MIL: {error}") from None
        if self.backbones is not None:
            known("MIL", self.backbones)
        if self.segments < 1 or self.l2_weight < 0:
            raise RecipeError(f"MIL: segments {self.segments} must be at least 1, l2_weight {self.l2_weight:g} 0")


PRESETS: dict[str, dict[str, Any]] = {"paper": {}, "code": {"learning_rate": 1e-2}}


class MIL(BagDetector):
    """The network; component "classifier", in [0, 1]."""

    components: Mapping[str, str] = {"classifier": "what its segments show"}
    combination = Combination({"classifier": 1.0})

    def __init__(self, config: MILConfig) -> None:
        super().__init__()
        self.config = c = config
        self.backbones, self.segments = known("MIL", c.backbones), c.segments
        self.required = tuple(self.backbones)
        self.norm = FeatureNorm(c.feature_norm, self.backbones, c.difference)
        self.head = Head(sum(self.norm.widths.values()), c)
        if c.init == "glorot":
            for layer in self.layers:
                nn.init.xavier_normal_(layer.weight)
                nn.init.zeros_(layer.bias)

    @classmethod
    def from_preset(cls, preset: str = "paper", **options: Any) -> Self:
        return cls(configure(MILConfig, PRESETS, preset, options))

    @property
    def layers(self) -> tuple[nn.Linear, nn.Linear, nn.Linear]:
        """The three, from input to output."""
        return self.head.first, self.head.second, self.head.last

    def forward(self, features: Mapping[str, Tensor]) -> Tensor:
        """(N, S) in [0, 1]."""
        logit_NS = self.head(torch.cat(self.norm(features), -1))[0]
        return full(logit_NS).sigmoid()

    def stages(self) -> list[Stage]:
        return [MILTraining(self)]

    def score(self, features: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {"classifier": self(features)}

    def load_reference_state_dict(self, state: Mapping[str, Any]) -> None:
        """Load a state dict with this network's own names: the released weights are a MATLAB file.

        Raises:
            BundleError: keys are missing or shapes differ; the message names the first of them.
        """
        load_exactly(self, state, "MIL checkpoint")


class MILTraining(Stage):
    """The one stage."""

    name = "network"
    unit = "steps"
    sampling = BatchSampling(kind="balanced")

    def __init__(self, model: MIL) -> None:
        self.model, self.length = model, model.config.steps

    def prepare(self, batches: Iterator[BagBatch]) -> None:
        self.model.norm.learn(batches)

    def updates(self) -> list[Update]:
        c = self.model.config
        decay = c.l2_weight if c.l2 == "decay" else 0.0
        adagrad = torch.optim.Adagrad(self.model.parameters(), lr=c.learning_rate, weight_decay=decay, eps=1e-8)
        return [Update(adagrad, self.loss)]

    def train_mode(self) -> None:
        self.model.train()

    def loss(self, batch: BagBatch) -> dict[str, Tensor]:
        score_NS = self.model(batch.features)
        losses = {**ranking_loss(score_NS, batch.label, self.model.config), "spread": spread(score_NS)}
        if self.model.config.l2 == "loss":
            losses["l2"] = torch.stack([layer.weight.square().sum() for layer in self.model.layers]).sum()
            losses["loss"] = losses["loss"] + self.model.config.l2_weight * losses["l2"]
        return losses


ENTRY = ModelEntry(
    name="mil",
    detector=MIL,
    kind="bags",
    title="Multiple-instance ranking: learns from one label per video (baseline)",
    paper="Sultani, Chen, Shah, CVPR 2018, arXiv:1801.04264",
    licence="authors' code: none stated; this implementation is independent of it",
    citation="W. Sultani, C. Chen, M. Shah. Real-World Anomaly Detection in Surveillance Videos. CVPR 2018.",
    gflop=0.000264,
    figures=(
        ReportedFigure("UCF-Crime", 75.41, "paper"),
        ReportedFigure("ShanghaiTech, weak split", 86.30, "paper, as quoted by others"),
    ),
    tiny={"head": (8, 4), "learning_rate": 0.02, "head_dropout": 0.0},
    variants=(("code", {"mil_scale": "mean", "feature_norm": "standard", "difference": True}),),
)
