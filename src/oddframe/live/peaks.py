"""The anomaly map at the peak of an event, and the scale of colours on which it is drawn while a camera runs."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from oddframe.report.heat import draw_map
from oddframe.report.strip import EVENT
from oddframe.types import FrameScores

_KEPT = 2000  # frames below the threshold whose maxima tell what is usual
_USUAL, _RARE = 0.5, 0.99
_ABOVE = 512  # latest frames above the threshold whose maps are kept; an event tells its peak sooner than that


@dataclass(frozen=True, eq=False)
class PeakMap:
    """A map with the scale on which to draw it.

    Attributes:
        grid: (h, w) anomaly map.
        low, high: values at which colour begins and is strongest.
        size: (width, height) of the displayed video, in whose pixels boxes are given.
    """

    grid: NDArray[np.float16]
    low: float
    high: float
    size: tuple[int, int]

    def draw(self, image: NDArray[np.uint8], box: tuple[int, int, int, int] | None) -> NDArray[np.uint8]:
        """The map, and the box of the event, over a displayed picture, (H, W, 3) BGR, which is not changed."""
        picture = draw_map(image, self.grid, self.low, self.high).copy()
        if box is not None:
            across, down = picture.shape[1] / self.size[0], picture.shape[0] / self.size[1]
            left, top, right, bottom = box
            corners = (round(left * across), round(top * down)), (round(right * across) - 1, round(bottom * down) - 1)
            cv2.rectangle(picture, *corners, EVENT, 2)
        return picture


class PeakMaps:
    """Knows what maps of one camera usually look like, and those of the latest frames above the threshold.

    Colours begin at the median of the largest values of the latest 2000 maps below the threshold. They are strongest
    at twice the way from there to the 99th percentile, or at the peak's own largest value where that lies higher.
    """

    def __init__(self) -> None:
        self._calm: deque[float] = deque(maxlen=_KEPT)
        self._above: deque[tuple[float, NDArray[np.float16]]] = deque(maxlen=_ABOVE)  # time, map
        self._size = (1, 1)

    def push(self, piece: FrameScores, threshold: float) -> None:
        """Take the scores of the next frames, in order. Those without maps are passed over."""
        if piece.map is None or not len(piece.score):
            return
        self._size = piece.info.width, piece.info.height
        above = piece.score >= threshold
        self._calm.extend(piece.map[~above].astype(np.float32).max(axis=(1, 2)).tolist())
        self._above.extend((float(piece.time[row]), piece.map[row].copy()) for row in np.flatnonzero(above))

    def at(self, peak_s: float) -> PeakMap | None:
        """The map of the frame at a time of the media clock, if it is one of the latest above the threshold."""
        grid = next((grid for time, grid in reversed(self._above) if abs(time - peak_s) < 1e-6), None)
        if grid is None:
            return None
        largest = float(grid.astype(np.float32).max())
        low, rare = np.quantile(np.array(self._calm), (_USUAL, _RARE)) if self._calm else (0.0, 0.0)
        high = max(low + 2 * (rare - low), largest, low + 1e-6)
        return PeakMap(grid, float(low), float(high), self._size)

    def clear(self) -> None:
        """An event is closed, or a stretch is over: the next peak is another one's."""
        self._above.clear()
