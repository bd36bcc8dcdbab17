"""The few value types that every part of oddframe speaks: plain, frozen, with documented shapes.

They have no behaviour but lookup, and `FrameScores` and `Event` check themselves when they are made.

Shape letters: N frames of a video, B frames of a batch, T frames of a window, H x W pixels, C channels.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from oddframe.account import Account
from oddframe.errors import InputError

LONGEST_SIDE = 8192  # pixels of a frame that a detector looks at

Colour = Literal["bgr", "rgb", "gray"]
Resize = Literal["bilinear", "area", "bicubic"]
Missing = Literal["current", "nearest", "drop"]
Transform = Literal["decibel", "reciprocal"]
RateOrigin = Literal["container", "given", "assumed"]
FaultKind = Literal["moved", "covered", "blurred", "dark", "bright", "frozen", "drift"]
Scale = Literal["none", "normal", "per_video_minmax", "dataset_minmax"]


@dataclass(frozen=True)
class IgnoredPlace:
    """A part of the picture in which nobody wants to be told of anything.

    Attributes:
        name: for people.
        corners: at least three, as (x, y) in shares of width and height, 0 to 1.
    """

    name: str
    corners: tuple[tuple[float, float], ...]

    def holds(self, x: float, y: float) -> bool:
        """Whether a point lies inside: a line from it to the right crosses the outline an odd number of times."""
        return bool(self.covers(np.array([x]), np.array([y]))[0])

    def covers(self, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.bool_]:
        """(N,) whether each of N points lies inside."""
        inside = np.zeros(len(x), bool)
        for (x1, y1), (x2, y2) in zip(self.corners, (*self.corners[1:], self.corners[0]), strict=True):
            if y1 != y2:
                inside ^= ((y1 > y) != (y2 > y)) & (x < x1 + (y - y1) / (y2 - y1) * (x2 - x1))
        return inside


@dataclass(frozen=True)
class Window:
    """What a detector looks at to score one frame; decoding, resizing and batching are driven by it alone.

    Attributes:
        offsets: relative indices of the frames that form the input, in channel order; (-3, 0, 3) for SDMAE.
        size: (height, width) in pixels that every frame is resized to, aspect ratio not kept.
        target: relative indices of the frames the detector reproduces or predicts; empty where that is the input.
        context: relative indices that only the training loss looks at (SDMAE: its motion gradient).
        colour: channel order of a frame; "gray" has one channel.
        resize: interpolation.
        missing: what stands in for a frame beyond the ends of the video: the scored frame itself ("current"), the
            nearest existing frame ("nearest"), or nothing: frames whose window is incomplete get no score ("drop").
        ignored: places of the picture that are painted over before the detector sees a frame, in training as in
            scoring (see `oddframe.datasets.windows.paint_over`).

    Raises:
        InputError: `size` is not two whole numbers of pixels.

    Examples:
        Four frames predict the fifth, in grey:

        >>> window = Window(offsets=(-4, -3, -2, -1), size=(64, 128), colour="gray", missing="drop")
        >>> window.channels, window.look_ahead
        (1, 0)
    """

    offsets: tuple[int, ...]
    size: tuple[int, int]
    target: tuple[int, ...] = (0,)
    context: tuple[int, ...] = ()
    colour: Colour = "bgr"
    resize: Resize = "bilinear"
    missing: Missing = "current"
    ignored: tuple[IgnoredPlace, ...] = ()

    def __post_init__(self) -> None:
        whole = len(self.size) == 2 and all(isinstance(side, int | np.integer) for side in self.size)
        if not whole or not all(1 <= side <= LONGEST_SIDE for side in self.size):
            sides = ", ".join(map(str, self.size))[:60]
            raise InputError(f"frames of the size [{sides}]: give height and width in pixels, 1 to {LONGEST_SIDE}")

    @property
    def channels(self) -> int:
        """Channels of one frame: 1 for grey, else 3."""
        return 1 if self.colour == "gray" else 3

    @property
    def look_ahead(self) -> int:
        """Frames after the scored one that must be seen before it can be scored (context not counted)."""
        return max(0, *self.offsets, *self.target)

    @property
    def look_back(self) -> int:
        """Frames before the scored one that are needed (context not counted)."""
        return max(0, *(-o for o in self.offsets), *(-o for o in self.target))

    def positions(self, index: int, offsets: tuple[int, ...], length: int) -> list[int]:
        """Absolute frame numbers for `offsets` around frame `index` of a video of `length` frames.

        Frames beyond the ends follow `missing`; with "drop" the caller has to leave such an `index` out
        (see `scorable`).
        """
        found = []
        for offset in offsets:
            position = index + offset
            if not 0 <= position < length:
                position = index if self.missing == "current" else min(max(position, 0), length - 1)
            found.append(position)
        return found

    def scorable(self, length: int) -> range:
        """The frames of a video of `length` frames that get a score."""
        if self.missing != "drop":
            return range(length)
        return range(self.look_back, max(self.look_back, length - self.look_ahead))


@dataclass(frozen=True, order=True)
class Interval:
    """Consecutive frames, half-open as in Python: `start` belongs to it, `stop` does not. Frames are counted from 0.

    Raises:
        InputError: not 0 <= start <= stop.
    """

    start: int
    stop: int

    def __post_init__(self) -> None:
        if not 0 <= self.start <= self.stop:
            raise InputError(f"frames {self.start} to {self.stop} are not an interval")

    def __len__(self) -> int:
        return self.stop - self.start


def runs(flags: ArrayLike) -> list[Interval]:
    """Every unbroken run of true values in (N,) flags, in order."""
    padded = np.concatenate(([False], np.asarray(flags, dtype=bool), [False]))
    edges = np.flatnonzero(padded[1:] != padded[:-1])
    return [Interval(int(start), int(stop)) for start, stop in zip(edges[::2], edges[1::2], strict=True)]


@dataclass(frozen=True)
class Combination:
    """How the raw components of a frame become one number: transformed, scaled, weighted, added.

    Attributes:
        weights: component -> weight; components that are not named play no part.
        transform: component -> "decibel", 10 log10(x), which is a PSNR with its sign turned round where x is a mean
            squared error, or "reciprocal", -1/x; both keep the order. Components that are not named stay as they are.
        scale: what makes components of different units comparable: "normal", their distance from the mean on held-out
            normal video in standard deviations of it; "per_video_minmax", as most publications do, which has to know
            the whole test video; "dataset_minmax", which has to know the whole test set; or "none".
    """

    weights: Mapping[str, float]
    transform: Mapping[str, Transform] = field(default_factory=dict)
    scale: Scale = "none"


@dataclass(frozen=True)
class Masking:
    """Random orders of a frame's tokens, which a detector that hides some of them needs (SDMAE).

    Attributes:
        tokens: L, of a frame.
        draws: orders for every frame.
        seed: of the randomness.
    """

    tokens: int
    draws: int
    seed: int


class Outline(Protocol):
    """What there is to know of any system, in order to make scores of its components and to tell people of them."""

    @property
    def combination(self) -> Combination: ...

    @property
    def reported(self) -> Mapping[str, str]:
        """All components that a score file has of it -> what each tells, in words that complete "unusual in ..."."""

    @property
    def latency(self) -> str:
        """What it must have seen before it can score a frame, for people."""


@dataclass(frozen=True)
class Signature:
    """What scoring has to know of a one-class detector, whatever runs its network. An `Outline`.

    Attributes:
        window: what it looks at.
        components: names of what the network says of a frame -> their words.
        combination: what of them makes the score of a frame by default; it may also weigh "map_max".
        map_grid: (h, w) at which its map is stored, or None.
        map_filter: odd (time, height, width) extents of the mean filter that the map volume passes through before its
            spatial maximum becomes the component "map_max", or None. Done while streaming, from a ring of maps.
        masking: what it takes besides frames, or None.
        carries_over: what it sees of one video changes how it scores the next.
        kind: word for such detectors in files.
    """

    kind: ClassVar[str] = "windows"

    window: Window
    components: Mapping[str, str]
    combination: Combination
    map_grid: tuple[int, int] | None = None
    map_filter: tuple[int, int, int] | None = None
    masking: Masking | None = None
    carries_over: bool = False

    @property
    def paced(self) -> bool:
        """Whether it looks at several frames at once, so that its scores depend on the frame rate.

        A detector that looks at single frames, and takes what it needs of time from time stamps, is not: all fitted
        detectors.
        """
        several = {*self.window.offsets, *self.window.target} != {0}
        return several or (self.map_filter is not None and self.map_filter[0] > 1)

    @property
    def look_ahead(self) -> int:
        """Frames of latency: the window's, plus half the temporal extent of the map filter."""
        return self.window.look_ahead + (self.map_filter[0] // 2 if self.map_filter else 0)

    @property
    def latency(self) -> str:
        return f"{self.look_ahead} frames"

    @property
    def reported(self) -> Mapping[str, str]:
        strongest = {"map_max": "the strongest place of its anomaly map"} if self.map_filter else {}
        return {**self.components, **strongest}


@dataclass(frozen=True)
class BagSignature:
    """What scoring has to know of a weakly supervised detector, whatever runs its network. An `Outline`.

    Attributes:
        components: names of what the network says of a segment -> their words.
        combination: what of them makes the score of a frame by default.
        segments: S, equal parts that a video is divided into.
        backbones: name -> D of the features that it cannot do without.
        kind: word for such detectors in files.
    """

    kind: ClassVar[str] = "bags"

    components: Mapping[str, str]
    combination: Combination
    segments: int
    backbones: Mapping[str, int]

    @property
    def latency(self) -> str:
        return "the whole video"

    @property
    def reported(self) -> Mapping[str, str]:
        return self.components


@dataclass(frozen=True)
class ChunkErrors:
    """The errors of B consecutive windows, as a runtime or a fitted detector returns them.

    Attributes:
        components: name -> (B,) float64 raw component, higher = more anomalous.
        map: (B, h, w) float32 anomaly map, or None.
    """

    components: Mapping[str, NDArray[np.float64]]
    map: NDArray[np.float32] | None


@dataclass(frozen=True)
class VideoInfo:
    """What is known of a video before or after decoding it.

    `width` and `height` are as displayed: rotation and the shape of pixels are applied. `frames` is None while unknown,
    and an estimate from the header until the video is decoded. `fps` is the average rate and only descriptive: times
    always come from the container. `rate` says where `fps` comes from: the container states it, the user has given it
    for frames without time stamps, or it is assumed for them. `damage` lists what was wrong in the stream, `account`
    counts it, and `notes` tell what had to be decided, each in a whole sentence. `depth` is in bits per value. `key` is
    the key of its content (see `oddframe.video.identity`), empty where it is not known.
    """

    name: str
    path: str
    width: int
    height: int
    fps: float | None
    frames: int | None = None
    codec: str = ""
    damage: tuple[str, ...] = ()
    rate: RateOrigin = "container"
    depth: int = 8
    notes: tuple[str, ...] = ()
    key: str = ""
    account: Account | None = field(default=None, compare=False)

    @classmethod
    def parse(cls, content: Mapping[str, Any]) -> VideoInfo:
        """The info that a file holds as plain values; files from before a field existed leave it out.

        Raises:
            TypeError: there is a field that does not exist.
        """
        lists = {name: tuple(content.get(name, ())) for name in ("damage", "notes")}
        account = content.get("account")
        if account is not None:
            account = Account(**{**account, "others": tuple(account["others"])})
        return cls(**{**content, **lists, "account": account})


@dataclass(frozen=True)
class CameraFault:
    """A stretch of video in which the camera itself is at fault (see `oddframe.scoring.sentinel`).

    Attributes:
        video: name of the video or camera.
        kind: what is wrong.
        start_frame, end_frame: 0-based frame indices; the end is part of it.
        start_s, end_s: time stamps of those frames in seconds.
        strength: the largest so far; 1 at the limit, more beyond it.
        words: what is wrong, in a sentence.
        bundle: id of the bundle.
        id: 16 hexadecimal digits that stay while it lasts, and when the video is scored again. An empty one is filled
            in. The video counts by its `key` where that is known.
        key: of the content of the video (see `oddframe.video.identity`), empty where it is not known.
    """

    video: str
    kind: FaultKind
    start_frame: int
    end_frame: int
    start_s: float
    end_s: float
    strength: float
    words: str
    bundle: str = ""
    id: str = ""
    key: str = ""

    def __post_init__(self) -> None:
        if not self.id:
            name = json.dumps([self.bundle, self.key or self.video, self.kind, self.start_frame])
            object.__setattr__(self, "id", hashlib.sha256(name.encode()).hexdigest()[:16])


@dataclass(frozen=True)
class FrameScores:
    """The scores of one video, or of consecutive frames of one: raw and smoothed. Everything after scoring reads these.

    Attributes:
        video: name of the video (unique within a run: file stem, or the path below the folder given).
        frame: (N,) int64 frame indices, 0-based, increasing.
        time: (N,) float64 finite seconds from the container's time stamps, never decreasing.
        components: name -> (N,) float64 finite raw component, higher = more anomalous; never weighted or normalised.
        score: (N,) float64 finite, components weighted and smoothed as the bundle says.
        info: the video.
        bundle: id of the bundle that made them.
        map: optional (N, h, w) float16 anomaly map at the detector's own grid. Its values are not checked.
        faults: of the camera, in order of time; None where nobody looked for them.

    Raises:
        InputError: a value is not as described here; the message names it and the video.
    """

    video: str
    frame: NDArray[np.int64]
    time: NDArray[np.float64]
    components: dict[str, NDArray[np.float64]]
    score: NDArray[np.float64]
    info: VideoInfo
    bundle: str = ""
    map: NDArray[np.float16] | None = field(default=None, compare=False)
    faults: tuple[CameraFault, ...] | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        curves = {"time": self.time, "score": self.score}
        curves |= {f"component {name}": values for name, values in self.components.items()}
        if self.frame.ndim != 1 or self.frame.dtype.kind not in "iu":
            raise self._wrong(f"frame must be a row of integers, not {self.frame.dtype} of shape {self.frame.shape}")
        count = len(self.frame)
        for name, values in curves.items():
            if values.shape != (count,):
                raise self._wrong(f"{name} has shape {values.shape} for {count} frames")
            finite = np.isfinite(values)
            if not finite.all():
                row = int(np.argmin(finite))
                raise self._wrong(f"{name} is {values[row]} at frame {self.frame[row]}; it must be a finite number")
        if self.map is not None and (self.map.ndim != 3 or len(self.map) != count):
            raise self._wrong(f"map has shape {self.map.shape} for {count} frames")
        if count and (self.frame[0] < 0 or not (self.frame[1:] > self.frame[:-1]).all()):
            raise self._wrong("frame numbers must start at 0 or later and increase")
        if not (self.time[1:] >= self.time[:-1]).all():
            row = int(np.argmax(self.time[1:] < self.time[:-1])) + 1
            raise self._wrong(f"time goes back at frame {self.frame[row]}")

    def _wrong(self, fault: str) -> InputError:
        return InputError(f"{self.video}: these scores cannot be used: {fault}")


@dataclass(frozen=True)
class Event:
    """A stretch of video above the threshold.

    Attributes:
        video: name of the video or camera.
        start_frame, peak_frame, end_frame: 0-based frame indices, in this order; the end is part of the event.
        start_s, peak_s, end_s: finite time stamps of those frames in seconds, in this order.
        score: the finite smoothed score at the peak.
        box: (left, top, right, bottom) in pixels of the displayed video, right and bottom exclusive, or None without a
            map.
        why: how far each component at the peak lies above its mean on held-out normal video, in standard deviations.
        bundle: id of the bundle that made the scores, or empty where it is not known.
        id: 16 hexadecimal digits that name the event: a hash of bundle, video and start frame, none of which changes
            while the event grows. An empty one is filled in. The video counts by its `key` where that is known.
        key: of the content of the video (see `oddframe.video.identity`), empty for a stream or where it is not known.
        reasons: why, in whole phrases with the place, the most unusual first; only of detectors that can tell.
        held: why nobody is told: kinds of the camera's own faults that last while it does, or what marks of people have
            taught ("zone 3"); empty where people are told.

    Raises:
        InputError: a value is not as described here; the message names it and the video.
    """

    video: str
    start_frame: int
    peak_frame: int
    end_frame: int
    start_s: float
    peak_s: float
    end_s: float
    score: float
    box: tuple[int, int, int, int] | None = None
    why: Mapping[str, float] = field(default_factory=dict)
    bundle: str = ""
    id: str = ""
    key: str = ""
    reasons: tuple[str, ...] = ()
    held: str = ""

    def __post_init__(self) -> None:
        for unit, start, peak, end in (
            ("frames", self.start_frame, self.peak_frame, self.end_frame),
            ("seconds", self.start_s, self.peak_s, self.end_s),
        ):
            if not (start <= peak <= end and math.isfinite(start) and math.isfinite(end)):
                raise self._wrong(f"start, peak and end must follow one another, not {start}, {peak}, {end} {unit}")
        if not math.isfinite(self.score):
            raise self._wrong(f"its score is {self.score}; it must be a finite number")
        if self.box is not None:
            left, top, right, bottom = self.box
            if left > right or top > bottom:
                raise self._wrong(f"its box must be (left, top, right, bottom), not {self.box}")
        if not self.id:
            name = json.dumps([self.bundle, self.key or self.video, self.start_frame])
            object.__setattr__(self, "id", hashlib.sha256(name.encode()).hexdigest()[:16])

    def _wrong(self, fault: str) -> InputError:
        return InputError(f"{self.video}: the event at frame {self.start_frame} cannot be used: {fault}")
