"""Normal moments: a few small pictures of the video that was learned from, to hold an event against.

While a detector learns, one picture every two seconds is a candidate. At the end greedy k-centre (Gonzalez 1985) over
thumbnails of 16 x 32 chooses those that stand for all: no candidate is far from a chosen one. The bundle keeps them as
`moments.npz`, each with the name of its video, its time, and a JPEG picture of at most 160 pixels a side. All pictures
together stay below one megabyte. A bundle without the file shows none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from oddframe.atomic import replacing
from oddframe.errors import BundleError
from oddframe.models.exemplars import k_centre
from oddframe.reading.arrays import refuse_bomb
from oddframe.reading.guard import reason

NAME = "moments.npz"
EVERY = 2.0  # seconds between candidates
LOOK = (16, 32)
SIDE, QUALITY, MOST_BYTES = 160, 80, 900_000


@dataclass(frozen=True)
class Moment:
    """A moment of normal video.

    Attributes:
        video: name of the video.
        time: seconds in it.
        look: (16, 32, 3) uint8 BGR thumbnail, for comparison.
        jpeg: the picture.
    """

    video: str
    time: float
    look: NDArray[np.uint8]
    jpeg: bytes


class MomentKeeper:
    """Collects candidates while video is learned from."""

    def __init__(self) -> None:
        self.moments: list[Moment] = []
        self._next = -np.inf

    def begin(self) -> None:
        """A new stretch of video begins."""
        self._next = -np.inf

    def see(self, video: str, time: float, rgb: NDArray[np.uint8]) -> None:
        """The next frame of a video: (H, W, 3) or (H, W, 1) uint8, red first."""
        if time < self._next:
            return
        self._next = time + EVERY
        bgr = np.ascontiguousarray(np.broadcast_to(rgb, (*rgb.shape[:2], 3))[..., ::-1])
        height, width = bgr.shape[:2]
        share = min(1.0, SIDE / max(height, width))
        size = max(1, round(width * share)), max(1, round(height * share))
        _, data = cv2.imencode(
            ".jpg", cv2.resize(bgr, size, interpolation=cv2.INTER_AREA), [cv2.IMWRITE_JPEG_QUALITY, QUALITY]
        )
        self.moments.append(Moment(video, time, look_of(bgr), data.tobytes()))


def look_of(bgr: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The thumbnail that moments are compared by."""
    return np.asarray(cv2.resize(bgr, LOOK[::-1], interpolation=cv2.INTER_AREA), np.uint8)


def choose_moments(candidates: Sequence[Moment], count: int, seed: int) -> list[Moment]:
    """At most `count` that stand for all, and for which there is room, in order of choice."""
    if not candidates or not count:
        return []
    rows = np.stack([moment.look.ravel() for moment in candidates]).astype(np.float32)
    chosen = [candidates[number] for number in k_centre(rows, count, seed)]
    room = np.cumsum([len(moment.jpeg) for moment in chosen]) <= MOST_BYTES
    return chosen[: int(room.sum())]


def save_moments(folder: Path, moments: Sequence[Moment]) -> None:
    """Write them into a bundle; without moments an older file is removed."""
    if not moments:
        (folder / NAME).unlink(missing_ok=True)
        return
    pictures = [np.frombuffer(moment.jpeg, np.uint8) for moment in moments]
    with replacing(folder / NAME) as temporary, temporary.open("wb") as file:
        np.savez(
            file,
            video=np.array([moment.video for moment in moments]),
            time=np.array([moment.time for moment in moments]),
            look=np.stack([moment.look for moment in moments]),
            jpeg=np.concatenate(pictures),
            end=np.cumsum([len(picture) for picture in pictures]),
        )


def load_moments(folder: Path) -> list[Moment]:
    """The moments of a bundle; none where it keeps none.

    Raises:
        BundleError: the file is damaged.
    """
    path = folder / NAME
    if not path.is_file():
        return []
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as kept:
            refuse_bomb(kept)
            names, times, looks, data, ends = (kept[name] for name in ("video", "time", "look", "jpeg", "end"))
        if looks.shape != (len(names), *LOOK, 3) or not len(names) == len(times) == len(ends) or ends[-1] != len(data):
            raise ValueError("its parts do not fit together")
        pictures = np.split(data, ends[:-1])
    except Exception as error:  # what is damaged can raise almost anything
        raise BundleError(f"{path}: damaged ({reason(error)}); remove the file to do without its pictures") from error
    rows = zip(names, times, looks, pictures, strict=True)
    return [Moment(str(name), float(time), look, picture.tobytes()) for name, time, look, picture in rows]


def nearest_moment(moments: Sequence[Moment], bgr: NDArray[np.uint8]) -> Moment:
    """The moment that looks most like a picture of any size; the first of several.

    Args:
        moments: at least one.
    """
    own = look_of(bgr).astype(np.float32)
    return min(moments, key=lambda moment: float(((moment.look.astype(np.float32) - own) ** 2).sum()))
