"""The contract of a weakly supervised detector: one label per video, a video as a bag of segments.

It sees features, never pixels. Which extractors they come from is a matter of its options (`backbones`); how snippets
are pooled into segments and scores are brought back to frames is `oddframe.datasets.segments`' business.

Shape letters: N bags of a batch, S segments of a bag, D_t length of backbone t's vectors.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from oddframe.features.extractor import SNIPPET
from oddframe.models.learner import Learner
from oddframe.types import BagSignature


@dataclass(frozen=True)
class BagBatch:
    """N bags; their order says nothing, `label` does.

    Attributes:
        features: backbone -> (N, S, D_t) float32.
        label: (N,) float32, 1 where the video has an anomaly somewhere, 0 where it has none.
        index: (N,) int64, numbers of the bags in the training set, by which a teacher's answers may be kept.
        key: (N,) int64 that seeds what is random about a sample.
    """

    features: Mapping[str, Tensor]
    label: Tensor
    index: Tensor
    key: Tensor

    def __len__(self) -> int:
        return len(self.label)

    def to(self, device: torch.device | str) -> BagBatch:
        """The same batch on `device`."""
        moved = {name: getattr(self, name).to(device, non_blocking=True) for name in ("label", "index", "key")}
        return replace(self, features={n: f.to(device, non_blocking=True) for n, f in self.features.items()}, **moved)


class BagDetector(Learner):
    """A weakly supervised detector.

    Attributes:
        backbones: name -> D_t of every backbone that it learns from.
        required: those whose features `score` cannot do without.
        segments: S, equal parts that a video is divided into.
    """

    backbones: Mapping[str, int]
    required: tuple[str, ...]
    segments: int

    def weakly_supervised(self) -> BagDetector:
        return self

    def describe(self) -> dict[str, Any]:
        return {"segments": self.segments, "backbones": dict(self.backbones), "required": list(self.required)}

    @property
    def signature(self) -> BagSignature:
        """What scoring has to know of it where only the `required` features are at hand."""
        words = {name: text for name, text in self.components.items() if name in self.combination.weights}
        return BagSignature(words, self.combination, self.segments, {n: self.backbones[n] for n in self.required})

    def score_nothing(self) -> int:
        self.score({name: torch.empty(1, self.segments, self.backbones[name]) for name in self.required})
        return self.segments * SNIPPET

    @property
    def sees(self) -> str:
        return f"{self.segments} segments, {' + '.join(self.backbones)} features"

    @property
    def latency(self) -> str:
        return "the whole video"

    @abstractmethod
    def score(self, features: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Components of every segment, each (N, S), in [0, 1], higher = more anomalous; in eval mode.

        Args:
            features: backbone -> (N, S, D_t); at least those `required`. What needs others is left out without them.
        """
