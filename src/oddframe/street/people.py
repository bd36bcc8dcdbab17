"""People: looks, an articulated gait, and clothes over a skeleton.

Joint positions are in metres in the axes of the figure (see `parts`). A gait cycle has the phase 0 to 1. The height of
the hips makes the lower foot touch the ground, and the stride equals the swing of the legs, so that feet do not slide.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from oddframe.street.parts import Limb, PaintColour, Panel, Part, Point, Prism

Gait = Literal["walk", "run"]

TOPS: tuple[PaintColour, ...] = (
    (92, 58, 38), (44, 42, 42), (128, 124, 120), (158, 186, 204), (208, 210, 212), (44, 40, 140), (50, 42, 92),
    (66, 92, 84), (60, 142, 190), (128, 118, 52), (168, 118, 70), (118, 96, 132), (72, 104, 146), (58, 58, 66),
)  # fmt: skip
BOTTOMS: tuple[PaintColour, ...] = (
    (96, 68, 48), (120, 92, 72), (46, 44, 42), (70, 68, 66), (104, 130, 146), (62, 74, 92), (74, 52, 40),
    (132, 134, 136),
)  # fmt: skip
SKINS: tuple[PaintColour, ...] = ((150, 178, 220), (128, 158, 204), (96, 126, 174), (66, 92, 136), (48, 66, 102))
HAIR: tuple[PaintColour, ...] = ((24, 28, 34), (34, 48, 70), (52, 84, 122), (88, 134, 168), (130, 132, 134))
BAGS: tuple[PaintColour, ...] = ((40, 40, 44), (60, 46, 120), (112, 78, 44), (70, 110, 130))
HELMETS: tuple[PaintColour, ...] = ((230, 230, 230), (50, 60, 200), (40, 170, 220), (50, 50, 50))


@dataclass(frozen=True)
class Look:
    """The look of one person. Lengths are in metres, colours are blue-green-red."""

    height: float
    girth: float
    top: PaintColour
    bottom: PaintColour
    skin: PaintColour
    hair: PaintColour
    shoes: PaintColour
    legs: Literal["trousers", "shorts", "skirt", "coat"] = "trousers"
    bag: Literal["none", "backpack", "shoulder"] = "none"
    bag_colour: PaintColour = (50, 50, 50)
    cap: PaintColour | None = None
    long_hair: bool = False

    @classmethod
    def random(cls, rng: np.random.Generator) -> Look:
        """A random person."""

        def tint(colours: tuple[PaintColour, ...]) -> PaintColour:
            shade = rng.uniform(0.85, 1.12)
            base = colours[rng.integers(len(colours))]
            b, g, r = (float(np.clip(c * shade + rng.normal(0, 5), 20, 235)) for c in base)
            return b, g, r

        return cls(
            height=float(np.clip(rng.normal(1.71, 0.09), 1.5, 1.93)),
            girth=float(rng.uniform(0.9, 1.25)),
            top=tint(TOPS),
            bottom=tint(BOTTOMS),
            skin=SKINS[rng.integers(len(SKINS))],
            hair=HAIR[rng.integers(len(HAIR))],
            shoes=(30, 30, 32) if rng.random() < 0.65 else (190, 192, 194),
            legs=str(rng.choice(["trousers", "shorts", "skirt", "coat"], p=[0.64, 0.1, 0.12, 0.14])),  # type: ignore[arg-type]
            bag=str(rng.choice(["none", "backpack", "shoulder"], p=[0.55, 0.23, 0.22])),  # type: ignore[arg-type]
            bag_colour=tint(BAGS),
            cap=tint(TOPS) if rng.random() < 0.16 else None,
            long_hair=bool(rng.random() < 0.35),
        )


@dataclass(frozen=True)
class Skeleton:
    """The joints of a person at one time. Pairs are (left, right)."""

    hip: Point
    neck: Point
    head: Point
    knees: tuple[Point, Point]
    ankles: tuple[Point, Point]
    toes: tuple[Point, Point]
    elbows: tuple[Point, Point]
    hands: tuple[Point, Point]


def stride(height: float, gait: Gait) -> float:
    """Length in metres of one gait cycle (two steps) of a person of `height` metres."""
    leg = 0.49 * height
    return 4 * leg * math.sin(0.42) if gait == "walk" else 4 * leg * math.sin(0.62) * 1.35


def walk(height: float, phase: float, gait: Gait = "walk", swing: float = 1.0) -> Skeleton:
    """The joints of a person of `height` metres at `phase` of the gait. With `swing` 0 the person stands still."""
    thigh, shin = 0.25 * height, 0.24 * height
    reach, fold, lean, elbow_bend = (0.42, 0.95, 0.04, 0.35) if gait == "walk" else (0.62, 1.7, 0.2, 1.5)
    legs = []
    for side in (0.0, 0.5):
        t = 2 * math.pi * (phase + side)
        at_hip = swing * reach * math.sin(t) + (0.12 * swing if gait == "run" else 0.0)
        at_knee = 0.06 + swing * fold * max(math.cos(t), 0.0) ** 1.5  # folded while the leg swings forward
        knee = thigh * math.sin(at_hip), -thigh * math.cos(at_hip)
        ankle = knee[0] + shin * math.sin(at_hip - at_knee), knee[1] - shin * math.cos(at_hip - at_knee)
        legs.append((knee, ankle, 0.35 * (at_hip - at_knee)))
    ankle_height = 0.045 * height
    hip_z = ankle_height - min(ankle[1] for _, ankle, _ in legs)
    if gait == "run":
        hip_z += 0.05 * height * swing * abs(math.sin(2 * math.pi * (phase + 0.1)))
    torso, half, shoulder = 0.30 * height, 0.052 * height, 0.105 * height
    neck = (torso * math.sin(lean), 0.0, hip_z + torso * math.cos(lean))
    knees, ankles, toes, elbows, hands = [], [], [], [], []
    for sign, side, (knee, ankle, tilt) in zip((1, -1), (0.0, 0.5), legs, strict=True):
        knees.append((knee[0], sign * half, hip_z + knee[1]))
        ankles.append((ankle[0], sign * half, hip_z + ankle[1]))
        length = 0.11 * height
        toes.append(
            (
                ankle[0] + length * math.cos(tilt),
                sign * half * 1.2,
                hip_z + ankle[1] - 0.025 * height + length * math.sin(tilt),
            )
        )
        at_shoulder = -swing * reach * 0.8 * math.sin(2 * math.pi * (phase + side))
        upper, lower = 0.17 * height, 0.16 * height
        elbow = (
            neck[0] + upper * math.sin(at_shoulder),
            sign * shoulder * 1.18,
            neck[2] - 0.03 * height - upper * math.cos(at_shoulder),
        )
        bent = at_shoulder + elbow_bend * (0.4 + 0.6 * swing)
        elbows.append(elbow)
        hands.append((elbow[0] + lower * math.sin(bent), sign * shoulder * 1.1, elbow[2] - lower * math.cos(bent)))
    head = (neck[0] + 0.035 * height, 0.0, neck[2] + 0.115 * height)
    return Skeleton((0.0, 0.0, hip_z), neck, head, *(tuple(pair) for pair in (knees, ankles, toes, elbows, hands)))  # type: ignore[arg-type]


def seat(height: float, hip: Point, lean: float, feet: tuple[Point, Point], hands: tuple[Point, Point]) -> Skeleton:
    """The joints of a person with given positions of hips, feet and hands: on a bicycle, at a wheel, behind a pram."""
    torso, half, shoulder = 0.30 * height, 0.05 * height, 0.105 * height
    neck = (hip[0] + torso * math.sin(lean), hip[1], hip[2] + torso * math.cos(lean))
    knees, elbows = [], []
    for sign, foot, hand in zip((1, -1), feet, hands, strict=True):
        knees.append(_bend((hip[0], hip[1] + sign * half, hip[2]), foot, 0.25 * height, 0.24 * height, forward=True))
        top = (neck[0], neck[1] + sign * shoulder, neck[2] - 0.03 * height)
        elbows.append(_bend(top, hand, 0.17 * height, 0.16 * height, forward=False))
    toes = tuple((foot[0] + 0.1 * height, foot[1], foot[2] - 0.03 * height) for foot in feet)
    head = (neck[0] + 0.05 * height, neck[1], neck[2] + 0.11 * height)
    return Skeleton(hip, neck, head, tuple(knees), feet, toes, tuple(elbows), hands)  # type: ignore[arg-type]


def _bend(root: Point, end: Point, upper: float, lower: float, forward: bool) -> Point:
    """The joint between two bones of given length, bent in the plane of x and z."""
    dx, dy, dz = (e - r for e, r in zip(end, root, strict=True))
    distance = min(max(math.hypot(dx, dz), 1e-6), (upper + lower) * 0.999)
    along = (upper**2 - lower**2 + distance**2) / (2 * distance)
    off = math.sqrt(max(upper**2 - along**2, 0.0)) * (1 if forward else -1)
    ux, uz = dx / math.hypot(dx, dz), dz / math.hypot(dx, dz)
    return root[0] + along * ux - off * uz, root[1] + dy / 2, root[2] + along * uz + off * ux


def dress(look: Look, body: Skeleton, helmet: PaintColour | None = None) -> list[Part]:
    """The parts of a person with this look in this posture."""
    h, g = look.height, look.girth
    parts: list[Part] = []
    bare = look.legs in ("shorts", "skirt")
    for sign, knee, ankle, toe in zip((1, -1), body.knees, body.ankles, body.toes, strict=True):
        hip = (body.hip[0], body.hip[1] + sign * 0.05 * h, body.hip[2])
        thigh = look.skin if look.legs == "skirt" else look.bottom
        parts.append(Limb(hip, knee, 0.054 * h * g, 0.036 * h * g, thigh))
        parts.append(Limb(knee, ankle, 0.035 * h * g, 0.024 * h * g, look.skin if bare else look.bottom))
        parts.append(Limb(ankle, toe, 0.026 * h, 0.02 * h, look.shoes))
    sleeve = look.skin if look.legs == "shorts" else look.top
    for sign, elbow, hand in zip((1, -1), body.elbows, body.hands, strict=True):
        shoulder = (body.neck[0], body.neck[1] + sign * 0.098 * h * g, body.neck[2] - 0.028 * h)
        parts.append(Limb(shoulder, elbow, 0.033 * h * g, 0.026 * h * g, look.top))
        parts.append(Limb(elbow, hand, 0.026 * h * g, 0.019 * h, sleeve))
        parts.append(Limb(hand, hand, 0.025 * h, 0.025 * h, look.skin))
    x, y, z = body.neck
    waist = (body.hip[0], body.hip[1], body.hip[2] + 0.02 * h)
    for sign in (1, -1):  # two bars side by side: broad from the front, narrow from the side
        upper = (x, y + sign * 0.056 * h * g, z - 0.045 * h)
        parts.append(
            Limb((waist[0], waist[1] + sign * 0.035 * h * g, waist[2]), upper, 0.056 * h * g, 0.056 * h * g, look.top)
        )
    if look.legs in ("skirt", "coat"):
        parts.extend(_skirt(look, body, waist))
    head = body.head
    parts.append(Limb(body.neck, head, 0.03 * h, 0.03 * h, look.skin))
    parts.append(Limb(head, (head[0], head[1], head[2] + 0.02 * h), 0.05 * h, 0.052 * h, look.skin))
    covering = helmet or look.cap or look.hair
    back = (head[0] - 0.018 * h, head[1], head[2] + 0.03 * h)
    parts.append(Limb(back, (back[0] + 0.012 * h, back[1], back[2] + 0.012 * h), 0.056 * h, 0.05 * h, covering))
    if look.long_hair and helmet is None:
        parts.append(Limb(back, (back[0] - 0.02 * h, back[1], back[2] - 0.09 * h), 0.042 * h, 0.035 * h, look.hair))
    if look.bag == "backpack":
        lower, upper = (waist[0] - 0.1 * h, waist[1], waist[2] + 0.05 * h), (x - 0.1 * h, y, z - 0.06 * h)
        parts.append(Limb(lower, upper, 0.055 * h, 0.05 * h, look.bag_colour))
    elif look.bag == "shoulder":
        x0, z0 = waist[0] - 0.02 * h, waist[2] - 0.02 * h
        profile = tuple(
            (x0 + dx * h, z0 + dz * h) for dx, dz in ((-0.08, -0.05), (0.08, -0.05), (0.08, 0.05), (-0.08, 0.05))
        )
        parts.append(Prism(profile, waist[1] - 0.15 * h, waist[1] - 0.11 * h, look.bag_colour))
    return parts


def _skirt(look: Look, body: Skeleton, waist: Point) -> list[Part]:
    """A skirt or the tails of a coat, held open by the knees."""
    h, g = look.height, look.girth
    front, rear = max(k[0] for k in body.knees) + 0.03 * h, min(k[0] for k in body.knees) - 0.03 * h
    hem = min(k[2] for k in body.knees) + (0.0 if look.legs == "skirt" else 0.05 * h)
    colour = look.bottom if look.legs == "skirt" else look.top
    wide, narrow = 0.1 * h * g, 0.08 * h * g
    parts: list[Part] = []
    for sign in (1, -1):
        y = waist[1]
        side: tuple[Point, ...] = (
            (waist[0] - 0.05 * h, y + sign * narrow, waist[2]),
            (waist[0] + 0.05 * h, y + sign * narrow, waist[2]),
            (front, y + sign * wide, hem),
            (rear, y + sign * wide, hem),
        )
        parts.append(Panel(side, colour, lift=0.12))
    for x_top, x_hem in ((0.05 * h, front), (-0.05 * h, rear)):
        face: tuple[Point, ...] = (
            (waist[0] + x_top, y - narrow, waist[2]),
            (waist[0] + x_top, y + narrow, waist[2]),
            (x_hem, y + wide, hem),
            (x_hem, y - wide, hem),
        )
        parts.append(Panel(face, colour, lift=0.12))
    return parts


Pose = Callable[[float, bool], list[Part]]


def pedestrian(look: Look, gait: Gait = "walk") -> Pose:
    """The parts of a walker or runner as a function of (phase, whether in motion)."""
    return lambda phase, moving: dress(look, walk(look.height, phase, gait, 1.0 if moving else 0.0))
