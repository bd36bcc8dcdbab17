"""Reasons: what a component of a fitted detector saw, in words, against what was learned at that place.

A distance to the nearest exemplar says that something is unusual, and not how. So the descriptor itself is held against
all exemplars near its place: is it faster than all of them, does it go another way, is it larger? k-centre keeps the
extremes, so the largest exemplar is nearly the largest that was seen. Where no single number explains the distance,
the reason names what was compared and gives no number.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]
Place = tuple[float, float, float, float]
"""(left, top, right, bottom) as shares 0..1 of the width and height of the frame."""

CLEARLY = 1.15  # times the largest that was seen, from which a number is given
MOST = 10.0  # times, from which "more than" is enough
STILL = 0.3  # pixels a reference interval; what is slower hardly moves and has no direction
ALIKE = 0.5  # cosine of directions that count as the same
SELDOM = 0.1  # share of the exemplars at a place


@dataclass(frozen=True)
class Reason:
    """Why a component is high.

    Attributes:
        words: a phrase such as "moves 3.1 times as fast as anything seen at this place".
        place: where in the frame; None for the whole of it.
        value: of the component at this place where the words have no number of their own; None where they do.
        part: of a composite that saw it.
    """

    words: str
    place: Place | None = None
    value: float | None = None
    part: str = ""

    def sentence(self, width: int, height: int) -> str:
        """The words with the place, in words and in pixels of a frame of that size."""
        if self.place is None:
            return self.words
        left, top, right, bottom = self.place
        corners = f"x {left * width:.0f} to {right * width:.0f}, y {top * height:.0f} to {bottom * height:.0f}"
        return f"{self.words}, {where(self.place)} ({corners})"


def ninth(place: Place) -> str:
    """The ninth of the picture in which the middle of a place lies: "lower left", "left", "centre"; its one name."""
    left, top, right, bottom = place
    row = ("upper ", "", "lower ")[min(max(int((top + bottom) / 2 * 3), 0), 2)]
    return row + ("left", "centre", "right")[min(max(int((left + right) / 2 * 3), 0), 2)]


def where(place: Place) -> str:
    """Where in the picture a place lies, as a part of a sentence; see `ninth`."""
    name = ninth(place)
    return f"on the {name}" if name in ("left", "right") else f"in the {name}"


def times(ratio: float) -> str:
    """ "3.1 times", or "more than 10 times" where the exact number means nothing."""
    return f"more than {MOST:.0f} times" if ratio > MOST else f"{ratio:.1f} times"


def explain_speed(own: Array, near: Array) -> str:
    """What a speed (mean, peak) is among (N, 2) speeds that were seen around its place."""
    if not len(near) or near[:, 0].max() <= STILL:  # noise of the flow is no motion
        return "moves where nothing was seen to move"
    ratio = float((own / np.maximum(near.max(axis=0), 1e-6)).max())
    if ratio < CLEARLY:
        return "moves at a speed that was not seen at this place"
    return f"moves {times(ratio)} as fast as anything seen at this place"


def explain_velocity(own: Array, near: Array) -> str:
    """What a velocity (x, y) is among (N, 2) velocities that were seen around its place."""
    speeds = np.linalg.norm(near, axis=1)
    near, speeds = near[speeds > STILL], speeds[speeds > STILL]
    speed = float(np.linalg.norm(own))
    if not len(near):
        return "goes where nobody goes"
    if speed <= STILL:
        return "hardly moves where others pass"
    cosine = near @ own / (speeds * speed)
    mean = near.sum(axis=0)
    if float((cosine > ALIKE).mean()) < SELDOM:
        if float(mean @ own) < 0:
            return "goes against the usual direction at this place"
        return "goes in a direction that is not usual at this place"
    ratio = speed / float(speeds[cosine > ALIKE].max())
    if ratio >= CLEARLY:
        return f"goes {times(ratio)} as fast as anything seen to go this way at this place"
    return "goes in a way that was not seen at this place"


def explain_object(own: Array, near: Array, scale: Array) -> str:
    """What an object is among (N, 6) objects around its place; see `oddframe.models.motion`, equation (7).

    Args:
        scale: (6,) standard deviations of the descriptor over normal video.
    """
    if not len(near):
        return "a thing moves where none was seen to move"
    above, below = (own - near.max(axis=0)) / scale, (near.min(axis=0) - own) / scale
    beyond = np.maximum(above, below)[:3]  # size, shape and speed; the others say no more
    which = int(beyond.argmax())
    if beyond[which] > 0 and which == 0:
        size, least = float(np.exp(own[0])), float(np.exp(near[:, 0].min()))
        if above[0] > 0 and (ratio := size / float(np.exp(near[:, 0].max()))) >= CLEARLY:
            return f"a thing moves that is {times(ratio)} as large as any that moved at this place"
        if below[0] > 0 and least / size >= CLEARLY:
            return "a thing moves that is smaller than any that moved at this place"
    if beyond[which] > 0 and which == 1:
        shape = "taller for its width" if above[1] > 0 else "wider for its height"
        return f"a thing moves that is {shape} than any that moved at this place"
    if above[2] > 0 and (ratio := float(own[2] / max(near[:, 2].max(), 1e-6))) >= CLEARLY:
        return f"a thing moves {times(ratio)} as fast as any that moved at this place"
    return "a thing moves whose size, shape and motion were not seen together at this place"


def explain_stay(seconds: float, since_the_start: bool, usual_share: float) -> str:
    """How long something has stayed, and what is usual there.

    Args:
        seconds: that it has been seen to stay.
        since_the_start: it was there when the look back began, so it may have stayed longer.
        usual_share: mean share of five seconds that the place is covered on normal video.
    """
    least = "at least " if since_the_start else ""
    usual = "where nobody stays" if usual_share < SELDOM else "where things stay for less time"
    return f"something has stood for {least}{seconds:.0f} s {usual}"


def explain_light(own: Array, centres: Array) -> str:
    """What a light (`oddframe.models.light.looks_of`) is among (K, 3) lights that were learned."""
    change = own - centres[int(np.abs(own - centres).max(axis=1).argmin())]
    which = int(np.abs(change).argmax())
    ratio = float(np.exp(abs(change[which])))
    more, less = (
        ("as bright as in the nearest of them", "darker than in the nearest of them"),
        ("the contrast of the nearest of them", "less contrast than in the nearest of them"),
        ("the colour of the nearest of them", "less colour than in the nearest of them"),
    )[which]
    how = f"{times(ratio)} {more}" if change[which] > 0 else f"{times(ratio)} {less}"
    return f"the scene has changed: not like any light it has learned ({how})"
