"""The fixed camera of the street: a pinhole camera above a ground plane.

World axes in metres: x along the walkway, y across it and away from the camera, z up. The camera stands at
(0, 0, height).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Camera:
    """A pinhole camera that looks down by `pitch` and along the walkway by `yaw` (radians).

    `size` is (height, width) in pixels and `focal` the focal length in pixels of the same image.
    """

    size: tuple[int, int]
    focal: float
    height: float
    pitch: float
    yaw: float

    @classmethod
    def random(cls, size: tuple[int, int], rng: np.random.Generator) -> Camera:
        """A random camera as on a lamp post: 5.8 to 7 metres high, with a field of view of about 55 degrees."""
        yaw = float(rng.choice([-1, 1]) * rng.choice([rng.uniform(0.0, 0.15), rng.uniform(0.25, 0.42)]))
        return cls(
            size=size,
            focal=size[1] * float(rng.uniform(0.94, 1.04)),
            height=float(rng.uniform(5.8, 7.0)),
            pitch=math.radians(float(rng.uniform(20.0, 22.5))),
            yaw=yaw,
        )

    def enlarged(self, factor: int) -> Camera:
        """The same view with `factor` times as many pixels in each direction."""
        size = (self.size[0] * factor, self.size[1] * factor)
        return Camera(size, self.focal * factor, self.height, self.pitch, self.yaw)

    def project(self, x: float, y: float, z: float) -> tuple[float, float, float]:
        """Pixel coordinates (u right, v down) of a point in metres, and the number of pixels per metre there."""
        right = x * math.cos(self.yaw) - y * math.sin(self.yaw)
        forward = x * math.sin(self.yaw) + y * math.cos(self.yaw)
        drop = self.height - z
        depth = max(forward * math.cos(self.pitch) + drop * math.sin(self.pitch), 0.5)
        down = drop * math.cos(self.pitch) - forward * math.sin(self.pitch)
        scale = self.focal / depth
        return self.size[1] / 2 + right * scale, self.size[0] / 2 + down * scale, scale

    def rays(self) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
        """Directions (x, y, z), each (H, W), of the rays through the pixel centres; not of unit length."""
        height, width = self.size
        right = ((np.arange(width, dtype=np.float32) + 0.5 - width / 2) / self.focal)[None, :]
        down = ((np.arange(height, dtype=np.float32) + 0.5 - height / 2) / self.focal)[:, None]
        forward = math.cos(self.pitch) - down * math.sin(self.pitch)
        up = -math.sin(self.pitch) - down * math.cos(self.pitch)
        x = right * math.cos(self.yaw) + forward * math.sin(self.yaw)
        y = -right * math.sin(self.yaw) + forward * math.cos(self.yaw)
        return x, y, np.broadcast_to(up, x.shape)

    def span(self, y: float, z: float = 0.0) -> tuple[float, float]:
        """The smallest and largest visible x, in metres, on the line at distance `y` and height `z`."""
        tangent = self.size[1] / 2 / self.focal
        drop = (self.height - z) * math.sin(self.pitch)
        # |right| = tangent * depth, with right and depth linear in x.
        cosine, sine = math.cos(self.yaw), math.sin(self.yaw)
        ends = []
        for side in (-tangent, tangent):
            slope = cosine - side * sine * math.cos(self.pitch)
            ends.append((side * (y * cosine * math.cos(self.pitch) + drop) + y * sine) / slope)
        return ends[0], ends[1]
