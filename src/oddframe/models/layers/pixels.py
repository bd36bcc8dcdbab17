"""Frames as networks take them, and errors as the literature counts them."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def signed(frames: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
    """0..255 to [-1, 1]."""
    return frames.to(dtype).sub(127.5).div_(127.5)


def stacked(frames_BTHWC: Tensor) -> Tensor:
    """(B, T, H, W, C) to (B, T * C, H, W): the frames of a window as channels, frame by frame.

    It copies: of bytes, before they are widened, that is a quarter of the work.
    """
    return frames_BTHWC.permute(0, 1, 4, 2, 3).flatten(1, 2)


def full(x: Tensor) -> Tensor:
    """At least float32: what autocast has halved is widened before losses and errors are made of it."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


def squared_error(got_BCHW: Tensor, wanted_BCHW: Tensor) -> Tensor:
    """(B, H, W): mean over the channels of the squared error, of pictures in [-1, 1] counted in units of [0, 1].

    Its mean over a frame is the mse in PSNR = 10 log10(1 / mse).
    """
    return ((full(got_BCHW) - full(wanted_BCHW)) / 2).square().mean(1)


def within(map_BHW: Tensor, margin: int) -> Tensor:
    """(B, H, W): the map, and 0 in a margin of so many pixels.

    What has just come into the picture there could be foreseen by nobody, abnormal or not.
    """
    if not margin:
        return map_BHW
    return F.pad(map_BHW[:, margin:-margin, margin:-margin], (margin, margin, margin, margin))


def on_grid(map_BHW: Tensor, grid: tuple[int, int]) -> Tensor:
    """(B, H, W) to (B, h, w): means over cells."""
    return F.adaptive_avg_pool2d(map_BHW[:, None], grid)[:, 0]
