"""SDMAE written the straightforward way: the baseline that its speed is measured against.

Convolutions on the whole picture and on the grid of tokens, 1x1 convolutions as such, attention with its whole matrix
of scores, one argsort for the order of the tokens and another to undo it, one error per element. Keys of its state dict
and its scores are those of `oddframe.models.sdmae.SDMAE` (tests/models/test_sdmae_plain.py).

Letters: B frames, L tokens, K visible ones, N = 1 + tokens, C width, h x w a grid, d side of a patch.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from oddframe.models.sdmae import SDMAE, SDMAEConfig


class Projection(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, padding=1, groups=width, bias=False)
        self.bn = nn.BatchNorm2d(width)


class Attention(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        for name in "qkv":
            self.add_module(f"conv_proj_{name}", Projection(width))
            self.add_module(f"proj_{name}", nn.Linear(width, width))
        self.proj = nn.Linear(width, width)

    def forward(self, x_BNC: Tensor, rows: int, columns: int) -> Tensor:
        batch, count, width = x_BNC.shape
        grid_BChw = x_BNC[:, 1:].transpose(1, 2).reshape(batch, width, rows, columns)
        heads = []
        for name in "qkv":
            projection = self.get_submodule(f"conv_proj_{name}")
            convolved_BLC = projection.bn(projection.conv(grid_BChw)).flatten(2).transpose(1, 2)
            all_BNC = self.get_submodule(f"proj_{name}")(torch.cat((x_BNC[:, :1], convolved_BLC), 1))
            heads.append(all_BNC.reshape(batch, count, self.heads, -1).transpose(1, 2))
        q, k, v = heads
        attention = (q @ k.transpose(2, 3) * width**-0.5).softmax(3)
        return self.proj((attention @ v).transpose(1, 2).reshape(batch, count, width))


class Block(nn.Module):
    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width, eps=1e-6), nn.LayerNorm(width, eps=1e-6)
        self.attn = Attention(width, heads)
        self.mlp = nn.Module()
        self.mlp.net = nn.Sequential(
            nn.Conv2d(width, 2 * width, 1), nn.GELU(), nn.Dropout(dropout), nn.Conv2d(2 * width, width, 1)
        )

    def forward(self, x_BNC: Tensor, rows: int, columns: int) -> Tensor:
        x_BNC = x_BNC + self.attn(self.norm1(x_BNC), rows, columns)
        z_BNC = self.norm2(x_BNC)
        grid_BChw = z_BNC[:, 1:].transpose(1, 2).unflatten(2, (rows, columns))
        tokens_BLC = self.mlp.net(grid_BChw).flatten(2).transpose(1, 2)
        return x_BNC + torch.cat((z_BNC[:, :1], tokens_BLC), 1)


class PlainSDMAE(nn.Module):
    """The network, and the whole of `SDMAE.score` for one draw."""

    def __init__(self, config: SDMAEConfig) -> None:
        super().__init__()
        self.config = c = config
        self.patch_embed = nn.Module()
        self.patch_embed.proj = nn.Conv2d(9, c.encoder_width, c.patch, c.patch)
        self.patch_embed.norm = nn.LayerNorm(c.encoder_width, eps=1e-6)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, c.encoder_width))
        self.mask_token = nn.Parameter(torch.zeros(1, 1, c.decoder_width))
        self.blocks = nn.ModuleList(Block(c.encoder_width, c.heads, c.dropout) for _ in range(3))
        self.norm = nn.LayerNorm(c.encoder_width, eps=1e-6)
        if c.class_head:
            self.class_head = nn.Linear(c.encoder_width, 1)
        self.decoder_embed = nn.Linear(c.encoder_width, c.decoder_width)
        self.decoder_blocks = nn.ModuleList(Block(c.decoder_width, c.heads, c.dropout) for _ in range(3))
        self.decoder_student_block = Block(c.decoder_width, c.heads, c.dropout)
        for name in ("decoder", "decoder_student"):
            self.add_module(f"{name}_norm", nn.LayerNorm(c.decoder_width, eps=1e-6))
            self.add_module(f"{name}_pred", nn.Linear(c.decoder_width, c.patch**2 * 4))

    @classmethod
    def like(cls, model: SDMAE) -> PlainSDMAE:
        """The same network with the same weights, in eval mode."""
        plain = cls(model.config)
        plain.load_state_dict(model.state_dict())
        return plain.eval()

    def encode(self, x_B9HW: Tensor, noise_BL: Tensor) -> tuple[Tensor, Tensor]:
        """The latent (B, 1 + K, C) of stacked frames in [-1, 1], and the order that restores positions (B, L)."""
        rows, columns = self.config.grid
        kept_columns = round(columns * (1 - self.config.mask_ratio))
        x_BLC = self.patch_embed.norm(self.patch_embed.proj(x_B9HW).flatten(2).transpose(1, 2))
        shuffle_BL = noise_BL.argsort(dim=1, stable=True)
        restore_BL = shuffle_BL.argsort(dim=1)
        shown_BKC = shuffle_BL[:, : rows * kept_columns, None].expand(-1, -1, x_BLC.shape[2])
        x_BNC = torch.cat((self.cls_token.expand(len(x_BLC), -1, -1), x_BLC.gather(1, shown_BKC)), 1)
        for block in self.blocks:
            x_BNC = block(x_BNC, rows, kept_columns)
        return self.norm(x_BNC), restore_BL

    def decode(self, latent_BNC: Tensor, restore_BL: Tensor) -> tuple[Tensor, Tensor]:
        """The teacher's reconstruction (B, L, E), and the student's input (B, 1 + L, C)."""
        rows, columns = self.config.grid
        x_BNC = self.decoder_embed(latent_BNC)
        hidden = self.mask_token.expand(len(x_BNC), rows * columns + 1 - x_BNC.shape[1], -1)
        full_BLC = torch.cat((x_BNC[:, 1:], hidden), 1)
        full_BLC = full_BLC.gather(1, restore_BL[:, :, None].expand(-1, -1, full_BLC.shape[2]))
        first, *others = self.decoder_blocks
        branch_BNC = x_BNC = first(torch.cat((x_BNC[:, :1], full_BLC), 1), rows, columns)
        for block in others:
            x_BNC = block(x_BNC, rows, columns)
        return self.decoder_pred(self.decoder_norm(x_BNC))[:, 1:], branch_BNC

    def imitate(self, branch_BNC: Tensor) -> Tensor:
        """The student's reconstruction (B, L, E)."""
        student_BNC = self.decoder_student_block(branch_BNC, *self.config.grid)
        return self.decoder_student_pred(self.decoder_student_norm(student_BNC))[:, 1:]

    def forward(self, frames_BTHW3: Tensor, target_BHW3: Tensor, noise_BL: Tensor) -> tuple[Tensor, ...]:
        """The components (B,) in their order and, with `fusion`, the map (B, H, W), from uint8 frames and noise."""
        c, (rows, columns) = self.config, self.config.grid
        x_B9HW = ((frames_BTHW3.float() - 127.5) / 127.5).permute(0, 1, 4, 2, 3).flatten(1, 2)
        latent_BNC, restore_BL = self.encode(x_B9HW, noise_BL)
        teacher_BLE, branch_BNC = self.decode(latent_BNC, restore_BL)
        student_BLE = self.imitate(branch_BNC)

        picture = (target_BHW3.float() - 127.5) / 127.5
        wanted = torch.cat((picture, torch.full_like(picture[..., :1], c.map_values[0])), 3)
        wanted = wanted.reshape(-1, rows, c.patch, columns, c.patch, 4).transpose(2, 3)
        error, gap = wanted.reshape(teacher_BLE.shape) - teacher_BLE, teacher_BLE - student_BLE
        measure = torch.square if c.error == "l2" else torch.abs
        scores = [measure(error).mean((1, 2)), measure(gap).mean((1, 2))]
        if c.class_head:
            scores.append(self.class_head(latent_BNC[:, 0])[:, 0].sigmoid())
        if c.fusion is not None:
            alpha, beta, gamma = c.fusion
            fused = (alpha * error.square() + beta * gap.square()).reshape(-1, rows, columns, c.patch, c.patch, 4)
            map_BHW = fused.mean(5).transpose(2, 3).reshape(target_BHW3.shape[:3])
            scores.append(map_BHW + gamma * scores[2][:, None, None] if c.class_head else map_BHW)
        return tuple(scores)
