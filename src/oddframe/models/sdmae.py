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
from oddframe.models.detector import Batch, Detector, FrameErrors
from oddframe.models.layers.median import median3x3
from oddframe.models.layers.noise import token_noise
from oddframe.models.layers.pixels import signed, stacked
from oddframe.models.options import configure
from oddframe.models.reference import load_exactly
from oddframe.models.stage import Stage, Turn
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
            ("span", code).
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
    gradient: Literal["previous_median", "span"] = "previous_median"
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


class PatchEmbed(nn.Module):
    """Non-overlapping patches, one linear map each, LayerNorm; no positional embedding anywhere in the network."""

    def __init__(self, channels: int, width: int, patch: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(channels, width, patch, patch)
        self.norm = nn.LayerNorm(width, eps=1e-6)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        return self.norm(self.proj(x_BCHW).flatten(2).transpose(1, 2))


class ConvProjection(nn.Module):
    """Depthwise 3x3 convolution and BatchNorm over the token grid: where the network learns of space."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, padding=1, groups=width, bias=False)
        self.bn = nn.BatchNorm2d(width)

    def forward(self, x_BChw: Tensor) -> Tensor:
        return self.bn(self.conv(x_BChw))


class Attention(nn.Module):
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
            return linear(torch.cat((cls_B1C, convolved), 1)).unflatten(2, (self.heads, -1)).transpose(1, 2)

        q, k, v = (
            project(self.conv_proj_q, self.proj_q),
            project(self.conv_proj_k, self.proj_k),
            project(self.conv_proj_v, self.proj_v),
        )
        out = F.scaled_dot_product_attention(q, k, v, scale=self.scale)
        return self.proj(out.transpose(1, 2).flatten(2))


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
        return self.net(x_BLC)


class Block(nn.Module):
    """Pre-norm residual block. The class token passes the MLP unchanged: it becomes x + LN(x)."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=1e-6)
        self.attn = Attention(width, heads)
        self.norm2 = nn.LayerNorm(width, eps=1e-6)
        self.mlp = MLP(width, dropout)

    def forward(self, x_BNC: Tensor, grid: tuple[int, int]) -> Tensor:
        x_BNC = x_BNC + self.attn(self.norm1(x_BNC), grid)
        z_BNC = self.norm2(x_BNC)
        return x_BNC + torch.cat((z_BNC[:, :1], self.mlp(z_BNC[:, 1:])), 1)


@dataclass(frozen=True)
class Output:
    """One forward pass: (B, L, E) reconstructions, (B, L) mask (1 = hidden), (B,) class logit or None."""

    teacher: Tensor
    student: Tensor
    mask: Tensor
    class_logit: Tensor | None


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
            **({"class": "its likeness to a pasted object"} if c.class_head else {}),
        }
        self.masking = Masking(c.grid[0] * c.grid[1], c.draws, c.seed)
        self.map_grid = c.grid if c.fusion else None
        self.map_filter = (c.map_filter or (1, 1, 1)) if c.fusion else None
        self.combination = Combination({"map_max": 1.0} if self.map_filter else {"teacher": 1.0, "student": 1.0})
        elements = c.patch**2 * 4

        self.patch_embed = PatchEmbed(9, c.encoder_width, c.patch)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, c.encoder_width))
        self.blocks = nn.ModuleList(Block(c.encoder_width, c.heads, c.dropout) for _ in range(3))
        self.norm = nn.LayerNorm(c.encoder_width, eps=1e-6)
        if c.class_head:
            self.class_head = nn.Linear(c.encoder_width, 1)

        self.mask_token = nn.Parameter(torch.zeros(1, 1, c.decoder_width))
        self.decoder_embed = nn.Linear(c.encoder_width, c.decoder_width)
        self.decoder_blocks = nn.ModuleList(Block(c.decoder_width, c.heads, c.dropout) for _ in range(3))
        self.decoder_norm = nn.LayerNorm(c.decoder_width, eps=1e-6)
        self.decoder_pred = nn.Linear(c.decoder_width, elements)

        self.decoder_student_block = Block(c.decoder_width, c.heads, c.dropout)
        self.decoder_student_norm = nn.LayerNorm(c.decoder_width, eps=1e-6)
        self.decoder_student_pred = nn.Linear(c.decoder_width, elements)

    @classmethod
    def from_preset(cls, preset: str = "paper", **options: Any) -> Self:
        """A detector as the paper ("paper") or the released code ("code") has it, with single options changed.

        Raises:
            RecipeError: unknown preset or option, or an impossible combination of sizes.
        """
        return cls(configure(SDMAEConfig, PRESETS, preset, options))

    def encode(self, x_B9HW: Tensor, noise_BL: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Encode the visible tokens: latent (B, 1 + K, C), mask (B, L), and the order that restores positions (B, L).

        The K tokens with the smallest noise stay visible, *in the order of their noise*: the depthwise convolutions of
        the encoder see them as a grid of unrelated neighbours. That is what the released network was trained with.
        """
        rows, columns = self.config.grid
        kept_columns = round(columns * (1 - self.config.mask_ratio))
        kept = rows * kept_columns
        x_BLC = self.patch_embed(x_B9HW)
        shuffle_BL = noise_BL.argsort(dim=1, stable=True)
        restore_BL = shuffle_BL.argsort(dim=1)
        visible_BKC = x_BLC.gather(1, shuffle_BL[:, :kept, None].expand(-1, -1, x_BLC.shape[2]))
        x_BNC = torch.cat((self.cls_token.expand(len(x_BLC), -1, -1), visible_BKC), 1)
        for block in self.blocks:
            x_BNC = block(x_BNC, (rows, kept_columns))
        return self.norm(x_BNC), (restore_BL >= kept).to(x_BLC.dtype), restore_BL

    def decode(self, latent_BNC: Tensor, restore_BL: Tensor) -> tuple[Tensor, Tensor]:
        """The teacher's reconstruction (B, L, E), and the student's input (B, 1 + L, C)."""
        x_BNC = self.decoder_embed(latent_BNC)
        cls_B1C, visible_BKC = x_BNC[:, :1], x_BNC[:, 1:]
        hidden = self.mask_token.to(x_BNC.dtype).expand(len(x_BNC), restore_BL.shape[1] - visible_BKC.shape[1], -1)
        full_BLC = torch.cat((visible_BKC, hidden), 1)
        full_BLC = full_BLC.gather(1, restore_BL[:, :, None].expand(-1, -1, full_BLC.shape[2]))
        branch_BNC = x_BNC = self.decoder_blocks[0](torch.cat((cls_B1C, full_BLC), 1), self.config.grid)
        for block in self.decoder_blocks[1:]:
            x_BNC = block(x_BNC, self.config.grid)
        return self.decoder_pred(self.decoder_norm(x_BNC))[:, 1:], branch_BNC

    def imitate(self, branch_BNC: Tensor) -> Tensor:
        """The student's reconstruction (B, L, E)."""
        x_BNC = self.decoder_student_block(branch_BNC, self.config.grid)
        return self.decoder_student_pred(self.decoder_student_norm(x_BNC))[:, 1:]

    def forward(self, x_B9HW: Tensor, noise_BL: Tensor) -> Output:
        """Teacher and student for normalised input (B, 9, H, W) in [-1, 1] and one noise value per token."""
        latent_BNC, mask_BL, restore_BL = self.encode(x_B9HW, noise_BL)
        teacher_BLE, branch_BNC = self.decode(latent_BNC, restore_BL)
        logit_B = self.class_head(latent_BNC[:, 0])[:, 0] if self.config.class_head else None
        return Output(teacher_BLE, self.imitate(branch_BNC), mask_BL, logit_B)

    def input(self, batch: Batch) -> Tensor:
        """(B, 9, H, W) in [-1, 1] from the uint8 frames of the window."""
        return signed(stacked(batch.frames)).to(self.cls_token.dtype)

    def target(self, batch: Batch) -> Tensor:
        """(B, L, E): the clean current frame and the anomaly map, in patches."""
        normal, abnormal = self.config.map_values
        frame_BHW3 = signed(batch.target[:, 0]).to(self.cls_token.dtype)
        if batch.pasted is None:
            map_BHW1 = torch.full_like(frame_BHW3[..., :1], normal)
        else:
            map_BHW1 = (batch.pasted.to(frame_BHW3) / 255 * (abnormal - normal) + normal).unsqueeze(-1)
        return patchify(torch.cat((frame_BHW3, map_BHW1), 3), self.config.patch)

    def token_weights(self, batch: Batch) -> Tensor:
        """(B, L) motion weights w_i, summing to 1 for every frame (Eq. 1-2)."""
        assert batch.context is not None, "training batches carry the frames of window.context"
        dtype = self.cls_token.dtype
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

    def stages(self) -> list[Stage]:
        return [TeacherStage(self), StudentStage(self)]

    def score(self, batch: Batch) -> FrameErrors:
        draws = [self._score_draw(batch, draw) for draw in range(self.config.draws)]
        components = {n: torch.stack([d.components[n] for d in draws]).mean(0) for n in self.components}
        maps = [d.map for d in draws if d.map is not None]
        return FrameErrors(components, torch.stack(maps).mean(0) if maps else None)

    def _score_draw(self, batch: Batch, draw: int) -> FrameErrors:
        out = self(self.input(batch), self.noise(batch.key, draw))
        teacher_BLE, target_BLE = out.teacher.float(), self.target(batch).float()
        error_BLE, gap_BLE = target_BLE - teacher_BLE, teacher_BLE - out.student.float()
        measure = torch.square if self.config.error == "l2" else torch.abs
        components = {"teacher": measure(error_BLE).mean((1, 2)), "student": measure(gap_BLE).mean((1, 2))}
        if out.class_logit is not None:
            components["class"] = out.class_logit.float().sigmoid()
        if self.config.fusion is None:
            return FrameErrors(components)
        alpha, beta, gamma = self.config.fusion  # Eq. 6, averaged over the four channels
        fused_BLdd = (alpha * error_BLE.square() + beta * gap_BLE.square()).unflatten(2, (-1, 4)).mean(3)
        map_BHW = unpatchify(fused_BLdd, self.config.grid)
        if "class" in components:
            map_BHW = map_BHW + gamma * components["class"][:, None, None]
        return FrameErrors(components, map_BHW)

    def load_reference_state_dict(self, state: Mapping[str, Any]) -> None:
        # Frozen 2x2 and 3x3 morphology kernels that the released network carries and never uses.
        unused = ("erosion", "dilation")
        used = {name: value for name, value in state.get("model", state).items() if not name.startswith(unused)}
        load_exactly(self, used, "SDMAE checkpoint", {"class_head": 'the main branch has none: use preset="code"'})


class TeacherStage(Stage):
    """Stage 1: encoder and decoder learn to rebuild frame and anomaly map (Eq. 3), the head to classify (Eq. 5)."""

    name = "teacher"

    def __init__(self, model: SDMAE) -> None:
        self.model, self.length = model, model.config.teacher_epochs

    def turns(self) -> list[Turn]:
        config = self.model.config
        learning = [p for n, p in self.model.named_parameters() if "student" not in n]
        return [Turn(make_optimiser(config, learning), self.loss, config.normaliser == "code")]

    def train_mode(self) -> None:
        self.model.train()

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        model, config = self.model, self.model.config
        latent_BNC, _, restore_BL = model.encode(model.input(batch), model.noise(batch.key))
        teacher_BLE, _ = model.decode(latent_BNC, restore_BL)
        weights_BL = model.token_weights(batch)
        reconstruction = weighted_error(model.target(batch), teacher_BLE, weights_BL, config.normaliser)
        losses = {"reconstruction": reconstruction, "loss": reconstruction}
        if config.class_head:
            assert batch.pasted is not None, "training batches say what was pasted"
            label_B = batch.pasted.flatten(1).amax(1).gt(127).to(latent_BNC.dtype)
            logit_B = model.class_head(latent_BNC[:, 0])[:, 0]
            losses["class"] = F.binary_cross_entropy_with_logits(logit_B, label_B)
            losses["loss"] = reconstruction + config.class_weight * losses["class"]
        return losses


class StudentStage(Stage):
    """Stage 2: everything is frozen but the student, which learns to imitate the teacher (Eq. 4)."""

    name = "student"

    def __init__(self, model: SDMAE) -> None:
        self.model, self.length = model, model.config.student_epochs

    def turns(self) -> list[Turn]:
        config = self.model.config
        learning = [p for n, p in self.model.named_parameters() if "student" in n]
        # The unweighted distillation is a mean over the hidden tokens of the whole batch.
        sums = config.normaliser == "code" and config.distillation == "weighted"
        return [Turn(make_optimiser(config, learning), self.loss, sums)]

    def train_mode(self) -> None:
        model = self.model
        model.train(model.config.teacher_in_student_stage == "train")
        for part in (model.decoder_student_block, model.decoder_student_norm, model.decoder_student_pred):
            part.train()

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        model, config = self.model, self.model.config
        with torch.no_grad():
            latent_BNC, mask_BL, restore_BL = model.encode(model.input(batch), model.noise(batch.key))
            teacher_BLE, branch_BNC = model.decode(latent_BNC, restore_BL)
        student_BLE = model.imitate(branch_BNC)
        if config.distillation == "weighted":
            distillation = weighted_error(teacher_BLE, student_BLE, model.token_weights(batch), config.normaliser)
        else:
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


def patchify(image_BHWC: Tensor, patch: int) -> Tensor:
    """(B, H, W, C) to (B, L, d*d*C), tokens row-major, elements ordered (row, column, channel)."""
    x = image_BHWC.unflatten(2, (-1, patch)).unflatten(1, (-1, patch))  # B, rows, d, columns, d, C
    return x.transpose(2, 3).flatten(3).flatten(1, 2)


def unpatchify(values_BLP: Tensor, grid: tuple[int, int]) -> Tensor:
    """(B, L, d*d), one value per pixel, back to (B, H, W)."""
    patch = round(values_BLP.shape[2] ** 0.5)
    x = values_BLP.unflatten(2, (patch, patch)).unflatten(1, grid)  # B, rows, columns, d, d
    return x.transpose(2, 3).flatten(3).flatten(1, 2)


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
