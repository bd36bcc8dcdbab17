"""Weakly supervised detectors under PyTorch, as functions of arrays."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray

from oddframe.bundle import Bundle
from oddframe.errors import InputError
from oddframe.models.bag_detector import BagDetector
from oddframe.runtime.runtime import RuntimeOptions
from oddframe.scoring.features import BagNetwork
from oddframe.threads import settle_threads


def torch_network(detector: BagDetector) -> BagNetwork:
    """A detector as a function of arrays; it is put into eval mode and computes on the device where it is."""
    device = next(detector.eval().parameters()).device

    @torch.inference_mode()
    def network(features: Mapping[str, NDArray[np.float32]]) -> dict[str, NDArray[np.float64]]:
        settle_threads()
        scores = detector.score({name: torch.from_numpy(values).to(device) for name, values in features.items()})
        return {name: values.double().cpu().numpy() for name, values in scores.items()}

    return network


def open_bag_network(bundle: Bundle, options: RuntimeOptions) -> tuple[BagNetwork, str]:
    """The network of a bundle as a function of arrays, and the device that its extractors belong on.

    Raises:
        InputError: a runtime or a precision that is not for it.
    """
    if options.runtime not in (None, "auto", "torch"):
        raise InputError(f"{bundle.path}: its time goes to its feature extractors; leave --runtime out, or export it")
    if options.precision not in (None, "fp32"):
        raise InputError(f"{bundle.path}: its precision is that of its features; leave --precision out")
    device = options.device
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    return torch_network(bundle.detector.weakly_supervised().to(device)), device
