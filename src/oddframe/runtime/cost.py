"""What a scored frame costs, counted, not measured."""

from __future__ import annotations

from copy import deepcopy

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from oddframe.models.detector import Batch, Detector


def flops_per_frame(detector: Detector) -> float:
    """Floating-point operations to score one frame: two per multiply-add of convolutions and matrix products."""
    window = detector.window
    shape = (*window.size, window.channels)
    # Tensors of shape alone do for counting; fused attention is counted when it is written out as matrix products.
    with torch.device("meta"), torch.inference_mode(), sdpa_kernel(SDPBackend.MATH):
        batch = Batch(
            torch.empty(1, len(window.offsets), *shape, dtype=torch.uint8),
            torch.empty(1, len(window.target), *shape, dtype=torch.uint8),
            torch.zeros(1, dtype=torch.int64),
        )
        with FlopCounterMode(display=False) as counter:
            deepcopy(detector).to("meta").eval().score(batch)
    return float(counter.get_total_flops())
