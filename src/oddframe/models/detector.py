"""The contract of a one-class detector: what training, scoring and the contract tests may rely on.

A detector is an `nn.Module` of single-device code. It says what it looks at (`window`), how it learns (`stages()`), and
what it makes of a batch of windows (`score()`). It never decodes, resizes, smooths, normalises or thresholds.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch
from torch import Tensor

from oddframe.errors import RecipeError
from oddframe.models.learner import Learner
from oddframe.types import IgnoredPlace, Masking, Signature, Window


@dataclass(frozen=True)
class Batch:
    """B windows, frames as decoded: uint8, channels last, values 0..255, not yet normalised.

    Attributes:
        frames: (B, T, H, W, C) uint8 input frames at `window.offsets`, pseudo-anomalies pasted in.
        target: (B, T', H, W, C) uint8 clean frames at `window.target`; T' may be 0.
        key: (B,) int64 that seeds what is random about a sample: the frame index when scoring (so that a score does not
            depend on its batch), a hash of (seed, epoch, sample) when training.
        context: (B, T'', H, W, C) uint8 clean frames at `window.context`; training only.
        pasted: (B, H, W) uint8, 255 where a pseudo-anomaly covers the scored frame, grey at its rim, 0 elsewhere;
            training only.
        order: (B, draws, L) int64: for each draw the tokens of a frame in the order of their noise (see
            `Signature.masking`); None lets the detector make it from `key`.
    """

    frames: Tensor
    target: Tensor
    key: Tensor
    context: Tensor | None = None
    pasted: Tensor | None = None
    order: Tensor | None = None

    def __len__(self) -> int:
        return len(self.key)

    def to(self, device: torch.device | str) -> Batch:
        """The same batch on `device`."""
        moved = {
            name: value.to(device, non_blocking=True) for name, value in vars(self).items() if isinstance(value, Tensor)
        }
        return replace(self, **moved)


@dataclass(frozen=True)
class FrameErrors:
    """What a detector says of B frames.

    Attributes:
        components: name -> (B,) raw values, higher = more anomalous; unweighted, unnormalised, finite.
        map: (B, h, w) anomaly map, at pixel size where a `map_filter` follows, else at `map_grid`; None without one.
    """

    components: dict[str, Tensor]
    map: Tensor | None = None


@dataclass(frozen=True)
class Plainest:
    """What the plainest predictor in a detector's place makes of B windows.

    Attributes:
        words: what it takes for its prediction, such as "a copy of the frame before".
        component: of the detector's scores, whose errors these are to be compared with.
        errors: (B,) in the units of that component.
    """

    words: str
    component: str
    errors: Tensor


class Detector(Learner):
    """A one-class detector.

    Attributes:
        window, map_grid, map_filter, masking, carries_over: see `oddframe.types.Signature`.
        components: those that `score` returns; `combination` may also weigh "map_max".
        remembers: what it sees of one frame changes how it scores the next; then only this module can score with it.
        adapts: it offers `adapt`.
        takes_in: it offers `take_in`.
    """

    window: Window
    map_grid: tuple[int, int] | None = None
    map_filter: tuple[int, int, int] | None = None
    masking: Masking | None = None
    carries_over: bool = False
    remembers: bool = False
    adapts: bool = False
    takes_in: bool = False

    @abstractmethod
    def score(self, batch: Batch) -> FrameErrors:
        """Components and map of every window of the batch, in eval mode, independent of the rest of the batch."""

    def plainest(self, batch: Batch) -> Plainest | None:
        """The errors of a predictor that has learned nothing, for windows of one camera; None where there is none."""
        return None

    def forget(self) -> None:
        """Forget all that was seen while scoring: a new set of videos begins."""

    def begin_video(self) -> None:
        """A new video begins: forget, where the method says so, what was seen of the last one."""

    def ignore(self, places: Sequence[IgnoredPlace]) -> None:
        """Paint over these places before it looks, from now on. Only one that learned so finds nothing there."""
        self.window = replace(self.window, ignored=tuple(places))

    def adapt(self, support: Batch) -> None:
        """Adapt to a new camera from a few normal windows of it.

        Raises:
            RecipeError: the method, or this training of it, does not offer that.
        """
        raise RecipeError(f"{type(self).__name__} cannot adapt to a new camera; MPN, meta-trained, can")

    def take_in(self, windows: Batch) -> None:
        """Take windows that somebody has called normal into a memory, without training.

        Raises:
            RecipeError: the method has no memory, or one that only training changes.
        """
        raise RecipeError(f"{type(self).__name__} has no memory that could take in windows; MNAD has, with items")

    def describe(self) -> dict[str, Any]:
        return {"window": asdict(self.window), "look_ahead": self.look_ahead}

    @property
    def sees(self) -> str:
        names = [f"t{offset:+d}" if offset else "t" for offset in self.window.offsets]
        frames = " ".join(names) if len(names) <= 5 else f"{names[0]} to {names[-1]}"
        return f"frames {frames} at {self.window.size[0]}x{self.window.size[1]}"

    @property
    def signature(self) -> Signature:
        """What scoring has to know of it."""
        return Signature(
            self.window, self.components, self.combination, self.map_grid, self.map_filter, self.masking,
            self.carries_over,
        )  # fmt: skip

    def one_class(self, purpose: str) -> Detector:
        return self

    @property
    def portable(self) -> bool:
        return not self.remembers

    def score_nothing(self) -> int:
        shape = (*self.window.size, self.window.channels)
        self.score(
            Batch(
                torch.empty(1, len(self.window.offsets), *shape, dtype=torch.uint8),
                torch.empty(1, len(self.window.target), *shape, dtype=torch.uint8),
                torch.zeros(1, dtype=torch.int64),
            )
        )
        return 1

    @property
    def latency(self) -> str:
        return self.signature.latency

    @property
    def reported(self) -> Mapping[str, str]:
        return self.signature.reported

    @property
    def look_ahead(self) -> int:
        """Frames of latency; see `Signature.look_ahead`."""
        return self.signature.look_ahead
