"""From frames to scores. Every step takes the next part of a video and hands out what is now final.

    frames  ->  ComponentStream  ->  pieces  ->  ScoreAssembler  ->  scores  ->  EventFinder (in `events`)

A `ComponentStream` takes frames one by one, as a camera gives them. `score_frames` does the same for a file, with
decoding, model and post-processing side by side. Memory is bounded by the window, not by the length of the video.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from oddframe.datasets.prefetch import prefetch
from oddframe.datasets.windows import Chunk, WindowStream, stream_chunks
from oddframe.errors import VideoError
from oddframe.models.ignored import ignored_cells
from oddframe.runtime.runtime import Runtime
from oddframe.scoring.combine import ScoreRule
from oddframe.scoring.files import MapSpool
from oddframe.scoring.volume import VolumeFilter
from oddframe.types import ChunkErrors, FrameScores, Signature, VideoInfo
from oddframe.video.decode import Frame

Maps = MapSpool | list[NDArray[np.float16]] | None
"""Where anomaly maps go while a video is scored: to disk, to memory, or nowhere."""


@dataclass(frozen=True)
class Piece:
    """The next M frames whose components are final.

    Attributes:
        index: (M,) numbers of the frames in the video.
        time: (M,) seconds.
        components: name -> (M,) raw component.
        map: (M, h, w) anomaly map, or None.
    """

    index: NDArray[np.int64]
    time: NDArray[np.float64]
    components: Mapping[str, NDArray[np.float64]]
    map: NDArray[np.float16] | None


class PostProcessor:
    """Turns what the network says into final pieces: applies the detector's map filter, which looks ahead."""

    def __init__(self, signature: Signature) -> None:
        self.signature = signature
        ignored, grid = signature.window.ignored, signature.map_grid
        self._ignored = ignored_cells(ignored, grid) if ignored and grid is not None else None
        self.volume = self._new_volume()
        self.waiting: list[Piece] = []

    def push(self, chunk: Chunk, errors: ChunkErrors) -> list[Piece]:
        """Take the next chunk and its errors; the frames that are now final. The filter ends at a pause."""
        ended = self.flush() if chunk.begins else []
        errors = self._without_ignored(errors)
        piece = Piece(chunk.index, chunk.time, errors.components, None)
        if self.volume is None:
            return [piece if errors.map is None else replace(piece, map=errors.map.astype(np.float16))]
        assert errors.map is not None, "a detector with a map filter returns maps"
        self.waiting.append(piece)
        done = self.volume.push(errors.map)
        return [*ended, *self._release(done.maximum, done.map)]

    def _without_ignored(self, errors: ChunkErrors) -> ChunkErrors:
        """Errors whose maps say no more of ignored places than of the calmest one elsewhere: no box is drawn there."""
        if self._ignored is None or errors.map is None or self._ignored.all():
            return errors
        calm = errors.map[:, ~self._ignored].min(axis=1)
        return replace(errors, map=np.where(self._ignored, calm[:, None, None], errors.map))

    def flush(self) -> list[Piece]:
        """End the video: the frames whose look-ahead will not come."""
        if self.volume is None or not self.waiting:
            return []
        done = self.volume.flush()
        self.volume = self._new_volume()
        return self._release(done.maximum, done.map)

    def _new_volume(self) -> VolumeFilter | None:
        extents, grid = self.signature.map_filter, self.signature.map_grid
        return VolumeFilter(extents, grid) if extents is not None and grid is not None else None

    def _release(self, maximum: NDArray[np.float64], grid: NDArray[np.float16]) -> list[Piece]:
        count = len(maximum)
        if not count:
            return []
        waiting = join(self.waiting)
        self.waiting = [cut(waiting, slice(count, None))] if count < len(waiting.index) else []
        ready = cut(waiting, slice(count))
        return [Piece(ready.index, ready.time, {**ready.components, "map_max": maximum}, grid)]


def cut(piece: Piece, part: slice) -> Piece:
    """A part of a piece without its map."""
    components = {name: values[part] for name, values in piece.components.items()}
    return Piece(piece.index[part], piece.time[part], components, None)


def join(pieces: list[Piece]) -> Piece:
    """Consecutive pieces as one, without their maps."""
    names = pieces[0].components
    return Piece(
        np.concatenate([p.index for p in pieces]),
        np.concatenate([p.time for p in pieces]),
        {name: np.concatenate([p.components[name] for p in pieces]) for name in names},
        None,
    )


class ComponentStream:
    """Scores the frames of one video that arrive one by one: windows, network and map filter.

    `push` hands out a frame as soon as the frames of its look-ahead have arrived (see `Signature.look_ahead`), and with
    a `batch` above 1 as soon as its batch is full. Nothing runs on other threads.

    Args:
        batch: windows per forward pass. It does not change the scores.
    """

    def __init__(self, runtime: Runtime, batch: int = 1) -> None:
        self._runtime = runtime
        self._windows, self._post = WindowStream(runtime.signature.window, batch), PostProcessor(runtime.signature)

    def push(self, frame: Frame) -> list[Piece]:
        """Take the next frame, of the window's size and colour; the pieces that are now final."""
        return self._score(self._windows.push(frame))

    def flush(self) -> list[Piece]:
        """End the video: the pieces of its last frames.

        Raises:
            VideoError: the video is shorter than a window that may not be filled up.
        """
        return [*self._score(self._windows.flush()), *self._post.flush()]

    def _score(self, chunks: list[Chunk]) -> list[Piece]:
        return [piece for chunk in chunks for piece in self._post.push(chunk, self._runtime.follow(chunk))]


def score_frames(
    runtime: Runtime, frames: Iterable[Frame], batch: int | None = None, *, threads: bool = True
) -> Generator[Piece]:
    """Score consecutive frames of one video. A piece is yielded as soon as it is final.

    Args:
        frames: decoded at the window's size and colour.
        batch: windows per forward pass; None lets the runtime choose. It does not change the scores.
        threads: decode a few chunks ahead on one thread and run the network on another, while this thread does the
            post-processing. Without threads a piece is yielded before the next frame is pulled from `frames`.

    Raises:
        VideoError: the video is shorter than a window that may not be filled up.
    """
    batch = batch or runtime.batch
    if not threads:
        stream = ComponentStream(runtime, batch)
        for frame in frames:
            yield from stream.push(frame)
        yield from stream.flush()
        return
    post = PostProcessor(runtime.signature)
    chunks = stream_chunks(frames, runtime.signature.window, batch)
    with closing(prefetch(prefetch(chunks), depth=1, work=runtime.follow)) as scored:
        for chunk, errors in scored:
            yield from post.push(chunk, errors)
    yield from post.flush()


class ScoreAssembler:
    """Makes the scores of one video from its pieces, as soon as the smoothed scores of their frames are final.

    `ScoreRule.look_ahead` tells how many frames wait; only they are held, and at the start of a video those that tell
    its rate (see `oddframe.scoring.combine.ScoreStream`).

    Args:
        info: the video; its name becomes that of the scores.
        bundle: id that the scores carry.

    Raises:
        InputError: the rule's combination has no weights.
    """

    def __init__(self, rule: ScoreRule, info: VideoInfo, bundle: str = "") -> None:
        self._stream, self._info, self._bundle = rule.stream(), info, bundle
        self._waiting: list[Piece] = []

    def push(self, piece: Piece) -> list[FrameScores]:
        """Take the next piece; the scores that are now final: those of consecutive frames, or none.

        Raises:
            InputError: the rule does not fit the components, or a score is not a finite number.
        """
        self._waiting.append(piece)
        return self._release(self._stream.push(piece.components, piece.time))

    def flush(self) -> list[FrameScores]:
        """End the video: the scores of its last frames."""
        return self._release(self._stream.flush())

    def _release(self, score: NDArray[np.float64]) -> list[FrameScores]:
        count = len(score)
        if not count:
            return []
        whole = join(self._waiting)
        maps = [piece.map for piece in self._waiting if piece.map is not None]
        grid = np.concatenate(maps) if maps else None
        ready = cut(whole, slice(count))
        rest = replace(cut(whole, slice(count, None)), map=None if grid is None else grid[count:])
        self._waiting = [rest] if len(rest.index) else []
        return [
            FrameScores(
                self._info.name,
                ready.index,
                ready.time,
                dict(ready.components),
                score,
                self._info,
                self._bundle,
                None if grid is None else grid[:count],
            )
        ]


class Collected:
    """All pieces of a video on their way to be one.

    Args:
        maps: takes the maps; None drops them.
    """

    def __init__(self, maps: Maps = None) -> None:
        self._maps, self._pieces = maps, list[Piece]()

    def add(self, piece: Piece) -> None:
        """Take the next piece."""
        if self._maps is not None and piece.map is not None:
            self._maps.append(piece.map)
        if len(piece.index):
            self._pieces.append(cut(piece, slice(None)))

    def whole(self) -> Piece:
        """All of them as one, without maps.

        Raises:
            VideoError: not a single frame could be scored.
        """
        if not self._pieces:
            raise VideoError("no frame of this video could be scored")
        return join(self._pieces)


def collect(pieces: Iterable[Piece], maps: Maps = None) -> Piece:
    """All pieces of a video as one; see `Collected`.

    Raises:
        VideoError: not a single frame could be scored.
    """
    collected = Collected(maps)
    for piece in pieces:
        collected.add(piece)
    return collected.whole()
