"""What marks of people made of a detector: where it looks no more, and which of its events it keeps to itself.

The judge of events is a logistic regression with an L2 penalty on what an event shows at its peak:

    p(abnormal) = 1 / (1 + exp(-(b + sum of w_f (f - m_f) / s_f)))                                        (1)

f are ln(1 + z) of every component, z its standard deviations above normal and at least 0, and of the box of the anomaly
map its centre (x, y) in shares of the picture, the ln of its area and the ln of height over width. m and s are mean and
deviation of f over the marked events. An event with p below `cut` is held: it stays in the store, and nobody is told.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from oddframe.models.ignored import IgnoredPlace

BOX = ("box x", "box y", "box area", "box shape")
LEAST_SIDE = 1e-3  # share of the picture
ALIKE = "like what was marked normal"

Box = tuple[int, int, int, int]


@dataclass(frozen=True)
class ShownEvent:
    """What an event shows at its peak.

    Attributes:
        why: component -> standard deviations above normal; None where that was no number.
        box: (left, top, right, bottom) in pixels, or None.
        size: (width, height) of the picture in pixels.
    """

    why: Mapping[str, float | None]
    box: Box | None
    size: tuple[int, int]

    @property
    def middle(self) -> tuple[float, float] | None:
        """(x, y) of the middle of the box in shares of the picture; None without a box."""
        if self.box is None or not min(self.size):
            return None
        return (self.box[0] + self.box[2]) / 2 / self.size[0], (self.box[1] + self.box[3]) / 2 / self.size[1]

    def features(self, components: Sequence[str]) -> list[float]:
        """f of equation (1): a number for each component, then those of `BOX`; without a box, of the whole picture."""
        heights = [math.log1p(max(self.why.get(name) or 0.0, 0.0)) for name in components]
        width = height = 1.0
        if self.box is not None and min(self.size):
            width = max((self.box[2] - self.box[0]) / self.size[0], LEAST_SIDE)
            height = max((self.box[3] - self.box[1]) / self.size[1], LEAST_SIDE)
        return [*heights, *(self.middle or (0.5, 0.5)), math.log(width * height), math.log(height / width)]


def zone_of(shown: ShownEvent, places: Iterable[IgnoredPlace]) -> str:
    """The first of some places in which the middle of an event lies, as "zone NAME"; empty where there is none."""
    middle = shown.middle
    found = (f"zone {place.name}" for place in places if middle is not None and place.holds(*middle))
    return next(found, "")


@dataclass(frozen=True)
class EventJudge:
    """Equation (1).

    Attributes:
        components: whose heights it looks at, in order; the numbers of `BOX` follow.
        mean, scale, weight: m, s and w, a number for each of them.
        bias: b.
        cut: events with p below it are held.
    """

    components: tuple[str, ...]
    mean: tuple[float, ...]
    scale: tuple[float, ...]
    weight: tuple[float, ...]
    bias: float
    cut: float

    def __post_init__(self) -> None:
        count = len(self.components) + len(BOX)
        if any(len(numbers) != count for numbers in (self.mean, self.scale, self.weight)):
            raise ValueError(f"a judge of {len(self.components)} components has {count} means, scales and weights")
        if not all(scale > 0 for scale in self.scale) or not 0 <= self.cut <= 1:
            raise ValueError("the scales of a judge lie above 0, and its cut between 0 and 1")

    def abnormal(self, shown: ShownEvent) -> float:
        """p(abnormal)."""
        found = zip(shown.features(self.components), self.mean, self.scale, self.weight, strict=True)
        total = self.bias + sum(weight * (value - mean) / scale for value, mean, scale, weight in found)
        return 1 / (1 + math.exp(-max(min(total, 500.0), -500.0)))


@dataclass(frozen=True)
class TaughtVideo:
    """A video, or the clip of a live event, that was learned from; `key` is that of its content."""

    name: str
    key: str


@dataclass(frozen=True)
class Teaching:
    """What marks made of another bundle.

    Attributes:
        parent: id of the bundle before.
        normal, abnormal: how many events marked so were learned from.
        videos: that windows were taken from, or that count as held-out normal video, of all versions before as well.
        zones: to ignore.
        masked: the detector itself leaves the zones out; otherwise events whose middle lies in one are held.
        judge: of events; None where there were too few marks for one.
    """

    parent: str
    normal: int = 0
    abnormal: int = 0
    videos: tuple[TaughtVideo, ...] = ()
    zones: tuple[IgnoredPlace, ...] = ()
    masked: bool = False
    judge: EventJudge | None = None

    def held(self, shown: ShownEvent) -> str:
        """Why nobody is told of an event; empty where people are."""
        zone = "" if self.masked else zone_of(shown, self.zones)
        if zone:
            return zone
        return ALIKE if self.judge is not None and self.judge.abnormal(shown) < self.judge.cut else ""
