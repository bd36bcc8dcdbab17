"""Figures of the street other than ordinary walkers: anomalies of test videos, and pseudo-anomalies for training.

`TEST_KINDS` are planted in test videos only. `PSEUDO_KINDS` are pasted into normal training video as pseudo-anomalies.
The two have no kind in common, because a detector must not be tested on anomalies from its training.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from oddframe.street.parts import Limb, PaintColour, Panel, Part, Point, Prism, Wheel
from oddframe.street.people import HELMETS, Look, Pose, dress, pedestrian, seat, stride, walk

TEST_KINDS = (
    "cyclist",
    "runner",
    "cart",
    "car",
    "against_stream",
    "off_path",
    "loitering",
    "thrown_object",
    "abandoned_object",
)
RARE_KINDS = ("sweeper",)  # normal, but rare: never labelled, and planted only where they are asked for
PSEUDO_KINDS = ("dog", "kick_scooter", "skateboarder", "motorbike", "pram", "robot", "balloon", "umbrella", "crate")

PAINT: tuple[PaintColour, ...] = (
    (44, 38, 150), (130, 84, 36), (205, 206, 208), (52, 50, 50), (96, 140, 66), (60, 160, 205), (150, 150, 146),
)  # fmt: skip
TYRE: PaintColour = (34, 34, 36)
STEEL: PaintColour = (150, 150, 152)
GLASS: PaintColour = (88, 78, 66)


@dataclass(frozen=True)
class Body:
    """A moving figure.

    `pose` gives its parts at a phase, and one cycle of phases moves it by `stride` metres. `radius` is its size in
    metres, and `speed` its usual range in metres per second. A cycle is drawn in `phases` pictures; rigid figures have
    one.
    """

    pose: Pose
    stride: float
    radius: float
    speed: tuple[float, float]
    phases: int = 12


def walker(rng: np.random.Generator) -> Body:
    """An ordinary pedestrian."""
    look = Look.random(rng)
    return Body(pedestrian(look), stride(look.height, "walk"), 0.35, (1.05, 1.6))


def _paint(rng: np.random.Generator) -> PaintColour:
    return PAINT[rng.integers(len(PAINT))]


def _runner(rng: np.random.Generator) -> Body:
    look = replace(Look.random(rng), legs="shorts", bag="none")
    return Body(pedestrian(look, "run"), stride(look.height, "run"), 0.4, (3.0, 4.0))


def _box(x0: float, x1: float, z0: float, z1: float) -> tuple[tuple[float, float], ...]:
    return (x0, z0), (x1, z0), (x1, z1), (x0, z1)


def _cyclist(rng: np.random.Generator) -> Body:
    look, paint, wheel = replace(Look.random(rng), legs="trousers"), _paint(rng), 0.34
    helmet = HELMETS[rng.integers(len(HELMETS))] if rng.random() < 0.6 else None
    rear, front, crank, saddle, bar = (-0.5, 0, wheel), (0.55, 0, wheel), (0.0, 0, 0.3), (-0.2, 0, 0.9), (0.4, 0, 1.0)

    def pose(phase: float, moving: bool) -> list[Part]:
        turn = 2 * math.pi * phase
        feet = tuple(
            (0.17 * math.cos(turn + k), y, 0.33 + 0.17 * math.sin(turn + k)) for k, y in ((0.0, 0.1), (math.pi, -0.1))
        )
        hands: tuple[Point, Point] = ((0.42, 0.22, 1.02), (0.42, -0.22, 1.02))
        parts: list[Part] = [Wheel(rear, wheel, 0.035, TYRE), Wheel(front, wheel, 0.035, TYRE)]
        for a, b in ((rear, crank), (rear, saddle), (crank, saddle), (crank, bar), (saddle, bar), (front, bar)):
            parts.append(Limb(a, b, 0.02, 0.02, paint))
        parts.append(Limb(hands[0], hands[1], 0.018, 0.018, STEEL))
        return parts + dress(look, seat(look.height, (-0.2, 0, 0.95), 0.5, feet, hands), helmet)  # type: ignore[arg-type]

    return Body(pose, 5.2, 0.8, (3.8, 5.5))


def _cart(rng: np.random.Generator) -> Body:
    """A small electric cart with a roof and a driver."""
    paint, look = _paint(rng), Look.random(rng)
    driver = dress(
        look,
        seat(
            look.height,
            (-0.25, 0.25, 0.72),
            -0.05,
            ((0.35, 0.35, 0.4), (0.35, 0.15, 0.4)),
            ((0.2, 0.4, 1.0), (0.2, 0.1, 1.0)),
        ),
    )
    body: list[Part] = [
        Prism(_box(-1.15, 1.15, 0.25, 0.45), -0.6, 0.6, (70, 70, 72)),
        Prism(((0.55, 0.45), (1.15, 0.45), (1.1, 0.75), (0.65, 0.95)), -0.58, 0.58, paint),
        Prism(_box(-0.6, -0.05, 0.45, 0.72), -0.56, 0.56, (80, 96, 112)),
        Prism(_box(-1.15, -0.6, 0.45, 0.95), -0.58, 0.58, paint),
        Prism(_box(-1.0, 0.75, 1.82, 1.9), -0.62, 0.62, (214, 216, 216)),
    ]
    for x, z in ((0.7, 0.9), (-0.95, 0.9)):
        body += [Limb((x, y, z), (x * 0.9, y, 1.85), 0.025, 0.025, (60, 60, 60)) for y in (-0.55, 0.55)]
    body += [Wheel((x, y, 0.25), 0.25, 0.0, TYRE, STEEL) for x in (-0.75, 0.8) for y in (-0.6, 0.6)]
    return Body(lambda phase, moving: body + driver, 4.0, 1.3, (2.6, 3.6), phases=1)


def _car(rng: np.random.Generator) -> Body:
    paint, wide = _paint(rng), 0.85
    dark: PaintColour = (paint[0] * 0.55, paint[1] * 0.55, paint[2] * 0.55)
    cabin = ((-1.45, 0.85), (0.75, 0.85), (0.2, 1.4), (-1.1, 1.4))
    body: list[Part] = [
        Prism(((-2.0, 0.3), (2.0, 0.3), (2.05, 0.62), (0.85, 0.86), (-1.85, 0.9), (-2.05, 0.6)), -wide, wide, paint),
        Prism(_box(-1.95, 1.95, 0.18, 0.34), -wide + 0.03, wide - 0.03, dark),
        Prism(cabin, -wide + 0.12, wide - 0.12, paint),
    ]
    for y in (-wide + 0.11, wide - 0.11):  # side windows, then front and rear screens
        for x0, x1, t0, t1 in ((-1.3, -0.4, -1.03, -0.4), (-0.32, 0.58, -0.32, 0.13)):
            body.append(Panel(((x0, y, 0.9), (x1, y, 0.9), (t1, y, 1.33), (t0, y, 1.33)), GLASS))
    inner = wide - 0.18
    body.append(Panel(((0.7, -inner, 0.9), (0.7, inner, 0.9), (0.26, inner, 1.34), (0.26, -inner, 1.34)), GLASS, 0.3))
    body.append(
        Panel(((-1.42, -inner, 0.9), (-1.42, inner, 0.9), (-1.14, inner, 1.34), (-1.14, -inner, 1.34)), GLASS, 0.3)
    )
    for y in (-0.6, 0.6):
        body.append(Limb((2.03, y, 0.55), (2.03, y, 0.55), 0.09, 0.09, (205, 222, 230)))
        body.append(Limb((-2.04, y, 0.6), (-2.04, y, 0.6), 0.08, 0.08, (40, 36, 150)))
    body += [Wheel((x, y, 0.32), 0.32, 0.0, TYRE, STEEL) for x in (-1.25, 1.25) for y in (-wide, wide)]
    return Body(lambda phase, moving: body, 4.0, 2.2, (3.8, 5.5), phases=1)


def _sweeper(rng: np.random.Generator) -> Body:
    """A small sweeping machine of the city: always orange, with two brushes, a cabin and a beacon."""
    orange: PaintColour = (38, 120, 226)
    turn = float(rng.uniform(0, math.pi))  # all machines look alike; only the brushes stand differently
    body: list[Part] = [
        Prism(_box(-1.2, 1.0, 0.22, 0.42), -0.55, 0.55, (62, 62, 64)),
        Prism(((-1.25, 0.42), (0.05, 0.42), (0.05, 1.35), (-1.15, 1.35)), -0.55, 0.55, orange),
        Prism(((0.05, 0.42), (1.0, 0.42), (0.9, 0.95), (0.6, 1.75), (0.05, 1.75)), -0.5, 0.5, (214, 216, 218)),
        Limb((0.25, 0, 1.8), (0.25, 0, 1.9), 0.08, 0.08, (30, 160, 250)),
    ]
    for y in (-0.52, 0.52):
        body.append(Panel(((0.12, y, 1.0), (0.8, y, 1.0), (0.52, y, 1.65), (0.12, y, 1.65)), GLASS))
    for side in (-1, 1):
        x, y = 1.2 + 0.05 * math.cos(turn), side * (0.42 + 0.05 * math.sin(turn))
        body.append(Limb((x, y, 0.06), (x, y, 0.16), 0.32, 0.2, (70, 90, 96)))
    body += [Wheel((x, y, 0.22), 0.22, 0.0, TYRE, STEEL) for x in (-0.75, 0.55) for y in (-0.56, 0.56)]
    return Body(lambda phase, moving: body, 4.0, 1.4, (1.8, 2.6), phases=1)


def parcel(rng: np.random.Generator) -> Body:
    """A bundle for throwing."""
    paint, size = _paint(rng), float(rng.uniform(0.17, 0.22))

    def pose(phase: float, moving: bool) -> list[Part]:
        t = 2 * math.pi * phase
        dx, dz = size * 0.7 * math.cos(t), size * 0.7 * math.sin(t)
        return [Limb((-dx, 0, size - dz), (dx, 0, size + dz), size, size * 0.7, paint)]

    return Body(pose, 1.6, 0.2, (0.0, 0.0))


def suitcase(rng: np.random.Generator) -> Body:
    """A suitcase for leaving behind."""
    paint = _paint(rng)
    parts: list[Part] = [
        Prism(_box(-0.3, 0.3, 0.06, 0.72), -0.17, 0.17, paint),
        Limb((-0.14, 0, 0.72), (-0.14, 0, 0.92), 0.02, 0.02, STEEL),
        Limb((0.14, 0, 0.72), (0.14, 0, 0.92), 0.02, 0.02, STEEL),
        Limb((-0.14, 0, 0.94), (0.14, 0, 0.94), 0.03, 0.03, (40, 40, 40)),
    ]
    parts += [Limb((x, 0, 0.05), (x, 0, 0.05), 0.05, 0.05, TYRE) for x in (-0.22, 0.22)]
    return Body(lambda phase, moving: parts, 1.0, 0.4, (0.0, 0.0), phases=1)


def _dog(rng: np.random.Generator) -> Body:
    coats: tuple[PaintColour, ...] = ((40, 62, 96), (36, 36, 40), (150, 176, 196), (70, 110, 160))
    coat, size = coats[rng.integers(len(coats))], float(rng.uniform(0.8, 1.3))

    def at(x: float, y: float, z: float) -> Point:
        return x * size, y * size, z * size

    def pose(phase: float, moving: bool) -> list[Part]:
        bounce = 0.03 * math.sin(4 * math.pi * phase) if moving else 0.0
        z = 0.46 + bounce
        parts: list[Part] = [Limb(at(-0.3, 0, z), at(0.28, 0, z + 0.03), 0.11 * size, 0.14 * size, coat)]
        for x, y, shift in ((-0.28, 0.08, 0.0), (-0.28, -0.08, 0.5), (0.25, 0.08, 0.45), (0.25, -0.08, 0.95)):
            reach = 0.2 * math.sin(2 * math.pi * (phase + shift)) if moving else 0.0
            parts.append(Limb(at(x, y, z), at(x + reach, y, 0.04), 0.07 * size, 0.035 * size, coat))
        parts.append(Limb(at(0.3, 0, z + 0.1), at(0.44, 0, z + 0.24), 0.09 * size, 0.1 * size, coat))
        parts.append(Limb(at(0.48, 0, z + 0.22), at(0.62, 0, z + 0.18), 0.07 * size, 0.04 * size, coat))
        wag = 0.06 * math.sin(6 * math.pi * phase)
        parts.append(Limb(at(-0.36, 0, z + 0.05), at(-0.55, wag, z + 0.26), 0.035 * size, 0.02 * size, coat))
        return parts

    return Body(pose, 1.3, 0.5, (2.0, 5.0))


def _standing(look: Look, floor: float, hands: tuple[Point, Point], apart: float, lean: float = 0.08) -> list[Part]:
    """A person who stands on a board or a scooter, one foot in front of the other."""
    feet: tuple[Point, Point] = ((apart, 0.08, floor + 0.08), (-apart, -0.08, floor + 0.08))
    return dress(look, seat(look.height, (0.0, 0.0, floor + 0.5 * look.height), lean, feet, hands))


def _kick_scooter(rng: np.random.Generator) -> Body:
    look, paint = replace(Look.random(rng), legs="trousers"), _paint(rng)
    parts: list[Part] = [
        Limb((-0.4, 0, 0.14), (0.4, 0, 0.14), 0.05, 0.05, paint),
        Limb((0.45, 0, 0.12), (0.36, 0, 1.05), 0.035, 0.03, paint),
        Limb((0.36, -0.24, 1.05), (0.36, 0.24, 1.05), 0.025, 0.025, TYRE),
        *(Wheel((x, 0, 0.11), 0.11, 0.0, TYRE, STEEL) for x in (-0.45, 0.48)),
    ]
    rider = _standing(look, 0.16, ((0.34, 0.22, 1.07), (0.34, -0.22, 1.07)), 0.16)
    return Body(lambda phase, moving: parts + rider, 4.0, 0.6, (3.4, 6.0), phases=1)


def _skateboarder(rng: np.random.Generator) -> Body:
    look = replace(Look.random(rng), legs="shorts")
    board: list[Part] = [Prism(_box(-0.42, 0.42, 0.09, 0.13), -0.11, 0.11, _paint(rng))]
    board += [Wheel((x, y, 0.05), 0.05, 0.0, TYRE, STEEL) for x in (-0.28, 0.28) for y in (-0.09, 0.09)]

    def pose(phase: float, moving: bool) -> list[Part]:
        sway = 0.12 * math.sin(2 * math.pi * phase)
        hands: tuple[Point, Point] = ((0.25 + sway, 0.5, 1.2), (-0.3 + sway, -0.5, 1.15))
        return board + _standing(look, 0.12, hands, 0.26, lean=0.2 + sway)

    return Body(pose, 5.0, 0.6, (3.0, 5.0))


def _motorbike(rng: np.random.Generator) -> Body:
    paint = _paint(rng)
    look = replace(Look.random(rng), bag="none", legs="trousers", top=(44, 42, 42))
    machine: list[Part] = [
        *(Wheel((x, 0, 0.3), 0.31, 0.0, TYRE, (80, 80, 82)) for x in (-0.65, 0.68)),
        Prism(((-0.8, 0.6), (0.1, 0.45), (0.45, 0.75), (0.3, 0.98), (-0.75, 0.8)), -0.15, 0.15, paint),
        Limb((-0.2, 0, 0.38), (0.2, 0, 0.38), 0.17, 0.17, (70, 70, 74)),
        Limb((0.68, 0, 0.3), (0.42, 0, 1.0), 0.05, 0.05, STEEL),
        Limb((0.42, -0.32, 1.02), (0.42, 0.32, 1.02), 0.03, 0.03, TYRE),
    ]
    body = seat(
        look.height,
        (-0.3, 0, 0.85),
        0.35,
        ((-0.02, 0.2, 0.34), (-0.02, -0.2, 0.34)),
        ((0.4, 0.3, 1.04), (0.4, -0.3, 1.04)),
    )
    rider = dress(look, body, helmet=HELMETS[rng.integers(len(HELMETS))])
    return Body(lambda phase, moving: machine + rider, 4.0, 1.0, (4.0, 7.0), phases=1)


def _pram(rng: np.random.Generator) -> Body:
    look, paint = Look.random(rng), _paint(rng)
    pushed: list[Part] = [
        *(Wheel((x, y, 0.14), 0.14, 0.0, TYRE, STEEL) for x in (0.62, 1.15) for y in (-0.24, 0.24)),
        Prism(((0.6, 0.45), (1.15, 0.45), (1.25, 0.75), (0.5, 0.75)), -0.23, 0.23, paint),
        Limb((0.72, 0, 0.85), (0.78, 0, 0.9), 0.24, 0.24, paint),
        *(Limb((0.4, y, 1.02), (0.62, y, 0.14), 0.025, 0.025, STEEL) for y in (-0.22, 0.22)),
        Limb((0.4, -0.22, 1.02), (0.4, 0.22, 1.02), 0.025, 0.025, TYRE),
    ]

    def pose(phase: float, moving: bool) -> list[Part]:
        body = walk(look.height, phase, swing=1.0 if moving else 0.0)
        elbows = ((0.05, 0.24, 1.0), (0.05, -0.24, 1.0))
        return pushed + dress(look, replace(body, elbows=elbows, hands=((0.38, 0.2, 1.02), (0.38, -0.2, 1.02))))

    return Body(pose, stride(look.height, "walk"), 0.9, (1.8, 3.0))


def _robot(rng: np.random.Generator) -> Body:
    """A delivery robot: a box on six wheels with a flag."""
    paint = _paint(rng)
    parts: list[Part] = [
        *(Wheel((x, y, 0.13), 0.13, 0.0, TYRE, STEEL) for x in (-0.3, 0.0, 0.3) for y in (-0.28, 0.28)),
        Prism(((-0.4, 0.2), (0.4, 0.2), (0.45, 0.45), (0.3, 0.62), (-0.4, 0.62)), -0.27, 0.27, paint),
        Limb((-0.36, 0.2, 0.6), (-0.36, 0.2, 1.25), 0.015, 0.01, (60, 60, 60)),
        Panel(((-0.36, 0.2, 1.25), (-0.36, 0.2, 1.1), (-0.58, 0.2, 1.17)), (40, 90, 230)),
    ]
    return Body(lambda phase, moving: parts, 4.0, 0.6, (1.2, 3.5), phases=1)


def _balloon(rng: np.random.Generator) -> Body:
    """A big ball or balloon that bounces along."""
    paint, size = _paint(rng), float(rng.uniform(0.2, 0.4))

    def pose(phase: float, moving: bool) -> list[Part]:
        z = size + (0.9 * abs(math.sin(math.pi * phase)) if moving else 0.0)
        return [Limb((0, 0, z), (0, 0, z), size, size, paint)]

    return Body(pose, 2.5, 0.5, (1.5, 5.0))


def _umbrella(rng: np.random.Generator) -> Body:
    """An open umbrella that is blown over the ground, upside down or on its rim."""
    paint, tilt = _paint(rng), float(rng.uniform(0.7, 2.2))
    dark: PaintColour = (paint[0] * 0.7, paint[1] * 0.7, paint[2] * 0.7)

    def pose(phase: float, moving: bool) -> list[Part]:
        lean = tilt + 0.3 * math.sin(2 * math.pi * phase)
        c, s = math.cos(lean), math.sin(lean)

        def at(along: float, out: float, turn: float) -> Point:
            x, y = out * math.cos(turn), out * math.sin(turn)
            return along * s + x * c, y, 0.6 + along * c - x * s

        rim = [at(0.0, 0.62, 2 * math.pi * k / 8) for k in range(8)]
        tip = at(0.3, 0.0, 0.0)
        parts: list[Part] = [Limb(tip, at(-0.6, 0, 0), 0.02, 0.02, (50, 50, 50))]
        parts += [Panel((tip, rim[k], rim[(k + 1) % 8]), paint if k % 2 else dark) for k in range(8)]
        return parts

    return Body(pose, 2.0, 0.7, (0.6, 3.0))


def _crate(rng: np.random.Generator) -> Body:
    """A pile of boxes that does not move."""
    parts: list[Part] = []
    z = 0.0
    for _ in range(int(rng.integers(1, 4))):
        half, tall, shift = rng.uniform(0.2, 0.42), rng.uniform(0.25, 0.5), rng.uniform(-0.08, 0.08)
        parts.append(
            Prism(
                _box(shift - half, shift + half, z, z + tall),
                -half,
                half,
                (84.0, 132.0, 168.0) if rng.random() < 0.6 else _paint(rng),
            )
        )
        z += tall
    return Body(lambda phase, moving: parts, 1.0, 0.6, (0.0, 0.0), phases=1)


FIGURES: dict[str, Callable[[np.random.Generator], Body]] = {
    "walker": walker,
    "cyclist": _cyclist,
    "runner": _runner,
    "cart": _cart,
    "car": _car,
    "against_stream": walker,
    "off_path": walker,
    "loitering": walker,
    "thrown_object": parcel,
    "abandoned_object": suitcase,
    "dog": _dog,
    "kick_scooter": _kick_scooter,
    "skateboarder": _skateboarder,
    "motorbike": _motorbike,
    "pram": _pram,
    "robot": _robot,
    "balloon": _balloon,
    "umbrella": _umbrella,
    "crate": _crate,
    "sweeper": _sweeper,
}
