"""Glances at a camera: small grey pictures, one a second, and what two of them say of each other.

A glance is 160 x 256 pixels in grey, whatever the size of the video. The median of ten glances shows the scene without
what passes through it. Two medians are compared by their edges:

    v = (gx^2 - gy^2, 2 gx gy) / (g^2 + half of the local mean of g^2 + a floor)

is the direction of the gradient g with its angle doubled (Bigun and Granlund 1987), weighed by how much of an edge
there is in its neighbourhood. Neither contrast, nor brightness, nor an inversion of the light changes it much, so that
day, lamps and infra-red show the same edges. The agreement of two such fields is their normalised correlation, -1 to 1.
The place of the highest cross-correlation is how far the camera has moved, to a fraction of a pixel.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import fft

from oddframe.types import Colour

HEIGHT, WIDTH = 160, 256
BLOCK = 32  # pixels of a side
ROWS, COLUMNS = HEIGHT // BLOCK, WIDTH // BLOCK
FLOOR = 0.7  # grey levels per pixel that coding and noise leave in a median
BORDER = 3  # pixels that see beyond the picture
HIGH = 249  # grey levels from which on a pixel is saturated and shows nothing
EDGES = 0.12  # share of pixels, the strongest edges, at which sharpness is measured
FINE, COARSE = 0.6, 3.0  # pixels, of the two scales of sharpness
TURNS = tuple(float(angle) for angle in np.arange(-9.0, 9.1, 1.5) if angle)  # degrees that are tried

Grey = NDArray[np.uint8]
Real = NDArray[np.float32]

_SEEN, _SEEN_HALF = (
    np.asarray(cv2.createHanningWindow((WIDTH // part, HEIGHT // part), cv2.CV_32F), np.float32) for part in (1, 2)
)
_TO_GREY = {"bgr": cv2.COLOR_BGR2GRAY, "rgb": cv2.COLOR_RGB2GRAY}


def glance(image: NDArray[np.uint8], colour: Colour) -> Grey:
    """(160, 256) of an (H, W, C) picture whose channels are in the order `colour`."""
    grey = image[..., 0] if image.shape[2] == 1 else cv2.cvtColor(image, _TO_GREY[colour])
    return np.asarray(cv2.resize(grey, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA), np.uint8)


def change(glance: Grey, before: Grey) -> float:
    """The largest mean difference of two glances in any of the 40 blocks, in grey levels."""
    return float(blocks(cv2.absdiff(glance, before).astype(np.float32)).max())


def least_change(glance: Grey, before: Iterable[Grey]) -> float:
    """The change from that of some earlier glances which is most alike."""
    return min(change(glance, one) for one in before)


def blocks(values: Real) -> Real:
    """(5, 8) means of the blocks of (160, 256) values."""
    return np.asarray(values.reshape(ROWS, BLOCK, COLUMNS, BLOCK).mean(axis=(1, 3)), np.float32)


class Brightness(NamedTuple):
    """How bright a picture is: the 5 % and the 95 % quantile of its grey levels, and the share of saturated pixels."""

    low: float
    high: float
    saturated: float

    @classmethod
    def of(cls, median: Grey) -> Brightness:
        counts = np.cumsum(np.bincount(median.ravel(), minlength=256)) / median.size
        low, high = (float(np.searchsorted(counts, share)) for share in (0.05, 0.95))
        return cls(low, high, float(1 - counts[HIGH]))


@dataclass(frozen=True)
class Edges:
    """The edges of a picture.

    Attributes:
        field: (160, 256) complex64, the gradient's direction with its angle doubled; its length is 0 to 1.
        visible: (160, 256) bool, where the picture is not saturated.
    """

    field: NDArray[np.complex64]
    visible: NDArray[np.bool_]

    @classmethod
    def of(cls, median: Grey) -> Edges:
        field = _field(median.astype(np.float32), 1.0, 12.0)
        visible = cv2.erode((median < HIGH).astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
        return cls(field, visible)

    @property
    def amount(self) -> float:
        """Mean length of the field, 0 to 1: how much there is to compare."""
        return float(np.abs(self.field).mean())


class Agreement(NamedTuple):
    """What the edges of a picture say of those of a reference, where both can be seen.

    `whole` is the agreement, -1 to 1; `parts` (5, 8) that of every block; `present` (5, 8) the amount of edges in a
    block relative to the reference; `weight` (5, 8) how much of the reference's edges lies in a block, relative to its
    mean over the blocks; `seen` (5, 8) the share of the reference's edges in a block that is not saturated now.
    """

    whole: float
    parts: Real
    present: Real
    weight: Real
    seen: Real


def agree(edges: Edges, reference: Edges) -> Agreement:
    """Compare edges in place."""
    there = np.abs(reference.field) ** 2
    both = (edges.visible & reference.visible).astype(np.float32)
    product = blocks((edges.field * reference.field.conj()).real * both)
    mine, theirs, all_theirs = blocks(np.abs(edges.field) ** 2 * both), blocks(there * both), blocks(there)
    small = 1e-6
    parts = product / np.sqrt(np.maximum(mine, 0.15 * theirs) * theirs + small)
    whole = float(product.sum() / np.sqrt(mine.sum() * theirs.sum() + small))
    return Agreement(
        whole,
        parts.astype(np.float32),
        (mine / (theirs + small)).astype(np.float32),
        (theirs / (all_theirs.mean() + small)).astype(np.float32),
        (theirs / (all_theirs + small)).astype(np.float32),
    )


class Move(NamedTuple):
    """How a picture has to be moved to fit: pixels of a glance to the right and down, degrees clockwise.

    `fit` is the correlation that it then has, `unmoved` the one without.
    """

    right: float
    down: float
    turn: float
    fit: float
    unmoved: float

    @property
    def pixels(self) -> float:
        return float(np.hypot(self.right, self.down))

    @property
    def gain(self) -> float:
        """How much better the picture fits where it is moved."""
        return self.fit - self.unmoved


@dataclass(frozen=True)
class View:
    """A picture that others are held against; what is needed of it is computed once."""

    picture: Grey

    @cached_property
    def edges(self) -> Edges:
        """Its edges."""
        return Edges.of(self.picture)

    @cached_property
    def spectrum(self) -> tuple[NDArray[np.complex64], float]:
        """Of its edges, with their length."""
        return _spectrum(self.edges.field, _SEEN)

    @cached_property
    def strong(self) -> NDArray[np.bool_]:
        """(160, 256) bool, where its strongest edges are."""
        strength = _gradient(self.picture, 1.0)
        return np.asarray(strength >= np.quantile(strength, 1 - EDGES))

    @cached_property
    def fineness(self) -> float:
        """How much stronger its edges are at the fine scale than at the coarse one."""
        return _fineness(self.picture, self.strong)


def shift(edges: Edges, view: View) -> Move:
    """Where the edges of a view lie now, without a turn."""
    return _correlate(_spectrum(edges.field, _SEEN), view.spectrum)


def placed(edges: Edges, move: Move) -> Edges:
    """Edges after a move without a turn is undone, to whole pixels; what came in from outside is not visible."""
    down, right = round(move.down), round(move.right)
    field, visible = np.roll(edges.field, (-down, -right), (0, 1)), np.roll(edges.visible, (-down, -right), (0, 1))
    rows, columns = np.arange(HEIGHT) + down, np.arange(WIDTH) + right
    inside = ((rows >= 0) & (rows < HEIGHT))[:, None] & ((columns >= 0) & (columns < WIDTH))
    return Edges(field, visible & inside)


def turned_back(median: Grey, move: Move) -> Edges:
    """Edges of a picture after a move with a turn is undone; what came in from outside is not visible."""
    back = cv2.getRotationMatrix2D((WIDTH / 2 - 0.5, HEIGHT / 2 - 0.5), move.turn, 1.0)
    back[0, 2] -= move.right
    back[1, 2] -= move.down
    edges = Edges.of(
        np.asarray(cv2.warpAffine(median, back, (WIDTH, HEIGHT), borderMode=cv2.BORDER_REPLICATE), np.uint8)
    )
    inside = cv2.warpAffine(np.ones((HEIGHT, WIDTH), np.uint8), back, (WIDTH, HEIGHT)) > 0
    return Edges(edges.field, edges.visible & inside)


def turned(median: Grey, reference: Grey) -> Move:
    """The best of all moves with a turn, at half the resolution; slower than `shift` by the number of turns."""
    size = WIDTH // 2, HEIGHT // 2
    small, other = (
        cv2.resize(picture, size, interpolation=cv2.INTER_AREA).astype(np.float32) for picture in (median, reference)
    )
    theirs = _spectrum(_field(other, 1.0, 6.0), _SEEN_HALF)
    unmoved = _correlate(_spectrum(_field(small, 1.0, 6.0), _SEEN_HALF), theirs).unmoved
    best = Move(0.0, 0.0, 0.0, -1.0, unmoved)
    for angle in TURNS:
        back = cv2.getRotationMatrix2D((size[0] / 2 - 0.5, size[1] / 2 - 0.5), angle, 1.0)
        moved = cv2.warpAffine(small, back, size, borderMode=cv2.BORDER_REPLICATE)
        found = _correlate(_spectrum(_field(np.asarray(moved, np.float32), 1.0, 6.0), _SEEN_HALF), theirs)
        if found.fit > best.fit:
            best = Move(2 * found.right, 2 * found.down, angle, found.fit, unmoved)
    return best


def sharpness(median: Grey, view: View) -> float:
    """How sharp a picture is at the edges of a view, relative to the view: 1 is as sharp."""
    return _fineness(median, view.strong) / max(view.fineness, 1e-6)


def defocused(reference: Grey, sigma: float) -> Grey:
    """The reference as a lens out of focus shows it."""
    return np.asarray(cv2.GaussianBlur(reference, (0, 0), sigma), np.uint8)


def _gradient(picture: Grey, scale: float) -> Real:
    smooth = cv2.GaussianBlur(picture.astype(np.float32), (0, 0), scale)
    across, down = (cv2.Sobel(smooth, cv2.CV_32F, x, 1 - x, ksize=3, scale=1 / 8) for x in (1, 0))
    return np.asarray(np.hypot(across, down), np.float32)


def _field(picture: Real, scale: float, around: float) -> NDArray[np.complex64]:
    smooth = cv2.GaussianBlur(picture, (0, 0), scale)
    across, down = (cv2.Sobel(smooth, cv2.CV_32F, x, 1 - x, ksize=3, scale=1 / 8) for x in (1, 0))
    squared = across * across + down * down
    weight = 1 / (squared + 0.5 * cv2.GaussianBlur(squared, (0, 0), around) + FLOOR**2)
    found = ((across * across - down * down) + 2j * (across * down)) * weight
    field: NDArray[np.complex64] = found.astype(np.complex64)
    for edge in (field[:BORDER], field[-BORDER:], field[:, :BORDER], field[:, -BORDER:]):
        edge[:] = 0
    return field


def _fineness(picture: Grey, where: NDArray[np.bool_]) -> float:
    fine, coarse = (float(_gradient(picture, scale)[where].mean()) for scale in (FINE, COARSE))
    return fine / max(coarse, 0.05)


def _spectrum(field: NDArray[np.complex64], seen: Real) -> tuple[NDArray[np.complex64], float]:
    shown = field * seen
    return np.asarray(fft.fft2(shown), np.complex64), float(np.linalg.norm(shown))


def _correlate(mine: tuple[NDArray[np.complex64], float], theirs: tuple[NDArray[np.complex64], float]) -> Move:
    """The place of the highest circular cross-correlation, refined by parabolas."""
    found = fft.ifft2(mine[0] * theirs[0].conj()).real / (mine[1] * theirs[1] + 1e-6)
    height, width = found.shape
    row, column = divmod(int(np.argmax(found)), width)
    peak = float(found[row, column])

    def between(before: float, after: float) -> float:
        bend = before - 2 * peak + after
        return 0.0 if bend >= 0 else 0.5 * (before - after) / bend

    down = row + between(found[row - 1, column], found[(row + 1) % height, column])
    right = column + between(found[row, column - 1], found[row, (column + 1) % width])
    down, right = (down + height / 2) % height - height / 2, (right + width / 2) % width - width / 2
    return Move(float(right), float(down), 0.0, peak, float(found[0, 0]))
