"""The block of a convolutional transformer: attention between tokens that depthwise convolutions have mixed on a grid.

Shape letters: B frames, L = h * w tokens, N = 1 + L with the class token in front, C width.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class ConvProjection(nn.Module):
    """Depthwise 3x3 convolution and BatchNorm over the token grid: where the network learns of space."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, padding=1, groups=width, bias=False)
        self.bn = nn.BatchNorm2d(width)

    def forward(self, x_BChw: Tensor) -> Tensor:
        return self.bn(self.conv(x_BChw))


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
