"""A baseline that learns nothing: how fast things move in the picture.

Optical flow after Farnebäck ("Two-Frame Motion Estimation Based on Polynomial Expansion", SCIA 2003), as OpenCV
computes it, between the frame before and the scored one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import cv2
import numpy as np
import torch

from oddframe.errors import BundleError, RecipeError
from oddframe.models.catalogue import ModelEntry
from oddframe.models.detector import Batch, Detector, FrameErrors
from oddframe.models.stage import Stage
from oddframe.types import Combination, Window

SIZE = (60, 80)
# Three scales, each half of the one before: coarse ones for what moves by more than the window.
FARNEBACK = {
    "pyr_scale": 0.5, "levels": 3, "winsize": 9, "iterations": 3, "poly_n": 5, "poly_sigma": 1.1, "flags": 0,
}  # fmt: skip


class OpticalFlow(Detector):
    """Component "flow": mean length of the flow vectors from f(t-1) to f(t), in pixels of the resized frame per frame.

    It is computed on the CPU. The first frame of a video, which has none before it, gets 0.
    """

    combination = Combination({"flow": 1.0})

    def __init__(self, size: tuple[int, int] = SIZE) -> None:
        super().__init__()
        self.components = {"flow": "how fast things move"}
        self.window = Window(offsets=(-1, 0), size=size, colour="gray", resize="area")

    @classmethod
    def from_preset(cls, preset: str = "paper", **options: Any) -> Self:
        """The only option is `size`; there is no paper behind it and both presets are the same.

        Raises:
            RecipeError: any other option.
        """
        size = options.pop("size", SIZE)
        if options:
            raise RecipeError(f"optical_flow has no option {sorted(options)[0]!r}; there is: size")
        return cls(tuple(size))

    def stages(self) -> list[Stage]:
        return []

    def score(self, batch: Batch) -> FrameErrors:
        if batch.frames.is_meta:  # shapes alone, where operations are counted
            return FrameErrors({"flow": torch.empty(len(batch), device="meta")})
        pairs = batch.frames[..., 0].cpu().numpy()
        speeds = [
            np.linalg.norm(cv2.calcOpticalFlowFarneback(before, now, None, **FARNEBACK), axis=-1).mean()  # type: ignore
            for before, now in pairs
        ]
        return FrameErrors({"flow": torch.tensor(np.array(speeds, np.float32), device=batch.frames.device)})

    def load_reference_state_dict(self, state: Mapping[str, Any]) -> None:
        raise BundleError("optical_flow has no weights to load")


ENTRY = ModelEntry(
    name="optical_flow",
    detector=OpticalFlow,
    title="Mean length of the optical flow (baseline)",
    paper="none (flow: Farnebäck, SCIA 2003)",
    licence="-",
    presets=("paper",),
    tiny={"size": (16, 32)},
)
