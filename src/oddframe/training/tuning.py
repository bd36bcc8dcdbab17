"""What a device computes faster with, and what changes nothing but the last bits."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import torch
from torch import nn


@contextmanager
def tuned(detector: nn.Module, device: torch.device, precision: str) -> Iterator[None]:
    """Inside this block, a detector that is on its device trains as fast as it can.

    In bf16, the matrix units of GPUs and of CPUs take channels last and would turn every picture round, so weights lie
    so from the start. cuDNN measures its ways to convolve and keeps the fastest for each shape, as batches always have
    the same one.
    """
    before = torch.backends.cudnn.benchmark
    torch.backends.cudnn.benchmark = before or device.type == "cuda"
    try:
        with channels_last(detector) if precision == "bf16" else nullcontext():
            yield
    finally:
        torch.backends.cudnn.benchmark = before


@contextmanager
def channels_last(detector: nn.Module) -> Iterator[None]:
    """Inside this block, weights of 2-D convolutions that mix channels lie channels last in memory."""
    kinds = (nn.Conv2d, nn.ConvTranspose2d)
    weights = [module.weight for module in detector.modules() if isinstance(module, kinds) and module.groups == 1]
    for weight in weights:
        weight.data = weight.data.contiguous(memory_format=torch.channels_last)
    try:
        yield
    finally:
        for weight in weights:
            weight.data = weight.data.contiguous()


def lie_alike(optimiser: torch.optim.Optimizer) -> None:
    """Give what an optimiser keeps of its parameters their order in memory, as its fused form asks.

    A checkpoint that a CPU wrote has another order than a GPU computes with.
    """
    for parameter, kept in optimiser.state.items():
        for name, value in kept.items():
            if (
                isinstance(value, torch.Tensor)
                and value.shape == parameter.shape
                and value.stride() != parameter.stride()
            ):
                kept[name] = torch.empty_like(parameter).copy_(value)
