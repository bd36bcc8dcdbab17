"""Scoring videos with a trained detector: one after the other, each from its file to its stored scores.

A `WindowScorer` looks at windows of frames through a runtime. A `FeatureScorer` (in `oddframe.scoring.features`) looks
at features that it extracts. `oddframe.scoring.open_scorer` makes the one that a trained detector needs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import numpy as np

from oddframe.runtime.runtime import Runtime
from oddframe.scoring.combine import ScoreRule
from oddframe.scoring.files import MapSpool, load_scores, save_scores, score_path
from oddframe.scoring.stream import Collected, Maps, score_frames
from oddframe.types import FrameScores
from oddframe.video.decode import VideoReader
from oddframe.video.sources import VideoSource

FrameCount = Callable[[int, int | None], None]
"""Called with frames done, and frames in all where the file says so."""


class VideoScorer(Protocol):
    """Scores one video after the other.

    Attributes:
        carries_over: what it sees of one video changes how it scores the next.
    """

    carries_over: bool

    def score(self, source: VideoSource, progress: FrameCount | None = None) -> FrameScores:
        """The scores of a video; stored ones where they still hold.

        Raises:
            VideoError: the video cannot be decoded, or is too short.
        """


class ScoreStore:
    """Scores of one detector under one rule, kept in a folder or in memory.

    Args:
        identity: what scores depend on besides the video and the rule; score files carry it.
        folder: where score files lie; None keeps scores in memory, each for its caller alone.
        force: score again what `folder` already holds.
    """

    def __init__(self, identity: str = "", folder: Path | None = None, force: bool = False) -> None:
        self.identity, self.folder, self.force = identity, folder, force

    def load(self, source: VideoSource) -> FrameScores | None:
        """The scores of this very file that this detector left in the folder; frames in memory are no file."""
        if self.folder is None or self.force or source.kind == "array":
            return None
        if not score_path(self.folder, source.name).is_file():
            return None
        done = load_scores(score_path(self.folder, source.name))
        same = done.bundle == self.identity and Path(done.info.path).resolve() == source.path.resolve()
        return done if same else None

    @contextmanager
    def maps(self, grid: tuple[int, int] | None) -> Iterator[Maps]:
        """Where the maps of a video of this grid, (h, w), go until `save`; nowhere where it has none."""
        if grid is None:
            yield None
        elif self.folder is None:
            yield []
        else:
            with MapSpool(self.folder, grid) as spool:
                yield spool

    def save(self, scores: FrameScores, maps: Maps = None) -> FrameScores:
        """Keep the scores with their maps; what comes back is what `load` would give."""
        if self.folder is None:
            return replace(scores, map=np.concatenate(maps)) if isinstance(maps, list) and maps else scores
        save_scores(scores, self.folder, maps if isinstance(maps, MapSpool) else None)
        return load_scores(score_path(self.folder, scores.video))


class WindowScorer:
    """Scores windows of frames with a one-class detector. A `VideoScorer`.

    Args:
        runtime: the detector, ready to score.
        rule: how its components become a score.
        store: where scores are kept; None keeps them in memory.
        batch: windows per forward pass; None lets the runtime choose. It changes the speed, not the scores.
    """

    def __init__(
        self, runtime: Runtime, rule: ScoreRule, store: ScoreStore | None = None, batch: int | None = None
    ) -> None:
        self.runtime, self.rule, self.store, self.batch = runtime, rule, store or ScoreStore(), batch
        self.carries_over = runtime.signature.carries_over
        runtime.forget()

    def score(self, source: VideoSource, progress: FrameCount | None = None) -> FrameScores:
        """See `VideoScorer.score`."""
        # Where one video changes the scores of the next, stored scores of single videos do not hold.
        stored = None if self.carries_over else self.store.load(source)
        if stored is not None:
            return stored
        signature, done = self.runtime.signature, 0
        window = signature.window
        with (
            VideoReader(source, window.size, window.colour, window.resize) as reader,
            self.store.maps(signature.map_grid) as maps,
        ):
            collected = Collected(maps)
            for piece in score_frames(self.runtime, reader, self.batch):
                collected.add(piece)
                done += len(piece.index)
                if progress is not None:
                    progress(done, reader.info.frames)
            whole = collected.whole()
            components = dict(whole.components)
            scores = FrameScores(
                source.name, whole.index, whole.time, components, self.rule(components), reader.info,
                bundle=self.store.identity,
            )  # fmt: skip
            return self.store.save(scores, maps)
