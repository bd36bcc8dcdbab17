"""Which stretches of normal video a fitted detector learns from, and their frames as chunks.

Hours of video are sampled: stretches of equal length, spread evenly over all of it, each read from the key frame before
it. Nothing is cached. Memory and time depend on how much is learned, not on how much there is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile

import numpy as np

from oddframe.datasets.hashing import hash64
from oddframe.datasets.windows import Chunk, stream_chunks
from oddframe.errors import VideoError
from oddframe.types import VideoInfo, Window
from oddframe.video.decode import Frame, VideoReader, probe
from oddframe.video.headers import packet_times
from oddframe.video.pauses import pace, stretches
from oddframe.video.sources import VideoSource

LENGTH = 20.0  # seconds of a sampled stretch
BATCH = 16  # windows of a chunk


@dataclass(frozen=True)
class NormalVideo:
    """A video that can be learned from, or a part of one between two pauses: where it begins, and its length."""

    source: VideoSource
    info: VideoInfo
    seconds: float
    start: float = 0.0


@dataclass(frozen=True)
class Stretch:
    """Consecutive frames of a video, from `start` up to and without `stop`, in seconds."""

    video: NormalVideo
    start: float
    stop: float

    @property
    def seconds(self) -> float:
        """Its length."""
        return self.stop - self.start


def measure_videos(sources: Sequence[VideoSource]) -> tuple[list[NormalVideo], list[tuple[VideoSource, str]]]:
    """The videos that can be decoded with their lengths, and the others with the reason.

    A video with pauses is several, one after the other.
    """
    usable, skipped = [], []
    for source in sources:
        try:
            info = probe(source)
            usable += [NormalVideo(source, info, seconds, start) for start, seconds in _parts(source, info)]
        except VideoError as error:
            skipped.append((source, str(error)))
    return usable, skipped


def sample_stretches(videos: Sequence[NormalVideo], seconds: float, seed: int) -> list[Stretch]:
    """About `seconds` of normal video: all of it where there is no more, else stretches spread evenly.

    All videos together are one time line, cut into as many equal parts as stretches are wanted; each part gives one
    stretch at a random place (stratified sampling). The sample depends on lengths and seed alone.
    """
    total = sum(video.seconds for video in videos)
    if total <= seconds:
        return [Stretch(video, video.start, video.start + video.seconds) for video in videos]
    count = max(2, int(seconds // LENGTH))
    ends = np.cumsum([video.seconds for video in videos])
    part = total / count
    found = []
    for number in range(count):
        place = (number + float(hash64(seed, number)) / 2.0**63 * max(0.0, 1 - LENGTH / part)) * part
        index = int(np.searchsorted(ends, place, side="right"))
        video = videos[min(index, len(videos) - 1)]
        start = max(0.0, min(place - (ends[index] - video.seconds), video.seconds - LENGTH))
        found.append(Stretch(video, video.start + start, video.start + min(video.seconds, start + LENGTH)))
    return found


def divide(stretches: Sequence[Stretch], count: int, gap: float) -> list[tuple[list[Stretch], list[Stretch]]]:
    """What each of `count` folds learns from, and what it holds out.

    Every stretch is held out by one fold. Where there are fewer stretches than folds, each is cut into `count` parts,
    and `gap` seconds on both sides of what is held out are not learned from.
    """
    if len(stretches) < 2 * count:
        parts = [
            Stretch(one.video, one.start + one.seconds * n / count, one.start + one.seconds * (n + 1) / count)
            for one in stretches
            for n in range(count)
        ]
    else:
        parts = list(stretches)
    made = []
    for fold in range(count):
        held = [part for number, part in enumerate(parts) if number % count == fold]
        learned = [_apart(part, held, gap) for number, part in enumerate(parts) if number % count != fold]
        made.append(([part for part in learned if part.seconds > 0], held))
    return made


def read_chunks(stretch: Stretch, window: Window, read: dict[str, VideoInfo] | None = None) -> Iterator[Chunk]:
    """The frames of a stretch as chunks, as scoring sees them.

    Args:
        read: takes, under its name, what is known of a video that was read to its end.
    """
    source = stretch.video.source
    with VideoReader(source, window.size, window.colour, window.resize, start=stretch.start) as reader:
        yield from stream_chunks(read_until(reader, stretch.stop), window, BATCH)
        if read is not None and reader.info.account is not None and reader.info.account.decoded:
            read[source.name] = reader.info


def read_until(reader: VideoReader, stop: float) -> Iterator[Frame]:
    """The frames before `stop` seconds."""
    return takewhile(lambda frame: frame.time < stop - 1e-9, iter(reader))


def _apart(part: Stretch, held: Sequence[Stretch], gap: float) -> Stretch:
    """The part without what lies within `gap` seconds of a held-out stretch of the same video."""
    start, stop = part.start, part.stop
    for other in held:
        if other.video is part.video:
            if abs(other.stop - part.start) < gap:
                start = min(part.stop, part.start + gap)
            if abs(part.stop - other.start) < gap:
                stop = max(start, part.stop - gap)
    return Stretch(part.video, start, stop)


def _reaches(source: VideoSource, seconds: float) -> bool:
    """Whether a video has frames from `seconds` on. A header may promise what is not there."""
    if source.kind != "file":
        return True
    try:
        with VideoReader(source, (16, 16), "gray", start=seconds) as reader:
            return next(iter(reader), None) is not None
    except VideoError:
        return False


def _parts(source: VideoSource, info: VideoInfo) -> list[tuple[float, float]]:
    """Start and length in seconds of each part of a video between its pauses.

    By its header, by its packets where it may have pauses, or by reading all of it where there is nothing else.
    """
    time = packet_times(source.where) if source.kind == "file" else np.empty(0)
    if not len(time) and info.frames and info.fps and _reaches(source, 0.9 * info.frames / info.fps):
        return [(0.0, info.frames / info.fps)]
    if not len(time):
        with VideoReader(source, (16, 16), "gray") as reader:
            time = np.array([frame.time for frame in reader])
    step = 1 / (pace(time) or info.fps or 25.0)
    return [(float(time[part.start]), float(time[part.stop - 1] - time[part.start]) + step) for part in stretches(time)]
