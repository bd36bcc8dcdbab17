"""How the segments of a bag learn of each other: the temporal modules of DAKD's table 1.

Its own is the Temporal Aggregation Module (TAM): disentangled attention over the segments of several backbones at once.
Dalvi et al., WACV 2025, equations (1), (4) and (5); the disentangled attention of He et al., "DeBERTa", ICLR 2021, is
the case of one backbone. For backbone t, query segment i and key segment j, and per head,

    A~_t[i,j] = Q_t[i].K_t[j]  +  sum over u != t of Q_t[i].K_u[j]  +  Q_t[i].K^r[gamma(i,j)]  +  K_t[j].Q^r[gamma(j,i)]
                    self                    cross                              c2p                         p2c
    H_t = softmax_j(A~_t / sqrt((B + 2) d_h)) V_t,     H = mean of H_t over the backbones

Self and cross are one product, Q_t with the sum of all keys. gamma depends on i - j alone, so that K^r and Q^r are put
into the order of the 2S - 1 distances first; a product with them is brought to (i, j) by a change of strides, and
nothing is gathered.

The paper names the alternatives and says no more; how they are built here is our reading
(docs/explanation/dakd.md). MTN is that of Tian et al., "RTFM", ICCV 2021, built from a description of it. Each
alternative looks at one stream, (N, S, P) to (N, S, width), and `Fused` brings several backbones to it.

Shape letters: N bags, S segments, P length of a projected segment, d width of the attention, h heads of d_h = d / h,
R = 2S - 1 distances.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import ceil, log, sqrt
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from oddframe.errors import RecipeError

Term = Literal["self", "cross", "c2p", "p2c"]
Fusion = Literal["concat", "mean", "per_backbone"]
TERMS: tuple[Term, ...] = ("self", "cross", "c2p", "p2c")


@dataclass(frozen=True)
class TAMAttention:
    """What can be chosen about the attention; an (A..) names the entry of docs/explanation/dakd.md.

    Attributes:
        attention_dim, heads: d and its heads (A3).
        max_distance: k of eq. (1).
        buckets: rows of the relative table per direction, in logarithmic steps; 0 is none (A9).
        p2c_index: position-to-content looks up gamma(j, i) ("ji", paper) or gamma(i, j) ("ij", DeBERTa's code) (A8).
        terms: of eq. (4), those that are on (table 5).
        fixed_scale: divide by sqrt((B + 2) d_h) whatever the terms; else by the number of those that are on.
        scale_width: d of that root is a head's ("head") or all of it ("full") (A5).
        attention_bias: in the matrices of the attention (A10).
        learn_table: of relative positions (A7).
        attention_dropout: of attention weights, and in "deberta".
        block: attention alone ("bare", paper) or with output projection, residuals, LayerNorm and MLP ("deberta") (A4).

    Raises:
        RecipeError: an impossible combination.
    """

    attention_dim: int = 1024
    heads: int = 8
    max_distance: int = 25
    buckets: int = 0
    p2c_index: Literal["ji", "ij"] = "ji"
    terms: tuple[Term, ...] = TERMS
    fixed_scale: bool = False
    scale_width: Literal["head", "full"] = "head"
    attention_bias: bool = True
    learn_table: bool = True
    attention_dropout: float = 0.0
    block: Literal["bare", "deberta"] = "bare"

    def __post_init__(self) -> None:
        if self.heads < 1 or self.attention_dim < 1 or self.attention_dim % self.heads:
            raise RecipeError(f"attention_dim {self.attention_dim} must be a multiple of heads {self.heads}")
        if self.max_distance < 1:
            raise RecipeError(f"max_distance {self.max_distance} must be at least 1")
        if self.buckets < 0 or self.buckets % 2 or self.buckets // 2 >= max(self.max_distance - 1, 1):
            raise RecipeError(
                f"buckets {self.buckets} must be 0, or even and below twice max_distance - 1 ({self.max_distance - 1})"
            )
        if not self.terms or len(set(self.terms)) < len(self.terms):
            raise RecipeError(f"terms {list(self.terms)}: name at least one of {', '.join(TERMS)}, each once")
        if not 0 <= self.attention_dropout < 1:
            raise RecipeError(f"attention_dropout {self.attention_dropout:g} must lie from 0 to below 1")

    @property
    def rows(self) -> int:
        """Rows of the table of relative positions, 2k."""
        return 2 * (self.buckets or self.max_distance)

    def counted(self, backbones: int) -> int:
        """How many products a logit is the sum of, cross counting for each other backbone; all of them if fixed."""
        if self.fixed_scale:
            return backbones + 2
        return max(1, sum(backbones - 1 if term == "cross" else 1 for term in self.terms))


def relative_index(distance: Tensor, max_distance: int, buckets: int = 0) -> Tensor:
    """gamma: rows of the table for distances i - j, clamp(i - j + k, 0, 2k - 1).

    With `buckets` b, k = b, and distances beyond b / 2 share rows, ever more of them (DeBERTa v2).
    """
    if not buckets:
        return (distance + max_distance).clamp(0, 2 * max_distance - 1)
    middle = buckets // 2
    width = log((max_distance - 1) / middle)

    def row(d: int) -> int:
        far = abs(d)
        if far > middle:
            far = ceil(log(far / middle) / width * (middle - 1)) + middle
        return min(max(buckets + (far if d > 0 else -far), 0), 2 * buckets - 1)

    return torch.tensor([row(d) for d in distance.flatten().tolist()], device=distance.device).view_as(distance)


def by_distance(x: Tensor) -> Tensor:
    """(..., S, R) to (..., S, S) with out[a, b] = x[a, b - a + S - 1]: a view with other strides."""
    segments = x.shape[-2]
    if segments == 1:
        return x
    flat = x.flatten(-2)[..., segments - 1 : -1]
    rows: Tensor = flat.unflatten(-1, (segments, 2 * segments - 2))
    return rows[..., :segments]


class TAMBlock(nn.Module):
    """What a DeBERTa layer has around its attention: output projection, residual, LayerNorm, and the same with an MLP.

    The MLP is twice as wide as the attention. Where segments are not as wide as it, the residual is projected.
    """

    def __init__(self, ins: int, attention: TAMAttention) -> None:
        super().__init__()
        d = attention.attention_dim
        self.lift = nn.Identity() if ins == d else nn.Linear(ins, d)
        self.out = nn.Linear(d, d)
        self.norm = nn.LayerNorm(d)
        self.mlp = nn.Sequential(nn.Linear(d, 2 * d), nn.GELU(), nn.Linear(2 * d, d))
        self.mlp_norm = nn.LayerNorm(d)
        self.dropout = nn.Dropout(attention.attention_dropout)

    def forward(self, z_NSP: Tensor, h_NSd: Tensor) -> Tensor:
        x = self.norm(self.lift(z_NSP) + self.dropout(self.out(h_NSd)))
        out_NSP: Tensor = self.mlp_norm(x + self.dropout(self.mlp(x)))
        return out_NSP


class TAM(nn.Module):
    """(N, S, P) of every backbone to (N, S, d).

    Attributes:
        width: d.
        content: per backbone, the matrices of queries, keys and values, one below the other.
        table: (2k, d) relative positions, one for all backbones, as are their `position_query` and `position_key`.
    """

    table: Tensor | None

    def __init__(self, backbones: int, ins: int, attention: TAMAttention) -> None:
        super().__init__()
        self.attention = a = attention
        self.width = d = a.attention_dim
        self.content = nn.ModuleList(nn.Linear(ins, 3 * d, bias=a.attention_bias) for _ in range(backbones))
        table = 0.02 * torch.randn(a.rows, d)
        if not {"c2p", "p2c"} & set(a.terms):
            self.table = None
        elif a.learn_table:
            self.table = nn.Parameter(table)
        else:
            self.register_buffer("table", table)
        self.position_query = nn.Linear(d, d, bias=a.attention_bias) if "p2c" in a.terms else None
        self.position_key = nn.Linear(d, d, bias=a.attention_bias) if "c2p" in a.terms else None
        self.blocks = nn.ModuleList(TAMBlock(ins, a) for _ in range(backbones)) if a.block == "deberta" else None
        self.dropout = nn.Dropout(a.attention_dropout)
        self.scale = 1 / sqrt(a.counted(backbones) * (d if a.scale_width == "full" else d // a.heads))

    def forward(self, z_NSP: Sequence[Tensor], mask_NS: Tensor | None = None) -> Tensor:
        """The mean of all H_t.

        Args:
            z_NSP: one tensor per backbone.
            mask_NS: True where a segment may be attended to; a bag without any gives zeros.
        """
        total, *others = [h for _, h in self.attend(z_NSP, mask_NS)]
        for h_NSd in others:
            total = total + h_NSd
        return total / len(self.content)

    def attend(self, z_NSP: Sequence[Tensor], mask_NS: Tensor | None = None) -> Iterator[tuple[Tensor, Tensor]]:
        """Of every backbone: its attention weights (h, N, S, S), rows queries, and H_t (N, S, d)."""
        a, segments = self.attention, z_NSP[0].shape[1]
        parts = [self._heads(content(z)) for content, z in zip(self.content, z_NSP, strict=True)]
        queries, keys, values = zip(*parts, strict=True)
        everywhere = torch.stack(keys).sum(0) if "cross" in a.terms else None
        distance_R = torch.arange(segments - 1, -segments, -1, device=z_NSP[0].device)  # of (a, b), a - b falling
        key_hRc = self._positions(self.position_key, distance_R)
        query_hRc = self._positions(self.position_query, distance_R if a.p2c_index == "ji" else -distance_R)
        for t, (q, k, v) in enumerate(zip(queries, keys, values, strict=True)):
            logits = q.new_zeros(())
            heard = self._heard(k, everywhere)
            if heard is not None:
                logits = q @ heard.transpose(-1, -2)
            if key_hRc is not None:
                logits = logits + _with_positions(q, key_hRc)
            if query_hRc is not None:
                logits = logits + _with_positions(k, query_hRc).transpose(-1, -2)
            logits = logits * self.scale
            if mask_NS is None:
                weights = logits.softmax(-1)
            else:
                keep = mask_NS[:, None]
                weights = logits.masked_fill(~keep, torch.finfo(logits.dtype).min).softmax(-1) * keep
            h_NSd = (self.dropout(weights) @ v).permute(1, 2, 0, 3).flatten(2)
            yield weights, h_NSd if self.blocks is None else self.blocks[t](z_NSP[t], h_NSd)

    def _heard(self, own: Tensor, everywhere: Tensor | None) -> Tensor | None:
        """The keys that a query is compared with: of its own backbone, of the others, of all, or none."""
        if everywhere is None:
            return own if "self" in self.attention.terms else None
        return everywhere if "self" in self.attention.terms else everywhere - own

    def _heads(self, x_NSd: Tensor) -> tuple[Tensor, ...]:
        """(N, S, 3d) to query, key and value (h, N, S, d_h)."""
        h = self.attention.heads
        return tuple(part.unflatten(-1, (h, -1)).permute(2, 0, 1, 3) for part in x_NSd.chunk(3, -1))

    def _positions(self, projection: nn.Linear | None, distance_R: Tensor) -> Tensor | None:
        """(h, R, d_h): the projected table in the order of these distances."""
        if projection is None or self.table is None:
            return None
        rows_R = relative_index(distance_R, self.attention.max_distance, self.attention.buckets)
        projected: Tensor = projection(self.table)[rows_R].unflatten(-1, (self.attention.heads, -1))
        return projected.transpose(0, 1)


def _with_positions(x_hNSc: Tensor, position_hRc: Tensor) -> Tensor:
    """(h, N, S, S): products of segment a with the row for the distance from a to b."""
    product_hNSR = (x_hNSc.flatten(1, 2) @ position_hRc.transpose(-1, -2)).unflatten(1, x_hNSc.shape[1:3])
    return by_distance(product_hNSR)


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
        out: Tensor = self.tam([x_NSP])
        return out


class MultiHead(Stream):
    """Plain multi-head attention without positions, after a linear map to its width."""

    def __init__(self, ins: int, attention: TAMAttention) -> None:
        super().__init__()
        self.width = d = attention.attention_dim
        self.lift = nn.Linear(ins, d)
        dropout, bias = attention.attention_dropout, attention.attention_bias
        self.attention = nn.MultiheadAttention(d, attention.heads, dropout=dropout, bias=bias, batch_first=True)

    def forward(self, x_NSP: Tensor) -> Tensor:
        x = self.lift(x_NSP)
        out: Tensor = self.attention(x, x, x, need_weights=False)[0]
        return out


class Recurrent(Stream):
    """One layer of LSTM, GRU or plain RNN, past to future, or both ways with half of the output each."""

    def __init__(self, kind: Literal["lstm", "gru", "rnn"], ins: int, hidden: int, bidirectional: bool) -> None:
        super().__init__()
        self.width = hidden * (2 if bidirectional else 1)
        layer = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}[kind]
        self.layer = layer(ins, hidden, batch_first=True, bidirectional=bidirectional)

    def forward(self, x_NSP: Tensor) -> Tensor:
        out: Tensor = self.layer(x_NSP)[0]
        return out


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
        out_NPS: Tensor = self.layers(x_NSP.transpose(1, 2))
        return out_NPS.transpose(1, 2)


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
        out_NCS: Tensor = self.norm(self.out(self.g(x_NCS) @ affinity_NSS.transpose(1, 2)))
        return out_NCS + x_NCS


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
        fused_NPS: Tensor = self.fuse(joined)
        return (fused_NPS + x_NPS).transpose(1, 2)


class Fused(nn.Module):
    """Several backbones as one stream, or each as one of its own."""

    def __init__(self, streams: Sequence[Stream], fusion: Fusion) -> None:
        super().__init__()
        self.streams, self.fusion, self.width = nn.ModuleList(streams), fusion, streams[0].width

    def forward(self, z_NSP: Sequence[Tensor]) -> Tensor:
        if self.fusion == "per_backbone":
            return torch.stack([stream(z) for stream, z in zip(self.streams, z_NSP, strict=True)]).mean(0)
        fused: Tensor = self.streams[0](
            torch.cat(list(z_NSP), -1) if self.fusion == "concat" else torch.stack(list(z_NSP)).mean(0)
        )
        return fused
