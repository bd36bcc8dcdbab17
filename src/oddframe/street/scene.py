"""The static part of the street: camera, layout of the walkway, light, background, and things that hide people."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from oddframe.street.camera import Camera
from oddframe.street.parts import Light, Limb, PaintColour, Panel, Part, Prism
from oddframe.street.puppet import Puppet, Stamp
from oddframe.street.textures import Textures
from oddframe.street.things import Body

BACKGROUND_SUPERSAMPLING = 3
Theme = Literal["street", "park"]


@dataclass(frozen=True)
class Lane:
    """Part of the walkway, from y = `near` to y = `far`, where people walk in `direction` (+1: towards larger x)."""

    near: float
    far: float
    direction: int


@dataclass(frozen=True)
class Scene:
    """The static part of a world.

    `verge` is the strip before the walkway (a road or a lawn, near and far y), where nobody normally walks. `props` are
    static things by their y, with pictures that hide the people behind them.
    """

    theme: Theme
    camera: Camera
    light: Light
    lanes: tuple[Lane, Lane]
    verge: tuple[float, float]
    background: NDArray[np.uint8]
    props: tuple[tuple[float, Stamp], ...]

    @property
    def walkway(self) -> tuple[float, float]:
        """The y of the near and the far edge of the walkway, in metres."""
        return self.lanes[0].near - 0.3, self.lanes[1].far + 0.3

    @classmethod
    def random(cls, seed: int, size: tuple[int, int]) -> Scene:
        """The scene of this seed for frames of `size` (height, width)."""
        rng = np.random.default_rng((seed, 0x5CE7E))
        theme: Theme = "street" if rng.random() < 0.5 else "park"
        camera = Camera.random(size, rng)
        light = random_light(rng)
        stream = int(rng.choice([-1, 1]))
        near = camera.height / math.tan(camera.pitch + 0.165) + float(rng.uniform(-0.3, 0.3))
        width = float(rng.uniform(5.0, 5.8))
        gap = 0.35  # the middle of the walkway is left free
        lanes = (
            Lane(near + 0.4, near + width / 2 - gap, stream),
            Lane(near + width / 2 + gap, near + width - 0.4, -stream),
        )
        layout = _Layout(theme, near, near + width, near + width + float(rng.uniform(2.0, 2.8)))
        props = _props(layout, camera, rng)
        background = _paint(layout, camera, light, props, Textures(rng))
        stamps = []
        for figure, x, y in props:
            stamp = _puppet(figure, camera, light, x, y).stamp(x, y, 0.0, 0.0, 0.0, False)
            if stamp is not None:
                stamps.append((y, stamp))
        return cls(theme, camera, light, lanes, (near - 2.2, near - 0.5), background, tuple(stamps))


@dataclass(frozen=True)
class _Layout:
    """The borders between the surfaces, in metres from the camera: verge, walkway, strip, wall."""

    theme: Theme
    near: float
    far: float
    wall: float


def random_light(rng: np.random.Generator) -> Light:
    """Random light: sun from behind or beside the camera, or an overcast sky."""
    around, above = float(rng.uniform(0.15, 0.85)) * math.pi, math.radians(float(rng.uniform(40, 62)))
    towards = (math.cos(around) * math.cos(above), -math.sin(around) * math.cos(above) * 0.7, math.sin(above))
    length = math.sqrt(sum(axis**2 for axis in towards))
    sunny = rng.random() < 0.7
    return Light(
        towards=(towards[0] / length, towards[1] / length, towards[2] / length),
        strength=float(rng.uniform(0.42, 0.55) if sunny else rng.uniform(0.2, 0.3)),
        softness=float(rng.uniform(0.03, 0.06) if sunny else rng.uniform(0.15, 0.22)),
    )


def _puppet(figure: Body, camera: Camera, light: Light, x: float, y: float) -> Puppet:
    return Puppet(figure, camera, light, camera.project(x, y, 0.0)[2])


def _static(parts: list[Part]) -> Body:
    return Body(lambda phase, moving: parts, 1.0, 0.3, (0.0, 0.0), phases=1)


def _props(layout: _Layout, camera: Camera, rng: np.random.Generator) -> list[tuple[Body, float, float]]:
    """The static things: a row at the near edge of the walkway, which hides people, and a row behind the walkway."""
    placed: list[tuple[Body, float, float]] = []
    first, last = camera.span(layout.near)
    front = layout.near - 0.25
    for k in range(int(rng.integers(1, 3))):
        x = first + (last - first) * (0.22 + 0.45 * k + float(rng.uniform(0, 0.2)))
        placed.append((_lamp_post() if rng.random() < 0.6 else _tree(rng, trunk=3.7), x, front))
    if layout.theme == "street":
        spacing = float(rng.uniform(1.8, 2.6))
        placed += [(_bollard(), x, front) for x in np.arange(first + 0.5, last, spacing)]
    else:
        placed.append((_bench(), first + (last - first) * float(rng.uniform(0.3, 0.75)), layout.far + 0.7))
    first, last = camera.span(layout.far + 1.2)
    for x in np.arange(first, last, float(rng.uniform(4.5, 6.5))):
        x, y = float(x + rng.uniform(-0.8, 0.8)), layout.far + 1.2
        roll = rng.random()
        if roll < 0.5:
            placed.append((_tree(rng), x, y))
        elif roll < 0.75:
            placed.append((_planter(rng), x, y))
        else:
            placed.append((_lamp_post(), x, y))
    return sorted(placed, key=lambda prop: -prop[2])


def _lamp_post() -> Body:
    iron: PaintColour = (66, 68, 66)
    parts: list[Part] = [
        Limb((0, 0, 0), (0, 0, 0.9), 0.11, 0.09, iron),
        Limb((0, 0, 0.9), (0, 0, 4.6), 0.065, 0.05, iron),
        Limb((0, 0, 4.6), (0, 0, 5.0), 0.2, 0.12, (190, 206, 210)),
    ]
    return _static(parts)


def _bollard() -> Body:
    return _static(
        [
            Limb((0, 0, 0), (0, 0, 0.8), 0.075, 0.065, (70, 70, 72)),
            Limb((0, 0, 0.85), (0, 0, 0.85), 0.09, 0.09, (96, 96, 98)),
        ]
    )


def _tree(rng: np.random.Generator, trunk: float = 2.9) -> Body:
    """A tree with a round crown that begins at the height of `trunk` metres."""
    parts: list[Part] = [Limb((0, 0, 0), (0.05, 0, trunk + 0.6), 0.14, 0.09, (62, 76, 92))]
    spread = float(rng.uniform(0.95, 1.25))
    while len(parts) < 240:
        x, y, z = (float(axis) for axis in rng.uniform(-1, 1, 3))
        if not 0.1 < x * x + y * y + z * z < 1:
            continue
        shade = float(np.clip(0.85 + 0.3 * z - 0.15 * y + rng.normal(0, 0.13), 0.45, 1.4))
        leaf, radius = (spread * x, spread * y, trunk + 0.8 * spread * (1 + z)), float(rng.uniform(0.07, 0.19))
        parts.append(Limb(leaf, leaf, radius, radius, (40 * shade, 88 * shade, 68 * shade)))
    return _static(parts)


def _bench() -> Body:
    wood: PaintColour = (70, 102, 132)
    parts: list[Part] = [
        Prism(((x, 0.0), (x + 0.08, 0.0), (x + 0.08, 0.44), (x, 0.44)), -0.22, 0.22, (60, 62, 62)) for x in (-0.8, 0.72)
    ]
    parts.append(Prism(((-0.95, 0.42), (0.95, 0.42), (0.95, 0.48), (-0.95, 0.48)), -0.25, 0.25, wood))
    parts += [
        Panel(((-0.95, 0.24, z), (0.95, 0.24, z), (0.95, 0.28, z + 0.13), (-0.95, 0.28, z + 0.13)), wood)
        for z in (0.58, 0.76)
    ]
    return _static(parts)


def _planter(rng: np.random.Generator) -> Body:
    parts: list[Part] = [Prism(((-0.6, 0.0), (0.6, 0.0), (0.65, 0.5), (-0.65, 0.5)), -0.3, 0.3, (140, 148, 152))]
    flower = ((60, 70, 190), (150, 90, 170), (90, 190, 215))[rng.integers(3)]
    for _ in range(50):
        x, y, z = float(rng.uniform(-0.55, 0.55)), float(rng.uniform(-0.25, 0.25)), float(rng.uniform(0.5, 0.85))
        colour = flower if rng.random() < 0.2 else (46.0, float(rng.uniform(80, 120)), 72.0)
        parts.append(Limb((x, y, z), (x, y, z), 0.1, 0.1, colour))
    return _static(parts)


def _paint(
    layout: _Layout, camera: Camera, light: Light, props: list[tuple[Body, float, float]], textures: Textures
) -> NDArray[np.uint8]:
    """The background: a ray through every (super-sampled) pixel meets the ground or the wall behind the walkway."""
    fine = camera.enlarged(BACKGROUND_SUPERSAMPLING)
    dx, dy, dz = fine.rays()
    to_ground = camera.height / np.maximum(-dz, 1e-3)
    wall = to_ground * dy > layout.wall
    distance = np.where(wall, layout.wall / np.maximum(dy, 1e-3), to_ground)
    x, y = (dx * distance).astype(np.float32), (dy * distance).astype(np.float32)
    z = np.where(wall, camera.height + dz * distance, 0.0).astype(np.float32)
    ground = _street(layout, x, y, textures) if layout.theme == "street" else _park(layout, x, y, textures)
    back = textures.facade(x, z) if layout.theme == "street" else textures.hedge(x, z)
    image = np.where(wall[..., None], back, ground)
    # Less of the sky reaches the foot of the wall, on both sides of the edge.
    corner = np.where(wall, 0.25 * np.exp(-z / 0.5), 0.32 * np.exp(-(layout.wall - y) / 0.8))
    image *= (1 - corner)[..., None]
    image *= (1 + 0.05 * textures.noise(x, y + z, 9.0, 2))[..., None]
    down, across = np.mgrid[-1 : 1 : image.shape[0] * 1j, -1 : 1 : image.shape[1] * 1j]
    image *= (1.18 - 0.15 * (down**2 + across**2) / 2)[..., None]  # exposure, and the lens
    height, width = camera.size
    small = cv2.resize(np.clip(image, 0, 255).astype(np.uint8), (width, height), interpolation=cv2.INTER_AREA)
    frame = small.astype(np.uint8, copy=False)
    for figure, px, py in props:
        stamp = _puppet(figure, camera, light, px, py).stamp(px, py, 0.0, 0.0, 0.0, False, shadow=True)
        if stamp is not None:
            view = frame[stamp.place]
            view[:] = view * (1 - stamp.image[..., None].astype(np.float32) / 255)
    return frame


def _street(layout: _Layout, x: NDArray[np.float32], y: NDArray[np.float32], textures: Textures) -> NDArray[np.float32]:
    """Road, kerb, pavement with a line of darker stones between the lanes, and a strip of small stones."""
    image = textures.asphalt(x, y)
    line = (np.abs(y - (layout.near - 2.6)) < 0.07) & (np.floor(x / 1.5) % 2 == 0)
    image = np.where(line[..., None], image * 0.35 + 125, image)
    gutter = np.exp(-np.clip(layout.near - 0.05 - y, 0, None) / 0.12) * 0.3
    image *= (1 - gutter)[..., None]
    kerb = y > layout.near - 0.05
    image = np.where(kerb[..., None], textures.paving(x, y - layout.near + 0.05, (160, 164, 166), (1.0, 0.25)), image)
    walkway = y > layout.near + 0.2
    image = np.where(walkway[..., None], textures.paving(x, y, (138, 148, 156), (0.7, 0.46)), image)
    middle = np.abs(y - (layout.near + layout.far) / 2) < 0.16
    image = np.where(middle[..., None], textures.paving(x, y, (116, 120, 126), (0.32, 0.32)), image)
    strip = y > layout.far
    return np.where(strip[..., None], textures.paving(x, y, (108, 118, 128), (0.22, 0.2)), image)


def _park(layout: _Layout, x: NDArray[np.float32], y: NDArray[np.float32], textures: Textures) -> NDArray[np.float32]:
    """A paved path with edging stones between two lawns."""
    wobble = 0.05 * textures.noise(x, y, 0.5, 2)
    image = textures.grass(x, y)
    edging = (y + 0.3 * wobble > layout.near - 0.15) & (y + 0.3 * wobble < layout.far + 0.15)
    image = np.where(edging[..., None], textures.paving(x, y, (132, 138, 140), (0.5, 0.3)), image)
    path = (y > layout.near) & (y < layout.far)
    return np.where(path[..., None], textures.paving(x, y, (136, 154, 168), (0.6, 0.6)), image)
