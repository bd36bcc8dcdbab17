"""An anomaly map laid over its frame: nothing where the scene is calm, amber and then red where it is not."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from oddframe.types import FrameScores

MILD, STRONG = (255, 196, 64), (224, 32, 48)  # RGB
MOST_OPAQUE = 0.62
SAMPLE = 2000  # frames that the scale is read off from


class Heat:
    """Paints the maps of one video, all on one scale, so that calm frames look calm.

    The scale begins at the median of the calm frames' spatial maxima, so that half of the calm frames show nothing at
    all, and is full where three quarters of the frames above the threshold reach it.
    """

    def __init__(self, scores: FrameScores, threshold: float) -> None:
        """Read the scale off the maps of `scores`, which must have some."""
        assert scores.map is not None
        self.maps = scores.map
        self.low, self.high = _scale(scores.map, scores.score >= threshold)
        level = np.linspace(0.0, 1.0, 256)[:, None]
        opacity = MOST_OPAQUE * level
        colour = np.array(MILD[::-1]) + (np.array(STRONG[::-1]) - np.array(MILD[::-1])) * level
        self._paint = np.rint(colour * opacity).astype(np.uint8)[:, None]
        self._keep = np.rint(255 * (1 - opacity)).astype(np.uint8).repeat(3, axis=1)[:, None]

    def blend(self, image: NDArray[np.uint8], position: int) -> NDArray[np.uint8]:
        """The picture under the map of the scored frame number `position`; (H, W, 3) BGR, the input is left alone."""
        level = (self.maps[position].astype(np.float32) - self.low) * (255 / (self.high - self.low))
        coarse = np.rint(level.clip(0, 255)).astype(np.uint8)
        if not coarse.any():
            return image
        # All in 8 bits: two look-ups, a product and a sum, each one vectorised pass.
        fine = cv2.resize(coarse, (image.shape[1], image.shape[0]), interpolation=cv2.INTER_CUBIC)
        kept = cv2.multiply(image, cv2.applyColorMap(fine, self._keep), scale=1 / 255)
        return np.asarray(cv2.add(kept, cv2.applyColorMap(fine, self._paint)), dtype=np.uint8)


def _scale(maps: NDArray[np.float16], above: NDArray[np.bool_]) -> tuple[float, float]:
    """Values at which the heat begins and is full, from `maps` and which of them lie above the threshold."""
    sample = np.unique(np.linspace(0, len(maps) - 1, SAMPLE).astype(np.int64))
    cells = maps[sample].astype(np.float32).reshape(len(sample), -1)
    peaks, above = cells.max(axis=1), above[sample]
    if above.all():  # nothing calm to compare with: the hottest tenth of the cells
        low, high = np.quantile(cells, 0.9), np.quantile(peaks, 0.25)
    else:
        calm = peaks[~above]
        low = np.median(calm)
        # However little stands out, the strangest of the calm frames stays faint.
        high = low + 2 * (np.quantile(calm, 0.99) - low)
        if above.any():
            high = max(high, np.quantile(peaks[above], 0.25))
    return float(low), float(max(high, low + 1e-3 * abs(low) + 1e-6))
