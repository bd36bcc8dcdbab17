"""Pictures as tokens: square patches of d x d pixels, L of them, row by row."""

from __future__ import annotations

import torch
from torch import Tensor


def patchify(image_BHWC: Tensor, patch: int) -> Tensor:
    """(B, H, W, C) to (B, L, d*d*C), tokens row-major, elements ordered (row, column, channel)."""
    x = image_BHWC.unflatten(2, (-1, patch)).unflatten(1, (-1, patch))  # B, rows, d, columns, d, C
    return x.transpose(2, 3).flatten(3).flatten(1, 2)


def unpatchify(values_BLP: Tensor, grid: tuple[int, int]) -> Tensor:
    """(B, L, d*d), one value per pixel, back to (B, H, W)."""
    patch = round(values_BLP.shape[2] ** 0.5)
    x = values_BLP.unflatten(2, (patch, patch)).unflatten(1, grid)  # B, rows, columns, d, d
    return x.transpose(2, 3).flatten(3).flatten(1, 2)


def gather_patches(frames_BTHWC: Tensor, token_BK: Tensor, patch: int) -> Tensor:
    """(B, K, T*d*d*C): the patches of those tokens, elements ordered (frame, row, column, channel).

    One gather of rows of d*C contiguous values, bytes where frames are bytes.
    """
    batch, times, height, width, channels = frames_BTHWC.shape
    columns = width // patch
    lines_TD = torch.arange(times)[:, None] * height + torch.arange(patch)
    lines_D = lines_TD.flatten().to(token_BK.device) * columns
    first_B1 = torch.arange(batch, device=token_BK.device)[:, None] * (times * height * columns)
    corner_BK = first_B1 + token_BK // columns * (patch * columns) + token_BK % columns
    row_BKD = corner_BK[:, :, None] + lines_D
    return frames_BTHWC.reshape(-1, patch * channels).index_select(0, row_BKD.flatten()).reshape(*token_BK.shape, -1)
