"""SDMAE: self-distilled masked auto-encoders for video anomaly detection.

Ristea, Croitoru, Ionescu, Popescu, Khan, Shah: "Self-Distilled Masked Auto-Encoders are Efficient Video Anomaly
Detectors", CVPR 2024, arXiv:2306.12041. Equation numbers below are the paper's.

A light convolutional-transformer auto-encoder sees half of the tokens of three stacked frames (t-3, t, t+3) and
rebuilds the middle one together with a map of the (synthetic) anomaly; tokens that move weigh more (Eq. 1-3). A student
that branches off after the first decoder block learns to imitate the decoder (Eq. 4). Where the video is abnormal,
the rebuilt frame is wrong and student and teacher disagree; a head on the class token says so directly (Eq. 5). The
three are fused into one map (Eq. 6).

Shape letters: B frames, H x W pixels, d patch size, L = (H/d)(W/d) tokens, K kept (visible) tokens, N = 1 + tokens with
the class token in front, C width of a block, E = d*d*4 elements of one output token, ordered (row, column, channel).

Where paper and released code differ, the difference is an option of `SDMAEConfig`; `PRESETS` holds both readings.
Where this file departs from both:
- The motion gradient is taken between frames already resized to the network's input; the released code takes it at the
  video's own size and resizes the result. It saves a second decoding and storing a gradient per frame.
- A frame without any motion has uniform token weights; Eq. 2 divides 0 by 0 there, and the released training stops.
- Which tokens are hidden is a hash of (seed, frame index, draw), not a fresh random draw: scores do not change from run
  to run, nor depend on the batch. `draws` > 1 averages over several masks.
- The student stage has an optimiser of its own over the student's parameters alone; frozen weights cannot drift.
- The paper gives neither the size of the classification head nor the weight of its loss: one linear layer, weight 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from oddframe.errors import RecipeError
from oddframe.models.catalogue import ModelEntry
from oddframe.models.detector import Batch, Detector, FrameErrors, Plainest
from oddframe.models.layers.noise import token_noise
from oddframe.models.layers.pixels import signed
from oddframe.models.options import configure
from oddframe.models.reference import load_exactly, released_tensors
from oddframe.models.stage import Stage, Update
from oddframe.types import Combination, Masking, Window


@dataclass(frozen=True)
class SDMAEConfig:
    """Every choice of the method; the defaults are `preset="paper"` for Avenue.

    Attributes:
        size: (H, W) of the input; both divisible by `patch`, W/patch * (1 - mask_ratio) an integer.
        patch: token side d; 16 for Avenue, 8 for ShanghaiTech and UBnormal, 4 for Ped2.
        mask_ratio: share of hidden tokens, in training and in scoring (0.5 in the code, not stated in the paper).
        class_head: predict from the class token whether the frame holds a pseudo-anomaly (Eq. 5); absent in the code.
        class_weight: weight of Eq. 5 against Eq. 3.
        gradient: motion gradient: |f(t) - f(t-1)| after a 3x3 median ("previous_median", paper) or |f(t-1) - f(t+1)|
            ("span", code). "none", for ablation: all tokens of a frame weigh the same, pasted ones too.
        anomaly_gain: what a pasted object adds to the gradient of its patches: the full range of a grey value ("unit":
            the paper's a in {0, 1} added to gradients in [0, 1]) or max(128, largest gradient of the frame) ("code").
        map_values: target of the fourth channel for normal and abnormal pixels: (0, 1) paper, (-1, 1) code.
        normaliser: Eq. 3-4 literally, squared norm over 1/n and the batch mean ("paper"), or the mean over the elements
            of a token, summed over tokens and batch ("code"). Constant factors of each other.
        distillation: Eq. 4, weighted over all tokens ("weighted"), or the unweighted mean over hidden ones ("hidden").
        teacher_in_student_stage: frozen teacher held still ("eval"), or left with running BatchNorm statistics and
            dropout ("train", as the code does).
        error: "l2" or "l1" (code on ShanghaiTech) for the components "teacher" and "student".
        fusion: weights of teacher error, teacher-student gap and class probability in the map (Eq. 6), or None.
        map_filter: odd (time, height, width) of the mean filter over the map volume, or None; its extents are not in
            the paper, 9x9x9 is what the code keeps unused.
        draws: number of masks averaged when scoring.
        optimiser: "adam" (paper) or "adamw" (code: betas (0.9, 0.95), decay on matrices only).
    """

    size: tuple[int, int] = (320, 640)
    patch: int = 16
    encoder_width: int = 256
    decoder_width: int = 128
    heads: int = 4
    mask_ratio: float = 0.5
    dropout: float = 0.1
    class_head: bool = True
    class_weight: float = 1.0
    gradient: Literal["previous_median", "span", "none"] = "previous_median"
    anomaly_gain: Literal["unit", "code"] = "unit"
    map_values: tuple[float, float] = (0.0, 1.0)
    normaliser: Literal["paper", "code"] = "paper"
    distillation: Literal["weighted", "hidden"] = "weighted"
    teacher_in_student_stage: Literal["eval", "train"] = "eval"
    error: Literal["l2", "l1"] = "l2"
    fusion: tuple[float, float, float] | None = (0.4, 0.3, 0.3)
    map_filter: tuple[int, int, int] | None = (9, 9, 9)
    draws: int = 1
    seed: int = 0
    optimiser: Literal["adam", "adamw"] = "adam"
    learning_rate: float = 1e-4
    betas: tuple[float, float] = (0.9, 0.999)
    weight_decay: float = 0.0
    teacher_epochs: int = 100
    student_epochs: int = 40

    def __post_init__(self) -> None:
        height, width = self.size
        kept_columns = width / self.patch * (1 - self.mask_ratio)
        if height % self.patch or width % self.patch:
            raise RecipeError(f"SDMAE: size {height}x{width} is not a multiple of patch {self.patch}; change one")
        if abs(kept_columns - round(kept_columns)) > 1e-9 or not 0 < self.mask_ratio < 1:
            raise RecipeError(f"SDMAE: mask_ratio {self.mask_ratio} must keep whole columns, not {kept_columns:g}")
        if self.encoder_width % self.heads or self.decoder_width % self.heads:
            raise RecipeError(f"SDMAE: widths must be multiples of heads={self.heads}")

    @property
    def grid(self) -> tuple[int, int]:
        """(rows, columns) of tokens."""
        return self.size[0] // self.patch, self.size[1] // self.patch


PRESETS: dict[str, dict[str, Any]] = {
    "paper": {},
    "code": {
        "class_head": False,
        "gradient": "span",
        "anomaly_gain": "code",
        "map_values": (-1.0, 1.0),
        "normaliser": "code",
        "distillation": "hidden",
        "teacher_in_student_stage": "train",
        "fusion": None,
        "map_filter": None,
        "optimiser": "adamw",
        "betas": (0.9, 0.95),
        "weight_decay": 0.05,
        "student_epochs": 100,
    },
}


class ConvProjection(nn.Module):
    """Depthwise 3x3 convolution and BatchNorm over the token grid: where the network learns of space."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, padding=1, groups=width, bias=False)
        self.bn = nn.BatchNorm2d(width)

    def forward(self, x_BChw: Tensor) -> Tensor:
        out: Tensor = self.bn(self.conv(x_BChw))
        return out


class CvTAttention(nn.Module):
    """Multi-head attention on convolved tokens. Scores are scaled by the full width, not by the width of a head."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.scale = width**-0.5
        self.conv_proj_q, self.conv_proj_k, self.conv_proj_v = (ConvProjection(width) for _ in range(3))
        self.proj_q, self.proj_k, self.proj_v, self.proj = (nn.Linear(width, width) for _ in range(4))

    def forward(self, x_BNC: Tensor, grid: tuple[int, int]) -> Tensor:
        cls_B1C, tokens = x_BNC[:, :1], x_BNC[:, 1:]
        tokens_BChw = tokens.unflatten(1, grid).permute(0, 3, 1, 2)

        def project(conv: ConvProjection, linear: nn.Linear) -> Tensor:
            convolved = conv(tokens_BChw).permute(0, 2, 3, 1).flatten(1, 2)
            # Joined after the matrix: joined before, tokens would take their gradient back in strides that BatchNorm
            # needs a third of a step for on a CPU.
            projected: Tensor = torch.cat((linear(cls_B1C), linear(convolved)), 1)
            heads_BHLc: Tensor = projected.unflatten(2, (self.heads, -1)).transpose(1, 2)
            return heads_BHLc

        q, k, v = (
            project(self.conv_proj_q, self.proj_q),
            project(self.conv_proj_k, self.proj_k),
            project(self.conv_proj_v, self.proj_v),
        )
        out = F.scaled_dot_product_attention(q, k, v, scale=self.scale)
        projected: Tensor = self.proj(out.transpose(1, 2).flatten(2))
        return projected


class Pointwise(nn.Conv2d):
    """A 1x1 convolution, applied to tokens (B, L, C) as the matrix that it is."""

    def forward(self, x_BLC: Tensor) -> Tensor:
        return F.linear(x_BLC, self.weight.flatten(1), self.bias)


class MLP(nn.Module):
    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        expand, contract = Pointwise(width, 2 * width, 1), Pointwise(2 * width, width, 1)
        self.net = nn.Sequential(expand, nn.GELU(), nn.Dropout(dropout), contract)

    def forward(self, x_BLC: Tensor) -> Tensor:
        out: Tensor = self.net(x_BLC)
        return out


class CvTBlock(nn.Module):
    """Pre-norm residual block. The class token passes the MLP unchanged: it becomes x + LN(x)."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=1e-6)
        self.attn = CvTAttention(width, heads)
        self.norm2 = nn.LayerNorm(width, eps=1e-6)
        self.mlp = MLP(width, dropout)

    def forward(self, x_BNC: Tensor, grid: tuple[int, int]) -> Tensor:
        x_BNC = x_BNC + self.attn(self.norm1(x_BNC), grid)
        z_BNC = self.norm2(x_BNC)
        return x_BNC + torch.cat((z_BNC[:, :1], self.mlp(z_BNC[:, 1:])), 1)


class PatchEmbed(nn.Module):
    """Non-overlapping patches, one linear map each, LayerNorm; no positional embedding anywhere in the network.

    The map is a strided convolution in name (`proj` is a released key); hidden patches need not pass through it.
    """

    def __init__(self, channels: int, width: int, patch: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(channels, width, patch, patch)
        self.norm = nn.LayerNorm(width, eps=1e-6)

    def forward(self, patches_BKP: Tensor) -> Tensor:
        # From (frame and channel, row, column) to the order of the pixels in a patch: frame, row, column, channel.
        weight_CP = self.proj.weight.unflatten(1, (-1, 3)).permute(0, 1, 3, 4, 2).flatten(1)
        tokens: Tensor = self.norm(F.linear(patches_BKP, weight_CP, self.proj.bias))
        return tokens


class SDMAE(Detector):
    """The network of the paper's Figure 2 with its training stages and its scores.

    Components (all (B,), 0 or above): "teacher", mean error between target and teacher; "student", mean gap between
    teacher and student; "class", probability of a pseudo-anomaly. With `fusion`, `score` also returns the pixel map of
    Eq. 6 at (H, W), from which the stream makes the component "map_max".
    """

    def __init__(self, config: SDMAEConfig) -> None:
        super().__init__()
        self.config = c = config
        self.window = Window(
            offsets=(-3, 0, 3), size=c.size, context=(-1, 1) if c.gradient == "span" else (-1,), missing="current"
        )
        self.components = {
            "teacher": "how the frame was rebuilt",
            "student": "how far student and teacher disagree",
            **({"class": "how much it looks like an object foreign to this scene"} if c.class_head else {}),
        }
        self.masking = Masking(c.grid[0] * c.grid[1], c.draws, c.seed)
        self.map_grid = c.grid if c.fusion else None
        self.map_filter = (c.map_filter or (1, 1, 1)) if c.fusion else None
        self.combination = Combination({"map_max": 1.0} if self.map_filter else {"teacher": 1.0, "student": 1.0})
        elements = c.patch**2 * 4

        self.patch_embed = PatchEmbed(9, c.encoder_width, c.patch)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, c.encoder_width))
        self.blocks = nn.ModuleList(CvTBlock(c.encoder_width, c.heads, c.dropout) for _ in range(3))
        self.norm = nn.LayerNorm(c.encoder_width, eps=1e-6)
        if c.class_head:
            self.class_head = nn.Linear(c.encoder_width, 1)

        self.mask_token = nn.Parameter(torch.zeros(1, 1, c.decoder_width))
        self.decoder_embed = nn.Linear(c.encoder_width, c.decoder_width)
        self.decoder_blocks = nn.ModuleList(CvTBlock(c.decoder_width, c.heads, c.dropout) for _ in range(3))
        self.decoder_norm = nn.LayerNorm(c.decoder_width, eps=1e-6)
        self.decoder_pred = nn.Linear(c.decoder_width, elements)

        self.decoder_student_block = CvTBlock(c.decoder_width, c.heads, c.dropout)
        self.decoder_student_norm = nn.LayerNorm(c.decoder_width, eps=1e-6)
        self.decoder_student_pred = nn.Linear(c.decoder_width, elements)

    @classmethod
    def from_preset(cls, preset: str = "paper", **options: Any) -> Self:
        return cls(configure(SDMAEConfig, PRESETS, preset, options))

    def encode(self, frames_BTHW3: Tensor, order_BL: Tensor) -> Tensor:
        """The latent (B, 1 + K, C) of the visible tokens.

        The K tokens with the smallest noise stay visible, *in the order of their noise*: the depthwise convolutions of
        the encoder see them as a grid of unrelated neighbours. That is what the released network was trained with.
        """
        rows, columns = self.visible
        patches_BKP = gather_patches(frames_BTHW3, order_BL[:, : rows * columns], self.config.patch)
        visible_BKC = self.patch_embed(signed(patches_BKP, self.cls_token.dtype))
        x_BNC = torch.cat((self.cls_token.expand(visible_BKC.shape[0], -1, -1), visible_BKC), 1)
        for block in self.blocks:
            x_BNC = block(x_BNC, (rows, columns))
        latent: Tensor = self.norm(x_BNC)
        return latent

    def decode(self, latent_BNC: Tensor, order_BL: Tensor) -> tuple[Tensor, Tensor]:
        """What the teacher predicts from (B, L, C), and the student's input (B, 1 + L, C)."""
        x_BNC = self.decoder_embed(latent_BNC)
        batch, count = x_BNC.shape[:2]
        # One gather: for each place the row of its token, or of the mask token, which is the last.
        first_B1 = torch.arange(batch, device=order_BL.device)[:, None] * count
        restore_BL = self.restore(order_BL) + 1
        row_BL = torch.where(restore_BL < count, restore_BL + first_B1, batch * count)
        row_BN = torch.cat((first_B1, row_BL), 1)
        rows_RC = torch.cat((x_BNC.flatten(0, 1), self.mask_token[0].to(x_BNC.dtype)))
        x_BNC = rows_RC.index_select(0, row_BN.flatten()).unflatten(0, row_BN.shape)
        branch_BNC = x_BNC = self.decoder_blocks[0](x_BNC, self.config.grid)
        for block in self.decoder_blocks[1:]:
            x_BNC = block(x_BNC, self.config.grid)
        return self.decoder_norm(x_BNC)[:, 1:], branch_BNC

    def imitate(self, branch_BNC: Tensor) -> Tensor:
        """What the student predicts from (B, L, C)."""
        out: Tensor = self.decoder_student_norm(self.decoder_student_block(branch_BNC, self.config.grid))
        return out[:, 1:]

    def forward(self, frames_BTHW3: Tensor, order_BL: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Last tokens of teacher and student (B, L, C), and the latent, for frames of values 0..255."""
        latent_BNC = self.encode(frames_BTHW3, order_BL)
        teacher_BLC, branch_BNC = self.decode(latent_BNC, order_BL)
        return teacher_BLC, self.imitate(branch_BNC), latent_BNC

    def classify(self, latent_BNC: Tensor) -> Tensor:
        """(B,) logit of a pseudo-anomaly."""
        logits: Tensor = self.class_head(latent_BNC[:, 0])
        return logits[:, 0]

    @property
    def visible(self) -> tuple[int, int]:
        """(rows, columns) of the visible tokens."""
        rows, columns = self.config.grid
        return rows, round(columns * (1 - self.config.mask_ratio))

    def restore(self, order_BL: Tensor) -> Tensor:
        """(B, L): where in the order each token stands."""
        places_L = torch.arange(order_BL.shape[1], device=order_BL.device)
        return torch.zeros_like(order_BL).scatter(1, order_BL, places_L.expand_as(order_BL))

    def mask(self, order_BL: Tensor) -> Tensor:
        """(B, L), 1 = hidden."""
        rows, columns = self.visible
        return (self.restore(order_BL) >= rows * columns).to(self.cls_token.dtype)

    def target(self, batch: Batch) -> Tensor:
        """(B, L, E): the clean current frame and the anomaly map, in patches."""
        normal, abnormal = self.config.map_values
        frame_BHW3 = signed(batch.target[:, 0], self.cls_token.dtype)
        if batch.pasted is None:
            map_BHW1 = torch.full_like(frame_BHW3[..., :1], normal)
        else:
            map_BHW1 = (batch.pasted.to(frame_BHW3) / 255 * (abnormal - normal) + normal).unsqueeze(-1)
        return patchify(torch.cat((frame_BHW3, map_BHW1), 3), self.config.patch)

    def token_weights(self, batch: Batch) -> Tensor:
        """(B, L) motion weights w_i, summing to 1 for every frame (Eq. 1-2)."""
        assert batch.context is not None, "training batches carry the frames of window.context"
        dtype = self.cls_token.dtype
        if self.config.gradient == "none":
            tokens = self.config.grid[0] * self.config.grid[1]
            return torch.full((len(batch.target), tokens), 1 / tokens, dtype=dtype, device=batch.target.device)
        if self.config.gradient == "span":
            gradient_BHW3 = (batch.context[:, 0].to(dtype) - batch.context[:, 1].to(dtype)).abs()
        else:
            now, before = median3x3(batch.target[:, 0]), median3x3(batch.context[:, 0])
            gradient_BHW3 = (now.to(dtype) - before.to(dtype)).abs()
        pasted_BHW = torch.zeros_like(gradient_BHW3[..., 0]) if batch.pasted is None else batch.pasted.to(dtype) / 255
        return motion_weights(gradient_BHW3, pasted_BHW, self.config.patch, self.config.anomaly_gain)

    def noise(self, key_B: Tensor, draw: int = 0) -> Tensor:
        """(B, L) masking noise, a function of the configured seed, the sample's key and the draw alone."""
        rows, columns = self.config.grid
        ramp_L = torch.arange(1, rows * columns + 1, device=key_B.device)
        noise_BL: Tensor = token_noise(key_B, ramp_L, self.config.seed, draw)
        return noise_BL

    def order(self, batch: Batch, draw: int = 0) -> Tensor:
        """(B, L): the tokens in the order of their noise, the visible ones first."""
        if batch.order is not None:
            return batch.order[:, draw]
        return self.noise(batch.key, draw).argsort(dim=1, stable=True)

    def stages(self) -> list[Stage]:
        return [SDMAETeacherStage(self), SDMAEStudentStage(self)]

    def score(self, batch: Batch) -> FrameErrors:
        draws = [self._score_draw(batch, draw) for draw in range(self.config.draws)]
        components = {n: torch.stack([d.components[n] for d in draws]).mean(0) for n in self.components}
        maps = [d.map for d in draws if d.map is not None]
        return FrameErrors(components, torch.stack(maps).mean(0) if maps else None)

    def plainest(self, batch: Batch) -> Plainest:
        c = self.config
        picture_BLP = signed(patchify(batch.target[:, 0], c.patch), self.cls_token.dtype)
        measure = torch.square if c.error == "l2" else torch.abs
        wrong_B = measure(picture_BLP - picture_BLP.mean(0)).sum((1, 2))
        return Plainest("the mean frame", "teacher", wrong_B / (picture_BLP.shape[1] * c.patch**2 * 4))

    def _score_draw(self, batch: Batch, draw: int) -> FrameErrors:
        order_BL, c = self.order(batch, draw), self.config
        teacher_BLC, student_BLC, latent_BNC = self(batch.frames, order_BL)
        # Picture (B, L, d*d*3) and map (B, L, d*d) apart: no channel is put beside the target's, nor taken from four.
        picture_BLP = signed(patchify(batch.target[:, 0], c.patch), self.cls_token.dtype)
        parts = []
        for part, target in ((slice(3), picture_BLP), (slice(3, 4), c.map_values[0])):
            teacher = predict(self.decoder_pred, teacher_BLC, part)
            student = predict(self.decoder_student_pred, student_BLC, part)
            parts.append((target - teacher, teacher - student))
        measure = torch.square if c.error == "l2" else torch.abs
        elements = order_BL.shape[1] * c.patch**2 * 4

        def mean(which: int) -> Tensor:
            return (measure(parts[0][which]).sum((1, 2)) + measure(parts[1][which]).sum((1, 2))) / elements

        components = {"teacher": mean(0), "student": mean(1)}
        if c.class_head:
            components["class"] = self.classify(latent_BNC).float().sigmoid()
        if c.fusion is None:
            return FrameErrors(components)
        alpha, beta, gamma = c.fusion  # Eq. 6, averaged over the four channels
        picture_BLP, map_BLP = (alpha * error.square() + beta * gap.square() for error, gap in parts)
        fused_BLP = (picture_BLP.unflatten(2, (-1, 3)).sum(3) + map_BLP) / 4
        map_BHW = unpatchify(fused_BLP, c.grid)
        if "class" in components:
            map_BHW = map_BHW + gamma * components["class"][:, None, None]
        return FrameErrors(components, map_BHW)

    def load_reference_state_dict(self, state: Mapping[str, Any]) -> None:
        # Frozen 2x2 and 3x3 morphology kernels that the released network carries and never uses.
        unused = ("erosion", "dilation")
        what = "SDMAE checkpoint"
        used = {n: value for n, value in released_tensors(state, what).items() if not n.startswith(unused)}
        load_exactly(self, used, what, {"class_head": 'the main branch has none: use preset="code"'})


class SDMAETeacherStage(Stage):
    """Stage 1: encoder and decoder learn to rebuild frame and anomaly map (Eq. 3), the head to classify (Eq. 5)."""

    name = "teacher"
    recordable = True

    def __init__(self, model: SDMAE) -> None:
        self.model, self.length = model, model.config.teacher_epochs

    def updates(self) -> list[Update]:
        config = self.model.config
        learning = [p for n, p in self.model.named_parameters() if "student" not in n]
        return [Update(make_optimiser(config, learning), self.loss, config.normaliser == "code")]

    def train_mode(self) -> None:
        self.model.train()

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        model, config = self.model, self.model.config
        order_BL = model.order(batch)
        latent_BNC = model.encode(batch.frames, order_BL)
        teacher_BLE = model.decoder_pred(model.decode(latent_BNC, order_BL)[0])
        weights_BL = model.token_weights(batch)
        reconstruction = weighted_error(model.target(batch), teacher_BLE, weights_BL, config.normaliser)
        losses = {"reconstruction": reconstruction, "loss": reconstruction}
        if config.class_head:
            assert batch.pasted is not None, "training batches say what was pasted"
            label_B = batch.pasted.flatten(1).amax(1).gt(127).to(latent_BNC.dtype)
            losses["class"] = F.binary_cross_entropy_with_logits(model.classify(latent_BNC), label_B)
            losses["loss"] = reconstruction + config.class_weight * losses["class"]
        return losses


class SDMAEStudentStage(Stage):
    """Stage 2: everything is frozen but the student, which learns to imitate the teacher (Eq. 4)."""

    name = "student"
    recordable = True

    def __init__(self, model: SDMAE) -> None:
        self.model, self.length = model, model.config.student_epochs

    def updates(self) -> list[Update]:
        config = self.model.config
        learning = [p for n, p in self.model.named_parameters() if "student" in n]
        # The unweighted distillation is a mean over the hidden tokens of the whole batch.
        sums = config.normaliser == "code" and config.distillation == "weighted"
        return [Update(make_optimiser(config, learning), self.loss, sums)]

    def train_mode(self) -> None:
        model = self.model
        model.train(model.config.teacher_in_student_stage == "train")
        for part in (model.decoder_student_block, model.decoder_student_norm, model.decoder_student_pred):
            part.train()

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        model, config = self.model, self.model.config
        with torch.no_grad():
            order_BL = model.order(batch)
            teacher_BLC, branch_BNC = model.decode(model.encode(batch.frames, order_BL), order_BL)
            teacher_BLE = model.decoder_pred(teacher_BLC)
        student_BLE = model.decoder_student_pred(model.imitate(branch_BNC))
        if config.distillation == "weighted":
            distillation = weighted_error(teacher_BLE, student_BLE, model.token_weights(batch), config.normaliser)
        else:
            mask_BL = model.mask(order_BL)
            distillation = ((student_BLE - teacher_BLE).square().mean(2) * mask_BL).sum() / mask_BL.sum()
        return {"loss": distillation}


def make_optimiser(config: SDMAEConfig, parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
    """Adam (paper), or AdamW with decay on all of two or more dimensions, class and mask token included (code)."""
    if config.optimiser == "adam":
        return torch.optim.Adam(parameters, lr=config.learning_rate, betas=config.betas, fused=True)
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": config.weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=config.learning_rate, betas=config.betas, fused=True)


def predict(head: nn.Linear, x_BLC: Tensor, channels: slice) -> Tensor:
    """(B, L, d*d*channels) in float32: those of the four output channels alone."""
    weight, bias = head.weight.unflatten(0, (-1, 4))[:, channels], head.bias.unflatten(0, (-1, 4))[:, channels]
    return F.linear(x_BLC, weight.flatten(0, 1), bias.flatten()).float()


def motion_weights(gradient_BHWC: Tensor, pasted_BHW: Tensor, patch: int, gain: Literal["unit", "code"]) -> Tensor:
    """Token weights of Eq. 1-2: the largest gradient in each patch, averaged over channels, normalised over tokens.

    Args:
        gradient_BHWC: absolute frame difference, 0..255.
        pasted_BHW: 0 normal, 1 pseudo-anomaly; raises the gradient of its pixels.
    """
    strongest = gradient_BHWC.amax((1, 2, 3), keepdim=True).clamp(min=128) if gain == "code" else 255
    raised = gradient_BHWC + pasted_BHW.clamp(0, 1).unsqueeze(-1) * strongest
    m_BL = patchify(raised, patch).unflatten(2, (patch * patch, -1)).amax(2).mean(2)
    total_B1 = m_BL.sum(1, keepdim=True)
    return torch.where(total_B1 > 0, m_BL / total_B1.clamp(min=1e-12), 1 / m_BL.shape[1])


def weighted_error(wanted_BLE: Tensor, got_BLE: Tensor, weights_BL: Tensor, normaliser: str) -> Tensor:
    """Eq. 3 and 4. "paper": batch mean of (1/n) sum_i w_i ||.||^2; "code": batch sum of sum_i w_i mean_e (.)^2."""
    squared_BLE = (wanted_BLE - got_BLE).square()
    if normaliser == "code":
        return (weights_BL * squared_BLE.mean(2)).sum()
    return (weights_BL * squared_BLE.sum(2)).mean(1).mean()


def patchify(image_BHWC: Tensor, patch: int) -> Tensor:
    """(B, H, W, C) to (B, L, d*d*C), tokens row-major, elements ordered (row, column, channel)."""
    x: Tensor = image_BHWC.unflatten(2, (-1, patch)).unflatten(1, (-1, patch))  # B, rows, d, columns, d, C
    return x.transpose(2, 3).flatten(3).flatten(1, 2)


def unpatchify(values_BLP: Tensor, grid: tuple[int, int]) -> Tensor:
    """(B, L, d*d), one value per pixel, back to (B, H, W)."""
    patch = round(values_BLP.shape[2] ** 0.5)
    x: Tensor = values_BLP.unflatten(2, (patch, patch)).unflatten(1, grid)  # B, rows, columns, d, d
    return x.transpose(2, 3).flatten(3).flatten(1, 2)


def gather_patches(frames_BTHWC: Tensor, token_BK: Tensor, patch: int) -> Tensor:
    """(B, K, T*d*d*C): the patches of those tokens, elements ordered (frame, row, column, channel).

    One gather of rows of d*C contiguous values, bytes where frames are bytes.
    """
    batch, times, height, width, channels = frames_BTHWC.shape
    columns = width // patch
    device = token_BK.device
    lines_TD = torch.arange(times, device=device)[:, None] * height + torch.arange(patch, device=device)
    lines_D = lines_TD.flatten() * columns
    first_B1 = torch.arange(batch, device=device)[:, None] * (times * height * columns)
    corner_BK = first_B1 + token_BK // columns * (patch * columns) + token_BK % columns
    row_BKD = corner_BK[:, :, None] + lines_D
    return frames_BTHWC.reshape(-1, patch * channels).index_select(0, row_BKD.flatten()).reshape(*token_BK.shape, -1)


def median3x3(image_BHWC: Tensor) -> Tensor:
    """Median of every pixel's 3x3 neighbourhood, edges replicated (the paper's noise removal); any dtype.

    Minima and maxima alone: with every row of three sorted, the median of nine is the median of the largest low, the
    median middle and the smallest high value. A sort of nine takes longer than the whole network.
    """

    def median(a: Tensor, b: Tensor, c: Tensor) -> Tensor:
        return torch.maximum(torch.minimum(a, b), torch.minimum(torch.maximum(a, b), c))

    x = torch.cat((image_BHWC[:, :, :1], image_BHWC, image_BHWC[:, :, -1:]), 2)
    a, b, c = x[:, :, :-2], x[:, :, 1:-1], x[:, :, 2:]
    low, middle, high = torch.minimum(torch.minimum(a, b), c), median(a, b, c), torch.maximum(torch.maximum(a, b), c)
    (l0, l1, l2), (m0, m1, m2), (h0, h1, h2) = (
        (y[:, :-2], y[:, 1:-1], y[:, 2:]) for y in (torch.cat((y[:, :1], y, y[:, -1:]), 1) for y in (low, middle, high))
    )
    largest_low, smallest_high = torch.maximum(torch.maximum(l0, l1), l2), torch.minimum(torch.minimum(h0, h1), h2)
    return median(largest_low, median(m0, m1, m2), smallest_high)


_FUSED = Combination({"map_max": 1.0})
_PAPER: dict[str, Any] = {
    "description": "Ristea et al., CVPR 2024, Eq. 6: maximum of the fused map; width not published, Avenue's is used",
    "combination": _FUSED, "smoothing": ("centred", 37, 11.0), "one_class": "pad",
    "selection": "the epoch that is best on the test set",
}  # fmt: skip
_CODE: dict[str, Any] = {
    "combination": Combination({"teacher": 1.0, "student": 1.0}), "smoothing": ("code", 37, 11.0), "one_class": "pad",
    "selection": _PAPER["selection"],
}  # fmt: skip
_PED2: dict[str, Any] = {**_PAPER, "data": "ped2", "ground_truth": True}
_HEAD: dict[str, Any] = {
    **_CODE, "combination": Combination({"teacher": 1.0, "student": 1.0, "class": 1.0}),
    "smoothing": ("code", 119, 16.0), "normalise": "per_video_minmax",
}  # fmt: skip

ENTRY = ModelEntry(
    name="sdmae",
    detector=SDMAE,
    title="Self-distilled masked auto-encoder",
    paper="Ristea et al., CVPR 2024, arXiv:2306.12041",
    licence="authors' code: CC BY-NC-SA 4.0; this implementation is independent of it",
    citation=(
        "N.-C. Ristea, F.-A. Croitoru, R. T. Ionescu, M. Popescu, F. S. Khan, M. Shah. Self-Distilled Masked "
        "Auto-Encoders are Efficient Video Anomaly Detectors. CVPR 2024."
    ),
    gflop=4.86,
    scoring_options=("error", "fusion", "map_filter"),
    tiny={
        "size": (16, 32), "patch": 4, "encoder_width": 16, "decoder_width": 16, "heads": 2, "learning_rate": 3e-3,
        "dropout": 0.0,
    },
    protocols=(
        {
            **_PAPER, "name": "paper/sdmae/avenue", "data": "avenue",
            "description": "Ristea et al., CVPR 2024, Eq. 6: maximum of the fused map; width of the Gaussian from the "
            "released code",
        },
        {
            **_PAPER, "name": "paper/sdmae/shanghaitech", "data": "shanghaitech",
            "description": "Ristea et al., CVPR 2024, Eq. 6: maximum of the fused map; width, min-max from the code",
            "smoothing": ("centred", 899, 282.0), "normalise": "per_video_minmax",
        },
        {**_PAPER, "name": "paper/sdmae/ubnormal", "data": "ubnormal"},
        {**_PED2, "name": "paper/sdmae/ped2"},
        {
            **_PED2, "name": "paper/sdmae/ped2-minmax", "normalise": "per_video_minmax",
            "description": "as paper/sdmae/ped2, and min-max per video, as is usual in publications on Ped2",
        },
        {
            **_CODE, "name": "code/sdmae/avenue", "data": "avenue",
            "description": "as SDMAE's released code scores Avenue: both errors added, its own filter",
        },
        {
            **_CODE, "name": "code/sdmae/shanghaitech", "data": "shanghaitech",
            "description": "as SDMAE's released code scores ShanghaiTech: teacher error, its own filter, min-max per "
            "video",
            "combination": Combination({"teacher": 1.0}), "smoothing": ("code", 899, 282.0),
            "normalise": "per_video_minmax",
        },
        {
            **_CODE, "name": "code/sdmae/cls-head/avenue", "data": "avenue",
            "description": "the released branch with a class head, after a copy by others (unverified): 1.05, 0.53 and "
            "0.53",
            "combination": Combination({"teacher": 1.05, "student": 0.53, "class": 0.53}),
            "smoothing": ("code", 99, 11.0),
        },
        {
            **_HEAD, "name": "code/sdmae/cls-head",
            "description": "the same copy (unverified) on all but Avenue: plain sum, a wider filter, min-max per video",
        },
        {
            **_HEAD, "name": "code/sdmae/cls-head/best-width",
            "description": "the same copy with the best of the three widths that its author tried on the test set",
            "candidates": (("code", 119, 16.0), ("code", 199, 20.0), ("code", 299, 30.0)),
        },
    ),
)  # fmt: skip
