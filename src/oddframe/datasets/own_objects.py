"""Object sequences of people and things that are cut out of the training video itself, and play faster than they did.

The look is the scene's own: its sizes, its light, its noise and compression. What is wrong is how an object moves and,
once `oddframe.datasets.pseudo` has moved, scaled and mirrored it, where it is. Whoever walks by slowly or stands still
is normal in most places, so every object is faster than it was: half of them by leaving out frames, whose legs and arms
then hurry too, and half by a longer way in each frame, which is how somebody on wheels goes.

Source: SDMAE pastes objects of other scenes (UBnormal); objects of the scene itself are an addition of oddframe.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from oddframe.datasets.paths import FOREGROUND, Path, background_of, find_paths, grey_of
from oddframe.datasets.sequences import ObjectSequence, masked
from oddframe.errors import InputError
from oddframe.street.things import PSEUDO_KINDS
from oddframe.video.decode import Frame

SPEED = (1.7, 4.0)  # times an object's own
SHORTEST = 8  # frames of a sequence from which some are left out
SOFT = 12  # grey values below FOREGROUND over which an object fades out
MARGIN = 3  # pixels around the box of an object

Track = list[tuple[NDArray[np.uint8], int, int]]
"""Picture (h, w, 4) of an object with its mask, row and column, in each frame of its path."""


def sequences_from_training(stretches: Iterable[Sequence[Frame]], seed: int, count: int = 48) -> list[ObjectSequence]:
    """Cut out what moves in normal video.

    Args:
        stretches: consecutive frames (H, W, 3) or (H, W, 1) uint8 of a fixed camera, at the size of the training clips.
            They are read until enough is found.
        seed: of speeds.
        count: number of sequences. Where fewer things move, some appear several times, at several speeds.

    Raises:
        InputError: nothing moves for a second in any of them.
    """
    tracks: list[Track] = []
    canvas = (0, 0)
    for frames in stretches:
        background = background_of(frames)
        canvas = (background.shape[0], background.shape[1])
        tracks += [_cut(frames, path, background) for path in find_paths(frames)]
        if len(tracks) >= count:
            break
    if not tracks:
        raise InputError(
            "pseudo.source: nothing moves for a second as one object in the part of the video that is learnt; choose "
            "pseudo.source=world, or give video of a fixed camera in which somebody passes"
        )
    # As many sources as the street has kinds: with both, each gives half of the objects.
    return [
        ObjectSequence.cut(
            _faster(tracks[k % len(tracks)], np.random.default_rng((seed, k))), canvas, f"own {k % len(PSEUDO_KINDS)}"
        )
        for k in range(count)
    ]


def _cut(frames: Sequence[Frame], path: Path, background: NDArray[np.float32]) -> Track:
    track = []
    for box in path:
        top, left = max(box.top - MARGIN, 0), max(box.left - MARGIN, 0)
        part = np.s_[top : box.top + box.height + MARGIN, left : box.left + box.width + MARGIN]
        image = frames[box.frame].image[part]
        away = np.abs(grey_of(image) - background[part])
        mask = (255 * np.clip((away - FOREGROUND + SOFT) / SOFT, 0, 1)).astype(np.uint8)
        mask = np.asarray(cv2.morphologyEx(mask, cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8)), np.uint8)
        _, pieces, stats, _ = cv2.connectedComponentsWithStats(mask)
        mask[pieces != 1 + stats[1:, cv2.CC_STAT_AREA].argmax()] = 0  # neighbours that reach into the box
        track.append((masked(np.broadcast_to(image, (*mask.shape, 3)), mask), top, left))
    return track


def _faster(track: Track, rng: np.random.Generator) -> Track:
    speed = float(rng.uniform(*SPEED))
    if rng.random() < 0.5 and len(track) >= speed * SHORTEST:
        return [track[int(n)] for n in np.arange(0, len(track), speed)]
    (_, top, left), (_, last_top, last_left) = track[0], track[-1]
    down, across = ((speed - 1) * way / (len(track) - 1) for way in (last_top - top, last_left - left))
    return [
        (picture, row + round(n * down), column + round(n * across)) for n, (picture, row, column) in enumerate(track)
    ]
