"""Communication of several devices, so that they learn the same as one device with the whole batch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.nn.functional import all_reduce
from torch.nn.modules.batchnorm import _BatchNorm


def share_state(detector: nn.Module) -> None:
    """Copy the parameters and buffers of the first device to all devices."""
    if dist.is_initialized():
        for value in detector.state_dict().values():
            dist.broadcast(value, 0)


def average_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Replace the gradients by their means over the devices. Every device has gradients for the same parameters."""
    if not dist.is_initialized():
        return
    gradients = [p.grad for p in parameters if p.grad is not None]
    flat = torch.cat([gradient.flatten() for gradient in gradients])  # one message instead of hundreds
    dist.all_reduce(flat)
    flat /= dist.get_world_size()
    for gradient, mean in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
        gradient.copy_(mean.view_as(gradient))


def gather(value: Tensor) -> Tensor:
    """Concatenate (n, ...) of every device to (n * devices, ...), in the order of the devices, without gradient."""
    if not dist.is_initialized():
        return value.detach()
    parts = [torch.empty_like(value) for _ in range(dist.get_world_size())]
    dist.all_gather(parts, value.detach().contiguous())
    return torch.cat(parts)


@contextmanager
def whole_batch_norm(detector: nn.Module) -> Iterator[None]:
    """Inside this block, BatchNorm takes its statistics from the batches of all devices.

    `torch.nn.SyncBatchNorm` does the same, but only on GPUs.
    """
    norms = [module for module in detector.modules() if isinstance(module, _BatchNorm)] if dist.is_initialized() else []
    for norm in norms:
        norm.forward = partial(_synchronised, norm)  # type: ignore[method-assign]
    try:
        yield
    finally:
        for norm in norms:
            del norm.forward


def _synchronised(norm: _BatchNorm, x: Tensor) -> Tensor:
    """The forward pass of a BatchNorm layer (Ioffe and Szegedy, 2015, Alg. 1) over the batches of all devices."""
    if not norm.training:
        return type(norm).forward(norm, x)
    wide = x.float() if x.dtype in (torch.bfloat16, torch.float16) else x
    dims, shape = [0, *range(2, x.ndim)], (1, -1, *[1] * (x.ndim - 2))
    count = x.numel() / x.shape[1] * dist.get_world_size()  # all devices have batches of the same size
    mean = all_reduce(wide.sum(dims)) / count
    centred = wide - mean.view(shape)
    variance = all_reduce(centred.square().sum(dims)) / count
    with torch.no_grad():
        norm.num_batches_tracked.add_(1)  # type: ignore[union-attr]
        for running, new in ((norm.running_mean, mean), (norm.running_var, variance * count / (count - 1))):
            running.lerp_(new.to(running.dtype), norm.momentum)  # type: ignore[union-attr, arg-type]
    scale = (variance + norm.eps).rsqrt() * norm.weight
    out: Tensor = centred * scale.view(shape) + norm.bias.view(shape)
    return out.to(x.dtype)
