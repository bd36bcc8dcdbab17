"""From a video to the components of its frames, whatever the system looks at: what `Run` scores with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from oddframe.runtime.runtime import Runtime
from oddframe.scoring.combine import ScoreRule
from oddframe.scoring.files import MapSpool
from oddframe.scoring.stream import score_video
from oddframe.types import FrameScores
from oddframe.video.decode import VideoReader
from oddframe.video.sources import VideoSource

FrameCount = Callable[[int, int | None], None]
"""Called with frames done, and frames in all where the file says so."""


class Scorer(Protocol):
    """Scores one video after the other.

    Attributes:
        carries_over: what it sees of one video changes how it scores the next.
        map_grid: (h, w) of the maps that it makes, or None.
    """

    carries_over: bool
    map_grid: tuple[int, int] | None

    def score(
        self, source: VideoSource, rule: ScoreRule, bundle: str, spool: MapSpool | None, progress: FrameCount
    ) -> FrameScores:
        """The scores of a video.

        Args:
            bundle: identity that the scores carry.
            spool: takes the maps; without one they are not kept.

        Raises:
            VideoError: the video cannot be decoded, or is too short.
        """


class WindowScorer:
    """Scores with a one-class detector.

    Args:
        batch: windows per forward pass; None lets the runtime choose.
    """

    def __init__(self, runtime: Runtime, batch: int | None = None) -> None:
        self.runtime, self.batch = runtime, batch
        self.carries_over, self.map_grid = runtime.signature.carries_over, runtime.signature.map_grid
        runtime.forget()

    def score(
        self, source: VideoSource, rule: ScoreRule, bundle: str, spool: MapSpool | None, progress: FrameCount
    ) -> FrameScores:
        window, done = self.runtime.signature.window, 0
        with VideoReader(source, window.size, window.colour, window.resize) as reader:
            total = reader.info.frames

            def count(frames: int) -> None:
                nonlocal done
                done += frames
                progress(done, total)

            return score_video(
                self.runtime, reader, source.name, rule, bundle=bundle, batch=self.batch, spool=spool, progress=count
            )
