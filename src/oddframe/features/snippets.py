"""What every part of this room speaks of: how snippets are looked at, the features of one video, and a source of them.

Shape letters: n rows of a video, D length of a vector.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from oddframe.errors import InputError
from oddframe.features.extractor import SNIPPET, Extractor
from oddframe.types import VideoInfo

FRAMES_PER_SNIPPET = 4
"""Frames of a snippet that an image network looks at unless told otherwise: neighbours hardly differ, so all 16 cost
four times as much for almost the same mean."""
CROPS = (1, 10)


@dataclass(frozen=True)
class SnippetSampling:
    """How snippets are looked at; features that are to be compared share it.

    Attributes:
        frames_per_snippet: 1 to 16, evenly spaced; always 16 for a network that looks at clips.
        crops: 1, the centre; or 10, four corners and the centre and their mirror images, whose vectors are averaged.

    Raises:
        InputError: an impossible value.
    """

    frames_per_snippet: int = FRAMES_PER_SNIPPET
    crops: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.frames_per_snippet <= SNIPPET:
            raise InputError(f"frames per snippet is {self.frames_per_snippet}; choose 1 to {SNIPPET}")
        if self.crops not in CROPS:
            raise InputError(f"crops is {self.crops}; choose 1 (centre) or 10 (corners, centre, and mirrored)")

    @classmethod
    def of(cls, extractor: Extractor, frames_per_snippet: int | None = None, crops: int = 1) -> SnippetSampling:
        """The sampling for an extractor; None takes what suits its kind.

        Raises:
            InputError: an impossible value, or fewer than 16 frames for a network that looks at clips.
        """
        if extractor.kind == "frames":
            return cls(FRAMES_PER_SNIPPET if frames_per_snippet is None else frames_per_snippet, crops)
        if frames_per_snippet not in (None, SNIPPET):
            raise InputError(
                f"{extractor.name} looks at clips: it takes all {SNIPPET} frames of a snippet, not "
                f"{frames_per_snippet}; leave --frames-per-snippet out"
            )
        return cls(SNIPPET, crops)

    @property
    def positions(self) -> tuple[int, ...]:
        """The frames of a snippet that are looked at: the middles of equal parts of it."""
        k = self.frames_per_snippet
        return tuple((2 * i + 1) * SNIPPET // (2 * k) for i in range(k))

    def to_dict(self) -> dict[str, int]:
        """Plain values for JSON and for a fingerprint."""
        return {"snippet": SNIPPET, "frames_per_snippet": self.frames_per_snippet, "crops": self.crops}

    @classmethod
    def from_dict(cls, values: Mapping[str, int]) -> SnippetSampling:
        """What `to_dict` gave."""
        return cls(values["frames_per_snippet"], values["crops"])


@dataclass(frozen=True)
class SnippetFeatures:
    """The features of one video.

    Attributes:
        video: its name.
        features: (n, D) float32, finite, n at least 1; crops already averaged.
        frames: of the video; None where a public layout does not say.
        kind: "snippets", a row for every 16 frames, the last of which may be fewer; or "segments", a row for each of n
            equal parts of the video.
        time: (frames,) float64 seconds of every frame; None where unknown.
        info: of the video that the features were extracted from; None where unknown.
    """

    video: str
    features: NDArray[np.float32]
    frames: int | None
    kind: Literal["snippets", "segments"]
    time: NDArray[np.float64] | None = None
    info: VideoInfo | None = None

    def bounds(self, frames: int | None = None) -> NDArray[np.int64]:
        """(n + 1,) int64: the first frame of every row, and where the last one ends.

        Snippets: 0, 16, ..., min(16 n, frames). Segments: i * frames // n.

        Args:
            frames: of the video, where `self.frames` is None; for snippets 16 n if that is not known either.

        Raises:
            InputError: segments of a video of unknown length.
        """
        n = len(self.features)
        frames = self.frames if self.frames is not None else frames
        if self.kind == "snippets":
            starts = np.arange(n + 1, dtype=np.int64) * SNIPPET
            return starts if frames is None else np.minimum(starts, frames)
        if frames is None:
            raise InputError(
                f"{self.video}: its features are {n} equal parts of a video whose number of frames is not known; "
                "give it, for instance in a column `frames` of the label file"
            )
        return np.arange(n + 1, dtype=np.int64) * frames // n


class FeatureSource(Protocol):
    """Features of many videos from one backbone: a store of oddframe, or a public release in one of its layouts.

    Attributes:
        name: of the backbone.
        dim: D.
        fingerprint: equal where features may be mixed: same network, weights, preprocessing and sampling.
        videos: names, in natural order.
        extractor: how the extractor can be opened again (`spec`, `weights`, `preprocessing`, `name`, `sampling`); None
            where it is not known.
    """

    @property
    def name(self) -> str: ...
    @property
    def dim(self) -> int: ...
    @property
    def fingerprint(self) -> str: ...
    @property
    def videos(self) -> Sequence[str]: ...
    @property
    def extractor(self) -> Mapping[str, Any] | None: ...

    def load(self, video: str) -> SnippetFeatures:
        """The features of one video.

        Raises:
            InputError: there is no such video, or its features cannot be used.
        """
        ...


def checked(where: object, array: NDArray[Any], dim: int | None = None) -> NDArray[np.float32]:
    """An array read from somewhere, as (n, D) float32.

    Args:
        where: named in the error.
        dim: the D that it must have; None takes any.

    Raises:
        InputError: it is not numbers of that shape, has no rows, or holds NaN or infinity.
    """
    if array.ndim != 2 or not all(array.shape) or array.dtype.kind != "f":
        shape = " x ".join(map(str, array.shape)) or "one value"
        raise InputError(
            f"{where}: features have to be rows of floating-point numbers, (n, D); it has {shape} {array.dtype}"
        )
    if dim is not None and array.shape[1] != dim:
        raise InputError(f"{where}: vectors of length {array.shape[1]}, those of the other videos have {dim}")
    rows = array.astype(np.float32, copy=False)
    bad = np.flatnonzero(~np.isfinite(rows).all(1))
    if len(bad):
        raise InputError(
            f"{where}: NaN or infinity in {len(bad)} of {len(rows)} rows, first in row {bad[0]}; extract again"
        )
    return rows
