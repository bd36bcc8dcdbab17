"""Whether a video shows the scene that a detector has learned at all.

An event is short, and leaves other frames as usual. In front of another background, after the camera was moved, or in a
light that was never learned, nearly every frame is far from normal: that is no event. By Chebyshev, at most 3 % of
normal frames lie six standard deviations above the mean, whatever their distribution.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from oddframe.scoring.combine import Levels, transformed
from oddframe.scoring.schedule import CHOSEN
from oddframe.types import Combination, FrameScores

FAR = 6.0  # standard deviations above the mean of normal video
NEARLY_ALL = 0.9  # share of the frames of a video; a clip of an anomaly alone may have more than half of its frames far
# A component that looks at the background alone needs less: no anomaly makes half a video another light.
BACKGROUND, MOST = ("light",), 0.5
FEWEST = 10  # frames
NAMED = 3


@dataclass(frozen=True)
class Elsewhere:
    """A video that does not look like what was learned.

    Attributes:
        component: that stands out most.
        sigmas: its median over the frames, in standard deviations above the mean of normal video.
        share: 0..1, of the frames on which it is far from normal.
    """

    video: str
    component: str
    sigmas: float
    share: float


def elsewhere(
    videos: Sequence[FrameScores], how: Combination, levels: Levels, parts: Sequence[Levels] = ()
) -> list[Elsewhere]:
    """The videos of another scene.

    Args:
        parts: levels of several calibrations, in the order of their schedule: each frame is compared with those of the
            calibration that holds for it, and not with `levels`.
    """
    found = []
    for video in videos:
        far = []
        for name, (mean, deviation) in levels.items():
            if name not in video.components or len(video.frame) < FEWEST:
                continue
            if parts:
                own = np.array([part[name] for part in parts])[video.components[CHOSEN].astype(int)]
                mean, deviation = own.T
            sigmas = (transformed(video.components[name], how.transform.get(name)) - mean) / deviation
            share = float((sigmas >= FAR).mean())
            if share >= (MOST if name in BACKGROUND else NEARLY_ALL):
                far.append(Elsewhere(video.video, name, float(np.median(sigmas)), share))
        if far:
            found.append(max(far, key=lambda one: one.sigmas))
    return found


def elsewhere_text(found: Sequence[Elsewhere], videos: int) -> str:
    """One line for people; empty where every video shows the scene."""
    if not found:
        return ""
    names = ", ".join(one.video for one in found[:NAMED]) + (" and others" if len(found) > NAMED else "")
    which = "the video does" if videos == 1 else f"{len(found)} of {videos} videos ({names}) do"
    worst = max(found, key=lambda one: one.sigmas)
    return (
        f"{which} not show the scene that was learned: component {worst.component} lies {worst.sigmas:.3g} standard "
        f"deviations above normal, far on {worst.share * 100:.0f} % of the frames of {worst.video}. That is how "
        "another camera, a moved one or another light looks, and not an event: fit on normal video of this camera"
    )
