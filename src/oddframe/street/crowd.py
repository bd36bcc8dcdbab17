"""Positions of all figures over time: ordinary walkers, and the anomalies planted among them.

Normal behaviour is to walk along the walkway at walking pace, in the lane of one's direction, with distance to others.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from oddframe.errors import InputError
from oddframe.street.scene import Lane, Scene
from oddframe.street.things import FIGURES, RARE_KINDS, TEST_KINDS, Body, walker

Floats = NDArray[np.float64]
OUTSIDE = 1.2  # metres beyond the edge of the view where people come and go
CALM = 0.1  # metres per second; a slower figure counts as standing


@dataclass(frozen=True)
class Actor:
    """One figure in a video of N frames. Positions are in metres, the heading in radians from x towards y.

    `present` marks the frames in which the figure exists, and `anomalous` the frames in which it is an anomaly.
    """

    kind: str
    figure: Body
    x: Floats
    y: Floats
    z: Floats
    heading: Floats
    phase: Floats
    moving: NDArray[np.bool_]
    present: NDArray[np.bool_]
    anomalous: NDArray[np.bool_]


def travel(
    kind: str, figure: Body, times: Floats, knots: Sequence[tuple[float, float, float]], z: Floats | None = None
) -> Actor:
    """An actor that moves in straight lines from knot to knot (time, x, y). It is not marked as anomalous."""
    t, kx, ky = (np.array(column) for column in zip(*knots, strict=True))
    x, y = np.interp(times, t, kx), np.interp(times, t, ky)
    step = times[1] - times[0] if len(times) > 1 else 1.0
    # A turn at a corner takes half a second: the difference spans a quarter of a second on both sides.
    reach = 0.25
    dx = np.interp(times + reach, t, kx) - np.interp(times - reach, t, kx)
    dy = np.interp(times + reach, t, ky) - np.interp(times - reach, t, ky)
    speed = np.hypot(np.gradient(x, step), np.gradient(y, step)) if len(times) > 1 else np.zeros(1)
    turned = np.hypot(dx, dy) > CALM * reach
    heading = np.arctan2(dy, dx)
    last = np.maximum.accumulate(np.where(turned, np.arange(len(times)), 0))
    heading = heading[last]  # a standing figure keeps its direction
    covered = np.concatenate([[0.0], np.cumsum(np.hypot(np.diff(x), np.diff(y)))])
    present = (times >= t[0]) & (times <= t[-1])
    height = np.zeros(len(times)) if z is None else z
    phase = covered / figure.stride + (t[0] * 0.37) % 1.0
    return Actor(kind, figure, x, y, height, heading, phase, speed > CALM, present, np.zeros(len(times), bool))


def _marked(actor: Actor, anomalous: NDArray[np.bool_] | None = None) -> Actor:
    """The same actor, marked as anomalous while it is present (and where `anomalous` is True)."""
    marks = actor.present if anomalous is None else actor.present & anomalous
    return Actor(**{**vars(actor), "anomalous": marks})


def _ends(scene: Scene, y: float, direction: int, margin: float = OUTSIDE) -> tuple[float, float]:
    """The x in metres where a person walking in `direction` at distance y enters and leaves the view."""
    low, high = scene.camera.span(y)
    tall_low, tall_high = scene.camera.span(y, 1.7)  # a head may still be in view where the feet are not
    low, high = min(low, tall_low) - margin, max(high, tall_high) + margin
    return (low, high) if direction > 0 else (high, low)


def _across(lane: Lane, rng: np.random.Generator) -> float:
    return float(rng.uniform(lane.near, lane.far))


class _Walk(NamedTuple):
    """A walk: start in seconds, distance from the camera in metres, direction (+1 or -1) and metres per second."""

    start: float
    y: float
    direction: int
    speed: float


def _straight(scene: Scene, kind: str, figure: Body, times: Floats, walk: _Walk) -> Actor:
    """A walk along the walkway with small deviations from the straight line."""
    first, last = _ends(scene, walk.y, walk.direction, OUTSIDE + figure.radius)
    duration = abs(last - first) / walk.speed
    knots = [(walk.start, first, walk.y), (walk.start + duration, last, walk.y)]
    actor = travel(kind, figure, times, knots)
    return Actor(**{**vars(actor), "y": walk.y + 0.08 * np.sin(times * 0.9 + walk.start * 7)})


def _stream(scene: Scene, rng: np.random.Generator) -> Lane:
    return scene.lanes[int(rng.integers(2))]


Story = Callable[[Scene, Floats, float, np.random.Generator], list[Actor]]


def _passing(kind: str) -> Story:
    """A figure that is not a walker, such as a cyclist, moves along the walkway."""

    def story(scene: Scene, times: Floats, start: float, rng: np.random.Generator) -> list[Actor]:
        figure, lane = FIGURES[kind](rng), _stream(scene, rng)
        speed = float(rng.uniform(*figure.speed))
        y = (lane.near + lane.far) / 2 if figure.radius > 1 else _across(lane, rng)
        return [_marked(_straight(scene, kind, figure, times, _Walk(start, y, lane.direction, speed)))]

    return story


def _sweeping(scene: Scene, times: Floats, start: float, rng: np.random.Generator) -> list[Actor]:
    """A sweeping machine drives along the near edge of the walkway, either way. It belongs here: it is not marked."""
    figure, way = FIGURES["sweeper"](rng), int(rng.choice([-1, 1]))
    speed, y = float(rng.uniform(*figure.speed)), scene.verge[1] - float(rng.uniform(0.2, 0.6))
    return [_straight(scene, "sweeper", figure, times, _Walk(start, y, way, speed))]


def _against_stream(scene: Scene, times: Floats, start: float, rng: np.random.Generator) -> list[Actor]:
    figure, lane = walker(rng), _stream(scene, rng)
    y, speed = _across(lane, rng), float(rng.uniform(1.3, 1.8))
    return [_marked(_straight(scene, "against_stream", figure, times, _Walk(start, y, -lane.direction, speed)))]


def _off_path(scene: Scene, times: Floats, start: float, rng: np.random.Generator) -> list[Actor]:
    """A person leaves the walkway on the near side, walks on the road or the lawn, and returns."""
    figure, lane = walker(rng), scene.lanes[0]
    y, out, speed = _across(lane, rng), float(rng.uniform(*scene.verge)), float(rng.uniform(1.2, 1.6))
    first, last = _ends(scene, y, lane.direction)
    points = [(first, y), (_mix(first, last, 0.2), y), (_mix(first, last, 0.38), out), (_mix(first, last, 0.68), out)]
    points += [(_mix(first, last, 0.82), y), (last, y)]
    actor = travel("off_path", figure, times, _paced(points, start, speed))
    return [_marked(actor, actor.y < scene.walkway[0])]


def _loitering(scene: Scene, times: Floats, start: float, rng: np.random.Generator) -> list[Actor]:
    """A person stops, walks to and fro in one place for a while, and then continues."""
    figure, lane = walker(rng), _stream(scene, rng)
    y, speed = _across(lane, rng), float(rng.uniform(1.2, 1.5))
    first, last = _ends(scene, y, lane.direction)
    x = _mix(first, last, float(rng.uniform(0.3, 0.65)))
    knots = _paced([(first, y), (x, y)], start, speed)
    arrived = clock = knots[-1][0]
    here = (x, y)
    for _ in range(5):
        clock += float(rng.uniform(0.3, 0.9))  # stands
        knots.append((clock, *here))
        there = (x + float(rng.uniform(-1.1, 1.1)), float(np.clip(y + rng.uniform(-0.6, 0.6), lane.near, lane.far)))
        clock += max(math.dist(here, there) / 0.8, 0.1)
        here = there
        knots.append((clock, *here))
    knots += _paced([here, (last, here[1])], clock, speed)[1:]
    actor = travel("loitering", figure, times, knots)
    return [_marked(actor, (times > arrived + 0.4) & (times < clock))]


def _thrown_object(scene: Scene, times: Floats, start: float, rng: np.random.Generator) -> list[Actor]:
    """A person throws a bundle forward, picks it up when passing it, and throws it again."""
    person, bundle, lane = walker(rng), FIGURES["thrown_object"](rng), _stream(scene, rng)
    y, speed, way = _across(lane, rng), float(rng.uniform(1.3, 1.6)), lane.direction
    thrower = _straight(scene, "walker", person, times, _Walk(start, y, way, speed))
    first, last = _ends(scene, y, way)

    def where(t: float) -> float:
        return first + way * speed * (t - start)

    clock, knots, height = start, [(start, first, y)], np.full(len(times), 1.0)
    end = start + abs(last - first) / speed
    clock += float(rng.uniform(1.2, 2.0))
    while clock < end - 1.5:
        flight, throw, rise = float(rng.uniform(0.9, 1.2)), float(rng.uniform(3.0, 4.0)), float(rng.uniform(1.6, 2.4))
        landing = where(clock) + way * throw
        caught = clock + throw / speed
        knots += [(clock, where(clock), y), (clock + flight, landing, y), (caught, landing, y)]
        in_air, lies = (times >= clock) & (times < clock + flight), (times >= clock + flight) & (times < caught)
        u = (times[in_air] - clock) / flight
        height[in_air] = (1 - u) * 1.4 + 4 * rise * u * (1 - u)
        height[lies] = 0.0
        clock = caught + float(rng.uniform(0.3, 0.6))
        knots.append((clock, where(clock), y))
    knots.append((end, last, y))
    # The bundle is carried just in front of the body, on the side of the camera.
    carried = [(t, x + 0.15 * way, yy - 0.3) for t, x, yy in knots]
    return [thrower, _marked(travel("thrown_object", bundle, times, carried, height), times > knots[1][0])]


def _abandoned_object(scene: Scene, times: Floats, start: float, rng: np.random.Generator) -> list[Actor]:
    """A person puts a suitcase down and leaves. The next person who passes takes it."""
    lane, case = _stream(scene, rng), FIGURES["abandoned_object"](rng)
    y, speed, way = _across(lane, rng), float(rng.uniform(1.2, 1.5)), lane.direction
    first, last = _ends(scene, y, way)
    x, side = _mix(first, last, float(rng.uniform(0.3, 0.6))), y - 0.4
    reached = start + abs(x - first) / speed
    left = float(rng.uniform(6.0, 8.0))
    found = reached + left
    owner = travel("walker", walker(rng), times, _paced([(first, y), (x, y), (last, y)], start, speed))
    finder = travel("walker", walker(rng), times, _paced([(first, y), (x, y), (last, y)], start + left, speed))
    knots = [(start, first, side), (reached, x, side), (found, x, side), (found + abs(last - x) / speed, last, side)]
    luggage = travel("abandoned_object", case, times, knots)
    return [owner, finder, _marked(luggage, (times > reached + 0.8) & (times < found))]


STORIES: dict[str, Story] = {
    **{kind: _passing(kind) for kind in ("cyclist", "runner", "cart", "car")},
    "against_stream": _against_stream,
    "off_path": _off_path,
    "loitering": _loitering,
    "thrown_object": _thrown_object,
    "abandoned_object": _abandoned_object,
    "sweeper": _sweeping,
}


def _mix(a: float, b: float, share: float) -> float:
    return a + (b - a) * share


def _paced(points: Sequence[tuple[float, float]], start: float, speed: float) -> list[tuple[float, float, float]]:
    """Knots through points (x, y) at constant speed."""
    knots, clock = [(start, *points[0])], start
    for before, after in pairwise(points):
        clock += math.dist(before, after) / speed
        knots.append((clock, *after))
    return knots


def plan(scene: Scene, times: Floats, anomalies: Sequence[str], rng: np.random.Generator) -> list[Actor]:
    """All actors of a video: the planted `anomalies` one after the other, and a crowd that keeps clear of them."""
    for kind in anomalies:
        if kind not in STORIES:
            known = ", ".join((*TEST_KINDS, *RARE_KINDS))
            raise InputError(f"no anomaly of kind {kind!r} can be planted: choose from {known}")
    actors: list[Actor] = []
    length = times[-1] - times[0] if len(times) else 0.0
    slot = length / max(len(anomalies), 1)
    for k, kind in enumerate(anomalies):
        actors += _well_timed(kind, scene, times, (k * slot, (k + 1) * slot), rng)
    return actors + _crowd(scene, times, actors, rng)


def _well_timed(
    kind: str, scene: Scene, times: Floats, slot: tuple[float, float], rng: np.random.Generator
) -> list[Actor]:
    """The actors of an anomaly, shifted in time so that its anomalous part lies inside its time slot, if it fits.

    Of something rare that is normal, the time in which it is present takes the place of the anomalous part.
    """
    seed = int(rng.integers(2**32))
    long_times = np.arange(0.0, 60.0, 0.1)
    trial = STORIES[kind](scene, long_times, 0.0, np.random.default_rng(seed))
    shown = [actor.present if kind in RARE_KINDS else actor.anomalous for actor in trial]
    marked = long_times[np.any(shown, axis=0)]
    begins, lasts = float(marked[0]), float(marked[-1] - marked[0])
    length = slot[1] - slot[0]
    # There is always a normal stretch at the beginning, even if it cuts off the end of the anomaly.
    lead = max(float(rng.uniform(0.2, 0.8)) * (length - lasts), 0.25 * length)
    start = slot[0] + lead - begins
    return STORIES[kind](scene, times, start, np.random.default_rng(seed))


def _crowd(scene: Scene, times: Floats, others: Sequence[Actor], rng: np.random.Generator) -> list[Actor]:
    """Ordinary walkers, alone or in pairs, on lines where they do not come close to others."""
    end = float(times[-1]) if len(times) else 0.0
    density = float(rng.uniform(0.35, 0.65))  # new walkers or pairs per second
    walkers: list[Actor] = []
    clock = -25.0
    while (clock := clock + float(rng.exponential(1 / density))) < end:
        first = int(np.searchsorted(times, clock))
        around = [old for old in (*others, *walkers) if old.present[first:].any()]
        lane = _stream(scene, rng)
        company = 2 if rng.random() < 0.2 else 1
        pace = float(rng.uniform(1.05, 1.6))
        for _ in range(6):  # a few attempts to find a free line
            y = _across(lane, rng)
            rows = [y, y + 0.75 if y + 0.75 < lane.far else y - 0.75][:company]
            group = [
                _straight(scene, "walker", walker(rng), times, _Walk(clock + 0.2 * k, row, lane.direction, pace))
                for k, row in enumerate(rows)
            ]
            if all(_clear(new, old) for new in group for old in around):
                walkers += group
                break
    return walkers


def _clear(a: Actor, b: Actor) -> bool:
    """Whether two actors never touch."""
    both = a.present & b.present
    room = a.figure.radius + b.figure.radius
    return not bool(np.any(both & (np.hypot(a.x - b.x, a.y - b.y) < room)))
