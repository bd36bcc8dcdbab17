"""The frozen network of `patches` in torch; `oddframe.models.backbone` says what it computes, and its papers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from oddframe.models.backbone import (
    MEAN,
    SCALE,
    FoldedConvolution,
    check_blocks,
    folded,
    grid,
    has_shortcut,
)


class EfficientNetLite0(nn.Module):
    """Frames (B, H, W, 3) uint8, RGB, to patch vectors (B, h, w, C) float32; H and W multiples of the last stride.

    Raises:
        BundleError: the weights are others.
        RecipeError: the blocks are impossible.
    """

    def __init__(self, weights: Mapping[str, NDArray[np.float32]], blocks: Sequence[int]) -> None:
        super().__init__()
        self.chosen = check_blocks(blocks)
        stem, parts = folded(weights, self.chosen[-1])
        self.stem = _layer(stem)
        self.blocks = nn.ModuleList(nn.Sequential(*map(_layer, block)) for block in parts)
        self.eval().requires_grad_(False)

    def forward(self, frames_BHWC: Tensor) -> Tensor:
        x = self.stem(((frames_BHWC.float() - MEAN) * (1 / SCALE)).movedim(-1, 1))
        places = grid((frames_BHWC.shape[1], frames_BHWC.shape[2]), self.chosen)
        maps = []
        for number, block in enumerate(self.blocks):
            x = block(x) + x if has_shortcut(number) else block(x)
            if number in self.chosen:
                mean = F.avg_pool2d(x, 3, stride=1, padding=1)
                maps.append(F.adaptive_avg_pool2d(mean, places))
        return torch.cat(maps, 1).movedim(1, -1)


def _layer(c: FoldedConvolution) -> nn.Sequential:
    """Zeros around, the convolution, and ReLU6 where it is `bounded`."""
    wide, narrow = c.weight.shape[0], c.weight.shape[1] * c.groups
    inner = nn.Conv2d(narrow, wide, c.weight.shape[2], c.stride, groups=c.groups)
    inner.weight.data, inner.bias.data = torch.from_numpy(c.weight), torch.from_numpy(c.bias)  # type: ignore[union-attr]
    first, last = c.pads
    return nn.Sequential(nn.ZeroPad2d((first, last, first, last)), inner, nn.ReLU6() if c.bounded else nn.Identity())
