"""Median filter."""

from __future__ import annotations

import torch
from torch import Tensor


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
