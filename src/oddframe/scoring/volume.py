"""The 3-D mean filter over the volume of anomaly maps, and its spatial maximum, while the video streams by."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Filtered:
    """M consecutive frames of the volume: (M,) maximum of the filtered map, and the map at the grid to be stored."""

    maximum: NDArray[np.float64]
    map: NDArray[np.float16]


class VolumeFilter:
    """Mean over (time, height, width), then the maximum over the picture (SDMAE, after Eq. 6).

    Holds `time - 1` maps plus the batch at hand, whatever the length of the video. Pixels beyond the border repeat the
    border; frames beyond the ends of the video do not count, so that the ends are neither damped nor raised.
    The sum over time has a fixed order: results do not depend on how the video was cut into batches.
    """

    def __init__(self, extents: tuple[int, int, int], grid: tuple[int, int]) -> None:
        self.reach = extents[0] // 2
        self.extents, self.grid = extents, grid
        self.ring: list[NDArray[np.float32]] = []
        self.before = 0  # frames of the ring that lie before the next one to be finished

    def push(self, maps: NDArray[np.float32]) -> Filtered:
        """Take in (B, H, W) maps; give back the frames whose neighbourhood in time is now complete."""
        _, height, width = self.extents
        self.ring += [cv2.blur(m, (width, height), borderType=cv2.BORDER_REPLICATE) for m in maps]
        return self._finish(len(self.ring) - self.before - self.reach)

    def flush(self) -> Filtered:
        """The last frames of the video, whose neighbourhood ends with it."""
        return self._finish(len(self.ring) - self.before)

    def _finish(self, count: int) -> Filtered:
        done = [self._mean(self.before + i) for i in range(max(count, 0))]
        surplus = max(self.before + len(done) - self.reach, 0)
        self.before = min(self.before + len(done), self.reach)
        del self.ring[:surplus]
        rows, columns = self.grid
        maps = [cv2.resize(m, (columns, rows), interpolation=cv2.INTER_AREA) for m in done]
        return Filtered(
            np.array([m.max() for m in done], dtype=np.float64),
            np.array(maps, dtype=np.float16).reshape(len(done), rows, columns),
        )

    def _mean(self, position: int) -> NDArray[np.float32]:
        neighbours = self.ring[max(position - self.reach, 0) : position + self.reach + 1]
        total = neighbours[0].copy()
        for neighbour in neighbours[1:]:
            total += neighbour
        total /= len(neighbours)
        return total
