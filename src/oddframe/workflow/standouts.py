"""Training videos that stand out from the rest: another place of the camera, another scene, blurred, dark.

Each video is held, by the rules of the sentinel, against what most of the others show. What stands out is named and
learned all the same: what is given as normal is normal.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from oddframe.datasets.hashing import hash64
from oddframe.scoring.glance import WIDTH
from oddframe.scoring.sentinel import judge
from oddframe.scoring.sentinel_reference import (
    MOST_VIEWS,
    Comparison,
    Limits,
    Median,
    ReferenceLearner,
    SentinelReference,
    median_of,
)
from oddframe.types import VideoInfo
from oddframe.video.cache import CachedVideo
from oddframe.workflow.notes import named

STRETCH_S = 20.0
MOST_STRETCHES = 120  # of decoded frames that are glanced at
"""Where there is more video than that, stretches of it are spread evenly."""


def glance_at(videos: Sequence[CachedVideo], learner: ReferenceLearner, seed: int) -> None:
    """Show a learner the decoded frames of all videos, or stretches of them where there are hours."""
    lengths = [float(video.time[-1] - video.time[0]) for video in videos]
    whole = sum(lengths) <= STRETCH_S * MOST_STRETCHES
    for number, (video, length) in enumerate(zip(videos, lengths, strict=True)):
        count = 1 if whole else max(1, round(MOST_STRETCHES * length / sum(lengths)))
        part = length if whole else min(STRETCH_S, length)
        for stretch in range(count):
            place = (stretch + float(hash64(seed, number, stretch)) / 2.0**63) / count * (length - part)
            _show(video, float(video.time[0]) + place, part, learner)


def _show(video: CachedVideo, start: float, seconds: float, learner: ReferenceLearner) -> None:
    learner.begin(video.source.name)
    first, last = np.searchsorted(video.time, [start - 1e-9, start + seconds + 1e-9])
    _, rows = np.unique(np.floor(video.time[first:last] + 1e-6), return_index=True)
    for row in (rows + first).tolist():
        learner.see(float(video.time[row]), video.frames[row])


def standouts(learner: ReferenceLearner, info: VideoInfo) -> tuple[str, ...]:
    """A sentence for each training video that stands out, after `ReferenceLearner.learned`.

    Args:
        info: of a training video; words tell of pixels of its displayed size.
    """
    own: dict[str, list[Median]] = {}
    for median in learner.seen:
        own.setdefault(median.video, []).append(median)
    if len(own) < 2:
        return ()
    views = max((median.view for median in learner.seen), default=0) + 1
    if views > MOST_VIEWS:
        return (
            f"The training videos show {views} views that do not agree: whether the camera is moved, covered or "
            "blurred is not looked for.",
        )
    usual = {name: Counter(median.view for median in medians).most_common(1)[0][0] for name, medians in own.items()}
    frequent, count = Counter(usual.values()).most_common(1)[0]
    majority = [name for name, view in usual.items() if view == frequent]
    found = {name: _words(name, own, majority, learner, info) for name in own}
    odd = {name: words for name, words in found.items() if words}
    if not odd:
        return ()
    if 2 * count <= len(own):
        return (
            f"The training videos do not show the same picture: {named(sorted(odd))} differ from {majority[0]} "
            f"({next(iter(odd.values()))}). Which of them is right is not known; the camera should stand still.",
        )
    return tuple(
        f"{name} stands out from the other training videos: {words}. It is learned as normal; leave it out and fit "
        "again where it is not."
        for name, words in odd.items()
    )


def unsteady(reference: SentinelReference | None, info: VideoInfo) -> tuple[str, ...]:
    """A sentence where the camera does not stand still in normal video.

    Args:
        info: of a training video; the words tell of pixels of its displayed size.
    """
    limits = Limits() if reference is None else reference.limits
    if not limits.sway:
        return ()
    swings, told = (f"{pixels * info.width / WIDTH:.0f}" for pixels in (limits.sway, limits.shift))
    return (
        f"The camera does not stand still in the training videos: it swings by {swings} pixels. That it was moved is "
        f"told from {told} pixels on; fasten it and fit again where that is too much.",
    )


def _words(
    name: str, own: dict[str, list[Median]], majority: Sequence[str], learner: ReferenceLearner, info: VideoInfo
) -> str:
    """How a video differs from the others of the majority; empty where it does not."""
    others = [one.median for other in majority if other != name for one in own[other]][:200]
    if not others:
        return ""
    reference = SentinelReference(learner.colour, (median_of(others),), Limits())
    verdict = judge(Comparison(median_of([one.median for one in own[name]]), reference), Limits(), info)
    return "" if verdict is None else verdict.words
