"""Figures in front of a camera: pictures of poses, drawn at the first use and warped to the position of the figure."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from oddframe.street.camera import Camera
from oddframe.street.parts import Light, Sprite, cast, draw
from oddframe.street.things import Body

LEVELS = 4  # halvings of the largest picture
VIEWS = 20  # directions around a figure that moves its limbs
RIGID_VIEWS = 72  # directions around a rigid figure, whose rotation is more visible


@dataclass(frozen=True)
class Stamp:
    """A picture cropped to the frame. Its first pixel lies at row `top` and column `left`."""

    left: int
    top: int
    image: NDArray[np.uint8]

    @property
    def place(self) -> tuple[slice, slice]:
        """Rows and columns of the frame that it covers."""
        height, width = self.image.shape[:2]
        return slice(self.top, self.top + height), slice(self.left, self.left + width)


class Puppet:
    """Draws one figure at any position. `largest` is its largest scale, in pixels per metre."""

    def __init__(self, figure: Body, camera: Camera, light: Light, largest: float) -> None:
        self.figure, self.camera, self.light, self.largest = figure, camera, light, float(largest)
        self.views = VIEWS if figure.phases > 1 else RIGID_VIEWS
        self._sprites: dict[tuple[float, int, bool, int, bool], Sprite] = {}

    def stamp(
        self, x: float, y: float, z: float, heading: float, phase: float, moving: bool, shadow: bool = False
    ) -> Stamp | None:
        """The figure, or its shadow on the ground, at (x, y, z) facing `heading` (radians from x towards y).

        None where it lies outside the frame.
        """
        u, v, scale = self.camera.project(x, y, 0.0 if shadow else z)
        across, above, _ = self.camera.project(x, y, (0.0 if shadow else z) + 1.0)
        azimuth = math.atan2(x, y)
        view = round((heading + azimuth) / (2 * math.pi) * self.views) % self.views
        level = min(max(int(math.log2(max(self.largest / scale, 1.0))), 0), LEVELS - 1)
        phases = max(self.figure.phases // 2, 1) if shadow else self.figure.phases  # a shadow shows less detail
        sprite = self._sprite(int(phase * phases) / phases if moving else 0.0, view, moving, level, shadow)
        if shadow:  # the sprite is the shadow of a figure on the ground; a higher one has a more distant shadow
            sun = self.light.towards
            u -= scale * z * sun[0] / sun[2]
            v += scale * z * sun[1] / sun[2] * math.sin(self._elevation(x, y))
        tilt = 0.0 if shadow else (u - across) / (v - above)  # uprights lean towards the edges of a view from above
        return _warp(sprite, u, v, scale / (self.largest / 2**level), tilt, self.camera.size)

    def _elevation(self, x: float, y: float) -> float:
        return math.atan2(self.camera.height - 0.8, math.hypot(x, y))

    def _sprite(self, phase: float, view: int, moving: bool, level: int, shadow: bool) -> Sprite:
        key = (phase, view, moving, level, shadow)
        found = self._sprites.get(key)
        if found is None:
            parts = self.figure.pose(phase, moving)
            # One elevation for all places: it changes by a few degrees along a walkway.
            elevation = self.camera.pitch * 1.1
            paint = cast if shadow else draw
            found = paint(parts, view / self.views * 2 * math.pi, elevation, self.largest / 2**level, self.light)
            self._sprites[key] = found
        return found


def _warp(sprite: Sprite, u: float, v: float, scale: float, tilt: float, size: tuple[int, int]) -> Stamp | None:
    """The sprite resized by `scale` and sheared by `tilt`, its origin at (u, v), cut to a frame of `size`."""
    height, width = sprite.image.shape[:2]
    ox, oy = sprite.origin
    lean = tilt * scale
    reach = [lean * (y - oy) for y in (0, height)]
    left = max(math.floor(u - ox * scale + min(reach)) - 1, 0)
    right = min(math.ceil(u + (width - ox) * scale + max(reach)) + 1, size[1])
    top = max(math.floor(v - oy * scale) - 1, 0)
    bottom = min(math.ceil(v + (height - oy) * scale) + 1, size[0])
    if right <= left or bottom <= top:
        return None
    # Pixel centres lie at half integers: shift into their grid, scale and shear about the origin, shift back.
    matrix = np.array(
        [
            [scale, lean, u - left - 0.5 + scale * (0.5 - ox) + lean * (0.5 - oy)],
            [0.0, scale, v - top - 0.5 + scale * (0.5 - oy)],
        ]
    )
    image = cv2.warpAffine(sprite.image, matrix, (right - left, bottom - top), flags=cv2.INTER_LINEAR)
    return Stamp(left, top, image.astype(np.uint8, copy=False))
