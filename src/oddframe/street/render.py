"""Rendering of the street: frames with their ground truth, which is every visible object and its place."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from oddframe.errors import InputError
from oddframe.street.crowd import Actor, plan
from oddframe.street.puppet import Puppet, Stamp
from oddframe.street.scene import Scene

VISIBLE = 0.0004  # share of the frame's pixels; an anomalous object with a smaller visible part is not labelled
OPAQUE = 110  # alpha from which on a pixel belongs to an object
NOISE_FIELDS = 3


@dataclass(frozen=True)
class Seen:
    """One object in one frame; `box` is (left, top, right, bottom) of its visible pixels, the last two exclusive."""

    number: int
    kind: str
    anomalous: bool
    box: tuple[int, int, int, int]


@dataclass(frozen=True)
class RenderedFrame:
    """One frame with its ground truth.

    `image` is (H, W, 3) uint8 BGR. `mask` is (H, W) uint8, 1 on visible pixels of anomalous objects. It is empty
    exactly if `label` is 0. `objects` has every object that is at least partly visible.
    """

    index: int
    image: NDArray[np.uint8]
    mask: NDArray[np.uint8]
    label: int
    objects: tuple[Seen, ...]


class World:
    """One camera above one scene, equal for all videos. It is a pure function of seed, size and frame rate.

    Args:
        seed: which world.
        size: (height, width) of its frames in pixels.
        fps: frames a second.

    Raises:
        InputError: a side is below 32 pixels, or the frame rate is not above 0.
    """

    def __init__(self, seed: int = 0, size: tuple[int, int] = (180, 320), fps: float = 12.5) -> None:
        if min(size) < 32:
            raise InputError(f"cannot render frames of {size[1]}x{size[0]} pixels: the smallest side is 32")
        if not fps > 0:
            raise InputError(f"cannot render {fps} frames a second: the rate must be above 0")
        self.seed, self.size, self.fps = seed, size, fps
        self.scene = Scene.random(seed, size)
        self._noise = _noise_fields(np.random.default_rng((seed, 0x4015E)), size)

    def video(self, index: int, seconds: float, anomalies: Sequence[str] = ()) -> Iterator[RenderedFrame]:
        """Render video `index`, which has its own crowd and the named anomalies in this order.

        Raises:
            InputError: a kind of anomaly does not exist.
        """
        rng = np.random.default_rng((self.seed, 1 + index))
        count = max(round(seconds * self.fps), 1)
        actors = plan(self.scene, np.arange(count) / self.fps, anomalies, rng)
        puppets = [Puppet(a.figure, self.scene.camera, self.scene.light, self._largest(a)) for a in actors]
        gains = _flicker(count, self.fps, rng)
        for n in range(count):
            image, owner, numbers = self._compose(actors, puppets, n)
            mask, objects = self._truth(actors, owner, numbers, n)
            yield RenderedFrame(n, self._sense(image, float(gains[n]), rng), mask, int(mask.any()), objects)

    def _largest(self, actor: Actor) -> float:
        """The largest scale of an actor in the video, in pixels per metre."""
        project = self.scene.camera.project
        low, high = self.scene.camera.span(float(actor.y.min()))
        nearest = [project(min(max(x, low), high), actor.y.min(), 0.0)[2] for x in (actor.x.min(), actor.x.max())]
        return max(nearest)

    def _compose(
        self, actors: Sequence[Actor], puppets: Sequence[Puppet], n: int
    ) -> tuple[NDArray[np.uint8], NDArray[np.int32], list[tuple[int, Stamp]]]:
        """Draw background, shadows and objects from far to near. Also returns the object of each pixel (1-based)."""
        image = self.scene.background.copy()
        owner = np.zeros(self.size, np.int32)
        drawn: list[tuple[float, int, Stamp]] = [(y, -1, stamp) for y, stamp in self.scene.props]
        for number, (actor, puppet) in enumerate(zip(actors, puppets, strict=True)):
            if not actor.present[n]:
                continue
            place = float(actor.x[n]), float(actor.y[n]), float(actor.z[n]), float(actor.heading[n])
            pose = *place, float(actor.phase[n]) % 1.0, bool(actor.moving[n])
            shadow = puppet.stamp(*pose, shadow=True)
            if shadow is not None:
                darken(image, shadow)
            stamp = puppet.stamp(*pose)
            if stamp is not None:
                drawn.append((float(actor.y[n]), number, stamp))
        shown = []
        for _, number, stamp in sorted(drawn, key=lambda item: -item[0]):
            lay_over(image, stamp)
            owner[stamp.place][stamp.image[..., 3] > OPAQUE] = number + 1
            if number >= 0:
                shown.append((number, stamp))
        return image, owner, shown

    def _truth(
        self, actors: Sequence[Actor], owner: NDArray[np.int32], shown: Sequence[tuple[int, Stamp]], n: int
    ) -> tuple[NDArray[np.uint8], tuple[Seen, ...]]:
        """The mask of anomalous objects, and every object that is at least partly visible."""
        mask = np.zeros(self.size, np.uint8)
        objects = []
        for number, stamp in sorted(shown, key=lambda item: item[0]):
            visible = owner[stamp.place] == number + 1
            rows, columns = np.flatnonzero(visible.any(axis=1)), np.flatnonzero(visible.any(axis=0))
            if not len(rows):
                continue
            found = bool(actors[number].anomalous[n] and np.count_nonzero(visible) >= VISIBLE * mask.size)
            if found:
                mask[stamp.place][visible] = 1
            left, top = stamp.left + int(columns[0]), stamp.top + int(rows[0])
            right, bottom = stamp.left + int(columns[-1]) + 1, stamp.top + int(rows[-1]) + 1
            objects.append(Seen(number, actors[number].kind, found, (left, top, right, bottom)))
        return mask, tuple(objects)

    def _sense(self, image: NDArray[np.uint8], gain: float, rng: np.random.Generator) -> NDArray[np.uint8]:
        """Add the flicker of the light and the noise of the sensor."""
        field = self._noise[int(rng.integers(len(self._noise)))]
        top, left = int(rng.integers(field.shape[0] - self.size[0])), int(rng.integers(field.shape[1] - self.size[1]))
        noise = field[top : top + self.size[0], left : left + self.size[1]]
        return cv2.addWeighted(image, gain, noise, 1.0, -128.0).astype(np.uint8, copy=False)


def lay_over(image: NDArray[np.uint8], stamp: Stamp) -> None:
    """Draw a stamp (BGRA, colours multiplied by alpha) over the image."""
    part = image[stamp.place]
    clear = (256 - stamp.image[..., 3:].astype(np.uint16)) * part
    part[:] = cv2.add((clear >> 8).astype(np.uint8), stamp.image[..., :3])


def darken(image: NDArray[np.uint8], stamp: Stamp) -> None:
    """Darken the image under the stamp of a shadow."""
    part = image[stamp.place]
    part[:] = ((256 - stamp.image[..., None].astype(np.uint16)) * part) >> 8


def _noise_fields(rng: np.random.Generator, size: tuple[int, int]) -> list[NDArray[np.uint8]]:
    """Fields of sensor noise with mean 128, larger than a frame. Each frame uses a part of one field.

    Mostly brightness, a little colour, and grain of slightly more than one pixel, as cameras leave it.
    """
    fields = []
    for _ in range(NOISE_FIELDS):
        shape = size[0] + 67, size[1] + 71
        grey = rng.standard_normal(shape, np.float32)
        grain = cv2.GaussianBlur(rng.standard_normal(shape, np.float32), (0, 0), 0.8)
        colour = cv2.GaussianBlur(rng.standard_normal((*shape, 3), np.float32), (0, 0), 1.0)
        field = 128 + (1.5 * grey + 4.0 * np.asarray(grain))[..., None] + 3.0 * np.asarray(colour)
        fields.append(np.clip(np.rint(field), 0, 255).astype(np.uint8))
    return fields


def _flicker(count: int, fps: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """The gain of the light in each frame: slow clouds, and a faint beat between lamps and shutter."""
    t = np.arange(count) / fps
    slow = sum(
        0.012 * math.sqrt(period / 10) * np.sin(2 * math.pi * (t / period + rng.random()))
        for period in (7.0, 17.0, 43.0)
    )
    beat = 0.006 * np.sin(2 * math.pi * (t * 1.7 + rng.random())) + 0.002 * rng.standard_normal(count)
    return np.asarray(1.0 + slow + beat)
