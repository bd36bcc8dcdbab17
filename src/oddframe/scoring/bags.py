"""Weakly supervised detectors under PyTorch: as a function of arrays, and as what a bundle scores videos with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from oddframe.bundle import EXTRACTORS, Bundle
from oddframe.errors import BundleError, InputError
from oddframe.features.catalogue import load_extractor
from oddframe.features.extract import BATCH
from oddframe.features.extractor import Extractor
from oddframe.features.snippets import SnippetSampling
from oddframe.models.bag_detector import BagDetector
from oddframe.runtime.runtime import Precision
from oddframe.scoring.features import BagNetwork, FeatureScorer


def torch_network(detector: BagDetector) -> BagNetwork:
    """A detector as a function of arrays; it is put into eval mode and computes on the device where it is."""
    device = next(detector.eval().parameters()).device

    @torch.inference_mode()
    def network(features: Mapping[str, NDArray[np.float32]]) -> dict[str, NDArray[np.float64]]:
        scores = detector.score({name: torch.from_numpy(values).to(device) for name, values in features.items()})
        return {name: values.double().cpu().numpy() for name, values in scores.items()}

    return network


class BagScorer(FeatureScorer):
    """Scores videos with the extractors that a bundle carries.

    Args:
        device: "auto" (CUDA where there is one), or any torch device name.
        batch: snippets per forward pass of an extractor; None takes `oddframe.features.extract.BATCH`.

    Raises:
        BundleError: it carries none, because it was trained on features of unknown origin.
        InputError: a precision other than that of the features.
    """

    def __init__(
        self, bundle: Bundle, detector: BagDetector, device: str, precision: Precision, batch: int | None
    ) -> None:
        if precision != "fp32":
            raise InputError(f"{bundle.path}: its precision is that of its features; leave --precision out")
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        extractors: dict[str, tuple[Extractor, SnippetSampling]] = {}
        for name in detector.required:
            about: Mapping[str, Any] = bundle.data["features"][name]
            if about["sampling"] is None:
                raise BundleError(
                    f"{bundle.path}: was trained on {name} features whose extractor is not known, so it cannot score "
                    f"videos; measure it on features with `oddframe evaluate {bundle.path} --data ... --features ...`"
                )
            extractor = load_extractor(bundle.path / EXTRACTORS / name)
            extractor.to(device)
            extractors[name] = (extractor, SnippetSampling.from_dict(about["sampling"]))
        network = torch_network(detector.to(device))
        super().__init__(extractors, network, detector.segments, bundle.recipe.scoring.segment_seconds, batch or BATCH)
