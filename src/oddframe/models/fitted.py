"""The contract of a fitted detector: it learns in one pass over normal video, without gradients.

Statistics, exemplars and memories need no optimiser, no epochs and no torch. A fitted detector reads the same chunks
when it learns as when it scores. It works on NumPy arrays; a network that it needs is given to it as a function.

Learning is exact and seeded: the same chunks in the same order give the same state, to the bit.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save

from oddframe.datasets.windows import Chunk
from oddframe.errors import RecipeError
from oddframe.models.backbone import Network
from oddframe.models.ignored import IgnoredPlace, ignored_cells
from oddframe.models.reasons import Reason
from oddframe.models.states import check_finite
from oddframe.types import ChunkErrors, Combination, Signature, VideoInfo, Window

if TYPE_CHECKING:
    from oddframe.models.bag_detector import BagDetector
    from oddframe.models.detector import Detector

State = dict[str, NDArray[Any]]
"""Arrays by name, as safetensors stores them."""


class FittedDetector(ABC):
    """A one-class detector that is fitted.

    Attributes:
        window: what it looks at; see `oddframe.types.Window`.
        components: name of each component of a frame's score -> what it tells, in words that complete "unusual in ...".
        combination: how the components make the score of a frame by default.
        map_grid: (h, w) of its anomaly map, or None.
        blocks: of the frozen network that it looks through (see `oddframe.models.backbone`); None where it needs none.
        network: that network; to be set before learning and scoring where `blocks` is not None.
        ignored: (h, w) cells of the map that say nothing; None where there are none. See `ignore`.
    """

    window: Window
    components: Mapping[str, str]
    combination: Combination
    map_grid: tuple[int, int] | None = None
    own_runtime: ClassVar[Literal["torch"] | None] = None  # whatever runs its network fastest here
    blocks: tuple[int, ...] | None = None
    network: Network | None = None
    ignored: NDArray[np.bool_] | None = None

    @classmethod
    @abstractmethod
    def for_video(cls, info: VideoInfo, **options: Any) -> Self:
        """A new detector for a camera with the geometry of `info`.

        Raises:
            RecipeError: an unknown option or an impossible value.
        """

    @abstractmethod
    def begin_learning(self, seed: int) -> None:
        """Forget what was learned and begin a pass."""

    @abstractmethod
    def begin_video(self) -> None:
        """The next chunk does not follow the last one in time: a new video, or a new stretch of one, begins."""

    @abstractmethod
    def learn(self, chunk: Chunk) -> None:
        """Take in the next B windows of normal video, in order of time."""

    @abstractmethod
    def finish_learning(self) -> None:
        """End the pass; afterwards `score` may be called.

        Raises:
            InputError: there was too little video to learn from.
        """

    @abstractmethod
    def score(self, chunk: Chunk) -> ChunkErrors:
        """Components and map of the next B windows of a video, in order of time.

        A frame's result depends on the frames before it at most since `begin_video`, never on how they were cut into
        chunks.
        """

    @property
    def memory(self) -> object:
        """All of what it saw since `begin_video` that later results depend on: plain values, arrays, objects of them.

        Two detectors of equal state and memory go on alike. One that remembers nothing says (); None says that this is
        not known, and then a video of any length is scored in one piece.
        """
        return None

    def ignore(self, places: Sequence[IgnoredPlace]) -> None:
        """Let these places say nothing from now on, in components, map and reasons. No component rises by that."""
        assert self.map_grid is not None, "a detector without a map cannot leave places out"
        self.ignored = ignored_cells(places, self.map_grid) if places else None

    def take_in(self, chunk: Chunk) -> None:
        """Take in the next B windows that somebody has called normal, in order of time, besides what was learned.

        `begin_video` tells where a new stretch begins. Scores change with `finish_taking_in`.

        Raises:
            RecipeError: it has no memory that could take them in.
        """
        raise RecipeError(f"{type(self).__name__} has no memory that could take in more windows; fit it again")

    def finish_taking_in(self) -> int:
        """Make what was taken in a part of what is normal. Returns how many entries its memory has gained."""
        return 0

    def look_back(self, component: str) -> float:
        """Seconds of video before a frame that `explain` wants to see."""
        return 1.0

    def explain(self, component: str, chunks: Iterable[Chunk]) -> Reason | None:
        """Why a component is high at the last frame of some chunks; None where this detector cannot say.

        What `score` remembers of a video is neither used nor changed.

        Args:
            component: one of `components`.
            chunks: consecutive windows of a video in order of time, `look_back` seconds or what there is, at least one.
        """
        return None

    @abstractmethod
    def state(self) -> State:
        """What was learned, as arrays; empty before `finish_learning`."""

    @abstractmethod
    def load_state(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Take over what `state` gave.

        Raises:
            BundleError: an array is missing or has another shape.
        """

    def parameter_count(self) -> int:
        """How many numbers it keeps."""
        return sum(value.size for value in self.state().values())

    def save_weights(self, path: Path) -> None:
        """Write its state as a safetensors file."""
        path.write_bytes(save({name: np.ascontiguousarray(value) for name, value in self.state().items()}))

    def load_weights(self, path: Path) -> None:
        """Read what `save_weights` wrote.

        Raises:
            BundleError: the state is of another detector.
            ValueError: it holds NaN or infinity.
        """
        state = load_file(path)
        check_finite(state)
        self.load_state(state)

    def describe(self) -> dict[str, Any]:
        """What it looks at, as plain values for JSON."""
        return {"window": asdict(self.window), "look_ahead": self.signature.look_ahead}

    @property
    def sees(self) -> str:
        """What it looks at, for people."""
        height, width = self.window.size
        return f"every frame at {height}x{width}, and what was kept of the frames before"

    def one_class(self, purpose: str) -> Detector:
        """Refused: this is no network that learns by gradients.

        Raises:
            RecipeError: always.
        """
        raise RecipeError(f"{purpose} is for networks; {type(self).__name__} is fitted in one pass")

    def weakly_supervised(self) -> BagDetector:
        """Refused: this learns from normal video.

        Raises:
            RecipeError: always.
        """
        raise RecipeError(f"this is for weakly supervised detectors; {type(self).__name__} learns from normal video")

    @property
    def latency(self) -> str:
        """What it must have seen before it can score a frame, for people."""
        return self.signature.latency

    @property
    def portable(self) -> bool:
        """Whether another runtime may score in its place; its own parts stay NumPy."""
        return False

    def flops_per_frame(self) -> float:
        """Floating-point operations that are not counted: most of the work is no matrix product."""
        return 0.0

    @property
    def signature(self) -> Signature:
        """What scoring has to know of it."""
        return Signature(self.window, self.components, self.combination, self.map_grid)
