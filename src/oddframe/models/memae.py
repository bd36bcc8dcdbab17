"""MemAE: a memory-augmented auto-encoder for video anomaly detection.

Gong, Liu, Le, Saha, Mansour, Venkatesh, van den Hengel: "Memorizing Normality to Detect Anomaly: Memory-augmented Deep
Autoencoder for Unsupervised Anomaly Detection", ICCV 2019, arXiv:1904.02639. The paper's text was not at hand: its
formulas are quoted from others, and the numbers of its equations below are recalled.

A 3-D convolutional auto-encoder without skip connections sees 16 frames (Eq. 1-2). Every position of its bottleneck is
a query (Eq. 4-5) to a memory of normality and is replaced by the few memory items that resemble it (Eq. 3, 6, 7): the
decoder never sees the query. What the memory does not hold cannot be rebuilt well, and the error of the clip is the
score. The items are ordinary parameters; entropy keeps their use sparse (Eq. 8-10).

Shape letters: B clips, C channels, T = 16 frames, H x W pixels, Q = (T/8)(H/16)(W/16) queries of a clip, D their width,
N memory items, E = C*T*H*W elements of a clip.

Where paper and released code differ, the difference is an option of `MemAEConfig`; `PRESETS` holds both readings. The
paper's sums over a clip leave open how its many queries share the entropy loss: they are read as a sum, like Eq. 8.
Where this file departs from both:
- Shrinkage (Eq. 7) keeps or drops a weight instead of multiplying it with (w - lambda) / (|w - lambda| + eps), which
  makes the same number of it, but has a gradient of 5e4 just above lambda. `shrinkage="literal"` has the original.
- Under bf16 the memory is addressed in float32: weights near the threshold must not be rounded across it.
- "squared" errors are means, of pictures in [0, 1], as everywhere in oddframe; the paper's are sums. A constant factor.
- Frames come to the network as they are decoded. The released preparation stores them as JPEG once more.
- Besides the error of the clip there are a component for the memory and a map; neither takes part in the score.
- Queries that no item answers ("dead") decode to nothing and get no gradient. How many is logged, with a warning where
  they stay the majority.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import inf
from typing import Any, Literal, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from oddframe.errors import RecipeError
from oddframe.models.catalogue import ModelEntry, ReportedFigure
from oddframe.models.detector import Batch, Detector, FrameErrors, Plainest
from oddframe.models.layers.pixels import on_grid, signed, squared_error, within
from oddframe.models.layers.precision import full_precision
from oddframe.models.options import check_size, configure
from oddframe.models.reference import load_exactly
from oddframe.models.stage import Stage, Update
from oddframe.types import Combination, Window

FRAMES = 16
WATCHED = 200  # steps over which dead queries are averaged


@dataclass(frozen=True)
class MemAEConfig:
    """Every choice of the method; the defaults are `preset="paper"`.

    Attributes:
        size: (H, W) of the input, multiples of 16.
        colour: "gray", as published, or "rgb", which the code can do as well.
        width: the layers have 3, 4, 8 and 8 times as many channels; 32 is published.
        memory: False is the plain auto-encoder that both compare with.
        items: N; 2000 for all videos. The paper finds 500 too few on Ped2, and no difference between 1000 and 3000.
        similarity: of query and item (Eq. 5): "cosine" (paper) or "dot" (code).
        temperature: divides the similarity; neither reading has one. Cosines of temperature 1 can hardly tell one of
            2000 items from the others: no weight comes out above 7.4 / N.
        threshold: lambda of the shrinkage (Eq. 6-7); None is 1 / N, the lower end of the paper's interval 1/N .. 3/N;
            0.0025, 5 / N, in the code; 0 leaves shrinkage out.
        sparse: False is the ablation MemAE-nonSpar: neither shrinkage nor entropy loss.
        shrinkage: "masked", or "literal": the same values, and the paper's gradient (see the head of this file).
        reconstruction_loss: Eq. 8 as it stands, the squared norm of a clip ("sum"), or the mean over its elements
            ("mean", code), beside which the entropy weighs more, by their number.
        entropy_loss: Eq. 9 summed over the queries of a clip ("sum"), or their mean ("mean", code).
        entropy_weight: alpha of Eq. 10.
        error: what counts as the error of a clip: "squared", its mean squared error (paper, but for a constant factor);
            "channel_norm", the mean over pixels and frames of the norm over channels, of grey frames the mean absolute
            error (code); "time_norm", the norm over the 16 frames instead (code before April 2021; published figures
            are older). The latter two of values in [-1, 1].
        map_filter: odd (time, height, width) of a mean filter over the error map, which adds the component "map_max".
        map_margin: pixels along the border of the error map that are 0. An extension: what has just come into the
            picture there was in no earlier frame, so that its error says nothing. 0 is published.
    """

    size: tuple[int, int] = (256, 256)
    colour: Literal["gray", "rgb"] = "gray"
    width: int = 32
    memory: bool = True
    items: int = 2000
    similarity: Literal["cosine", "dot"] = "cosine"
    temperature: float = 1.0
    threshold: float | None = None
    sparse: bool = True
    shrinkage: Literal["masked", "literal"] = "masked"
    reconstruction_loss: Literal["sum", "mean"] = "sum"
    entropy_loss: Literal["sum", "mean"] = "sum"
    entropy_weight: float = 2e-4
    error: Literal["squared", "channel_norm", "time_norm"] = "squared"
    map_filter: tuple[int, int, int] | None = None
    map_margin: int = 0
    learning_rate: float = 1e-4
    epochs: int = 100

    def __post_init__(self) -> None:
        check_size("MemAE", self.size, 16, self.map_margin)
        if self.width < 1 or self.items < 1:
            raise RecipeError(f"MemAE: width {self.width} and items {self.items} must be at least 1")
        if not self.temperature > 0:
            raise RecipeError(f"MemAE: temperature {self.temperature} must be above 0")
        if not 0 <= self.shrink_below < 1:
            raise RecipeError(f"MemAE: threshold {self.threshold} must be at least 0 and below 1, or null for 1/items")

    @property
    def channels(self) -> int:
        """C, of a frame."""
        return 1 if self.colour == "gray" else 3

    @property
    def grid(self) -> tuple[int, int]:
        """(h, w) of the stored map."""
        return self.size[0] // 8, self.size[1] // 8

    @property
    def shrink_below(self) -> float:
        """lambda; 0 where nothing shrinks."""
        if not self.sparse:
            return 0.0
        return 1 / self.items if self.threshold is None else self.threshold


PRESETS: dict[str, dict[str, Any]] = {
    "paper": {},
    "code": {
        "similarity": "dot",
        "threshold": 0.0025,
        "reconstruction_loss": "mean",
        "entropy_loss": "mean",
        "error": "channel_norm",
    },
}


def contract(ins: int, outs: int, stride: tuple[int, int, int]) -> list[nn.Module]:
    """Convolution, BatchNorm, LeakyReLU: 1/stride of the size."""
    return [nn.Conv3d(ins, outs, 3, stride, 1), nn.BatchNorm3d(outs), nn.LeakyReLU(0.2, inplace=True)]


def expand(ins: int, outs: int) -> list[nn.Module]:
    """Transposed convolution, BatchNorm, LeakyReLU: twice the size."""
    transposed = nn.ConvTranspose3d(ins, outs, 3, 2, 1, output_padding=1)
    return [transposed, nn.BatchNorm3d(outs), nn.LeakyReLU(0.2, inplace=True)]


class PhaseConvTranspose3d(nn.ConvTranspose3d):
    """The last layer, of stride (1, 2, 2): outside training a convolution at the smaller size.

    Its channels are the four pixels (row, column) that each position becomes: even ones lie on one input, odd ones
    between two, y[2j] = w1 x[j] and y[2j + 1] = w2 x[j] + w0 x[j + 1]. For the one or three channels of a picture that
    is faster forward, slower backward; and OpenVINO keeps all after the last convolution in float32, the transposed
    convolutions too if this layer were one.
    """

    def __init__(self, ins: int, outs: int) -> None:
        super().__init__(ins, outs, 3, (1, 2, 2), 1, output_padding=(0, 1, 1))

    def forward(self, x_BCThw: Tensor, output_size: list[int] | None = None) -> Tensor:
        if self.training:
            return super().forward(x_BCThw)
        assert self.bias is not None
        rows = phases(self.weight.flip(2).transpose(0, 1), 3)
        kernel = torch.stack([phase for row in rows for phase in phases(row, 4)], 1).flatten(0, 1)
        y = F.conv3d(F.pad(x_BCThw, (0, 1, 0, 1, 1, 1)), kernel, self.bias.repeat_interleave(4))
        phases_BCThhww: Tensor = y.unflatten(1, (-1, 2, 2)).permute(0, 1, 4, 5, 2, 6, 3)  # B, C, T, h, 2, w, 2
        return phases_BCThhww.flatten(5).flatten(3, 4)


def phases(kernel: Tensor, axis: int) -> tuple[Tensor, Tensor]:
    """Kernels of width 2 along the axis for the even and the odd outputs of a transposed one of width 3, stride 2."""
    w0, w1, w2 = kernel.split(1, axis)
    return torch.cat((w1, torch.zeros_like(w1)), axis), torch.cat((w2, w0), axis)


class Memory(nn.Module):
    """N items of width D, read by content."""

    def __init__(self, config: MemAEConfig, width: int) -> None:
        super().__init__()
        self.config = config
        self.memory = nn.Embedding(config.items, width)

    def forward(self, query_BQD: Tensor) -> tuple[Tensor, Tensor]:
        """What the memory holds for each query (B, Q, D), and the attention (B, Q, N): rows sum to one or are zero."""
        items_ND, c = self.memory.weight, self.config
        with full_precision(query_BQD.device.type):
            query_BQD = query_BQD.to(items_ND.dtype)
            if c.similarity == "cosine":
                similarity_BQN = F.linear(F.normalize(query_BQD, dim=2), F.normalize(items_ND, dim=1))
            else:
                similarity_BQN = F.linear(query_BQD, items_ND)
            w_BQN = (similarity_BQN / c.temperature).softmax(2)  # Eq. 4
            if c.shrink_below > 0:
                w_BQN = shrink(w_BQN, c.shrink_below, c.shrinkage)
                w_BQN = w_BQN / w_BQN.sum(2, keepdim=True).clamp(min=1e-12)
            return w_BQN @ items_ND, w_BQN  # Eq. 3


@dataclass(frozen=True)
class MemAEOutput:
    """One forward pass: (B, C, T, H, W) rebuilt clip; with a memory also queries and what was read for them (B, Q, D),
    and the attention (B, Q, N)."""

    reconstruction: Tensor
    query: Tensor | None = None
    read: Tensor | None = None
    attention: Tensor | None = None


class MemAE(Detector):
    """The network of the paper's experiments on video, or without its memory, with its training and its score.

    Components (all (B,), 0 or above): "reconstruction", the error of the whole clip of 16 frames; "memory", the mean
    over the queries of their distance to what was read for them. The clip belongs to its 9th frame; the first 8 and
    the last 7 frames of a video have no score, and a video shorter than 16 frames has none at all. The map is the error
    of the 9th frame alone: where to look in the frame that is scored.
    """

    def __init__(self, config: MemAEConfig) -> None:
        super().__init__()
        self.config = c = config
        self.window = Window(
            offsets=tuple(range(-FRAMES // 2, FRAMES // 2)),
            size=c.size,
            target=(),
            colour=c.colour,
            resize="bicubic",
            missing="drop",
        )
        self.components = {
            "reconstruction": "how the clip was rebuilt",
            **({"memory": "how far it lies from what the memory holds"} if c.memory else {}),
        }
        self.combination = Combination({"reconstruction": 1.0})
        self.map_grid, self.map_filter = c.grid, c.map_filter

        w3, w4, w8 = 3 * c.width, 4 * c.width, 8 * c.width
        self.encoder = nn.Sequential(
            *contract(c.channels, w3, (1, 2, 2)),
            *contract(w3, w4, (2, 2, 2)),
            *contract(w4, w8, (2, 2, 2)),
            *contract(w8, w8, (2, 2, 2)),
        )
        if c.memory:
            self.mem_rep = Memory(c, w8)
        self.decoder = nn.Sequential(
            *expand(w8, w8),
            *expand(w8, w4),
            *expand(w4, w3),
            PhaseConvTranspose3d(w3, c.channels),
        )
        self.apply(initialise)

    @classmethod
    def from_preset(cls, preset: str = "paper", **options: Any) -> Self:
        return cls(configure(MemAEConfig, PRESETS, preset, options))

    def forward(self, x_BCTHW: Tensor) -> MemAEOutput:
        """Rebuild clips of values in [-1, 1]; the output is not bounded."""
        z_BDthw = self.encoder(x_BCTHW)
        if not self.config.memory:
            return MemAEOutput(self.decoder(z_BDthw))
        query_BQD = z_BDthw.flatten(2).transpose(1, 2)
        read_BQD, attention_BQN = self.mem_rep(query_BQD)
        read_BDthw = read_BQD.transpose(1, 2).unflatten(2, z_BDthw.shape[2:])
        return MemAEOutput(self.decoder(read_BDthw), query_BQD, read_BQD, attention_BQN)

    def input(self, batch: Batch) -> Tensor:
        """(B, C, T, H, W) in [-1, 1] from the uint8 frames of the window."""
        # A permuted view, not a copy: with channels last in memory the network runs a fifth faster on a CPU.
        return signed(batch.frames).permute(0, 4, 1, 2, 3).to(next(self.parameters()).dtype)

    def stages(self) -> list[Stage]:
        return [ReconstructionStage(self)]

    def score(self, batch: Batch) -> FrameErrors:
        x_BCTHW = self.input(batch)
        out = self(x_BCTHW)
        components = {"reconstruction": clip_error(out.reconstruction, x_BCTHW, self.config.error)}
        if out.query is not None and out.read is not None:
            components["memory"] = (out.query - out.read).norm(dim=2).mean(1)
        map_BHW = pixel_error(out.reconstruction, x_BCTHW, self.config.error)[:, FRAMES // 2]
        map_BHW = within(map_BHW, self.config.map_margin)
        return FrameErrors(components, map_BHW if self.map_filter else on_grid(map_BHW, self.config.grid))

    def plainest(self, batch: Batch) -> Plainest:
        x_BCTHW = self.input(batch)
        guess_BCTHW = x_BCTHW.mean((0, 2), keepdim=True).expand_as(x_BCTHW)
        return Plainest("the mean frame", "reconstruction", clip_error(guess_BCTHW, x_BCTHW, self.config.error))

    def load_reference_state_dict(self, state: Mapping[str, Any]) -> None:
        hints = {"mem_rep": "an auto-encoder without memory: set memory=false"}
        load_exactly(self, state, "MemAE checkpoint", hints)


class ReconstructionStage(Stage):
    """The only stage: the auto-encoder learns to rebuild its clips from the memory, and the memory with it."""

    name = "reconstruction"
    recordable = True

    def __init__(self, model: MemAE) -> None:
        self.model, self.length = model, model.config.epochs
        self.dead = self.dead_sum = torch.zeros(())
        self.dead_before, self.steps, self.warned = inf, 0, False

    def updates(self) -> list[Update]:
        rate = self.model.config.learning_rate
        return [Update(torch.optim.Adam(self.model.parameters(), lr=rate, fused=True), self.loss)]

    def train_mode(self) -> None:
        self.model.train()

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        x_BCTHW = self.model.input(batch)
        losses = objective(x_BCTHW, self.model(x_BCTHW), self.model.config)
        self.dead = losses.get("dead", self.dead)
        return losses

    def update_buffers(self, gather: Callable[[Tensor], Tensor]) -> None:
        """Warn, once, of queries that are dead and stay so.

        Most of them are when training begins. They count as a fault where over `WATCHED` steps they are more than half,
        and over as many steps before were no more than they are now, to one in a hundred.
        """
        self.steps, self.dead_sum = self.steps + 1, self.dead_sum + self.dead
        if self.steps % WATCHED or self.warned:
            return
        dead = float(self.dead_sum) / WATCHED
        if dead > 0.5 and dead > self.dead_before - 0.01:
            self.warned = True
            warnings.warn(
                f"MemAE: the memory answers none of {dead:.0%} of the queries, and that does not improve; lower "
                "`threshold` or `temperature`, or set `entropy_weight` to 0",
                RuntimeWarning,
                stacklevel=2,
            )
        self.dead_sum, self.dead_before = torch.zeros_like(self.dead_sum), dead


def initialise(module: nn.Module) -> None:
    """As released: narrow normal weights, biases as PyTorch has them, items uniform within 1/sqrt(D)."""
    if isinstance(module, nn.Conv3d | nn.ConvTranspose3d):
        nn.init.normal_(module.weight, 0.0, 0.02)
    elif isinstance(module, nn.BatchNorm3d):
        nn.init.normal_(module.weight, 1.0, 0.02)
    elif isinstance(module, nn.Embedding):
        bound = module.embedding_dim**-0.5
        nn.init.uniform_(module.weight, -bound, bound)


def shrink(w: Tensor, threshold: float, form: Literal["masked", "literal"]) -> Tensor:
    """Eq. 6-7: weights above the threshold stay, the others become 0 and get no gradient."""
    if form == "masked":
        return torch.where(w > threshold, w, 0.0)
    return F.relu(w - threshold) * w / ((w - threshold).abs() + 1e-12)


def objective(x_BCTHW: Tensor, out: MemAEOutput, config: MemAEConfig) -> dict[str, Tensor]:
    """Eq. 8-10 as a mean over the batch, and, without gradient, the shares of dead queries and of items in use."""
    squared_BE = (out.reconstruction - x_BCTHW).square().flatten(1)
    reconstruction = (squared_BE.sum(1) if config.reconstruction_loss == "sum" else squared_BE.mean(1)).mean()
    losses = {"reconstruction": reconstruction, "loss": reconstruction}
    if out.attention is None:
        return losses
    entropy_BQ = -(out.attention * (out.attention + 1e-12).log()).sum(2)
    losses["entropy"] = (entropy_BQ.sum(1) if config.entropy_loss == "sum" else entropy_BQ.mean(1)).mean()
    if config.sparse:
        losses["loss"] = reconstruction + config.entropy_weight * losses["entropy"]
    used_BQN = out.attention.detach() > 0
    losses["dead"] = 1 - used_BQN.any(2).to(reconstruction.dtype).mean()
    losses["items_used"] = used_BQN.flatten(0, 1).any(0).to(reconstruction.dtype).mean()
    return losses


def pixel_error(got_BCTHW: Tensor, wanted_BCTHW: Tensor, error: str) -> Tensor:
    """(B, T, H, W): the error of each pixel over its channels, as `MemAEConfig.error` says."""
    if error == "squared":
        return squared_error(got_BCTHW, wanted_BCTHW)
    norm_BTHW: Tensor = (got_BCTHW - wanted_BCTHW).norm(dim=1)
    return norm_BTHW


def clip_error(got_BCTHW: Tensor, wanted_BCTHW: Tensor, error: str) -> Tensor:
    """(B,): the error of each clip, as `MemAEConfig.error` says."""
    if error == "time_norm":
        norm_BCHW: Tensor = (got_BCTHW - wanted_BCTHW).norm(dim=2)
        return norm_BCHW.mean((1, 2, 3))
    return pixel_error(got_BCTHW, wanted_BCTHW, error).mean((1, 2, 3))


_CLIP_ERROR: dict[str, Any] = {
    "combination": Combination({"reconstruction": 1.0}), "smoothing": ("none",), "normalise": "per_video_minmax",
}  # fmt: skip
_PAPER: dict[str, Any] = {
    **_CLIP_ERROR, "name": "paper/memae", "selection": "not stated",
    "description": "Gong et al., ICCV 2019: reconstruction error of the clip, min-max per video, unsmoothed",
}  # fmt: skip

ENTRY = ModelEntry(
    name="memae",
    detector=MemAE,
    title="Memory-augmented auto-encoder: clips of 16 frames, rebuilt from a memory of normal ones",
    paper="Gong et al., ICCV 2019, arXiv:1904.02639",
    licence="authors' code: MIT; this implementation is independent of it",
    citation=(
        "D. Gong, L. Liu, V. Le, B. Saha, M. R. Mansour, S. Venkatesh, A. van den Hengel. Memorizing Normality to "
        "Detect Anomaly: Memory-augmented Deep Autoencoder for Unsupervised Anomaly Detection. ICCV 2019."
    ),
    gflop=66.43,
    figures=(
        ReportedFigure("UCSD Ped2", 94.1, "paper, as quoted by others"),
        ReportedFigure("CUHK Avenue", 83.3, "paper, as quoted by others"),
        ReportedFigure("ShanghaiTech", 71.2, "paper, as quoted by others"),
        ReportedFigure("UCSD Ped2", 93.4, "users"),
        ReportedFigure("CUHK Avenue", 81.0, "users"),
    ),
    scoring_options=("error", "map_filter", "map_margin"),
    tiny={"size": (16, 32), "width": 2, "items": 20, "learning_rate": 3e-3},
    variants=(("code", {"memory": False}),),
    protocols=(
        {
            **_CLIP_ERROR, "name": "code/memae", "data": ("", "ped2"), "ground_truth": True,  # no other is released
            "description": "as MemAE's released code scores: clip error, min-max per video, unsmoothed",
            "selection": "the last epoch",
        },
        {**_PAPER, "data": ("", "ped2"), "ground_truth": True},
        {**_PAPER, "name": "paper/memae/avenue", "data": "avenue"},
        {**_PAPER, "name": "paper/memae/shanghaitech", "data": "shanghaitech"},
    ),
)  # fmt: skip
