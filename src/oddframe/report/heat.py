"""Anomaly maps drawn over their frames: normal areas stay unchanged, anomalous ones turn amber and then red."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from oddframe.types import FrameScores

MILD, STRONG = (255, 196, 64), (224, 32, 48)  # RGB
MOST_OPAQUE = 0.62
SAMPLE = 2000  # frames from which the scale is measured


class Heat:
    """Draws the maps of one video, all on one scale, so that normal frames look normal.

    The scale begins at the median of the spatial maxima of the frames below the threshold, so half of these frames show
    no colour at all. Its upper end is the value that the spatial maxima of three quarters of the frames above the
    threshold reach.
    """

    def __init__(self, scores: FrameScores, threshold: float) -> None:
        """Measure the scale on the maps of `scores`, which must have maps."""
        assert scores.map is not None
        self.maps = scores.map
        self.low, self.high = _scale(scores.map, scores.score >= threshold)

    def blend(self, image: NDArray[np.uint8], position: int) -> NDArray[np.uint8]:
        """Draw the map of the scored frame number `position` over `image`, (H, W, 3) BGR, which is not changed."""
        return draw_map(image, self.maps[position], self.low, self.high)


def draw_map(image: NDArray[np.uint8], grid: NDArray[np.floating], low: float, high: float) -> NDArray[np.uint8]:
    """Draw an (h, w) map over `image`, (H, W, 3) BGR, which is not changed.

    Cells at or below `low` are left as they are, those at or above `high` have the strongest colour.
    """
    coarse = levels(grid, low, high)
    if not coarse.any():
        return image
    # Everything is in 8 bits: two look-ups, a product and a sum, each in one vectorised pass.
    keep, paint = _tables()
    fine = cv2.resize(coarse, (image.shape[1], image.shape[0]), interpolation=cv2.INTER_CUBIC)
    kept = cv2.multiply(image, cv2.applyColorMap(fine, keep), scale=1 / 255)
    return np.asarray(cv2.add(kept, cv2.applyColorMap(fine, paint)), dtype=np.uint8)


def levels(grid: NDArray[np.floating], low: float, high: float) -> NDArray[np.uint8]:
    """How strongly each cell of a map is coloured: 0 at or below `low`, 255 at or above `high`."""
    level = (grid.astype(np.float32) - low) * (255 / (high - low))
    found: NDArray[np.uint8] = np.rint(level.clip(0, 255)).astype(np.uint8)
    return found


@cache
def _tables() -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """(256, 1, 3): what is kept of the picture at each level, of 255, and the colour that is added to it."""
    level = np.linspace(0.0, 1.0, 256)[:, None]
    opacity = MOST_OPAQUE * level
    colour = np.array(MILD[::-1]) + (np.array(STRONG[::-1]) - np.array(MILD[::-1])) * level
    paint = np.rint(colour * opacity).astype(np.uint8)[:, None]
    keep = np.rint(255 * (1 - opacity)).astype(np.uint8).repeat(3, axis=1)[:, None]
    return keep, paint


def _scale(maps: NDArray[np.float16], above: NDArray[np.bool_]) -> tuple[float, float]:
    """The lower and upper end of the colour scale; `above` says which of the maps lie above the threshold."""
    sample = np.unique(np.linspace(0, len(maps) - 1, SAMPLE).astype(np.int64))
    cells = maps[sample].astype(np.float32).reshape(len(sample), -1)
    peaks, above = cells.max(axis=1), above[sample]
    if above.all():  # without frames below the threshold, the highest tenth of the cells is coloured
        low, high = np.quantile(cells, 0.9), np.quantile(peaks, 0.25)
    else:
        calm = peaks[~above]
        low = np.median(calm)
        # The strongest of the calm frames must stay faint, even if no frame stands out.
        high = low + 2 * (np.quantile(calm, 0.99) - low)
        if above.any():
            high = max(high, np.quantile(peaks[above], 0.25))
    return float(low), float(max(high, low + 1e-3 * abs(low) + 1e-6))
