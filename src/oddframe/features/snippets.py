"""Basic types of feature extraction: the sampling of snippets, the features of one video, and a source of features.

Shape letters: n rows of a video, D length of a vector.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from oddframe.errors import InputError
from oddframe.features.extractor import SNIPPET, Channels, Extractor
from oddframe.types import VideoInfo

FRAMES_PER_SNIPPET = 4
"""Default number of frames of a snippet that an image network sees. Neighbouring frames hardly differ, so all 16 frames
would cost four times as much for almost the same mean."""
CROPS = (1, 10)


@dataclass(frozen=True)
class SnippetSampling:
    """The frames and crops of a snippet that a network sees. Comparable features have the same sampling.

    Attributes:
        frames_per_snippet: 1 to 16, evenly spaced; always 16 for a network that takes clips.
        crops: 1 for the centre; or 10 for four corners, the centre and their mirror images, whose vectors are averaged.

    Raises:
        InputError: a value is impossible.
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
        """The sampling for an extractor. None takes the default of its kind.

        Raises:
            InputError: a value is impossible, there are fewer than 16 frames for a network that takes clips, or only
                one for channels that compare frames.
        """
        if extractor.kind == "frames":
            sampling = cls(FRAMES_PER_SNIPPET if frames_per_snippet is None else frames_per_snippet, crops)
            if extractor.channels != "mean" and sampling.frames_per_snippet < 2:
                raise InputError(
                    f"{extractor.name}: channels {extractor.channels} compare neighbouring frames of a snippet; "
                    "frames per snippet is 1, choose 2 to 16"
                )
            return sampling
        if frames_per_snippet not in (None, SNIPPET):
            raise InputError(
                f"{extractor.name} looks at clips: it takes all {SNIPPET} frames of a snippet, not "
                f"{frames_per_snippet}; leave --frames-per-snippet out"
            )
        return cls(SNIPPET, crops)

    @property
    def positions(self) -> tuple[int, ...]:
        """The frames of a snippet that the network sees: the middle frames of equal parts of it."""
        k = self.frames_per_snippet
        return tuple((2 * i + 1) * SNIPPET // (2 * k) for i in range(k))

    def to_dict(self) -> dict[str, int]:
        """Plain values for JSON and for a fingerprint."""
        return {"snippet": SNIPPET, "frames_per_snippet": self.frames_per_snippet, "crops": self.crops}

    @classmethod
    def from_dict(cls, values: Mapping[str, int]) -> SnippetSampling:
        """The inverse of `to_dict`."""
        return cls(values["frames_per_snippet"], values["crops"])


@dataclass(frozen=True)
class SnippetFeatures:
    """The features of one video.

    Attributes:
        video: its name.
        features: (n, D) float32, finite, n at least 1, averaged over crops.
        frames: number of frames of the video; None if a public layout does not state it.
        kind: "snippets" for one row per 16 frames, where the last row may have fewer; "segments" for one row for each
            of n equal parts of the video.
        time: (frames,) float64 seconds of every frame; None if unknown.
        info: properties of the video; None if unknown.
        bytes: of its file, or of all its pictures; None if unknown.
        pixel_change: mean absolute difference of neighbouring frames over pixels and colours, 0 to 255, as they were
            resized for the network; None if unknown. With `bytes` it is what baselines know of a video.
    """

    video: str
    features: NDArray[np.float32]
    frames: int | None
    kind: Literal["snippets", "segments"]
    time: NDArray[np.float64] | None = None
    info: VideoInfo | None = None
    bytes: int | None = None
    pixel_change: float | None = None

    def bounds(self, frames: int | None = None) -> NDArray[np.int64]:
        """(n + 1,) int64: the first frame of every row, and the end of the last row.

        Snippets: 0, 16, ..., min(16 n, frames). Segments: i * frames // n.

        Args:
            frames: number of frames of the video if `self.frames` is None. If it is unknown, snippets end at 16 n.

        Raises:
            InputError: the rows are segments of a video of unknown length.
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
        fingerprint: equal for features that may be mixed: same network, weights, preprocessing and sampling.
        videos: names of the videos, in natural order.
        channels: of the vectors, see `oddframe.features.extractor.Channels`.
        extractor: the arguments to open the extractor again (`spec`, `weights`, `preprocessing`, `name`, `sampling`);
            None if they are not known.
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
    def channels(self) -> Channels: ...
    @property
    def extractor(self) -> Mapping[str, Any] | None: ...

    def load(self, video: str) -> SnippetFeatures:
        """The features of one video.

        Raises:
            InputError: there is no such video, or its features cannot be used.
        """
        ...


def checked(where: object, array: NDArray[Any], dim: int | None = None) -> NDArray[np.float32]:
    """Check an array of features, and convert it to (n, D) float32.

    Args:
        where: source of the array, for the error message.
        array: the array.
        dim: the required D; None accepts any.

    Raises:
        InputError: the array has another type or shape, has no rows, or holds NaN or infinity.
    """
    if array.ndim != 2 or not all(array.shape) or array.dtype.kind != "f":
        shape = " x ".join(map(str, array.shape)) or "one value"
        raise InputError(
            f"{where}: features have to be rows of floating-point numbers, (n, D); it has {shape} {array.dtype}"
        )
    if dim is not None and array.shape[1] != dim:
        advice = "transpose the array" if array.shape[0] == dim else "use one network for all of them"
        raise InputError(f"{where}: vectors of length {array.shape[1]}, those of the other videos have {dim}; {advice}")
    with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinity, and is refused below
        rows = array.astype(np.float32, copy=False)
    bad = np.flatnonzero(~np.isfinite(rows).all(1))
    if len(bad):
        raise InputError(
            f"{where}: NaN or infinity in {len(bad)} of {len(rows)} rows, first in row {bad[0]}; extract again"
        )
    return rows
