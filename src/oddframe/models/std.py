"""STD: spatio-temporal dissociation, and its precursor CDDA.

Chang, Tu, Xie, Luo, Zhang, Sui, Yuan: "Video anomaly detection with spatio-temporal dissociation", Pattern Recognition
122, 2022, 108213. Chang, Tu, Xie, Yuan: "Clustering Driven Deep Autoencoder for Video Anomaly Detection", ECCV 2020
(CDDA). The full texts were not at hand: losses and scores carry names here instead of equation numbers.

Two auto-encoders share the work. One rebuilds a single frame (appearance); the other sees four frames and predicts how
the fifth differs from the first (motion), attending to where its features vary. The fifth frame is the sum of the two.
The codes of both, side by side, are drawn to K centres (deep k-means). Where the video is abnormal the sum is wrong and
the codes lie far from every centre; the score multiplies the two, pixel by pixel.

    L_a    appearance: mean squared error of the rebuilt frame
    L_m    motion: mean squared error of the predicted difference
    L_grad mean difference of the absolute image gradients of the predicted and the true frame
    L_c    mean over places and centres of assignment x distance

Shape letters: B clips, H x W pixels, h x w = H/8 x W/8 the grid of codes, n base width, C channels, K centres, V code
vectors. A clip is five frames f0..f4 stacked on channels (15), of which the last is the scored one.

Where paper and released code differ, the difference is an option of `STDConfig`; `PRESETS` holds the readings.
Where this file departs from both:
- k-means runs in float64 on a seeded sample of 32,768 vectors, some of every batch; the released code holds all two
  million.
- The variance attention averages before its 1x1 projection, not after it: the same by linearity, and cheaper.
- In the step for the clusters nothing but centres and last convolutions gets a gradient; the code computes them all.
- The last frame of a video is scored, and every score belongs to the frame that was predicted. The released evaluation
  leaves the last clip out and compares each score with the label of the frame after; that is a matter of the protocol.
- An epoch is whole; the released sampler leaves out its last two batches.
- The released network carries an identity matrix that it never uses; it is not built.
- `code_gain`, `map_filter`, `map_margin` and the map of every frame are additions.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Literal, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from oddframe.errors import RecipeError
from oddframe.models.catalogue import ModelEntry, ReportedFigure
from oddframe.models.detector import Batch, Detector, FrameErrors, Plainest
from oddframe.models.layers.pixels import full, on_grid, stacked, within
from oddframe.models.options import check_size, configure
from oddframe.models.reference import load_exactly, released_tensors
from oddframe.models.stage import Stage, Update
from oddframe.types import Combination, Window

CENTRE_SAMPLE = 2**15  # vectors that k-means looks at: a thousand for each of 32 centres
ATTENTION_POOLS = (8, 4, 2)  # of the three stages: attention is on a grid of H/16 x W/16 cells in all of them


@dataclass(frozen=True)
class STDConfig:
    """Every choice of the method; the defaults are `preset="paper"`.

    Attributes:
        size: (H, W) of the input, multiples of 16. Attention is spread over H/16 x W/16 cells: the fewer there are, the
            stronger it is (its gain at the start is exp(1 / cells)).
        width: n, even; the stages are 2n, 4n and 8n wide, a code 16n.
        clusters: number of centres K.
        alpha: how sharply a code belongs to its nearest centre.
        appearance: frame that the appearance stream rebuilds. "first" (STD): f0, and the motion stream predicts f4 - f0
            from f0..f3; "last" (CDDA): f4, and the motion stream rebuilds f0 - f4 .. f3 - f4 from f0..f3.
        activation: after the first convolutions and in the appearance code: LeakyReLU as everywhere else ("leaky",
            paper) or ReLU ("relu", code).
        attention: variance attention after every motion stage; False for ablation.
        skips: connections past the code in the motion stream. The paper does not mention them, the code has them.
        code_gain: factor of the codes on their way into the decoders; 1 as published. Codes sum to one, so that the
            decoders begin with an output near zero, and spend most of a short training on growing; about 8n mends that.
        gradient: L_grad between absolute gradients ("magnitude"), or between gradients with their signs ("signed").
        gradient_weight: of L_grad.
        cluster_weight: of L_c.
        objective: one sum of all losses, L_c averaged over the batch ("joint", paper), or in every step first the
            losses of the auto-encoders, then L_c, summed over the batch, for centres and last convolutions
            ("alternating", code).
        centres: k-means on codes normalised as they are when compared with the centres ("normalized"), or on codes as
            they leave the encoders, some eight times shorter ("raw", code).
        collect: BatchNorm in "train" or "eval" mode while codes are collected for k-means.
        centre_batches: batches that they are collected from (the code's hold 4 clips).
        fusion: of error and cluster distance: product at every "pixel" (STD), of the means of the "frame" (our reading
            of CDDA), or "none", the error alone.
        transform: what is done to "fused" before it is a score: "none" (paper), or -1/x ("reciprocal", code), which
            min-max normalisation per video tells apart.
        map_filter: odd (time, height, width) of a mean filter over the map volume, whose maximum becomes the component
            "map_max"; None as published.
        map_margin: pixels along the border of the error map that are 0. An extension: what has just come into the
            picture there was in no earlier frame, so that its error says nothing. 0 is published.
        warm_up_steps, joint_steps: length of the stages; they learn without and with L_c.
        learning_rate: of the auto-encoders.
        cluster_learning_rate: of the centres, and of the last convolutions where L_c has a step of its own.
        seed: of k-means.
    """

    size: tuple[int, int] = (256, 256)
    width: int = 32
    clusters: int = 32
    alpha: float = 25.0
    appearance: Literal["first", "last"] = "first"
    activation: Literal["leaky", "relu"] = "leaky"
    attention: bool = True
    skips: bool = True
    code_gain: float = 1.0
    gradient: Literal["magnitude", "signed"] = "magnitude"
    gradient_weight: float = 0.01
    cluster_weight: float = 0.1
    objective: Literal["joint", "alternating"] = "joint"
    centres: Literal["normalized", "raw"] = "normalized"
    collect: Literal["train", "eval"] = "train"
    centre_batches: int = 500
    fusion: Literal["pixel", "frame", "none"] = "pixel"
    transform: Literal["none", "reciprocal"] = "none"
    map_filter: tuple[int, int, int] | None = None
    map_margin: int = 0
    warm_up_steps: int = 5_000
    joint_steps: int = 100_000
    learning_rate: float = 1e-5
    cluster_learning_rate: float = 1e-6
    seed: int = 0

    def __post_init__(self) -> None:
        check_size("STD", self.size, 16, self.map_margin)
        if self.width < 2 or self.width % 2:
            raise RecipeError(f"STD: width {self.width} must be even")
        if self.clusters < 1 or self.centre_batches < 1:
            raise RecipeError("STD: clusters and centre_batches must be at least 1")

    @property
    def grid(self) -> tuple[int, int]:
        """(h, w) of codes and map."""
        return self.size[0] // 8, self.size[1] // 8


_CODE: dict[str, Any] = {
    "activation": "relu", "objective": "alternating", "centres": "raw", "transform": "reciprocal",
}  # fmt: skip
PRESETS: dict[str, dict[str, Any]] = {
    "paper": {},
    "code": _CODE,
    "cdda": {**_CODE, "appearance": "last", "fusion": "frame"},
}


def conv(ins: int, outs: int, kernel: int = 3, stride: int = 1) -> nn.Conv2d:
    """A convolution that keeps the size, divided by the stride; no bias anywhere in the network."""
    return nn.Conv2d(ins, outs, kernel, stride, kernel // 2, bias=False)


class Residual(nn.Module):
    """Two convolutions beside one, to half the size by stride 2 or to twice the size by a pixel shuffle."""

    def __init__(self, ins: int, outs: int, up: bool = False) -> None:
        super().__init__()
        self.up = up
        ins, stride = (ins // 4, 1) if up else (ins, 2)
        self.conv1 = conv(ins, outs, stride=stride)
        self.conv2 = conv(outs, outs)
        self.shortcut = conv(ins, outs, stride=stride)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        if self.up:
            x_BCHW = F.pixel_shuffle(x_BCHW, 2)
        return F.leaky_relu(self.conv2(F.leaky_relu(self.conv1(x_BCHW))) + self.shortcut(x_BCHW))


class VarianceAttention(nn.Module):
    """Raises features by a factor in (1, e] where their projection varies most across channels."""

    def __init__(self, width: int, pool: int) -> None:
        super().__init__()
        self.pool = pool
        self.projection = conv(width, width, kernel=1)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        pooled_BChw = full(self.projection(F.avg_pool2d(x_BCHW, self.pool)))
        variance_Bhw = pooled_BChw.var(1, correction=0) * pooled_BChw.shape[1]  # the sum, not the mean, of squares
        share_Bhw = variance_Bhw.flatten(1).softmax(1).unflatten(1, variance_Bhw.shape[1:])
        # The gain begins near 1.004 and is lost in bfloat16: it stays in float32.
        return enlarged(share_Bhw.exp(), self.pool)[:, None] * x_BCHW


class AppearanceEncoder(nn.Module):
    """(B, 3, H, W) to a code (B, 8n, h, w) whose absolute values sum to 1 at every place."""

    def __init__(self, n: int, activation: nn.Module) -> None:
        super().__init__()
        self.activation = activation
        self.stem = conv(3, n)
        self.norms = nn.ModuleList(nn.BatchNorm2d(n * 2**i) for i in range(3))
        self.stages = nn.ModuleList(Residual(n * 2**i, n * 2 ** (i + 1)) for i in range(3))
        self.last = conv(8 * n, 8 * n)

    def forward(self, x_B3HW: Tensor) -> Tensor:
        x_BCHW = self.activation(self.stem(x_B3HW))
        for norm, stage in zip(self.norms, self.stages, strict=True):
            x_BCHW = stage(norm(x_BCHW))
        return F.normalize(full(self.activation(self.last(x_BCHW))), p=1, dim=1)


class MotionEncoder(nn.Module):
    """(B, 12, H, W) to a signed code (B, 8n, h, w) like the other, and the features of stages 2 and 1; no BatchNorm."""

    def __init__(self, n: int, activation: nn.Module, attention: bool) -> None:
        super().__init__()
        self.activation = activation
        self.stem = conv(12, n)
        self.stages = nn.ModuleList(Residual(n * 2**i, n * 2 ** (i + 1)) for i in range(3))
        self.attentions = nn.ModuleList(
            VarianceAttention(n * 2 ** (i + 1), pool) if attention else nn.Identity()
            for i, pool in enumerate(ATTENTION_POOLS)
        )
        self.last = conv(8 * n, 8 * n)

    def forward(self, x_B12HW: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        x_BCHW = self.activation(self.stem(x_B12HW))
        features = []
        for stage, attention in zip(self.stages, self.attentions, strict=True):
            x_BCHW = attention(stage(x_BCHW))
            features.append(x_BCHW)
        return F.normalize(full(self.last(x_BCHW)), p=1, dim=1), (features[1], features[0])


class STDDecoder(nn.Module):
    """A code (B, 8n, h, w) to pictures (B, channels, H, W), linear at the end."""

    def __init__(self, widths: Sequence[tuple[int, int]], channels: int) -> None:
        super().__init__()
        self.stages = nn.ModuleList(Residual(ins, outs, up=True) for ins, outs in widths)
        self.head = conv(widths[-1][1], channels)

    def forward(self, x_BCHW: Tensor, skips: tuple[Tensor, ...] = ()) -> Tensor:
        """`skips`: what is put beside the input of the second stage, the third, and so on."""
        for i, stage in enumerate(self.stages):
            x_BCHW = stage(torch.cat((x_BCHW, skips[i - 1]), 1) if i and skips else x_BCHW)
        return full(self.head(x_BCHW))


@dataclass(frozen=True)
class STDOutput:
    """One forward pass.

    Attributes:
        appearance: (B, 3, H, W) the rebuilt frame.
        motion: (B, 3, H, W) predicted difference; (B, 12, H, W), four of them, where the last frame is rebuilt.
        code: (B, 16n, h, w) appearance code and motion code, each of absolute sum 1.
    """

    appearance: Tensor
    motion: Tensor
    code: Tensor


class STD(Detector):
    """Both streams, the centres of their codes, the training stages and the scores.

    Components (all (B,), 0 or above, pictures counted in [0, 1]): "fused", squared error of the sum of both streams
    times cluster distance; "appearance" and "motion", mean squared errors of the streams; "cluster", mean over places
    and centres of assignment x distance. The map is error times cluster distance, pixel by pixel.
    """

    def __init__(self, config: STDConfig) -> None:
        super().__init__()
        self.config = c = config
        first, n = c.appearance == "first", c.width
        offsets, target = ((-4, -3, -2, -1), (0,)) if first else ((-4, -3, -2, -1, 0), ())
        self.window = Window(offsets, c.size, target, colour="rgb", missing="drop")
        self.components = {
            "fused": "how the frame was predicted, weighed with how strange its features are",
            "appearance": "how the scene looks",
            "motion": "how things move",
            "cluster": "how far its features lie from the usual ones",
        }
        self.combination = Combination({"fused": 1.0}, {"fused": "reciprocal"} if c.transform == "reciprocal" else {})
        self.map_grid, self.map_filter = c.grid, c.map_filter

        activation = nn.LeakyReLU() if c.activation == "leaky" else nn.ReLU()
        self.appearance_encoder = AppearanceEncoder(n, activation)
        self.appearance_decoder = STDDecoder([(8 * n, 8 * n), (8 * n, 4 * n), (4 * n, 2 * n)], 3)
        self.motion_encoder = MotionEncoder(n, activation, c.attention)
        ins = (8 * n, 4 * n, 2 * n) if not c.skips else (8 * n, 8 * n, 4 * n)
        self.motion_decoder = STDDecoder(list(zip(ins, (4 * n, 2 * n, 2 * n), strict=True)), 3 if first else 12)
        self.centres = nn.Parameter(torch.rand(c.clusters, 16 * n))

    @classmethod
    def from_preset(cls, preset: str = "paper", **options: Any) -> Self:
        """A detector as the paper ("paper"), the released code ("code") or the precursor ("cdda") has it, with single
        options changed.

        Raises:
            RecipeError: unknown preset or option, or an impossible size.
        """
        return cls(configure(STDConfig, PRESETS, preset, options))

    def clip(self, batch: Batch) -> Tensor:
        """(B, 15, H, W) in [0, 1]: the five frames of the window, the scored one last."""
        frames_B5HW3 = torch.cat((batch.frames, batch.target), 1)
        return stacked(frames_B5HW3).to(self.centres.dtype) / 255

    def wanted(self, clip_B15HW: Tensor) -> tuple[Tensor, Tensor]:
        """The frame that the appearance stream rebuilds (B, 3, H, W), and those that both streams add up to."""
        if self.config.appearance == "first":
            return clip_B15HW[:, :3], clip_B15HW[:, 12:]
        return clip_B15HW[:, 12:], clip_B15HW[:, :12]

    def encode(self, clip_B15HW: Tensor) -> tuple[Tensor, Tensor, tuple[Tensor, ...]]:
        """Appearance code and motion code, (B, 8n, h, w) each, and what passes them by."""
        motion_BChw, skips = self.motion_encoder(clip_B15HW[:, :12])
        return self.appearance_encoder(self.wanted(clip_B15HW)[0]), motion_BChw, skips if self.config.skips else ()

    def forward(self, clip_B15HW: Tensor) -> STDOutput:
        """Both streams for a clip (B, 15, H, W) in [0, 1]."""
        appearance_BChw, motion_BChw, skips = self.encode(clip_B15HW)
        gain = self.config.code_gain
        return STDOutput(
            self.appearance_decoder(gain * appearance_BChw),
            self.motion_decoder(gain * motion_BChw, skips),
            torch.cat((appearance_BChw, motion_BChw), 1),
        )

    def cluster(self, code_BChw: Tensor) -> tuple[Tensor, Tensor]:
        """Euclidean distances of the codes to the centres (B, h, w, K), and how far they belong to each (sum 1)."""
        unit_BChw = F.normalize(code_BChw, dim=1)
        if torch.compiler.is_compiling():
            # An exported graph takes the centres one by one: codes lie close to them, and a matrix product, which a
            # runtime may make in bfloat16, puts distances off by a fifth.
            away = [unit_BChw - centre_C[:, None, None] for centre_C in self.centres]
            distance_BhwK = torch.stack([away_BChw.square().sum(1).sqrt() for away_BChw in away], 3)
        else:
            unit_BhwC = unit_BChw.permute(0, 2, 3, 1)
            distance_BhwK = torch.cdist(unit_BhwC.flatten(0, 2), self.centres).unflatten(0, unit_BhwC.shape[:3])
        return distance_BhwK, (-self.config.alpha * distance_BhwK).softmax(3)

    def cluster_map(self, code_BChw: Tensor) -> Tensor:
        """(B, h, w): mean over the centres of assignment x distance; its mean is L_c."""
        distance_BhwK, assignment_BhwK = self.cluster(code_BChw)
        return (assignment_BhwK * distance_BhwK).mean(3)

    def autoencoder_losses(self, clip_B15HW: Tensor, out: STDOutput) -> dict[str, Tensor]:
        """L_a, L_m, L_grad and their weighted sum."""
        still_B3HW, wanted_BCHW = self.wanted(clip_B15HW)
        predicted_BCHW = added(still_B3HW, out.motion)
        appearance, motion = F.mse_loss(out.appearance, still_B3HW), F.mse_loss(predicted_BCHW, wanted_BCHW)
        gradient = gradient_difference(predicted_BCHW, wanted_BCHW, self.config.gradient)
        loss = appearance + motion + self.config.gradient_weight * gradient
        return {"loss": loss, "appearance": appearance, "motion": motion, "gradient": gradient}

    def stages(self) -> list[Stage]:
        return [WarmUpStage(self), JointStage(self)]

    def score(self, batch: Batch) -> FrameErrors:
        clip_B15HW = self.clip(batch)
        out = self(clip_B15HW)
        still_B3HW, wanted_BCHW = self.wanted(clip_B15HW)
        error_BHW = (added(out.appearance, out.motion) - wanted_BCHW).square().mean(1)
        cluster_Bhw = self.cluster_map(out.code)
        map_BHW = error_BHW if self.config.fusion == "none" else error_BHW * enlarged(cluster_Bhw, 8)
        components = {
            "fused": map_BHW.mean((1, 2)),
            "appearance": (out.appearance - still_B3HW).square().mean((1, 2, 3)),
            "motion": (added(still_B3HW, out.motion) - wanted_BCHW).square().mean((1, 2, 3)),
            "cluster": cluster_Bhw.mean((1, 2)),
        }
        if self.config.fusion == "frame":
            components["fused"] = error_BHW.mean((1, 2)) * components["cluster"]
        map_BHW = within(map_BHW, self.config.map_margin)
        return FrameErrors(components, map_BHW if self.map_filter else on_grid(map_BHW, self.config.grid))

    def plainest(self, batch: Batch) -> Plainest:
        still_B3HW, wanted_BCHW = self.wanted(self.clip(batch))
        errors_B = (added(still_B3HW, torch.zeros_like(wanted_BCHW)) - wanted_BCHW).square().mean((1, 2, 3))
        return Plainest("a picture that stands still", "motion", errors_B)

    def load_reference_state_dict(self, state: Mapping[str, Any]) -> None:
        what = "STD checkpoint"
        tensors = released_tensors(state, what).items()
        used = {own_name(name): value for name, value in tensors if not name.endswith("cluster.identity_matrix")}
        load_exactly(self, used, what)


class WarmUpStage(Stage):
    """Stage 1: the auto-encoders alone."""

    name, unit = "warm-up", "steps"
    recordable = True

    def __init__(self, model: STD) -> None:
        self.model, self.length = model, model.config.warm_up_steps
        self.autoencoders = [parameter for parameter in model.parameters() if parameter is not model.centres]

    def updates(self) -> list[Update]:
        return [
            Update(torch.optim.Adam(self.autoencoders, lr=self.model.config.learning_rate, fused=True), self.losses)
        ]

    def train_mode(self) -> None:
        self.model.train()

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        clip_B15HW = self.model.clip(batch)
        return self.model.autoencoder_losses(clip_B15HW, self.model(clip_B15HW))


class JointStage(WarmUpStage):
    """Stage 2: centres by k-means, then auto-encoders and clusters together."""

    name = "joint"

    def __init__(self, model: STD) -> None:
        super().__init__(model)
        self.length = model.config.joint_steps

    @torch.no_grad()
    def prepare(self, batches: Iterator[Batch]) -> None:
        model, config = self.model, self.model.config
        generator = torch.Generator().manual_seed(config.seed)
        share = -(-CENTRE_SAMPLE // config.centre_batches)
        model.train(config.collect == "train")
        collected = []
        for batch in islice(batches, config.centre_batches):
            code_BChw = torch.cat(model.encode(model.clip(batch))[:2], 1)
            if config.centres == "normalized":
                code_BChw = F.normalize(code_BChw, dim=1)
            vectors_VC = code_BChw.permute(0, 2, 3, 1).flatten(0, 2).cpu()
            collected.append(vectors_VC[torch.randperm(len(vectors_VC), generator=generator)[:share]])
        model.centres.copy_(k_means(torch.cat(collected), config.clusters, generator))
        self.train_mode()

    def updates(self) -> list[Update]:
        model, config = self.model, self.model.config
        if config.objective == "alternating":
            learning = [model.centres, model.motion_encoder.last.weight, model.appearance_encoder.last.weight]
            optimiser = torch.optim.Adam(learning, lr=config.cluster_learning_rate, fused=True)
            # BatchNorm sees every batch twice, here and in the update before, as in the released training.
            return [*super().updates(), Update(optimiser, self.cluster_losses, sums_over_batch=True)]
        groups = [
            {"params": self.autoencoders, "lr": config.learning_rate},
            {"params": [model.centres], "lr": config.cluster_learning_rate},
        ]
        return [Update(torch.optim.Adam(groups, fused=True), self.joint_losses)]

    def cluster_losses(self, batch: Batch) -> dict[str, Tensor]:
        model = self.model
        codes = model.encode(model.clip(batch))[:2]
        cluster = model.cluster_map(torch.cat(codes, 1)).mean((1, 2)).sum()
        return {"loss": model.config.cluster_weight * cluster, "cluster": cluster}

    def joint_losses(self, batch: Batch) -> dict[str, Tensor]:
        model, clip_B15HW = self.model, self.model.clip(batch)
        out = model(clip_B15HW)
        losses, cluster = model.autoencoder_losses(clip_B15HW, out), model.cluster_map(out.code).mean()
        return {**losses, "loss": losses["loss"] + model.config.cluster_weight * cluster, "cluster": cluster}


def enlarged(map_Bhw: Tensor, factor: int) -> Tensor:
    """(B, h, w) to (B, factor h, factor w), every value a square."""
    return map_Bhw.repeat_interleave(factor, 1).repeat_interleave(factor, 2)


def added(frame_B3HW: Tensor, differences_BCHW: Tensor) -> Tensor:
    """One frame plus each of the differences to it."""
    return frame_B3HW.repeat(1, differences_BCHW.shape[1] // 3, 1, 1) + differences_BCHW


def gradient_difference(got_BCHW: Tensor, wanted_BCHW: Tensor, form: Literal["magnitude", "signed"]) -> Tensor:
    """L_grad: forward differences in both directions; last row and column have none, and count as equal."""

    def along(dim: int) -> Tensor:
        got, wanted = got_BCHW.diff(dim=dim), wanted_BCHW.diff(dim=dim)
        return (wanted.abs() - got.abs() if form == "magnitude" else wanted - got).abs().sum()

    return (along(2) + along(3)) / got_BCHW.numel()


# Released prefix -> ours.
_PREFIXES = {
    "motion_encoder_func.layer_list.0.0.": "motion_encoder.stem.",
    "motion_encoder_func.layer_list.3.last_layer.": "motion_encoder.last.",
    "motion_decoder_func.layer_list.3.0.": "motion_decoder.head.",
    "static_encoder_func.flow.layer0.0.": "appearance_encoder.stem.",
    "static_encoder_func.proj.last_layer.": "appearance_encoder.last.",
    "static_decoder_func.flow.back-layer.0.": "appearance_decoder.head.",
    "cluster.cluster_center": "centres",
}
for _i, _n in enumerate((1, 2, 3)):
    _motion_stage = f"motion_encoder_func.layer_list.{_n}"
    _PREFIXES |= {
        f"{_motion_stage}.feature_ex{_i}.0.": f"motion_encoder.stages.{_i}.",
        f"{_motion_stage}.att_layer{_n}.flow.proj_conv.": f"motion_encoder.attentions.{_i}.projection.",
        f"motion_decoder_func.layer_list.{_i}.0.": f"motion_decoder.stages.{_i}.",
        f"static_encoder_func.flow.layer{_n}_bn.": f"appearance_encoder.norms.{_i}.",
        f"static_encoder_func.flow.layer{_n}.0.": f"appearance_encoder.stages.{_i}.",
        f"static_decoder_func.flow.de-layer{_n}.0.": f"appearance_decoder.stages.{_i}.",
    }


def own_name(released: str) -> str:
    """Our name of what the released network calls `released`; names of our own stay as they are."""
    for theirs, ours in _PREFIXES.items():
        if released.startswith(theirs):
            layer = re.sub(r"^(conv1|downsample)\.[01]\.", r"\1.", released.removeprefix(theirs))
            return ours + layer.replace("downsample.", "shortcut.")
    return released


def k_means(vectors_VC: Tensor, clusters: int, generator: torch.Generator, rounds: int = 300) -> Tensor:
    """Centres (K, C), float64: k-means++, then Lloyd's rounds until the centres all but stand still.

    A centre that no vector is nearest to stays where it is.

    Args:
        vectors_VC: on the CPU; V may be smaller than `clusters`.
        rounds: at most.
    """
    x_VC = vectors_VC.double()
    centres_KC = x_VC[torch.randint(len(x_VC), (1,), generator=generator)]
    nearest_V = torch.full((len(x_VC),), torch.inf, dtype=torch.float64)
    while len(centres_KC) < clusters:
        nearest_V = nearest_V.minimum(torch.cdist(x_VC, centres_KC[-1:])[:, 0].square())
        # Where every vector is a centre already, no distance is left: any vector will do.
        chosen = torch.multinomial(nearest_V.clamp(min=1e-18), 1, generator=generator)
        centres_KC = torch.cat((centres_KC, x_VC[chosen]))
    still = 1e-4 * x_VC.var(0, correction=0).mean()
    for _ in range(rounds):
        members_VK = F.one_hot(torch.cdist(x_VC, centres_KC).argmin(1), clusters).double()
        count_K1 = members_VK.sum(0)[:, None]
        moved_KC = torch.where(count_K1 > 0, members_VK.T @ x_VC / count_K1.clamp(min=1), centres_KC)
        shift, centres_KC = (moved_KC - centres_KC).square().sum(), moved_KC
        if shift <= still:
            break
    return centres_KC


_PAPER: dict[str, Any] = {
    "data": ("", "ped2", "avenue", "shanghaitech"), "ground_truth": True, "smoothing": ("none",),
    "normalise": "per_video_minmax", "selection": "not stated; the test set was evaluated throughout development",
}  # fmt: skip

ENTRY = ModelEntry(
    name="std",
    detector=STD,
    title="Spatio-temporal dissociation with clustered codes",
    paper="Chang et al., Pattern Recognition 122, 2022, 108213",
    licence="authors' code: none stated; this implementation is independent of it",
    citation=(
        "Y. Chang, Z. Tu, W. Xie, B. Luo, S. Zhang, H. Sui, J. Yuan. Video anomaly detection with spatio-temporal "
        "dissociation. Pattern Recognition 122, 108213, 2022."
    ),
    presets=("paper", "code", "cdda"),
    gflop=60.25,
    figures=(
        ReportedFigure("UCSD Ped2", 96.7, "recalled, unverified"),
        ReportedFigure("CUHK Avenue", 87.1, "recalled, unverified"),
        ReportedFigure("ShanghaiTech", 73.7, "recalled, unverified"),
        ReportedFigure("UCSD Ped2", 94.4, "users"),
    ),
    scoring_options=("fusion", "map_filter", "map_margin", "transform"),
    tiny={
        "size": (16, 32), "width": 4, "clusters": 4, "centre_batches": 2, "learning_rate": 3e-3,
        "cluster_learning_rate": 3e-3,
    },
    protocols=(
        {
            **_PAPER, "name": "paper/std", "combination": Combination({"fused": 1.0}),
            "description": "Chang et al., PR 2022: error times cluster distance, min-max per video, each score at its "
            "own frame",
        },
        {
            **_PAPER, "name": "code/std", "combination": Combination({"fused": 1.0}, {"fused": "reciprocal"}),
            "label_shift": 1,
            "description": "as STD's released code scores: 1/S, min-max per video, compared with the next frame's "
            "label",
        },
    ),
)  # fmt: skip
