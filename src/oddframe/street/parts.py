"""Drawing of figures as small pictures from tapered limbs, prisms, wheels and panels, shaded and anti-aliased.

A figure is a list of parts in its own axes, in metres: x forward, y to its left, z up, with the origin on the ground
below it. `draw` gives the view of the camera and `cast` the shadow. The caller caches both.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

PaintColour = tuple[float, float, float]  # blue, green, red, 0..255
Point = tuple[float, float, float]

SUPERSAMPLING = 4
FIXED_POINT = 4  # fractional bits of the coordinates given to OpenCV


@dataclass(frozen=True)
class Limb:
    """A tapered, round bar from `a` (radius `ra`) to `b` (radius `rb`); a ball if both ends are equal."""

    a: Point
    b: Point
    ra: float
    rb: float
    colour: PaintColour


@dataclass(frozen=True)
class Prism:
    """A convex side profile of (x, z) points, counter-clockwise, spread across from y = `right` to y = `left`."""

    profile: tuple[tuple[float, float], ...]
    right: float
    left: float
    colour: PaintColour


@dataclass(frozen=True)
class Wheel:
    """An upright wheel that rolls forward; open and spoked without a `hub` colour."""

    centre: Point
    radius: float
    tyre: float
    colour: PaintColour
    hub: PaintColour | None = None


@dataclass(frozen=True)
class Panel:
    """A flat convex polygon, seen from both sides; `lift` draws it as if it were that much nearer to the camera."""

    points: tuple[Point, ...]
    colour: PaintColour
    lift: float = 0.0


Part = Limb | Prism | Wheel | Panel


@dataclass(frozen=True)
class Light:
    """The light. `towards` is the unit vector to the sun in the camera's axes (right, away, up).

    `strength` is the share of the light that a shadow removes (0 to 1), `softness` the blur of its edge in metres.
    """

    towards: Point
    strength: float
    softness: float


@dataclass(frozen=True)
class Sprite:
    """A small picture, and the pixel (x, y) in it at the origin of the figure.

    `image` is (h, w, 4) uint8 BGRA with the colours multiplied by alpha, or (h, w) uint8 for a shadow.
    """

    image: NDArray[np.uint8]
    origin: tuple[float, float]


Projection = Callable[[Point], tuple[float, float, float]]  # point -> right, up (metres on the screen), depth


def side_view(angle: float, elevation: float) -> Projection:
    """The projection to the camera for a figure whose forward axis is rotated by `angle` from right towards away."""
    ca, sa, ce, se = math.cos(angle), math.sin(angle), math.cos(elevation), math.sin(elevation)

    def project(p: Point) -> tuple[float, float, float]:
        away = p[0] * sa + p[1] * ca
        return p[0] * ca - p[1] * sa, p[2] * ce + away * se, away * ce - p[2] * se

    return project


def ground_view(angle: float, light: Light) -> Projection:
    """The projection of points along the light to the ground, seen from above."""
    ca, sa = math.cos(angle), math.sin(angle)
    along = -light.towards[0] / light.towards[2], -light.towards[1] / light.towards[2]

    def project(p: Point) -> tuple[float, float, float]:
        return p[0] * ca - p[1] * sa + p[2] * along[0], p[0] * sa + p[1] * ca + p[2] * along[1], 0.0

    return project


def draw(parts: Sequence[Part], angle: float, elevation: float, scale: float, light: Light) -> Sprite:
    """The figure as seen by the camera, at `scale` pixels a metre."""
    project = side_view(angle, elevation)
    canvas, origin, fine = _canvas(parts, project, scale, channels=4)
    brush = _Brush(canvas, origin, fine, project, light, angle)
    for part in sorted(parts, key=lambda part: -_depth(part, project)):
        brush.paint(part)
    image = cv2.resize(canvas, None, fx=1 / SUPERSAMPLING, fy=1 / SUPERSAMPLING, interpolation=cv2.INTER_AREA)
    return Sprite(image.astype(np.uint8, copy=False), (origin[0] / SUPERSAMPLING, origin[1] / SUPERSAMPLING))


def cast(parts: Sequence[Part], angle: float, elevation: float, scale: float, light: Light) -> Sprite:
    """The shadow of the figure on the ground as the camera sees it: how dark, 0 to 255 * `light.strength`."""
    project = ground_view(angle, light)
    blur = light.softness * scale
    canvas, origin, fine = _canvas(parts, project, scale, channels=1, margin=3 * blur + 1)
    brush = _Brush(canvas, origin, fine, project, light, angle, shadow=True)
    for part in parts:
        brush.paint(part)
    squash = math.sin(elevation)
    size = max(canvas.shape[1] // SUPERSAMPLING, 1), max(round(canvas.shape[0] / SUPERSAMPLING * squash), 1)
    image = cv2.resize(canvas, size, interpolation=cv2.INTER_AREA)
    image = cv2.GaussianBlur(image, (0, 0), sigmaX=max(blur, 0.3), sigmaY=max(blur * squash, 0.3))
    image = cv2.convertScaleAbs(image, alpha=light.strength)
    ratio = size[0] / canvas.shape[1], size[1] / canvas.shape[0]
    return Sprite(image.astype(np.uint8, copy=False), (origin[0] * ratio[0], origin[1] * ratio[1]))


def _outline(part: Part) -> list[tuple[Point, float]]:
    """Points with radii that enclose the whole part."""
    if isinstance(part, Limb):
        return [(part.a, part.ra), (part.b, part.rb)]
    if isinstance(part, Wheel):
        return [(part.centre, part.radius + part.tyre)]
    if isinstance(part, Panel):
        return [(point, 0.0) for point in part.points]
    return [((x, y, z), 0.0) for x, z in part.profile for y in (part.right, part.left)]


def _depth(part: Part, project: Projection) -> float:
    """The distance of the centre of the part from the camera."""
    points = [point for point, _ in _outline(part)]
    middle = tuple(sum(axis) / len(points) for axis in zip(*points, strict=True))
    depth = project(middle)[2]
    return depth - part.lift if isinstance(part, Panel) else depth


def _canvas(
    parts: Sequence[Part], project: Projection, scale: float, channels: int, margin: float = 1.0
) -> tuple[NDArray[np.uint8], tuple[float, float], float]:
    """An empty canvas for the parts, the position of the origin on it, and its pixels per metre."""
    fine = scale * SUPERSAMPLING
    right, up, radius = [], [], []
    for part in parts:
        for point, r in _outline(part):
            u, v, _ = project(point)
            right.append(u)
            up.append(v)
            radius.append(r)
    r_, u_, v_ = np.array(radius), np.array(right), np.array(up)
    edge = math.ceil(margin) * SUPERSAMPLING
    left, top = math.floor(float((u_ - r_).min()) * fine) - edge, math.floor(float((-v_ - r_).min()) * fine) - edge
    width, height = (
        math.ceil(float((u_ + r_).max()) * fine) + edge - left,
        math.ceil(float((-v_ + r_).max()) * fine) + edge - top,
    )
    width, height = (-(-n // SUPERSAMPLING) * SUPERSAMPLING for n in (width, height))
    shape = (height, width, channels) if channels > 1 else (height, width)
    return np.zeros(shape, np.uint8), (float(-left), float(-top)), fine


class _Brush:
    """Paints parts on a canvas, from far to near. A shadow is painted with one value."""

    def __init__(
        self,
        canvas: NDArray[np.uint8],
        origin: tuple[float, float],
        fine: float,
        project: Projection,
        light: Light,
        angle: float,
        shadow: bool = False,
    ) -> None:
        self.canvas, self.origin, self.fine, self.project, self.shadow = canvas, origin, fine, project, shadow
        # The sun in the figure's own axes, for the shading of flat faces.
        ca, sa = math.cos(angle), math.sin(angle)
        right, away, up = light.towards
        self.sun = (right * ca + away * sa, -right * sa + away * ca, up)
        self.contrast = 0.25 + 0.35 * light.strength
        self.lit_side = math.copysign(1.0, right)

    def paint(self, part: Part) -> None:
        if isinstance(part, Limb):
            self._limb(part)
        elif isinstance(part, Prism):
            self._prism(part)
        elif isinstance(part, Wheel):
            self._wheel(part)
        else:
            self._polygon([self._at(p) for p in part.points], self._shade(part.colour, _normal(part.points), True))

    def _at(self, point: Point) -> tuple[float, float]:
        u, v, _ = self.project(point)
        return self.origin[0] + u * self.fine, self.origin[1] - v * self.fine

    def _polygon(self, points: Sequence[tuple[float, float]], colour: tuple[float, ...]) -> None:
        fixed = np.array(points, np.float64) * 16 + 0.5
        cv2.fillConvexPoly(self.canvas, fixed.astype(np.int32), colour, shift=FIXED_POINT)

    def _value(self, colour: PaintColour, factor: float) -> tuple[float, ...]:
        if self.shadow:
            return (255.0,)
        return (min(colour[0] * factor, 255.0), min(colour[1] * factor, 255.0), min(colour[2] * factor, 255.0), 255.0)

    def _shade(self, colour: PaintColour, normal: Point, both_sides: bool = False) -> tuple[float, ...]:
        facing = sum(a * b for a, b in zip(normal, self.sun, strict=True))
        facing = abs(facing) if both_sides else max(facing, 0.0)
        return self._value(colour, 1.1 - self.contrast + self.contrast * facing)

    def _bar(
        self, a: tuple[float, float], b: tuple[float, float], ra: float, rb: float, colour: tuple[float, ...]
    ) -> None:
        for (x, y), r in ((a, ra), (b, rb)):
            cv2.circle(
                self.canvas, (int(x * 16 + 0.5), int(y * 16 + 0.5)), max(int(r * 16), 4), colour, -1, shift=FIXED_POINT
            )
        length = math.hypot(b[0] - a[0], b[1] - a[1])
        if length > 0.5:
            nx, ny = (a[1] - b[1]) / length, (b[0] - a[0]) / length
            corners = [
                (a[0] + nx * ra, a[1] + ny * ra),
                (b[0] + nx * rb, b[1] + ny * rb),
                (b[0] - nx * rb, b[1] - ny * rb),
                (a[0] - nx * ra, a[1] - ny * ra),
            ]
            self._polygon(corners, colour)

    def _limb(self, part: Limb) -> None:
        a, b, ra, rb = self._at(part.a), self._at(part.b), part.ra * self.fine, part.rb * self.fine
        if self.shadow:
            self._bar(a, b, ra, rb, (255.0,))
            return
        # Two tones make a limb look round: the whole limb in shade, then a narrower lit one, shifted towards the sun.
        self._bar(a, b, ra, rb, self._value(part.colour, 1.0 - self.contrast * 0.75))
        dx, dy = self.lit_side * 0.24, -0.2
        self._bar(
            (a[0] + dx * ra, a[1] + dy * ra),
            (b[0] + dx * rb, b[1] + dy * rb),
            ra * 0.7,
            rb * 0.7,
            self._value(part.colour, 1.08),
        )

    def _prism(self, part: Prism) -> None:
        right = [(x, part.right, z) for x, z in part.profile]
        left = [(x, part.left, z) for x, z in part.profile]
        faces = [right, left[::-1]]
        count = len(right)
        for i in range(count):
            j = (i + 1) % count
            faces.append([right[j], right[i], left[i], left[j]])
        for face in faces:
            points = [self._at(p) for p in face]
            # Convex, so the faces turned to the camera never hide each other.
            if self.shadow or _turned_to_camera(points):
                self._polygon(points, self._shade(part.colour, _normal(face)))

    def _wheel(self, part: Wheel) -> None:
        x, y, z = part.centre
        steps = [2 * math.pi * k / 20 for k in range(20)]
        rim = [self._at((x + part.radius * math.cos(t), y, z + part.radius * math.sin(t))) for t in steps]
        if part.hub is not None:
            self._polygon(rim, self._value(part.colour, 0.9))
            hub = part.radius * 0.55
            self._polygon(
                [self._at((x + hub * math.cos(t), y, z + hub * math.sin(t))) for t in steps],
                self._value(part.hub, 0.95),
            )
            return
        ring = (np.array(rim) * 16 + 0.5).astype(np.int32)
        thick = max(round(part.tyre * self.fine), 1)
        cv2.polylines(self.canvas, [ring], True, self._value(part.colour, 0.9), thick, shift=FIXED_POINT)


def _normal(points: Sequence[Point]) -> Point:
    """The unit normal of a flat polygon."""
    (ax, ay, az), (bx, by, bz), (cx, cy, cz) = points[:3]
    ux, uy, uz, vx, vy, vz = bx - ax, by - ay, bz - az, cx - bx, cy - by, cz - bz
    n = (uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx)
    length = math.sqrt(n[0] ** 2 + n[1] ** 2 + n[2] ** 2) or 1.0
    return n[0] / length, n[1] / length, n[2] / length


def _turned_to_camera(points: Sequence[tuple[float, float]]) -> bool:
    """Whether a face given counter-clockwise from outside is seen from outside (screen y points down)."""
    area = 0.0
    for (ax, ay), (bx, by) in zip(points, [*points[1:], points[0]], strict=True):
        area += ax * by - bx * ay
    return area < 0
