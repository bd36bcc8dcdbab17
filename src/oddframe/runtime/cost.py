"""What a scored frame costs, counted, and what a device could do at best, measured."""

from __future__ import annotations

import time
from copy import deepcopy

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from oddframe.features.extractor import SNIPPET
from oddframe.models.bag_detector import BagDetector
from oddframe.models.detector import Batch, Detector
from oddframe.models.learner import Learner
from oddframe.runtime.runtime import Precision


def flops_per_frame(system: Learner) -> float:
    """Floating-point operations to score one frame: two per multiply-add of convolutions and matrix products.

    Of a weakly supervised system: its share of a video of one snippet per segment, feature extraction not counted.
    """
    # Tensors of shape alone do for counting; fused attention is counted when it is written out as matrix products.
    with torch.device("meta"), torch.inference_mode(), sdpa_kernel(SDPBackend.MATH):
        copy = deepcopy(system).to("meta").eval().requires_grad_(False)
        with FlopCounterMode(display=False) as counter:
            if isinstance(copy, BagDetector):
                copy.score({n: torch.empty(1, copy.segments, copy.backbones[n]) for n in copy.required})
                frames = copy.segments * SNIPPET
            else:
                assert isinstance(copy, Detector)
                copy.score(_window(copy))
                frames = 1
    return counter.get_total_flops() / frames


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


def _window(detector: Detector) -> Batch:
    window = detector.window
    shape = (*window.size, window.channels)
    return Batch(
        torch.empty(1, len(window.offsets), *shape, dtype=torch.uint8),
        torch.empty(1, len(window.target), *shape, dtype=torch.uint8),
        torch.zeros(1, dtype=torch.int64),
    )
