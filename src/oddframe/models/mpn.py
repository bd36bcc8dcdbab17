"""MPN: normality learned from prototypes that a frame makes of itself; DPU, and MPU for new cameras.

Lv, Chen, Cui, Xu, Li, Yang: "Learning Normal Dynamics in Videos with Meta Prototype Network", CVPR 2021,
arXiv:2104.06689. The paper's text was not at hand: its formulas are quoted from others and its equations bear no number
here, but for Eq. 4, the frame loss.

A U-Net without BatchNorm updates four frames into features of unit length, one for every pixel. The dynamic prototype
unit (DPU) makes M prototypes of them, each a weighted mean of the features of this very frame; every feature reads a
mixture of the prototypes, which is added to it; three convolutions then predict the fifth frame. What is abnormal is
predicted badly and lies far from the nearest prototype. In the few-shot setting (`meta`, the paper's MPU) the unit and
the output convolutions are trained so that one gradient step on a few windows of a new camera adapts them to it, each
element with a learned step size of its own (MAML with the step sizes of Meta-SGD).

Shape letters: B windows, H x W pixels, N = H * W, C channels of a feature, M prototypes, P pairs of prototypes.

Where paper and released code differ, the difference is an option of `MPNConfig`; `PRESETS` holds both readings.
Where this file departs from both:
- With `attention="sum"` the linear map is made positive by a softplus. Divided by their sum as they are, weights of
  either sign have a pole, and the paper does not say what keeps them away from it. Softmax is the same with exp.
- Prototypes are matrix products (p = A x, r = b p); the released code lays out B x N x M x C products twice, 2.7 GB at
  batch 4 in float32. The unit always computes in float32, also under bf16: prototypes differ in the fifth digit.
- Videos of under 36 frames, 132 in meta-training, stop the released loaders; here they have fewer segments.
- Released code computes a loss between the prototypes of consecutive samples and a second softmax, and drops both.
- The released test script for few shots scores features with the sign turned round; here higher is more anomalous.
- Released checkpoints of meta-training lack encoder and decoder; here one state dict holds all, step sizes included.
- Both scores are means; the stream updates them into decibels and brings them to a common scale (`combination`).
- `temperature`, the diagnostic "alike", `map_filter` and `map_margin` are ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from oddframe.errors import BundleError, RecipeError
from oddframe.models.catalogue import ModelEntry, ReportedFigure
from oddframe.models.detector import Batch, Detector, FrameErrors, Plainest
from oddframe.models.layers.pixels import full, on_grid, signed, squared_error, stacked, within
from oddframe.models.layers.precision import full_precision
from oddframe.models.layers.unet import UNetEncoder, conv_block, upsample
from oddframe.models.options import check_size, configure
from oddframe.models.reference import load_exactly, released_tensors
from oddframe.models.stage import BatchSampling, Stage, Update
from oddframe.types import Combination, Window

GROUP, SUPPORT = 4, 2  # windows of one video in a batch; of those, how many the inner step sees

Theta = Mapping[str, Tensor]
"""What few shots adapt: the weights of unit and output convolutions, by their names in the state dict."""


@dataclass(frozen=True)
class MPNConfig:
    """Every choice of the method; the defaults are `preset="paper"`.

    Attributes:
        size: (H, W) of the frames, multiples of 8.
        width: channels of the first encoder block; features have twice as many.
        prototypes: M; 0 leaves the unit out, as the paper does for comparison ("w/o DPU"): output convolutions see the
            features alone, and nothing but the frame loss and its error is left.
        attention: how the weights of a prototype's mean come from a linear map of the features: divided by their sum
            over the pixels ("sum", paper) or softmax over the pixels ("softmax", code).
        relevance: how much a feature reads of each prototype: their product divided by its sum over the prototypes
            ("sum", paper) or softmax over the prototypes ("softmax", code).
        normalise: prototypes, and what is read of them, are brought to unit length (code; the paper is silent).
        temperature: divides the linear map before `attention`; below 1 the prototypes can differ more. 1 in both.
        distance: of a feature to its nearest prototype, in the loss and in the component "prototype": Euclidean
            ("norm", paper) or the mean over channels of the squared difference ("squared", code).
        detach: the compactness loss moves features alone and not prototypes too (neither paper nor code, as far as
            known: "without gradient" in the paper is said of the index of the nearest).
        diversity: distance of two prototypes in the loss that keeps them `margin` apart: Euclidean ("norm", paper) or
            squared ("squared", code).
        frame_loss: Euclidean distance over a whole frame ("norm", Eq. 4 to the letter; it grows with the number of
            pixels) or mean squared error ("mse", code). Pixels lie in [-1, 1].
        loss_weights: of frame, compactness and diversity loss; diversity 0.01 in the paper, 0.0001 in the code.
        sampling: windows of a batch from anywhere ("shuffle", as when the paper was written) or four of one video, far
            apart ("spread", the released code; an epoch is then one batch per video). Meta-training has its own.
        epochs: of training, or with `meta` of the pre-training on the frame loss alone.
        meta: the few-shot method: pre-training, then meta-training of unit and output convolutions.
        meta_epochs: of one task per video.
        step_size: what every step size is at first. The released 1e-6 makes the inner step all but void until
            hundreds of thousands of iterations have let it grow.
        meta_learning_rate: of weights and of step sizes in meta-training.
        inner_weights: as `loss_weights`, for the inner step of meta-training; None takes those.
        adapt_weights: the same for `adapt`; None takes those of the inner step, the code's test script its own.
        adapt_steps: gradient steps of `adapt`.
        first_order: leave the second derivatives out of meta-training.
        map_filter: odd (time, height, width) of a mean filter over the error map, which adds the component "map_max";
            in the score it takes the place of "prediction".
        map_margin: pixels along the border of the error map that are 0. An extension: what has just come into the
            picture there was in no earlier frame, so that its error says nothing. 0 is published.
    """

    size: tuple[int, int] = (256, 256)
    width: int = 64
    prototypes: int = 10
    attention: Literal["sum", "softmax"] = "sum"
    relevance: Literal["sum", "softmax"] = "sum"
    normalise: bool = True
    temperature: float = 1.0
    distance: Literal["norm", "squared"] = "norm"
    detach: bool = False
    diversity: Literal["norm", "squared"] = "norm"
    margin: float = 1.0
    frame_loss: Literal["norm", "mse"] = "norm"
    loss_weights: tuple[float, float, float] = (1.0, 1.0, 0.01)
    sampling: Literal["shuffle", "spread"] = "shuffle"
    learning_rate: float = 1e-4
    epochs: int = 60
    meta: bool = False
    meta_epochs: int = 1000
    step_size: float = 1e-6
    meta_learning_rate: float = 1e-6
    inner_weights: tuple[float, float, float] | None = None
    adapt_weights: tuple[float, float, float] | None = None
    adapt_steps: int = 1
    first_order: bool = False
    map_filter: tuple[int, int, int] | None = None
    map_margin: int = 0

    def __post_init__(self) -> None:
        check_size("MPN", self.size, 8, self.map_margin)
        if self.width < 1 or (self.prototypes and self.prototypes < 2):
            raise RecipeError(
                f"MPN: width {self.width} must be at least 1, prototypes {self.prototypes} at least 2, or 0 for none"
            )
        if self.meta and not self.prototypes:
            raise RecipeError("MPN: meta-training adapts the prototypes; leave meta out, or give 2 prototypes or more")
        if not self.temperature > 0 or self.adapt_steps < 1:
            raise RecipeError(
                f"MPN: temperature {self.temperature:g} must be above 0 and adapt_steps {self.adapt_steps} at least 1"
            )

    @property
    def grid(self) -> tuple[int, int]:
        """(rows, columns) at which the map is stored."""
        return self.size[0] // 8, self.size[1] // 8


PRESETS: dict[str, dict[str, Any]] = {
    "paper": {},
    "code": {
        "attention": "softmax",
        "relevance": "softmax",
        "distance": "squared",
        "diversity": "squared",
        "frame_loss": "mse",
        "loss_weights": (1.0, 1.0, 1e-4),
        "sampling": "spread",
        "epochs": 1000,
        "adapt_weights": (1.0, 0.1, 0.1),
    },
}


class MPNOutput(NamedTuple):
    """What the network makes of B windows.

    Attributes:
        frame_B3HW: the predicted frame, in [-1, 1].
        features_BCHW: features with what they read of the prototypes added to them.
        means_BMC: prototypes as the means that they are.
        prototypes_BMC: prototypes as they are read; the same without `normalise`.
        distance_BN: of every feature to the prototype of which it reads most.
    """

    frame_B3HW: Tensor
    features_BCHW: Tensor
    means_BMC: Tensor
    prototypes_BMC: Tensor
    distance_BN: Tensor


class MPNDecoder(nn.Module):
    """Bottleneck and skips to a feature (B, C, H, W) of every pixel; none of its channels is negative."""

    def __init__(self, width: int) -> None:
        super().__init__()
        w = width
        self.moduleConv = conv_block(8 * w, 8 * w, norm=False)
        self.moduleUpsample4 = upsample(8 * w, 4 * w, norm=False)
        self.moduleDeconv3 = conv_block(8 * w, 4 * w, norm=False)
        self.moduleUpsample3 = upsample(4 * w, 2 * w, norm=False)
        self.moduleDeconv2 = conv_block(4 * w, 2 * w, norm=False)
        self.moduleUpsample2 = upsample(2 * w, w, norm=False)

    def forward(self, x: Tensor, skips: tuple[Tensor, Tensor, Tensor]) -> Tensor:
        skip1, skip2, skip3 = skips
        x = self.moduleUpsample4(self.moduleConv(x))
        x = self.moduleUpsample3(self.moduleDeconv3(torch.cat((skip3, x), 1)))
        x = self.moduleUpsample2(self.moduleDeconv2(torch.cat((skip2, x), 1)))
        return torch.cat((skip1, x), 1)


class MPN(Detector):
    """The network with its training stages, its scores and its adaptation.

    Components (all (B,), 0 or above): "prediction", mean squared error of the frame in units of [0, 1]; "prototype",
    mean distance of its features to their nearest prototypes. The map is the squared error of the frame.
    """

    def __init__(self, config: MPNConfig) -> None:
        super().__init__()
        self.config = c = config
        self.window = Window(offsets=(-4, -3, -2, -1), size=c.size, missing="drop")
        self.components = {
            "prediction": "how the frame was predicted",
            "prototype": "how far its features lie from what they have in common",
        }
        self.map_grid = c.grid
        self.map_filter = c.map_filter
        self.adapts = c.meta
        error = "map_max" if c.map_filter else "prediction"
        weights = {error: 0.5, "prototype": 0.5}
        if not c.prototypes:
            del self.components["prototype"]
            weights = {error: 1.0}
        self.combination = Combination(weights, dict.fromkeys(weights, "decibel"), scale="normal")

        w = c.width
        self.encoder = UNetEncoder(12, w, norm=False)
        self.decoder = MPNDecoder(w)
        heads = {"Mheads": nn.Linear(2 * w, c.prototypes, bias=False)} if c.prototypes else {}
        self.prototype = nn.ModuleDict(heads)
        self.ohead = nn.Sequential(
            nn.Conv2d(2 * w, w, 3, padding=1), nn.ReLU(),
            nn.Conv2d(w, w, 3, padding=1), nn.ReLU(),
            nn.Conv2d(w, 3, 3, padding=1), nn.Tanh(),
        )  # fmt: skip
        if c.meta:
            self.step_sizes = nn.ParameterDict(
                {step_name(name): torch.full_like(value, c.step_size) for name, value in self.theta().items()}
            )

    @classmethod
    def from_preset(cls, preset: str = "paper", **options: Any) -> Self:
        return cls(configure(MPNConfig, PRESETS, preset, options))

    @property
    def dtype(self) -> torch.dtype:
        """Of the weights."""
        return next(self.parameters()).dtype

    def theta(self) -> dict[str, Tensor]:
        """The weights that few shots adapt: of the unit and of the output convolutions."""
        return {n: p for n, p in self.named_parameters() if n.startswith(("prototype.", "ohead."))}

    def step_size(self, name: str) -> Tensor:
        """The learned step sizes of the weight of this name, one for each element."""
        sizes: Tensor = self.step_sizes[step_name(name)]
        return sizes

    def features(self, x_BCHW: Tensor) -> Tensor:
        """(B, C, H, W) features of unit length of stacked frames (B, 12, H, W) in [-1, 1]."""
        return F.normalize(full(self.decoder(*self.encoder(x_BCHW))), dim=1)

    def predict(self, x_BCHW: Tensor, theta: Theta) -> MPNOutput:
        """Unit and output convolutions on features of unit length, with the weights given."""
        if self.config.prototypes:
            with full_precision(x_BCHW.device.type):
                unit = self.read(x_BCHW, theta["prototype.Mheads.weight"])
        else:
            none_B0C = x_BCHW.new_zeros(x_BCHW.shape[0], 0, x_BCHW.shape[1])
            unit = x_BCHW, none_B0C, none_B0C, torch.zeros_like(x_BCHW[:, 0]).flatten(1)

        def convolution(y: Tensor, layer: int) -> Tensor:
            return F.conv2d(y, theta[f"ohead.{layer}.weight"], theta[f"ohead.{layer}.bias"], padding=1)

        y = convolution(convolution(unit[0], 0).relu(), 2).relu()
        return MPNOutput(full(convolution(y, 4).tanh()), *unit)

    def read(self, x_BCHW: Tensor, weight_MC: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """The dynamic prototype unit; what comes back are the last four of `MPNOutput`."""
        c, x_BCN = self.config, x_BCHW.flatten(2)
        attention_BMN = weight_MC @ x_BCN / c.temperature
        if c.attention == "softmax":
            attention_BMN = attention_BMN.softmax(2)
        else:
            attention_BMN = F.softplus(attention_BMN)
            attention_BMN = attention_BMN / attention_BMN.sum(2, keepdim=True)
        means_BMC = attention_BMN @ x_BCN.mT
        prototypes_BMC = F.normalize(means_BMC, dim=2) if c.normalise else means_BMC

        relevance_BMN = prototypes_BMC @ x_BCN
        nearest_B1N = relevance_BMN.argmax(1, keepdim=True)
        if c.relevance == "softmax":
            relevance_BMN = relevance_BMN.softmax(1)
        else:  # neither features nor prototypes have negative channels
            relevance_BMN = relevance_BMN / relevance_BMN.sum(1, keepdim=True).clamp(min=1e-12)
        read_BCN = prototypes_BMC.mT @ relevance_BMN
        if c.normalise:
            read_BCN = F.normalize(read_BCN, dim=1)

        wanted_BMC = prototypes_BMC.detach() if c.detach else prototypes_BMC
        gap_BCN = x_BCN - wanted_BMC.mT.gather(2, nearest_B1N.expand_as(x_BCN))
        distance_BN = gap_BCN.square().mean(1) if c.distance == "squared" else length(gap_BCN, 1)
        return x_BCHW + read_BCN.view_as(x_BCHW), means_BMC, prototypes_BMC, distance_BN

    def forward(self, x_BCHW: Tensor) -> MPNOutput:
        """Prediction and prototypes for stacked frames (B, 12, H, W) in [-1, 1]."""
        return self.predict(self.features(x_BCHW), self.theta())

    def losses(self, out: MPNOutput, target_B3HW: Tensor, weights: tuple[float, float, float]) -> dict[str, Tensor]:
        """Frame, compactness and diversity loss, their weighted sum, and how alike the prototypes are (mean cosine);
        without prototypes the frame loss alone."""
        c, error_B3HW = self.config, out.frame_B3HW - target_B3HW
        frame = error_B3HW.square().mean() if c.frame_loss == "mse" else length(error_B3HW.flatten(1), 1).mean()
        if not c.prototypes:
            return {"loss": weights[0] * frame, "frame": frame}
        compactness = out.distance_BN.mean()
        one, other = torch.triu_indices(c.prototypes, c.prototypes, 1, device=target_B3HW.device)
        one_BPC, other_BPC = out.prototypes_BMC[:, one], out.prototypes_BMC[:, other]
        gap_BPC = one_BPC - other_BPC
        apart_BP = gap_BPC.square().sum(2) if c.diversity == "squared" else length(gap_BPC, 2)
        diversity = (c.margin - apart_BP).relu().mean()
        return {
            "loss": weights[0] * frame + weights[1] * compactness + weights[2] * diversity,
            "frame": frame,
            "compactness": compactness,
            "diversity": diversity,
            "alike": F.cosine_similarity(one_BPC, other_BPC, 2).mean().detach(),
        }

    def input(self, batch: Batch) -> Tensor:
        """(B, 12, H, W) in [-1, 1] from the uint8 frames of the window."""
        return signed(stacked(batch.frames)).to(self.dtype)

    def target(self, batch: Batch) -> Tensor:
        """(B, 3, H, W) in [-1, 1]: the frame to be predicted."""
        return signed(stacked(batch.target)).to(self.dtype)

    def stages(self) -> list[Stage]:
        return [TrainStage(self), MetaStage(self)] if self.config.meta else [TrainStage(self)]

    def score(self, batch: Batch) -> FrameErrors:
        out = self(self.input(batch))
        error_BHW = squared_error(out.frame_B3HW, self.target(batch))
        components = {"prediction": error_BHW.mean((1, 2))}
        if self.config.prototypes:
            components["prototype"] = out.distance_BN.mean(1)
        error_BHW = within(error_BHW, self.config.map_margin)
        return FrameErrors(components, error_BHW if self.map_filter else on_grid(error_BHW, self.config.grid))

    def plainest(self, batch: Batch) -> Plainest:
        target_B3HW = self.target(batch)
        before_B3HW = signed(stacked(batch.frames[:, -1:])).to(target_B3HW.dtype)
        errors_B = squared_error(before_B3HW, target_B3HW).mean((1, 2))
        return Plainest("a copy of the frame before", "prediction", errors_B)

    def adapt(self, support: Batch) -> None:
        """Adapt unit and output convolutions, in place, to the K normal windows of `support`.

        Each of `adapt_steps` steps follows the gradient, averaged over the windows, by the learned step sizes.

        Raises:
            RecipeError: the network was trained without `meta`.
        """
        c = self.config
        if not c.meta:
            raise RecipeError(
                "MPN: only a meta-trained network adapts to a new camera; train a recipe such as mpn-meta-small"
            )
        weights = c.adapt_weights or c.inner_weights or c.loss_weights
        windows = list(zip(self.input(support).split(1), self.target(support).split(1), strict=True))
        for _ in range(c.adapt_steps):
            theta = {name: value.detach().requires_grad_() for name, value in self.theta().items()}
            gradient = {name: torch.zeros_like(value) for name, value in theta.items()}
            for x_1CHW, target_13HW in windows:  # one by one, to spare memory
                with torch.no_grad():
                    features = self.features(x_1CHW)
                with torch.enable_grad():
                    loss = self.losses(self.predict(features, theta), target_13HW, weights)["loss"]
                own = torch.autograd.grad(loss, list(theta.values()))
                for total, part in zip(gradient.values(), own, strict=True):
                    total += part / len(windows)
            with torch.no_grad():
                for name, value in self.theta().items():
                    value -= self.step_size(name) * gradient[name]

    def load_reference_state_dict(self, state: Mapping[str, Any]) -> None:
        if "meta_init" in state:
            raise BundleError("MPN checkpoint of meta-training lacks encoder and decoder; it cannot be used alone")
        released = released_tensors(state, "MPN checkpoint")
        # Until April 2021 the unit was called memory.
        used = {
            "prototype." + name.removeprefix("memory.") if name.startswith("memory.") else name: value
            for name, value in released.items()
        }
        steps = {name: value for name, value in self.state_dict().items() if name.startswith("step_sizes.")}
        load_exactly(self, {**steps, **used}, "MPN checkpoint")


class TrainStage(Stage):
    """The whole network on all three losses; with `meta`, all but the unit, on the frame loss alone."""

    recordable = True

    def __init__(self, model: MPN) -> None:
        c = model.config
        self.model, self.length, self.name = model, c.epochs, "pretrain" if c.meta else "train"
        self.weights = (1.0, 0.0, 0.0) if c.meta else c.loss_weights
        self.sampling = BatchSampling("spread", GROUP) if c.sampling == "spread" else BatchSampling()

    def updates(self) -> list[Update]:
        left_out = ("step_sizes.", "prototype.") if self.model.config.meta else ("step_sizes.",)
        learning = [p for n, p in self.model.named_parameters() if not n.startswith(left_out)]
        return [Update(torch.optim.Adam(learning, lr=self.model.config.learning_rate, fused=True), self.loss)]

    def train_mode(self) -> None:
        self.model.train()

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        model = self.model
        return model.losses(model(model.input(batch)), model.target(batch), self.weights)


class MetaStage(Stage):
    """Unit, output convolutions and step sizes learn what one step on two windows makes of two others of that video.

    Besides the losses of the other windows it logs "inner", that of the first two before the step, and "step", the
    length of the step.
    """

    name = "meta"
    sampling = BatchSampling("close", GROUP)

    def __init__(self, model: MPN) -> None:
        self.model, self.length = model, model.config.meta_epochs

    def updates(self) -> list[Update]:
        learning = [*self.model.theta().values(), *self.model.step_sizes.values()]
        return [Update(torch.optim.Adam(learning, lr=self.model.config.meta_learning_rate, fused=True), self.loss)]

    def train_mode(self) -> None:
        self.model.train()

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        model = self.model
        with torch.no_grad():
            x_BCHW = model.features(model.input(batch))
        tasks = list(zip(x_BCHW.split(GROUP), model.target(batch).split(GROUP), strict=True))
        losses = [self.task(*task) for task in tasks]
        return {name: torch.stack([task[name] for task in losses]).mean() for name in losses[0]}

    def task(self, x_BCHW: Tensor, target_B3HW: Tensor, support: int = SUPPORT) -> dict[str, Tensor]:
        """Losses of a group of windows; features of unit length, and the frames to be predicted."""
        model, c = self.model, self.model.config
        theta = model.theta()
        second_order = torch.is_grad_enabled() and not c.first_order
        with torch.enable_grad():  # the step needs its gradient where losses are only measured, too
            out = model.predict(x_BCHW[:support], theta)
            inner = model.losses(out, target_B3HW[:support], c.inner_weights or c.loss_weights)["loss"]
            gradients = torch.autograd.grad(inner, list(theta.values()), create_graph=second_order)
        steps = {n: model.step_size(n) * g for n, g in zip(theta, gradients, strict=True)}
        adapted = {n: value - steps[n] for n, value in theta.items()}
        losses = model.losses(model.predict(x_BCHW[support:], adapted), target_B3HW[support:], c.loss_weights)
        moved = torch.stack([step.detach().square().sum() for step in steps.values()]).sum().sqrt()
        return {**losses, "inner": inner.detach(), "step": moved}


def step_name(name: str) -> str:
    """The name under which the step sizes of a weight are kept; those of parameters must not contain dots."""
    return name.replace(".", "_")


def length(x: Tensor, dim: int) -> Tensor:
    """Euclidean length along a dimension, with a gradient of 0 where it is 0, of second order too."""
    return (x.square().sum(dim) + 1e-12).sqrt()


_PAPER: dict[str, Any] = {
    "name": "paper/mpn", "smoothing": ("none",),
    "description": "Lv et al., CVPR 2021: PSNR of frame and features in equal parts, both min-max per video, "
    "unsmoothed",
    "selection": "not stated; the released few-shot test reports the checkpoint that is best on the test set",
    "combination": Combination(
        {"prediction": 0.5, "prototype": 0.5}, {"prediction": "decibel", "prototype": "decibel"}, "per_video_minmax"
    ),
}  # fmt: skip
_CODE: dict[str, Any] = {
    **_PAPER, "name": "code/mpn", "smoothing": ("held", 15, 2.0),
    "description": "as MPN's released code scores: paper/mpn, and a Gaussian over 15 frames that looks ahead",
}  # fmt: skip

ENTRY = ModelEntry(
    name="mpn",
    detector=MPN,
    title="Meta prototype network: prediction from prototypes of the frame itself; adapts to a new camera",
    paper="Lv, Chen, Cui, Xu, Li, Yang, CVPR 2021, arXiv:2104.06689",
    licence="authors' code: none stated; this implementation is independent of it",
    citation=(
        "H. Lv, C. Chen, Z. Cui, C. Xu, Y. Li, J. Yang. Learning Normal Dynamics in Videos with Meta Prototype "
        "Network. CVPR 2021."
    ),
    gflop=88.78,
    figures=(
        ReportedFigure("UCSD Ped2", 96.9, "paper"),
        ReportedFigure("CUHK Avenue", 89.5, "paper"),
        ReportedFigure("ShanghaiTech", 73.8, "paper"),
        ReportedFigure("UCSD Ped2", 95.0, "users"),
        ReportedFigure("CUHK Avenue", 82.2, "users"),
        ReportedFigure("ShanghaiTech", 72.9, "users"),
    ),
    tiny={"size": (16, 32), "width": 8, "learning_rate": 1e-3},
    scoring_options=("map_filter", "map_margin"),
    variants=(("code", {"meta": True, "step_size": 1e-2, "meta_learning_rate": 1e-3}),),
    protocols=(
        {**_PAPER, "data": ("", "ped2", "avenue", "shanghaitech"), "ground_truth": True},
        {**_PAPER, "name": "paper/mpn/ped1", "data": "ped1"},
        {**_CODE, "data": ("", "ped2", "shanghaitech"), "ground_truth": True},
        {
            **_CODE, "name": "code/mpn/avenue", "data": "avenue", "ground_truth": True,
            "description": "as MPN's code means to score Avenue (it stops with an error): min-max over the whole set",
            "combination": replace(_PAPER["combination"], scale="dataset_minmax"),
        },
        {
            **_CODE, "name": "code/mpn/meta", "selection": "the epoch that is best on the test set",
            "description": "as MPN's released few-shot test: 0.7 PSNR, and 0.3 of the feature error with the wrong "
            "sign",
            "combination": Combination(
                {"prediction": 0.7, "prototype": -0.3}, {"prediction": "decibel"}, "per_video_minmax"
            ),
        },
    ),
)  # fmt: skip
