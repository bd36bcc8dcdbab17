"""The optical-flow baseline: pixels per frame, and nothing from the frames to come."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from oddframe.errors import BundleError, RecipeError
from oddframe.models.detector import Batch
from oddframe.models.optical_flow import OpticalFlow

TEXTURE = gaussian_filter(np.random.default_rng(0).normal(size=(60, 120)), 4)
TEXTURE = np.interp(TEXTURE, (TEXTURE.min(), TEXTURE.max()), (0, 255)).astype(np.uint8)


def moved(pixels: int) -> Batch:
    """A texture, and the same so many pixels to the right."""
    pair = np.stack([TEXTURE[:, 20:100], TEXTURE[:, 20 - pixels : 100 - pixels]])[None, ..., None]
    return Batch(
        torch.from_numpy(pair), torch.empty(1, 0, 60, 80, 1, dtype=torch.uint8), torch.zeros(1, dtype=torch.int64)
    )


@pytest.mark.parametrize("pixels", [0, 1, 2, 4])
def test_the_unit_is_pixels_per_frame(pixels: int) -> None:
    flow = OpticalFlow().score(moved(pixels)).components["flow"]
    assert flow.shape == (1,)
    assert flow.item() == pytest.approx(pixels, abs=0.02 + 0.15 * pixels)


def test_it_is_causal_and_says_what_it_cannot() -> None:
    detector = OpticalFlow.from_preset("paper", size=[30, 40])
    assert (detector.window.size, detector.look_ahead, detector.stages()) == ((30, 40), 0, [])
    with pytest.raises(RecipeError, match="optical_flow has no option 'speed'; there is: size"):
        OpticalFlow.from_preset(speed=2)
    with pytest.raises(BundleError, match="no weights"):
        detector.load_reference_state_dict({})
