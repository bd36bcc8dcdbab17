"""How the segments of a bag learn of each other: the temporal modules of DAKD's first table, behind one interface.

Each takes the projected segments of every backbone, a list of (N, S, P), and returns (N, S, width). The paper names
them and says no more; how they are built here is our reading (docs/dakd.md). MTN is that of Tian et al., "RTFM", ICCV
2021, built from a description of it.

All but TAM look at one stream. Several backbones become one by `fusion`: side by side ("concat"), averaged ("mean"),
or not at all: each gets a module of its own and their outputs are averaged ("per_backbone"), as TAM does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from oddframe.errors import RecipeError
from oddframe.models.layers.tam import TAM, TAMAttention

Temporal = Literal["tam", "disentangled", "mha", "mtn", "lstm", "gru", "rnn", "conv", "none"]
Fusion = Literal["concat", "mean", "per_backbone"]


class Stream(nn.Module):
    """A module for one stream, (N, S, P) to (N, S, width)."""

    width: int


class Nothing(Stream):
    """No temporal module: every segment stands alone."""

    def __init__(self, ins: int) -> None:
        super().__init__()
        self.width = ins

    def forward(self, x_NSP: Tensor) -> Tensor:
        return x_NSP


class Disentangled(Stream):
    """DeBERTa's attention: TAM with one backbone."""

    def __init__(self, ins: int, attention: TAMAttention) -> None:
        super().__init__()
        self.tam = TAM(1, ins, attention)
        self.width = self.tam.width

    def forward(self, x_NSP: Tensor) -> Tensor:
        return self.tam([x_NSP])


class MultiHead(Stream):
    """Plain multi-head attention without positions, after a linear map to its width."""

    def __init__(self, ins: int, attention: TAMAttention) -> None:
        super().__init__()
        self.width = attention.dim
        self.lift = nn.Linear(ins, attention.dim)
        self.attention = nn.MultiheadAttention(
            attention.dim, attention.heads, dropout=attention.dropout, bias=attention.bias, batch_first=True
        )

    def forward(self, x_NSP: Tensor) -> Tensor:
        x = self.lift(x_NSP)
        return self.attention(x, x, x, need_weights=False)[0]


class Recurrent(Stream):
    """One layer of LSTM, GRU or plain RNN, past to future, or both ways with half of the output each."""

    def __init__(self, kind: Literal["lstm", "gru", "rnn"], ins: int, hidden: int, bidirectional: bool) -> None:
        super().__init__()
        self.width = hidden * (2 if bidirectional else 1)
        layer = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}[kind]
        self.layer = layer(ins, hidden, batch_first=True, bidirectional=bidirectional)

    def forward(self, x_NSP: Tensor) -> Tensor:
        return self.layer(x_NSP)[0]


class Convolution(Stream):
    """Convolutions over three segments, each followed by ReLU."""

    def __init__(self, ins: int, hidden: int, layers: int) -> None:
        super().__init__()
        self.width = hidden
        widths = [ins, *[hidden] * layers]
        self.layers = nn.Sequential(
            *(m for a, b in pairwise(widths) for m in (nn.Conv1d(a, b, 3, padding=1), nn.ReLU()))
        )

    def forward(self, x_NSP: Tensor) -> Tensor:
        return self.layers(x_NSP.transpose(1, 2)).transpose(1, 2)


class NonLocal(nn.Module):
    """Non-local block over (N, C, S): affinities divided by S, no softmax; begins as the identity."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        half = channels // 2
        self.theta, self.phi, self.g = (nn.Conv1d(channels, half, 1) for _ in range(3))
        self.out, self.norm = nn.Conv1d(half, channels, 1), nn.BatchNorm1d(channels)
        nn.init.zeros_(self.norm.weight)

    def forward(self, x_NCS: Tensor) -> Tensor:
        affinity_NSS = self.theta(x_NCS).transpose(1, 2) @ self.phi(x_NCS) / x_NCS.shape[2]
        return self.norm(self.out(self.g(x_NCS) @ affinity_NSS.transpose(1, 2))) + x_NCS


class MTN(Stream):
    """RTFM's multi-scale temporal network: three dilated convolutions and a non-local branch, a quarter of it each."""

    def __init__(self, ins: int) -> None:
        super().__init__()
        if ins % 8:
            raise RecipeError(f"mtn: the width of its input, {ins}, must be a multiple of 8")
        self.width, quarter = ins, ins // 4
        self.pyramid = nn.ModuleList(
            nn.Sequential(nn.Conv1d(ins, quarter, 3, padding=d, dilation=d), nn.ReLU(), nn.BatchNorm1d(quarter))
            for d in (1, 2, 4)
        )
        self.reduce = nn.Conv1d(ins, quarter, 1, bias=False)
        self.non_local = NonLocal(quarter)
        self.fuse = nn.Sequential(nn.Conv1d(ins, ins, 3, padding=1, bias=False), nn.ReLU(), nn.BatchNorm1d(ins))
        for module in self.modules():
            if isinstance(module, nn.Conv1d):
                nn.init.xavier_uniform_(module.weight)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward(self, x_NSP: Tensor) -> Tensor:
        x_NPS = x_NSP.transpose(1, 2)
        scales = [branch(x_NPS) for branch in self.pyramid]
        joined = torch.cat([*scales, self.non_local(F.relu(self.reduce(x_NPS)))], 1)
        return (self.fuse(joined) + x_NPS).transpose(1, 2)


class Fused(nn.Module):
    """Several backbones as one stream, or each as one of its own."""

    def __init__(self, streams: Sequence[Stream], fusion: Fusion) -> None:
        super().__init__()
        self.streams, self.fusion, self.width = nn.ModuleList(streams), fusion, streams[0].width

    def forward(self, z_NSP: Sequence[Tensor]) -> Tensor:
        if self.fusion == "per_backbone":
            return torch.stack([stream(z) for stream, z in zip(self.streams, z_NSP, strict=True)]).mean(0)
        return self.streams[0](
            torch.cat(list(z_NSP), -1) if self.fusion == "concat" else torch.stack(list(z_NSP)).mean(0)
        )


@dataclass(frozen=True)
class Hidden:
    """The shape of recurrent modules and of convolutions.

    Attributes:
        width: of a recurrent module in each direction, and of a convolution.
        bidirectional: whether a recurrent module also runs from future to past.
        layers: of convolutions.
    """

    width: int = 512
    bidirectional: bool = False
    layers: int = 1


def temporal_module(
    kind: Temporal,
    backbones: int,
    ins: int,
    attention: TAMAttention,
    *,
    fusion: Fusion | None = None,
    hidden: Hidden = Hidden(),
) -> TAM | Fused:
    """A temporal module for the segments of `backbones` backbones, each `ins` long.

    Args:
        attention: of "tam", "disentangled" and "mha" (there only width, heads, bias and dropout).
        fusion: None takes "per_backbone" for "disentangled" and "concat" for the others; "tam" knows no other than its
            own.
        hidden: shape of "lstm", "gru", "rnn" and "conv".

    Raises:
        RecipeError: the widths do not go together.
    """
    if kind == "tam":
        return TAM(backbones, ins, attention)
    fusion = fusion or ("per_backbone" if kind == "disentangled" else "concat")
    seen = ins * backbones if fusion == "concat" else ins

    def stream() -> Stream:
        if kind == "disentangled":
            return Disentangled(seen, attention)
        if kind == "mha":
            return MultiHead(seen, attention)
        if kind == "mtn":
            return MTN(seen)
        if kind == "conv":
            return Convolution(seen, hidden.width, hidden.layers)
        if kind == "none":
            return Nothing(seen)
        return Recurrent(kind, seen, hidden.width, hidden.bidirectional)

    return Fused([stream() for _ in range(backbones if fusion == "per_backbone" else 1)], fusion)
