"""Scoring videos with a trained detector: one after the other, each from its file to its stored scores.

A `WindowScorer` looks at windows of frames through a runtime. A `FeatureScorer` (in `oddframe.scoring.features`) looks
at features that it extracts. `oddframe.scoring.open_scorer` makes the one that a trained detector needs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import numpy as np

from oddframe.disk import whole_archive
from oddframe.errors import InputError
from oddframe.runtime.runtime import Runtime
from oddframe.scoring.combine import ScoreRule
from oddframe.scoring.files import MapSpool, load_scores, restore_table, save_scores, score_path, stored_identity
from oddframe.scoring.schedule import CHOSEN, Chooser, chosen_again
from oddframe.scoring.sentinel import FaultChange, Sentinel, closed, watched
from oddframe.scoring.sentinel_reference import SentinelReference
from oddframe.scoring.stream import Collected, Maps, score_frames
from oddframe.types import FrameScores
from oddframe.video.decode import VideoReader
from oddframe.video.identity import content_key
from oddframe.video.rate import paced
from oddframe.video.sources import VideoSource, refuse_name

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
        self._index: dict[str, list[Path]] | None = None

    def load(self, source: VideoSource, key: str, rule: ScoreRule) -> FrameScores | None:
        """The scores that this detector gave a video of this content, whatever it was called then; None without any.

        Scores of an equal video under another name are kept under this name as well. Where the rule has changed, the
        score is made anew of the stored components.

        Args:
            key: of the content of `source` (see `oddframe.video.identity`).
        """
        if self.folder is None or self.force:
            return None
        own = score_path(self.folder, source.name)
        paths = [own, *(path for path in self._twins(own, key) if path != own)]
        done = next((found for path in paths if (found := self._valid(path, key)) is not None), None)
        if done is None:
            return None
        info = replace(done.info, name=source.name, path=source.where)
        faults = None if done.faults is None else tuple(replace(fault, video=source.name) for fault in done.faults)
        components = chosen_again(rule.schedule, done.components, done.time, source.began)
        try:
            score = rule(components, done.time)
        except InputError:
            return None  # its components are not those of this rule: the video is scored again, which says why
        renamed = replace(done, video=source.name, info=info, components=components, score=score, faults=faults)
        before, after = (one.components.get(CHOSEN, np.empty(0)) for one in (done, renamed))
        same = np.array_equal(done.score, score) and np.array_equal(before, after)
        if done.video == source.name and same:
            restore_table(renamed, self.folder)
            return renamed
        save_scores(renamed, self.folder)
        return load_scores(own)

    def check_name(self, source: VideoSource) -> None:
        """Before a video is decoded, see that its scores can be written under its name.

        Raises:
            VideoError: its name is too long for the file system.
        """
        if self.folder is not None:
            refuse_name(self.folder, source)

    def unkeyed(self, sources: Sequence[VideoSource]) -> list[str]:
        """Names of the videos whose stored scores carry no content key: nobody knows what they are scores of."""
        if self.folder is None or self.force:
            return []
        identities = {source.name: stored_identity(score_path(self.folder, source.name)) for source in sources}
        return [name for name, identity in identities.items() if identity == (self.identity, "")]

    def _twins(self, own: Path, key: str) -> list[Path]:
        """Score files of the folder that were made of this content, looked for only where `own` is not one of them."""
        assert self.folder is not None
        if stored_identity(own) == (self.identity, key):
            return [own]
        if self._index is None:
            self._index = {}
            for path in sorted(self.folder.rglob("*.npz")):
                identity = stored_identity(path)
                if identity is not None and identity[0] == self.identity:
                    self._index.setdefault(identity[1], []).append(path)
        return self._index.get(key, [])

    def _valid(self, path: Path, key: str) -> FrameScores | None:
        """The scores in a file, if it is whole and of this detector and content."""
        if stored_identity(path) != (self.identity, key) or not whole_archive(path):
            return None
        try:
            found = load_scores(path)
        except InputError:
            return None  # damaged, or of another version: the video is scored again
        # Its map is opened last. Another process that replaced the file before that has given it another identity.
        return found if stored_identity(path) == (self.identity, key) == (found.bundle, found.info.key) else None

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
        path = save_scores(scores, self.folder, maps if isinstance(maps, MapSpool) else None)
        if self._index is not None:
            self._index.setdefault(scores.info.key, []).append(path)
        return load_scores(path)


class WindowScorer:
    """Scores windows of frames with a one-class detector. A `VideoScorer`.

    Args:
        runtime: the detector, ready to score.
        rule: how its components become a score.
        store: where scores are kept; None keeps them in memory.
        batch: windows per forward pass; None lets the runtime choose. It changes the speed, not the scores.
        learned: frames/s that the detector learned at. A detector of several frames looks at a faster video at this
            rate: the frames between have no score. None: at all frames of every video.
        sentinel: what the camera shows when nothing is wrong with it; None looks for no faults of the camera.
    """

    def __init__(
        self,
        runtime: Runtime,
        rule: ScoreRule,
        store: ScoreStore | None = None,
        batch: int | None = None,
        learned: float | None = None,
        sentinel: SentinelReference | None = None,
    ) -> None:
        self.sentinel = sentinel
        self.runtime, self.rule, self.store, self.batch = runtime, rule, store or ScoreStore(), batch
        self.learned = learned if runtime.signature.paced else None
        self.carries_over = runtime.signature.carries_over
        runtime.forget()

    def score(self, source: VideoSource, progress: FrameCount | None = None) -> FrameScores:
        """See `VideoScorer.score`."""

        def reading(_: int) -> None:
            """A file of many gigabytes takes a while before its first frame is scored."""
            if progress is not None:
                progress(0, None)

        self.store.check_name(source)
        key = content_key(source, reading)
        # Where one video changes the scores of the next, stored scores of single videos do not hold.
        stored = None if self.carries_over else self.store.load(source, key, self.rule)
        if stored is not None:
            return stored
        signature, done = self.runtime.signature, 0
        window = signature.window
        with (
            VideoReader(source, window.size, window.colour, window.resize) as reader,
            self.store.maps(signature.map_grid) as maps,
        ):
            collected = Collected(maps)
            info, changes = replace(reader.info, key=key), list[FaultChange]()
            seen = Sentinel(self.sentinel, info, self.store.identity) if self.sentinel is not None else None
            shown = reader if seen is None else watched(reader, seen, changes)
            frames = paced(shown, reader.info, self.learned)
            schedule = self.rule.schedule
            chooser = None if schedule is None else Chooser(schedule, window.colour, source.began)
            frames = frames if chooser is None else chooser.watch(frames)
            for piece in score_frames(self.runtime, frames, self.batch):
                collected.add(piece if chooser is None else chooser.choose(piece))
                done += len(piece.index)
                if progress is not None:
                    progress(done, reader.info.frames)
            whole = collected.whole()
            components = dict(whole.components)
            scores = FrameScores(
                source.name, whole.index, whole.time, components, self.rule(components, whole.time),
                replace(reader.info, key=key), bundle=self.store.identity,
                faults=None if seen is None else closed(changes),
            )  # fmt: skip
            return self.store.save(scores, maps)
