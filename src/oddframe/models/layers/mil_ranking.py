"""What weakly supervised systems share: how features are normalised, and the head and the ranking loss of Sultani, Chen
and Shah, CVPR 2018.

Shape letters: N bags of a batch, S segments of a bag, D length of a segment's vector.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from oddframe.errors import RecipeError

Norm = Literal["none", "l2", "layernorm", "standard"]
MEASURED = 32  # batches that "standard" learns means and deviations from


def known(model: str, backbones: Mapping[str, int] | None) -> dict[str, int]:
    """The backbones, if a network can be made for them.

    Raises:
        RecipeError: there is none, or one without a length.
    """
    if not backbones or min(backbones.values()) < 1:
        raise RecipeError(f"{model}: backbones is {backbones}: name at least one, with the length of its vectors")
    return dict(backbones)


class FeatureNorm(nn.Module):
    """Normalises the features (N, S, D) of every backbone.

    As they are ("none"); to length 1 ("l2"); to mean 0 and length sqrt(D) ("layernorm", nothing learnt); or every
    number to mean 0 and deviation 1 over training segments ("standard"), so that none is louder than the others. These
    means and deviations are learnt before the first step (`learn`) and stay as they are; until then they are 0 and 1.

    Args:
        difference: whether the absolute difference to the segment before stands beside every vector, before it is
            normalised: 2 D numbers in place of D. It is 0 in the first segment of a bag.

    Attributes:
        widths: backbone -> numbers per segment that come out, D or 2 D.
    """

    def __init__(self, norm: Norm, backbones: Mapping[str, int], difference: bool = False) -> None:
        super().__init__()
        self.norm, self.difference = norm, difference
        self.widths = {name: 2 * dim if difference else dim for name, dim in backbones.items()}
        if norm == "standard":
            for number, dim in enumerate(self.widths.values()):  # names of backbones may have dots, of buffers not
                self.register_buffer(f"centre{number}", torch.zeros(dim))
                self.register_buffer(f"deviation{number}", torch.ones(dim))

    def forward(self, features: Mapping[str, Tensor]) -> list[Tensor]:
        """The normalised features, in the order of the backbones."""
        found = self._inputs(features)
        if self.norm == "l2":
            return [F.normalize(x_NSD, dim=-1) for x_NSD in found]
        if self.norm == "layernorm":  # the usual eps would already be felt by vectors of length 1
            return [F.layer_norm(x_NSD, x_NSD.shape[-1:], eps=1e-10) for x_NSD in found]
        if self.norm == "standard":
            return [
                (x_NSD - getattr(self, f"centre{number}")) / getattr(self, f"deviation{number}")
                for number, x_NSD in enumerate(found)
            ]
        return found

    def _inputs(self, features: Mapping[str, Tensor]) -> list[Tensor]:
        found = [features[name] for name in self.widths]
        if self.difference:
            before = [torch.cat([x_NSD[:, :1], x_NSD[:, :-1]], 1) for x_NSD in found]
            found = [torch.cat([x, (x - y).abs()], -1) for x, y in zip(found, before, strict=True)]
        return found

    @torch.no_grad()
    def learn(self, batches: Iterator[Any]) -> None:
        """Means and deviations of the segments of the first `MEASURED` batches, for "standard"; else nothing.

        Args:
            batches: of `oddframe.models.bag_detector.BagBatch`.
        """
        if self.norm != "standard":
            return
        rows: list[list[Tensor]] = [[] for _ in self.widths]
        for batch in islice(batches, MEASURED):
            for number, x_NSD in enumerate(self._inputs(batch.features)):
                x_MD = x_NSD.double().flatten(0, 1)
                rows[number].append(torch.stack([x_MD.mean(0), x_MD.square().mean(0)]))
        for number, moments in enumerate(rows):
            mean_D, square_D = torch.stack(moments).mean(0)
            deviation_D = (square_D - mean_D.square()).clamp(min=0).sqrt()
            constant_D = deviation_D <= 1e-6 * mean_D.abs() + 1e-12  # it has nothing to say, and is not blown up
            getattr(self, f"centre{number}").copy_(mean_D)
            getattr(self, f"deviation{number}").copy_(deviation_D.masked_fill(constant_D, 1))


@dataclass(frozen=True)
class HeadShape:
    """The head's options.

    Attributes:
        head: widths of the hidden layers.
        head_relu: where ReLU stands ("first": not behind the second) (A6 of docs/explanation/dakd.md).
        head_dropout: behind both.

    Raises:
        RecipeError: an impossible value.
    """

    head: tuple[int, int] = (512, 32)
    head_relu: Literal["first", "both"] = "first"
    head_dropout: float = 0.6

    def __post_init__(self) -> None:
        if min(self.head) < 1:
            raise RecipeError(f"head {list(self.head)}: widths must be at least 1")
        if not 0 <= self.head_dropout < 1:
            raise RecipeError(f"head_dropout {self.head_dropout:g} must lie from 0 to below 1")


class Head(nn.Module):
    """D - 512 - 32 - 1, for every segment by itself."""

    def __init__(self, ins: int, shape: HeadShape) -> None:
        super().__init__()
        self.relu = shape.head_relu
        self.first, self.second = nn.Linear(ins, shape.head[0]), nn.Linear(*shape.head)
        self.last = nn.Linear(shape.head[1], 1)
        self.dropout = nn.Dropout(shape.head_dropout)

    def forward(self, x_NSD: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Logits (N, S), and the two hidden layers before their dropout, (N, S, 512) and (N, S, 32)."""
        first = F.relu(self.first(x_NSD))
        second = self.second(self.dropout(first))
        if self.relu == "both":
            second = F.relu(second)
        return self.last(self.dropout(second)).squeeze(-1), first, second


@dataclass(frozen=True)
class Ranking:
    """The loss: how far the best segment of an anomalous bag must lie above that of a normal one, and at what price.

    Attributes:
        margin: of the hinge; with 1 and scores in [0, 1] it never clips.
        smoothness, sparsity: weights of the sum over an anomalous bag of the squared differences of neighbours, and of
            its scores.
        pairing: every anomalous with every normal bag ("all"), or the n-th with the n-th ("index", several ports). With
            a margin of 1 and as many of both it is the same.
        mil_scale: "mean" over pairs and bags; or "sum", that times the number of anomalous bags, as the authors' code
            has it.

    Raises:
        RecipeError: an impossible value.
    """

    margin: float = 1.0
    smoothness: float = 8e-5
    sparsity: float = 8e-5
    pairing: Literal["all", "index"] = "all"
    mil_scale: Literal["mean", "sum"] = "mean"

    def __post_init__(self) -> None:
        if self.margin <= 0 or self.smoothness < 0 or self.sparsity < 0:
            raise RecipeError(
                f"margin {self.margin:g} must be above 0, smoothness {self.smoothness:g} and sparsity "
                f"{self.sparsity:g} at least 0"
            )


def ranking_loss(score_NS: Tensor, label_N: Tensor, ranking: Ranking) -> dict[str, Tensor]:
    """ "loss" and the terms that it is the weighted sum of: "ranking", "smoothness", "sparsity".

    A term without the bags it needs is 0, with a gradient of 0.

    Args:
        score_NS: in [0, 1].
        label_N: above 0.5 where a bag is anomalous.
    """
    anomalous_AS, normal_MS = score_NS[label_N > 0.5], score_NS[label_N <= 0.5]
    best_A, best_M = anomalous_AS.amax(1), normal_MS.amax(1)
    if ranking.pairing == "index":
        pairs = min(len(best_A), len(best_M))
        gap = best_A[:pairs] - best_M[:pairs]
    else:
        gap = best_A[:, None] - best_M
    bags = max(len(best_A), 1)
    factor = bags if ranking.mil_scale == "sum" else 1
    hinge = F.relu(ranking.margin - gap).sum() / max(gap.numel(), 1) * factor
    smoothness = anomalous_AS.diff(dim=1).square().sum() / bags * factor
    sparsity = anomalous_AS.sum() / bags * factor
    loss = hinge + ranking.smoothness * smoothness + ranking.sparsity * sparsity
    return {"loss": loss, "ranking": hinge, "smoothness": smoothness, "sparsity": sparsity}


def spread(score_NS: Tensor) -> Tensor:
    """Mean standard deviation of the scores within a bag: 0 where a model tells bags apart but not their segments."""
    return score_NS.detach().float().std(1, correction=0).mean()
