"""Measurement of the peak arithmetic speed of a device."""

from __future__ import annotations

import time

import torch

from oddframe.runtime.runtime import Precision


def matrix_rate(device: str, precision: Precision, side: int | None = None, seconds: float = 1.0) -> float:
    """Operations per second of a square matrix product on a device at a precision. A multiply-add counts as two.

    Args:
        device: torch device name.
        precision: of the arithmetic.
        side: rows and columns of the matrices; None takes 2048 on a CPU, and 8192 elsewhere, since a GPU is done with
            a small product before the next is asked for.
        seconds: duration of the measurement.
    """
    x_device = torch.device(device)
    side = side or (2048 if x_device.type == "cpu" else 8192)
    if precision == "int8":
        a, b = torch.randint(-127, 128, (2, side, side), device=device, dtype=torch.int8)
        b = b.t()  # the layout that int8 products need

        def product() -> None:
            torch._int_mm(a, b)
    else:
        x, y = torch.randn(2, side, side, device=device, dtype=torch.bfloat16 if precision == "bf16" else torch.float32)

        def product() -> None:
            x @ y

    def timed_product() -> None:
        product()
        if x_device.type == "cuda":
            torch.cuda.synchronize(x_device)

    timed_product()
    start, rounds = time.perf_counter(), 0
    while time.perf_counter() - start < seconds:
        timed_product()
        rounds += 1
    return 2 * side**3 * rounds / (time.perf_counter() - start)
