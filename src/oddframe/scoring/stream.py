"""From frames to scores: decoding, model and post-processing run side by side, memory bounded by the window."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from oddframe.datasets.prefetch import prefetch
from oddframe.datasets.windows import Chunk, stream_chunks
from oddframe.errors import VideoError
from oddframe.runtime.runtime import Runtime
from oddframe.scoring.files import MapSpool
from oddframe.scoring.volume import VolumeFilter
from oddframe.types import ChunkErrors, Signature
from oddframe.video.decode import Frame

Maps = MapSpool | list[NDArray[np.float16]] | None
"""Where anomaly maps go while a video is scored: to disk, to memory, or nowhere."""


@dataclass(frozen=True)
class Piece:
    """The next M frames whose score is final: components (M,) each, map (M, h, w) float16 or None."""

    index: NDArray[np.int64]
    time: NDArray[np.float64]
    components: Mapping[str, NDArray[np.float64]]
    map: NDArray[np.float16] | None


class PostProcessor:
    """Turns the model's pieces into final ones: applies the detector's map filter, which looks a few frames ahead."""

    def __init__(self, signature: Signature) -> None:
        extents, grid = signature.map_filter, signature.map_grid
        self.volume = VolumeFilter(extents, grid) if extents is not None and grid is not None else None
        self.waiting: list[Piece] = []

    def push(self, chunk: Chunk, errors: ChunkErrors) -> Piece:
        piece = Piece(chunk.index, chunk.time, errors.components, None)
        if self.volume is None:
            return piece if errors.map is None else replace(piece, map=errors.map.astype(np.float16))
        assert errors.map is not None, "a detector with a map filter returns maps"
        self.waiting.append(piece)
        done = self.volume.push(errors.map)
        return self._release(done.maximum, done.map)

    def flush(self) -> Piece | None:
        """The frames still waiting for a look ahead that will not come."""
        if self.volume is None or not self.waiting:
            return None
        done = self.volume.flush()
        return self._release(done.maximum, done.map)

    def _release(self, maximum: NDArray[np.float64], grid: NDArray[np.float16]) -> Piece:
        waiting = join(self.waiting)
        count = len(maximum)
        self.waiting = [cut(waiting, slice(count, None))]
        ready = cut(waiting, slice(count))
        return Piece(ready.index, ready.time, {**ready.components, "map_max": maximum}, grid)


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


def score_frames(runtime: Runtime, frames: Iterable[Frame], batch: int | None = None) -> Iterator[Piece]:
    """Score consecutive frames of one video.

    The decoder runs ahead on a thread of its own, post-processing follows on another; the model keeps this one.

    Args:
        frames: decoded at the window's size and colour.
        batch: windows per forward pass; None lets the runtime choose. It does not change the scores.
    """
    post = PostProcessor(runtime.signature)
    runtime.begin_video()
    chunks = prefetch(stream_chunks(frames, runtime.signature.window, batch or runtime.batch))
    previous: Future[Piece] | None = None
    with ThreadPoolExecutor(1, thread_name_prefix="oddframe-post") as worker:
        for chunk in chunks:
            errors = runtime.score(chunk)
            if previous is not None:
                yield previous.result()
            previous = worker.submit(post.push, chunk, errors)
        if previous is not None:
            yield previous.result()
    last = post.flush()
    if last is not None:
        yield last


def collect(
    pieces: Iterable[Piece],
    spool: Maps = None,
    progress: Callable[[int], None] | None = None,
) -> Piece:
    """All pieces of a video as one; maps go to `spool`, or are dropped without one.

    Raises:
        VideoError: not a single frame could be scored.
    """
    kept = []
    for piece in pieces:
        if spool is not None and piece.map is not None:
            spool.append(piece.map)
        kept.append(cut(piece, slice(None)))
        if progress is not None:
            progress(len(piece.index))
    kept = [piece for piece in kept if len(piece.index)]
    if not kept:
        raise VideoError("no frame of this video could be scored")
    return join(kept)
