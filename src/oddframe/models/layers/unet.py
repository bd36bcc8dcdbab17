"""The U-Net of frame prediction that MNAD and, without BatchNorm, MPN are built on (four scales, 3x3 convolutions).

Key names and the numbering inside the blocks are those of the released networks.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F


def conv_block(ins: int, outs: int, norm: bool, last: bool = True) -> nn.Sequential:
    """Convolution, [BatchNorm,] ReLU, twice; without `last`, nothing follows the second convolution."""
    layers = [
        nn.Conv2d(ins, outs, 3, padding=1), *([nn.BatchNorm2d(outs)] if norm else []), nn.ReLU(),
        nn.Conv2d(outs, outs, 3, padding=1), *([nn.BatchNorm2d(outs)] if norm and last else []),
        *([nn.ReLU()] if last else []),
    ]  # fmt: skip
    return nn.Sequential(*layers)


def upsample(ins: int, outs: int, norm: bool) -> nn.Sequential:
    """Transposed convolution to twice the size, [BatchNorm,] ReLU."""
    transposed = nn.ConvTranspose2d(ins, outs, 3, stride=2, padding=1, output_padding=1)
    return nn.Sequential(transposed, *([nn.BatchNorm2d(outs)] if norm else []), nn.ReLU())


class UNetEncoder(nn.Module):
    """(B, C, H, W) to the bottleneck (B, 8w, H/8, W/8), which has no activation, and three skips of w, 2w and 4w."""

    def __init__(self, channels: int, width: int, norm: bool) -> None:
        super().__init__()
        w = width
        self.moduleConv1 = conv_block(channels, w, norm)
        self.moduleConv2 = conv_block(w, 2 * w, norm)
        self.moduleConv3 = conv_block(2 * w, 4 * w, norm)
        self.moduleConv4 = conv_block(4 * w, 8 * w, norm, last=False)

    def forward(self, x_BCHW: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor, Tensor]]:
        skip1 = self.moduleConv1(x_BCHW)
        skip2 = self.moduleConv2(F.max_pool2d(skip1, 2))
        skip3 = self.moduleConv3(F.max_pool2d(skip2, 2))
        return self.moduleConv4(F.max_pool2d(skip3, 2)), (skip1, skip2, skip3)
