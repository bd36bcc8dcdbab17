"""Textures of surfaces: paving, asphalt, grass, facades, hedges. All return (H, W, 3) float32 colours."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

Plane = NDArray[np.float32]
TILE = 256


class Textures:
    """Seeded surfaces. Coordinates are float32 arrays in metres, colours are blue-green-red in 0..255."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._tile = rng.standard_normal((TILE, TILE)).astype(np.float32)
        self._table = rng.standard_normal(4099).astype(np.float32)
        self._rng = rng

    def noise(self, u: Plane, v: Plane, scale: float, octaves: int = 3) -> Plane:
        """Fractal noise with a standard deviation of about 1. Its coarsest structure has a size of `scale` metres."""
        total, weight, power = np.zeros(np.broadcast(u, v).shape, np.float32), 1.0, 0.0
        for octave in range(octaves):
            grain = scale / 2**octave
            x, y = np.broadcast_arrays(u / grain % TILE, v / grain % TILE)
            sample = cv2.remap(
                self._tile, x.astype(np.float32), y.astype(np.float32), cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP
            )
            total += weight * np.asarray(sample, np.float32)
            power, weight = power + weight**2, weight * 0.6
        return np.asarray(total * (1.5 / power**0.5), np.float32)

    def each(self, i: ArrayLike, j: ArrayLike = 0) -> Plane:
        """A random number with standard deviation 1 for each cell (i, j) of a pattern."""
        cell = (np.asarray(i, np.int64) * 7919 + np.asarray(j, np.int64) * 104729) % len(self._table)
        numbers: Plane = self._table[cell]
        return numbers

    def paving(self, x: Plane, y: Plane, colour: tuple[float, float, float], tile: tuple[float, float]) -> Plane:
        """Slabs in running bond, each a little different, with darker joints and stains."""
        row = np.floor(y / tile[1])
        along = x / tile[0] + 0.5 * (row % 2)
        column = np.floor(along)
        edge = np.minimum(
            np.minimum(along - column, 1 - along + column) * tile[0],
            np.minimum(y / tile[1] - row, 1 - y / tile[1] + row) * tile[1],
        )
        joint = np.clip(1 - edge / 0.03, 0, 1)
        tone = 1 + 0.055 * self.each(column, row) + 0.03 * self.noise(x, y, 0.15) + 0.045 * self.noise(x, y, 2.4)
        return _tint(colour, tone * (1 - 0.3 * joint))

    def asphalt(self, x: Plane, y: Plane) -> Plane:
        """Tarmac with grain, worn tracks and patches."""
        patch = (self.noise(x, y, 5.0, 2) > 1.4).astype(np.float32)
        tone = 1 + 0.07 * self.noise(x, y, 0.1, 2) + 0.05 * self.noise(x, y, 3.0) - 0.09 * patch
        return _tint((92, 90, 88), tone)

    def grass(self, x: Plane, y: Plane) -> Plane:
        """A lawn with worn and lush places."""
        blade, patch = self.noise(x, y, 0.14, 3), self.noise(x, y, 2.2, 3)
        colour = _tint((50, 104, 84), 1 + 0.12 * blade + 0.1 * patch)
        dry = np.clip(self.noise(y, x, 3.5, 2) * 0.4, 0, 0.5)[..., None]
        return np.asarray(colour * (1 - dry) + np.array([74, 122, 130], np.float32) * dry, np.float32)

    def hedge(self, x: Plane, z: Plane) -> Plane:
        """A wall of leaves, lighter at the top, with dark gaps between the trunks."""
        leaf, clump = self.noise(x, z, 0.22, 3), self.noise(x, z, 1.6, 3)
        tone = 0.62 + 0.13 * np.clip(z, 0, 4) + 0.2 * leaf + 0.26 * clump
        return _tint((48, 86, 68), np.clip(tone, 0.3, 1.7))

    def facade(self, x: Plane, z: Plane) -> Plane:
        """A row of houses with shops at street level, awnings, and windows above."""
        rng = self._rng
        edges = np.cumsum(rng.uniform(6.0, 10.0, 24)) - 70
        house = np.searchsorted(edges, x).astype(np.int64)
        count = len(edges) + 1
        walls = np.array(
            [(132, 158, 178), (150, 164, 170), (96, 118, 160), (168, 176, 180), (112, 132, 138), (86, 100, 138)],
            np.float32,
        )
        wall = walls[rng.integers(len(walls), size=count)][house]
        local = x - np.concatenate([[edges[0] - 8], edges])[house]
        brick = (rng.random(count) < 0.45)[house]
        course = np.floor(z / 0.12)
        bond = local / 0.36 + 0.5 * (course % 2)
        mortar = np.minimum(bond - np.floor(bond), 0.5) * (z / 0.12 - course) < 0.06
        tone = 1 + 0.04 * self.noise(x, z, 0.8) + 0.03 * self.noise(x, z, 0.1)
        tone = np.where(brick, tone + 0.05 * self.each(np.floor(bond), course) - 0.12 * mortar, tone)
        image = wall * tone[..., None]

        pitch = rng.uniform(2.1, 3.0, count)[house].astype(np.float32)
        bay = np.floor(local / pitch)
        inside = (local / pitch - bay - 0.5) * pitch  # metres from the middle of the bay
        door = self.each(bay, house * 31) > 0.7
        sill = np.where(door, 0.0, 0.55)
        upper = z > 3.5
        low, high = np.where(upper, 4.1, sill), np.where(upper, 5.8, 2.5)
        half = np.where(upper, 0.55, np.where(door, 0.5, pitch * 0.4))
        opening = (np.abs(inside) < half) & (z > low) & (z < high)
        pane = (np.abs(inside) < half - 0.07) & (z > low + 0.07) & (z < high - 0.07)
        pane &= (np.abs(inside) > 0.03) | door
        frame = np.array([(214, 218, 220), (56, 60, 64), (70, 92, 112)], np.float32)[rng.integers(3, size=count)][house]
        image = np.where(opening[..., None], frame * (0.85 + 0.05 * tone[..., None]), image)
        shine = 0.75 + 0.32 * np.clip(self.noise(x + 0.6 * z, z * 0.3, 1.3, 2), -1, 1) + 0.1 * z / 3
        glass = _tint((96, 88, 76), shine.astype(np.float32))
        warm = np.clip(self.each(bay, house * 17) * 0.4, 0, 0.45)[..., None] * ~upper[..., None]
        glass = glass * (1 - warm) + np.array([120, 158, 188], np.float32) * warm
        image = np.where(pane[..., None], glass, image)

        signs = np.array(
            [(60, 60, 140), (120, 84, 50), (70, 110, 70), (52, 52, 56), (60, 130, 180), (200, 204, 206)], np.float32
        )
        sign = signs[rng.integers(len(signs), size=count)][house]
        band = (z > 2.75) & (z < 3.25)
        letters = (
            (np.abs(z - 3.0) < 0.12) & (self.each(np.floor(local / 0.16), house) > -0.1) & (np.abs(local - 3.6) < 1.4)
        )
        image = np.where(band[..., None], sign * tone[..., None], image)
        image = np.where((band & letters)[..., None], 255 - 0.6 * sign, image)
        awning = (rng.random(count) < 0.5)[house] & (z > 2.25) & (z < 2.8)
        stripe = (np.floor(local / 0.35) % 2)[..., None]
        cloth = (sign * (1 - stripe) + np.array([206, 210, 212], np.float32) * stripe) * (0.75 + 0.5 * (z - 2.25))[
            ..., None
        ]
        image = np.where(awning[..., None], cloth, image)
        image = np.where((z < 0.35)[..., None] & ~opening[..., None], image * 0.72, image)  # plinth
        corner = np.abs(local) < 0.09
        return np.asarray(np.where(corner[..., None], image * 0.7, image), np.float32)


def _tint(colour: tuple[float, float, float], tone: Plane) -> Plane:
    return np.asarray(np.array(colour, np.float32) * tone[..., None], np.float32)
