"""The plainest baseline there is: how much the picture changes between the frame before and the frame after.

It learns nothing. Every table of results shows it, because a method that does not beat it has learned nothing either.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from oddframe.errors import BundleError, RecipeError
from oddframe.models.catalogue import ModelEntry
from oddframe.models.detector import Batch, Detector, FrameErrors
from oddframe.models.stage import Stage
from oddframe.types import Combination, Window


class FrameDifference(Detector):
    """Component "difference": mean of |f(t-1) - f(t+1)| over pixels and channels, in grey levels (0..255)."""

    combination = Combination({"difference": 1.0})

    def __init__(self, size: tuple[int, int] = (80, 160)) -> None:
        super().__init__()
        self.components = {"difference": "how much moves"}
        self.window = Window(offsets=(-1, 1), size=size)

    @classmethod
    def from_preset(cls, preset: str = "paper", **options: Any) -> Self:
        """The only option is `size`; there is no paper behind it and both presets are the same.

        Raises:
            RecipeError: any other option.
        """
        size = options.pop("size", (80, 160))
        if options:
            raise RecipeError(f"frame_difference has no option {sorted(options)[0]!r}; there is: size")
        return cls(tuple(size))

    def stages(self) -> list[Stage]:
        return []

    def score(self, batch: Batch) -> FrameErrors:
        before, after = batch.frames.float().unbind(1)
        return FrameErrors({"difference": (before - after).abs().mean((1, 2, 3))})

    def load_reference_state_dict(self, state: Mapping[str, Any]) -> None:
        raise BundleError("frame_difference has no weights to load")


ENTRY = ModelEntry(
    name="frame_difference",
    detector=FrameDifference,
    title="Mean absolute frame difference (baseline)",
    paper="none",
    licence="-",
    presets=("paper",),
    tiny={"size": (16, 32)},
)
