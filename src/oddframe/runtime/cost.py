"""What a device could do at best, measured."""

from __future__ import annotations

import time

import torch

from oddframe.runtime.runtime import Precision


def matrix_rate(device: str, precision: Precision, side: int = 2048, seconds: float = 1.0) -> float:
    """Operations per second, two per multiply-add, of a square matrix product on a device at a precision."""
    if precision == "int8":
        a, b = torch.randint(-127, 128, (2, side, side), device=device, dtype=torch.int8)
        b = b.t()  # as int8 products want it

        def product() -> None:
            torch._int_mm(a, b)
    else:
        x, y = torch.randn(2, side, side, device=device, dtype=torch.bfloat16 if precision == "bf16" else torch.float32)

        def product() -> None:
            x @ y

    def waited() -> None:
        product()
        if x_device.type == "cuda":
            torch.cuda.synchronize(x_device)

    x_device = torch.device(device)
    waited()
    start, rounds = time.perf_counter(), 0
    while time.perf_counter() - start < seconds:
        waited()
        rounds += 1
    return 2 * side**3 * rounds / (time.perf_counter() - start)
