"""What a scored frame costs, counted, not measured."""

from __future__ import annotations

from copy import deepcopy

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from oddframe.features.extractor import SNIPPET
from oddframe.models.bag_detector import BagDetector
from oddframe.models.detector import Batch, Detector
from oddframe.models.learner import Learner


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


def _window(detector: Detector) -> Batch:
    window = detector.window
    shape = (*window.size, window.channels)
    return Batch(
        torch.empty(1, len(window.offsets), *shape, dtype=torch.uint8),
        torch.empty(1, len(window.target), *shape, dtype=torch.uint8),
        torch.zeros(1, dtype=torch.int64),
    )
