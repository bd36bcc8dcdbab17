"""Which stretches of normal video to hold out in turn, so that all of it calibrates and all of it is learned from.

A detector that is fitted fast is fitted once per fold: on everything but the fold's stretches, which it then scores.
Together the folds score every second once, with a detector that has not seen it. The threshold rests on all of these
scores, and the detector that goes to work learns from all of the video.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from oddframe.errors import InputError

Stretch = tuple[int, float, float]
"""Number of the video, first second, last second (exclusive)."""


def folds(lengths: Sequence[float], count: int, block_s: float, gap_s: float, seed: int = 0) -> list[list[Stretch]]:
    """What each fold holds out.

    Every video is cut into equal blocks of at least `block_s`; a shorter one is one block. Where all videos together
    make a single block, it is cut into `count` shorter ones. Of every `count` blocks that follow one another, each fold
    takes one at random: every fold sees all times of the day.

    Args:
        lengths: seconds of each video, positive.
        count: of folds, at least 2; there are fewer where there are fewer blocks.
        block_s: minutes rather than seconds: what comes seconds later looks the same, and is no test.
        gap_s: how much beside a held-out stretch is not learned from either; see `learned`.
        seed: of the choice.

    Returns:
        For each fold its stretches, in order; neighbours of the same video and fold are one.

    Raises:
        InputError: values out of range, or a fold that leaves nothing to learn from.
    """
    if count < 2 or not block_s > 0 or not gap_s >= 0:
        raise InputError(f"folds need count >= 2, block > 0 and gap >= 0, not {count}, {block_s:g} and {gap_s:g}")
    if not lengths or not all(0 < length < math.inf for length in lengths):
        raise InputError("folds need videos that last longer than 0 seconds")
    pieces = [max(1, int(length // block_s)) for length in lengths]
    if sum(pieces) == 1:
        pieces = [count]
    blocks = [
        (video, length * n / number, length * (n + 1) / number if n + 1 < number else length)
        for video, (length, number) in enumerate(zip(lengths, pieces, strict=True))
        for n in range(number)
    ]
    count = min(count, len(blocks))
    rng = np.random.default_rng(seed)
    turns = np.concatenate([rng.permutation(count) for _ in range(0, len(blocks), count)])[: len(blocks)]
    # The last, incomplete group of blocks must not leave a fold empty: the first group has given each fold one.
    made = [_joined([block for block, turn in zip(blocks, turns, strict=True) if turn == n]) for n in range(count)]
    for held_out in made:
        if not learned(lengths, held_out, gap_s):
            raise InputError(
                f"{sum(lengths):.3g} seconds of video leave nothing to learn from beside a held-out stretch and "
                f"{gap_s:.3g} seconds on both sides of it: give more video"
            )
    return made


def learned(lengths: Sequence[float], held_out: Sequence[Stretch], gap_s: float) -> list[Stretch]:
    """What a fold learns from: all that lies more than `gap_s` seconds from what it holds out, in order.

    Args:
        lengths: seconds of each video.
        held_out: of one fold, from `folds`.
        gap_s: the length of a window at the least, so that no window reaches into the held-out stretch.
    """
    found: list[Stretch] = []
    for video, length in enumerate(lengths):
        start = 0.0
        for _, first, last in sorted(stretch for stretch in held_out if stretch[0] == video):
            found.append((video, start, first - gap_s))
            start = last + gap_s
        found.append((video, start, length))
    return [stretch for stretch in found if stretch[1] < stretch[2]]


def _joined(blocks: Sequence[Stretch]) -> list[Stretch]:
    joined: list[Stretch] = []
    for video, first, last in blocks:
        if joined and joined[-1][0] == video and joined[-1][2] == first:
            joined[-1] = (video, joined[-1][1], last)
        else:
            joined.append((video, first, last))
    return joined
