"""MNAD: memory-guided normality for anomaly detection, by prediction or by reconstruction.

Park, Noh, Ham: "Learning Memory-guided Normality for Anomaly Detection", CVPR 2020, arXiv:2003.13228. The paper's text
was not at hand: its formulas are known from transcriptions and quotations, and are named here by what they say.

A U-Net looks at four frames and predicts the fifth (or, without skip connections, rebuilds a single frame). Every place
of its bottleneck is a query of unit length; a memory of ten unit vectors, the items, is read by a softmax over their
cosines, and the decoder gets the query and what was read, side by side. No gradient makes the items: after every
training step they are rewritten from the queries that lie nearest to them. What is abnormal is predicted badly and lies
far from every item.

Shape letters: B windows, H x W pixels, C channels of a query (8 * width), h x w = H/8 x W/8 places of the bottleneck,
K = h * w queries of a frame, N queries of several frames, M items.

Where paper and released code differ, the difference is an option of `MNADConfig`; `PRESETS` holds both readings.
Where this file departs from both:
- `test_update` is "off" unless asked for. Published results rewrite the memory while testing ("carried": the items of
  one video go on into the next); a score then depends on everything that was scored before it.
- The paper's losses are sums over the training frames; here they are means over the frames of a batch, which Adam does
  not notice, and what several devices learn does not depend on their number.
- The paper describes the update with the queries of one frame. Those of a training batch (of all devices) are taken as
  one set, as in the code, so that the order of a batch does not matter.
- v', a softmax over the queries divided by its largest value, is computed as exp(s - max s): the same number.
- Wherever the prediction is perfect the gate's weights are all 0 and it divides 0 by 0: such a frame scores 0 here.
- The peak of the paper's PSNR, the largest value of the predicted frame, is taken as at least 1/255.
- The released encoder owns a BatchNorm that nothing calls; it is not built. Released items lie in a file of their own;
  here they are the buffer "memory" and travel with the weights.
- The learning rate falls along a cosine in every step (released code: in every epoch).
- The score is made by the stream (`combination`): the frame's error in decibels and the distance to the memory, each on
  the scale of normal video; published is a scale per test video, from its smallest to its largest value.
- `take_in` rewrites the items from windows that somebody has called normal, as a training step does.
- `temperature`, `momentum`, `map_filter`, `map_margin` and "per_video" are ours; `decoder="narrow"` is that of a
  reproduction.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self
from warnings import warn

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from oddframe.errors import RecipeError
from oddframe.models.catalogue import ModelEntry, ReportedFigure
from oddframe.models.detector import Batch, Detector, FrameErrors, Plainest
from oddframe.models.layers.pixels import on_grid, signed, squared_error, stacked, within
from oddframe.models.layers.precision import full_precision
from oddframe.models.layers.unet import UNetEncoder, conv_block, upsample
from oddframe.models.options import check_size, configure
from oddframe.models.reference import load_exactly, released_tensors
from oddframe.models.stage import Stage, Update
from oddframe.types import Combination, Window

Skips = tuple[Tensor, ...]


@dataclass(frozen=True)
class MNADConfig:
    """Every choice of the method; the defaults are `preset="paper"` of the prediction variant.

    Attributes:
        variant: "prediction", four frames to the next, with skip connections; or "reconstruction", one frame to itself,
            without, for which `MNAD.from_preset` has other defaults (`RECONSTRUCTION`).
        size: (H, W) of the frames, multiples of 8.
        width: channels of the first encoder block.
        items: M; 0 is the baseline without memory, where the decoder sees the query alone.
        decoder: of the reconstruction variant: transposed convolutions as wide as the missing skips would have made
            their output ("wide", code; the paper is silent), or as in the prediction variant ("narrow").
        frame_loss: Euclidean distance over a whole frame ("norm", paper) or mean squared error ("mse", code). Pixels
            lie in [-1, 1].
        compactness: Euclidean distances of a frame's queries to their nearest items, summed ("norm", paper), or the
            mean over queries and channels of the squared difference ("squared", code).
        separateness: triplet losses (margin 1, nearest against second nearest item) of a frame's queries, summed
            ("sum", paper) or their mean ("mean", code).
        compactness_weight, separateness_weight: 0.1; 0.01 for reconstruction.
        update_max: v', how much a query counts in the item it is assigned to, is 1 for the nearest of the item's own
            queries ("assigned", paper) or of all queries ("all", code: within the own it may be below).
        momentum: share of the old item in the new one. An extension; 0 is published and leaves next to nothing of it,
            as an item is a unit vector and hundreds of queries are added to it.
        temperature: divides the cosines before the softmax of the read. An extension; 1 is published and makes the
            weights of the items all but equal.
        distance: component "memory": mean distance of the queries to their nearest items ("norm", paper) or mean
            over queries and channels of the squared difference ("squared", code).
        psnr_peak: numerator of the PSNR: the largest value of the predicted frame in [0, 1] ("maximum", paper) or 1
            ("one", code).
        frame_weight: lambda, the weight of the frame's error in the score, against 1 - lambda for the memory; 0.6, and
            0.7 for reconstruction.
        test_update: rewrite the memory from every frame that the gate takes for normal: "off", "per_video" (every video
            starts from the trained memory) or "carried" (paper and code: only the first one does).
        gate: error of a frame that the gate looks at, an average in which large errors weigh more: of the norms over
            the channels ("norm", paper) or of the squares ("squared", code), of pixels in [0, 1].
        gate_threshold: gamma; frames below it rewrite the memory. 0.01, and 0.015 for reconstruction. Published with
            "norm", where few frames are ever below it, and with "squared" alike.
        map_filter: odd (time, height, width) of a mean filter over the error map, which adds the component "map_max".
        map_margin: pixels along the border of the error map that are 0. An extension: what has just come into the
            picture there was in no earlier frame, so that its error says nothing. 0 is published.
        learning_rate: 2e-4; 2e-5 for reconstruction in the paper.
        epochs: 60; 10 for ShanghaiTech in the paper.
    """

    variant: Literal["prediction", "reconstruction"] = "prediction"
    size: tuple[int, int] = (256, 256)
    width: int = 64
    items: int = 10
    decoder: Literal["wide", "narrow"] = "wide"
    frame_loss: Literal["norm", "mse"] = "norm"
    compactness: Literal["norm", "squared"] = "norm"
    separateness: Literal["sum", "mean"] = "sum"
    compactness_weight: float = 0.1
    separateness_weight: float = 0.1
    update_max: Literal["assigned", "all"] = "assigned"
    momentum: float = 0.0
    temperature: float = 1.0
    distance: Literal["norm", "squared"] = "norm"
    psnr_peak: Literal["maximum", "one"] = "maximum"
    frame_weight: float = 0.6
    test_update: Literal["off", "per_video", "carried"] = "off"
    gate: Literal["norm", "squared"] = "norm"
    gate_threshold: float = 0.01
    map_filter: tuple[int, int, int] | None = None
    map_margin: int = 0
    learning_rate: float = 2e-4
    epochs: int = 60

    def __post_init__(self) -> None:
        check_size("MNAD", self.size, 8, self.map_margin)
        if self.width < 1:
            raise RecipeError(f"MNAD: width {self.width} must be at least 1")
        if self.items < 0 or self.items == 1:
            raise RecipeError(f"MNAD: items {self.items} must be at least 2, or 0 for no memory")
        if not self.items and self.test_update != "off":
            raise RecipeError("MNAD: without memory (items 0) there is nothing to rewrite; set test_update to off")
        if not self.temperature > 0 or not 0 <= self.momentum < 1:
            raise RecipeError(
                f"MNAD: temperature {self.temperature:g} must be above 0, momentum {self.momentum:g} from 0 to below 1"
            )
        if not 0 <= self.frame_weight <= 1:
            raise RecipeError(f"MNAD: frame_weight {self.frame_weight:g} must lie between 0 and 1")

    @property
    def grid(self) -> tuple[int, int]:
        """(h, w) of the bottleneck."""
        return self.size[0] // 8, self.size[1] // 8


PRESETS: dict[str, dict[str, Any]] = {
    "paper": {},
    "code": {
        "frame_loss": "mse",
        "compactness": "squared",
        "separateness": "mean",
        "update_max": "all",
        "distance": "squared",
        "psnr_peak": "one",
        "gate": "squared",
        "learning_rate": 2e-4,  # of both variants
    },
}
RECONSTRUCTION: dict[str, Any] = {
    "compactness_weight": 0.01,
    "separateness_weight": 0.01,
    "frame_weight": 0.7,
    "gate_threshold": 0.015,
    "learning_rate": 2e-5,
}


class MNADDecoder(nn.Module):
    """(B, C or 2C, h, w) and the skips to a frame (B, 3, H, W) in [-1, 1]."""

    def __init__(self, ins: int, width: int, skips: bool, wide: bool) -> None:
        super().__init__()
        self.skips = skips
        w = width
        up = 2 if wide and not skips else 1  # what an upsampling puts out, and
        seen = 2 if wide or skips else 1  # what the block behind it takes in, in widths of the skip at that scale
        self.moduleConv = conv_block(ins, 8 * w, True)
        self.moduleUpsample4 = upsample(8 * w, up * 4 * w, True)
        self.moduleDeconv3 = conv_block(seen * 4 * w, 4 * w, True)
        self.moduleUpsample3 = upsample(4 * w, up * 2 * w, True)
        self.moduleDeconv2 = conv_block(seen * 2 * w, 2 * w, True)
        self.moduleUpsample2 = upsample(2 * w, up * w, True)
        self.moduleDeconv1 = nn.Sequential(*conv_block(seen * w, w, True), nn.Conv2d(w, 3, 3, padding=1), nn.Tanh())

    def forward(self, x_BChw: Tensor, skips: Skips) -> Tensor:
        def join(skip: Tensor, up: Tensor) -> Tensor:
            return torch.cat((skip, up), 1) if self.skips else up

        x = self.moduleDeconv3(join(skips[2], self.moduleUpsample4(self.moduleConv(x_BChw))))
        x = self.moduleDeconv2(join(skips[1], self.moduleUpsample3(x)))
        out: Tensor = self.moduleDeconv1(join(skips[0], self.moduleUpsample2(x)))
        return out


class MNAD(Detector):
    """The network and its memory.

    Components (all (B,), above or equal 0): "prediction" or "reconstruction", mean squared error of the frame in units
    of [0, 1], divided by the peak of the PSNR; "memory", distance of its queries to their nearest items. The map is the
    squared error of the pixels.

    Attributes:
        memory: (M, C) items as trained, unit vectors, part of the state dict.
        working: (M, C) items as rewritten while scoring; None while they are those of `memory`.
    """

    memory: Tensor
    working: Tensor | None

    def __init__(self, config: MNADConfig) -> None:
        super().__init__()
        self.config = c = config
        predicts = c.variant == "prediction"
        offsets = (-4, -3, -2, -1) if predicts else (0,)
        self.window = Window(offsets, c.size, missing="drop" if predicts else "current")
        self.components = {c.variant: f"how the frame was {'predicted' if predicts else 'rebuilt'}"}
        self.combination = Combination({c.variant: 1.0}, {c.variant: "decibel"})
        if c.items:
            self.components = {**self.components, "memory": "how far it is from what is remembered"}
            weights = {c.variant: c.frame_weight, "memory": 1 - c.frame_weight}
            self.combination = Combination(weights, {c.variant: "decibel"}, scale="normal")
        self.map_grid, self.map_filter = c.grid, c.map_filter
        self.takes_in = bool(c.items)
        self.remembers, self.carries_over = c.test_update != "off", c.test_update == "carried"

        channels = 8 * c.width
        self.encoder = UNetEncoder(3 * len(offsets), c.width, norm=True)
        self.decoder = MNADDecoder(2 * channels if c.items else channels, c.width, predicts, c.decoder == "wide")
        if c.items:
            self.register_buffer("memory", F.normalize(torch.rand(c.items, channels)))
        self.register_buffer("working", None, persistent=False)

    @classmethod
    def from_preset(cls, preset: str = "paper", **options: Any) -> Self:
        presets = PRESETS
        if options.get("variant") == "reconstruction":
            presets = {name: {**RECONSTRUCTION, **values} for name, values in PRESETS.items()}
        return cls(configure(MNADConfig, presets, preset, options))

    @property
    def dtype(self) -> torch.dtype:
        """Of the parameters."""
        return next(self.parameters()).dtype

    @property
    def items(self) -> Tensor | None:
        """(M, C): what frames are scored with; None without memory."""
        if not self.config.items:
            return None
        return self.memory if self.working is None else self.working

    def encode(self, x_BCHW: Tensor) -> tuple[Tensor, Skips]:
        """Queries (B, K, C) of unit length, row by row, and the skips, of frames (B, 3T, H, W) in [-1, 1]."""
        features_BChw, skips = self.encoder(x_BCHW)
        return F.normalize(features_BChw.to(x_BCHW.dtype), dim=1).flatten(2).transpose(1, 2), skips

    def read_weights(self, query_BKC: Tensor, items_MC: Tensor) -> Tensor:
        """(B, K, M): softmax over the items of their cosines with a query."""
        return (cosines(query_BKC, items_MC) / self.config.temperature).softmax(-1)

    def decode(self, query_BKC: Tensor, skips: Skips, items_MC: Tensor | None) -> Tensor:
        """The frame (B, 3, H, W) in [-1, 1] from the queries and what they read; no gradient passes through that."""
        seen = query_BKC
        if items_MC is not None:
            with torch.no_grad():
                read_BKC = self.read_weights(query_BKC, items_MC) @ items_MC
            seen = torch.cat((query_BKC, read_BKC.to(query_BKC)), 2)
        out: Tensor = self.decoder(seen.transpose(1, 2).unflatten(2, self.config.grid), skips)
        return out

    def forward(self, x_BCHW: Tensor) -> tuple[Tensor, Tensor]:
        """The frame (B, 3, H, W) and the queries (B, K, C), with the trained memory."""
        query_BKC, skips = self.encode(x_BCHW)
        return self.decode(query_BKC, skips, self.memory if self.config.items else None), query_BKC

    def input(self, batch: Batch) -> Tensor:
        """(B, 3T, H, W) in [-1, 1]: the frames of the window, one after the other, BGR."""
        return signed(stacked(batch.frames)).to(self.dtype)

    def target(self, batch: Batch) -> Tensor:
        """(B, 3, H, W) in [-1, 1]: the scored frame."""
        return signed(stacked(batch.target)).to(self.dtype)

    def stages(self) -> list[Stage]:
        return [MNADTraining(self)]

    def score(self, batch: Batch) -> FrameErrors:
        query_BKC, skips = self.encode(self.input(batch))
        target_BCHW = self.target(batch)
        if not self.remembers:
            return self.watch(query_BKC, skips, target_BCHW)
        seen = []  # one by one: a frame may change the memory of the next
        for i in range(len(batch)):
            one = slice(i, i + 1)
            seen.append(self.watch(query_BKC[one], tuple(skip[one] for skip in skips), target_BCHW[one]))
        components = {name: torch.cat([errors.components[name] for errors in seen]) for name in self.components}
        return FrameErrors(components, torch.cat([errors.map for errors in seen if errors.map is not None]))

    def plainest(self, batch: Batch) -> Plainest:
        target_BCHW = self.target(batch)
        if self.config.variant == "prediction":
            words, guess_BCHW = "a copy of the frame before", signed(stacked(batch.frames[:, -1:])).to(self.dtype)
        else:
            words, guess_BCHW = "the mean frame", target_BCHW.mean(0, keepdim=True)
        return Plainest(words, self.config.variant, squared_error(guess_BCHW, target_BCHW).mean((1, 2)))

    def watch(self, query_BKC: Tensor, skips: Skips, target_BCHW: Tensor) -> FrameErrors:
        """Score frames with the memory as it is; then a single one, if the gate takes it for normal, rewrites it."""
        config, items_MC = self.config, self.items
        predicted_BCHW = self.decode(query_BKC, skips, items_MC)
        errors = self.assess(predicted_BCHW, target_BCHW, query_BKC, items_MC)
        if config.test_update != "off" and items_MC is not None:
            normal = gate_score(predicted_BCHW, target_BCHW, config.gate) < config.gate_threshold
            if not normal.is_meta and normal.item():  # tensors without values only count operations
                self.working = rewritten(items_MC, query_BKC[0], config.update_max, config.momentum)
        return errors

    def assess(
        self, predicted_BCHW: Tensor, target_BCHW: Tensor, query_BKC: Tensor, items_MC: Tensor | None
    ) -> FrameErrors:
        """Components and map of frames that were predicted or rebuilt with these items."""
        config = self.config
        map_BHW = squared_error(predicted_BCHW, target_BCHW)
        error_B = map_BHW.mean((1, 2))
        if config.psnr_peak == "maximum":
            peak_B = (predicted_BCHW.amax((1, 2, 3)).to(error_B) + 1) / 2
            error_B = error_B / peak_B.clamp(min=1 / 255)
        components: dict[str, Tensor] = {config.variant: error_B}
        if items_MC is not None:
            nearest_BKC = items_MC[cosines(query_BKC, items_MC).argmax(-1)]
            components["memory"] = distances(query_BKC, nearest_BKC, config.distance).mean(1)
        map_BHW = within(map_BHW, config.map_margin)
        return FrameErrors(components, map_BHW if self.map_filter else on_grid(map_BHW, config.grid))

    def begin_video(self) -> None:
        if self.config.test_update == "per_video":
            self.forget()

    def forget(self) -> None:
        """Go back from the memory as rewritten while scoring to the trained one."""
        self.working = None

    def learn(self, query_NC: Tensor) -> None:
        """Rewrite the trained memory from the queries of a training step."""
        self.memory.copy_(rewritten(self.memory, query_NC, self.config.update_max, self.config.momentum))
        self.forget()

    @torch.no_grad()
    def take_in(self, windows: Batch) -> None:
        """Rewrite the items by the rule of a training step; no gradient and no other weight changes."""
        if not self.config.items:
            super().take_in(windows)
        query_BKC, _ = self.encode(self.input(windows))
        self.learn(query_BKC.flatten(0, 1))

    def load_state_dict(self, *args: Any, **kwargs: Any) -> Any:
        self.forget()
        return super().load_state_dict(*args, **kwargs)

    def load_reference_state_dict(self, state: Mapping[str, Any]) -> None:
        """Load a state dict with the released key names; the items, a file of their own there, under the key "keys".

        Raises:
            BundleError: keys are missing or shapes differ; the message names the first of them.
        """
        weights = released_tensors(state, "MNAD checkpoint", beside=("keys",))
        items = weights.pop("keys", None)
        if items is not None:
            weights["memory"] = items
        elif weights and self.config.items and "memory" not in weights:
            warn(
                'MNAD checkpoint: no memory items under the key "keys"; the memory stays random, and without the items '
                "it was trained with a network is of little use (docs/explanation/mnad.md says how to bring both)",
                stacklevel=2,
            )
            weights["memory"] = self.memory
        unused = "encoder.moduleBatchNorm."  # the released encoder carries it and never calls it
        used = {name: value for name, value in weights.items() if not name.startswith(unused)}
        load_exactly(self, used, "MNAD checkpoint")


class MNADTraining(Stage):
    """The one stage: network by gradient, then memory by rule."""

    name = "network"
    recordable = True

    def __init__(self, model: MNAD) -> None:
        self.model, self.length = model, model.config.epochs

    def updates(self) -> list[Update]:
        rate = self.model.config.learning_rate
        return [Update(torch.optim.Adam(self.model.parameters(), lr=rate, fused=True), self.loss)]

    def train_mode(self) -> None:
        self.model.train()

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        return self.losses(self.model.input(batch), self.model.target(batch))

    def losses(self, x_BCHW: Tensor, target_BCHW: Tensor) -> dict[str, Tensor]:
        """The losses, with the memory as the step before left it, and "idle", how many items no query is nearest to."""
        config = self.model.config
        predicted_BCHW, query_BKC = self.model(x_BCHW)
        wrong_BCHW = predicted_BCHW - target_BCHW
        mse = config.frame_loss == "mse"
        frame = wrong_BCHW.square().mean() if mse else torch.linalg.vector_norm(wrong_BCHW, dim=(1, 2, 3)).mean()
        if not config.items:
            return {"loss": frame, "frame": frame}
        self.query_BKC = query_BKC.detach()
        items_MC = self.model.memory
        nearest_BK2 = cosines(self.query_BKC, items_MC).topk(2, -1).indices
        first_BKC, second_BKC = items_MC[nearest_BK2[..., 0]], items_MC[nearest_BK2[..., 1]]
        away_BK = distances(query_BKC, first_BKC, config.compactness)
        compactness = away_BK.mean() if config.compactness == "squared" else away_BK.sum(1).mean()
        triplet_BK = F.triplet_margin_loss(query_BKC, first_BKC, second_BKC, margin=1.0, reduction="none")
        separateness = triplet_BK.mean() if config.separateness == "mean" else triplet_BK.sum(1).mean()
        return {
            "loss": frame + config.compactness_weight * compactness + config.separateness_weight * separateness,
            "frame": frame,
            "compactness": compactness,
            "separateness": separateness,
            "idle": (F.one_hot(nearest_BK2[..., 0].flatten(), config.items).sum(0) == 0).sum().to(frame),
        }

    @torch.no_grad()
    def update_buffers(self, gather: Callable[[Tensor], Tensor]) -> None:
        if self.model.config.items:
            self.model.learn(gather(self.query_BKC.flatten(0, 1)))


def cosines(query_BKC: Tensor, items_MC: Tensor) -> Tensor:
    """(..., K, M) cosines of unit vectors, at full precision also under autocast: they differ in the third digit."""
    with full_precision(query_BKC.device.type):
        return query_BKC @ items_MC.T


def distances(query_BKC: Tensor, item_BKC: Tensor, form: Literal["norm", "squared"]) -> Tensor:
    """(B, K): Euclidean distance of a query to its item, or the mean over the channels of the squared difference."""
    away_BKC = query_BKC - item_BKC
    return torch.linalg.vector_norm(away_BKC, dim=2) if form == "norm" else away_BKC.square().mean(2)


def rewritten(items_MC: Tensor, query_NC: Tensor, over: Literal["assigned", "all"], momentum: float = 0.0) -> Tensor:
    """The items after an update: p <- normalise(p + sum of v' q over the queries q that p is nearest to).

    Args:
        items_MC, query_NC: unit vectors; the order of the queries does not matter.
        over: the queries among which the largest has v' = 1: those assigned to the item, or all.
        momentum: share of the old item that is kept beyond that.
    """
    with full_precision(query_NC.device.type):
        s_NM = query_NC @ items_MC.T
        assigned_NM = F.one_hot(s_NM.argmax(1), len(items_MC)).bool()
        among_NM = s_NM if over == "all" else s_NM.where(assigned_NM, -torch.inf)
        v_NM = (s_NM - among_NM.amax(0)).exp().where(assigned_NM, 0)
        new_MC = F.normalize(items_MC + v_NM.T @ query_NC)
        return F.normalize(momentum * items_MC + (1 - momentum) * new_MC) if momentum else new_MC


def gate_score(predicted_BCHW: Tensor, target_BCHW: Tensor, form: Literal["norm", "squared"]) -> Tensor:
    """(B,): mean of the errors e of pixels in [0, 1], each weighted with 1 - exp(-e); see `MNADConfig.gate`."""
    error = ((predicted_BCHW - target_BCHW) / 2).square()
    if form == "norm":
        error = error.sum(1, keepdim=True).sqrt()
    weight = -torch.expm1(-error)
    total_B = weight.sum((1, 2, 3))
    return (weight * error).sum((1, 2, 3)) / total_B.clamp(min=torch.finfo(total_B.dtype).tiny)


_EVERYWHERE: dict[str, Any] = {
    "data": ("", "ped2", "avenue", "shanghaitech"), "ground_truth": True, "smoothing": ("none",),
}  # fmt: skip
_CODE = "as MNAD's released code scores: what {} says, of the distance that the preset `code` makes"


def _memory(frame_term: str, weight: float) -> Combination:
    """The score: PSNR of the frame and distance to the memory, each min-max normalised per video."""
    return Combination({frame_term: weight, "memory": 1 - weight}, {frame_term: "decibel"}, "per_video_minmax")


ENTRY = ModelEntry(
    name="mnad",
    detector=MNAD,
    title="Memory-guided normality: prediction or reconstruction",
    paper="Park, Noh, Ham, CVPR 2020, arXiv:2003.13228",
    licence="authors' code: none stated; this implementation is independent of it",
    citation="H. Park, J. Noh, B. Ham. Learning Memory-guided Normality for Anomaly Detection. CVPR 2020.",
    gflop=92.97,
    figures=(
        ReportedFigure("UCSD Ped2", 97.0, "paper, as quoted by others"),
        ReportedFigure("CUHK Avenue", 88.5, "paper, as quoted by others"),
        ReportedFigure("ShanghaiTech", 70.5, "paper, as quoted by others"),
        ReportedFigure("UCSD Ped2", 95.1, "users"),
        ReportedFigure("CUHK Avenue", 86.6, "users"),
    ),
    scoring_options=("frame_weight", "gate", "gate_threshold", "map_filter", "map_margin", "psnr_peak", "test_update"),
    tiny={"size": (16, 32), "width": 4, "learning_rate": 3e-3},
    variants=(("code", {"variant": "reconstruction"}), ("paper", {"test_update": "off"})),
    protocols=(
        {
            **_EVERYWHERE, "name": "paper/mnad", "combination": _memory("prediction", 0.6), "selection": "not stated",
            "description": "Park et al., CVPR 2020, prediction: 0.6 PSNR and 0.4 memory distance, both min-max per "
            "video, unsmoothed",
        },
        {
            **_EVERYWHERE, "name": "code/mnad", "combination": _memory("prediction", 0.6),
            "selection": "the last epoch", "description": _CODE.format("paper/mnad"),
        },
        {
            **_EVERYWHERE, "name": "paper/mnad/reconstruction", "combination": _memory("reconstruction", 0.7),
            "selection": "not stated",
            "description": "Park et al., CVPR 2020, reconstruction: 0.7 PSNR and 0.3 memory distance, else as "
            "paper/mnad",
        },
        {
            **_EVERYWHERE, "name": "code/mnad/reconstruction", "combination": _memory("reconstruction", 0.7),
            "selection": "the last epoch", "description": _CODE.format("paper/mnad/reconstruction"),
        },
    ),
)  # fmt: skip
