"""Pictures and clips of events, made on demand by few threads of their own, so that nobody else waits for them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from oddframe.errors import BundleError, VideoError
from oddframe.live.clips import peak_in_clip, write_jpeg
from oddframe.report.heat import Heat, levels
from oddframe.report.moments import Moment, load_moments, look_of
from oddframe.scoring.events import region
from oddframe.server.cache import FileCache
from oddframe.server.clips import Clip, cut_clip, load_clip, nearest, own_clip, span_of, table_of
from oddframe.server.library import Library
from oddframe.server.score_files import Recent, ScoreFiles
from oddframe.store.reading import StoredEvent
from oddframe.types import FrameScores
from oddframe.video.decode import VideoReader, probe
from oddframe.video.identity import content_key, source_of
from oddframe.video.sources import VideoSource

THUMB_WIDTH = 320
MOST_CELLS = 32 << 20  # of the anomaly maps of a clip
NORMAL = 3  # nearest normal moments that are shown
_CLIP_SUFFIXES = (".mp4", ".mkv")
_JPEG = b"\xff\xd8"


@dataclass(frozen=True)
class FrameTable:
    """What there is to know of each frame of a clip.

    Attributes:
        times: seconds in the clip, as a player counts them.
        start_s: media time at the begin of the clip; None where it is not known.
        frames: their numbers in the source, or None.
        scores: or None.
        boxes: position -> (left, top, right, bottom), or one box for all of the event, or None.
        span: first and last position of the event; None where it is not known.
        map_size: (height, width) of the anomaly maps of the frames that have a score; None where there are none.
    """

    times: tuple[float, ...]
    start_s: float | None
    frames: list[int | None]
    scores: list[float | None]
    boxes: dict[int, tuple[int, int, int, int]] | tuple[int, int, int, int] | None
    span: tuple[int, int] | None
    map_size: tuple[int, int] | None = None

    def as_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        boxes = self.boxes
        return {
            "times": [round(time, 6) for time in self.times],
            "start_s": self.start_s, "frames": self.frames,
            "scores": [None if score is None else float(f"{score:.7g}") for score in self.scores],
            "boxes": {str(place): list(box) for place, box in boxes.items()} if isinstance(boxes, dict) else boxes,
            "span": self.span, "map_size": self.map_size,
        }  # fmt: skip


@dataclass(frozen=True)
class _Aligned:
    """Which frame of a clip is which of the scored ones.

    Attributes:
        media: (N,) seconds of each frame on the clock of the source.
        numbers: of each frame in the source, or None.
        rows: of each frame among the scores, or None.
    """

    media: NDArray[np.float64]
    numbers: list[int | None]
    scores: FrameScores | None
    rows: list[int | None]

    @property
    def map_size(self) -> tuple[int, int] | None:
        """(height, width) of the maps; None where there are none, or too many to be sent."""
        maps = None if self.scores is None else self.scores.map
        if maps is None or len(self.rows) * maps[0].size > MOST_CELLS:
            return None
        return maps.shape[1], maps.shape[2]


@dataclass(frozen=True)
class ClipShape:
    """What is known of a clip before it is made.

    Attributes:
        width, height: of the pictures in whose pixels boxes are; those of the clip itself may be smaller.
        start_s: media time near its begin; None where it is not known. The table of its frames has it exactly.
        fps: frames per second, as a hint.
    """

    width: int
    height: int
    start_s: float | None
    fps: float | None


class Media:
    """Makes what is seen of events. Its methods take as long as a video takes, and raise `VideoError`."""

    def __init__(self, library: Library, files: ScoreFiles, cache: FileCache | None = None) -> None:
        self._library, self._files = library, files
        self._cache = cache or FileCache(library.cache)
        self._checked = Recent[tuple[str, str, int, int, int], str](1000)  # "" where the content is as it was
        self._moments = Recent[Path, list[Moment]](4)
        self._heats = Recent[tuple[int, float], Heat](4)  # each keeps its maps, so that no other has their id
        self.details = ThreadPoolExecutor(2, "oddframe-details")
        self.pictures = ThreadPoolExecutor(1, "oddframe-pictures")
        self.clips = ThreadPoolExecutor(2, "oddframe-clips")

    def close(self) -> None:
        """End the threads; what waits is not made."""
        for pool in (self.details, self.pictures, self.clips):
            pool.shutdown(wait=False, cancel_futures=True)

    def playable(self, event: StoredEvent) -> bool:
        """Whether something of an event seems to be playable; looking at the file itself may prove it wrong."""
        if event.video is not None:
            return event.path is not None and Path(event.path).exists()
        return self._live(event.clip, _CLIP_SUFFIXES) is not None

    def drawable(self, event: StoredEvent) -> bool:
        """Whether there seems to be a picture of an event."""
        return self.playable(event) or self._live(event.thumbnail, (".jpg",)) is not None

    def source(self, event: StoredEvent) -> VideoSource:
        """The video that an event can be seen in: the one that was scored, or the clip of a watch.

        Raises:
            VideoError: it is gone, or another one lies in its place.
        """
        if event.video is None:
            clip = self._live(event.clip, _CLIP_SUFFIXES)
            if clip is None:
                raise VideoError("there is no clip of this event" if event.clip is None else "the clip is gone")
            return VideoSource(event.id, clip, "file")
        assert event.path is not None and event.key is not None
        path = Path(event.path)
        if not path.exists():
            raise VideoError(f"the video is gone: {path} does not exist")
        source = source_of(event.video, path, event.key)
        stat = path.stat()
        state = (str(path), event.key, stat.st_mtime_ns, stat.st_size, stat.st_ino)
        if source.kind == "file":
            told = self._checked.get_or(state, lambda: _content_told(source, event.key or ""))
        else:  # the time of a folder says nothing of the images in it
            told = _content_told(source, event.key)
        if told:
            raise VideoError(told)
        return source

    def clip(self, event: StoredEvent) -> Clip:
        """The clip of an event.

        Raises:
            VideoError: there is nothing to make it of.
        """
        source = self.source(event)
        if source.kind == "file":
            own = own_clip(source.path)
            if own is not None:
                return own
        span = span_of(event.start_s, event.end_s) if event.video is not None else (0.0, float("inf"))
        stat = source.path.stat()
        content = event.key if event.video is not None else f"{source.path} {stat.st_size} {stat.st_mtime_ns}"
        key = f"clip 1 {content} {span}"
        make = partial(cut_clip, source, span)
        file = self._cache.file(key, ".mp4", make)
        if not table_of(file).is_file():  # a process was killed between the two
            file.unlink(missing_ok=True)
            file = self._cache.file(key, ".mp4", make)
        return load_clip(file)

    def shape(self, event: StoredEvent) -> ClipShape:
        """What is known of the clip of an event before it is made.

        Raises:
            VideoError: there is nothing to make it of.
        """
        source = self.source(event)
        info = probe(source)
        if event.video is None:
            peak = peak_in_clip(source.path.with_suffix(".json"))
            return ClipShape(info.width, info.height, None if peak is None else event.peak_s - peak, info.fps)
        own = own_clip(source.path) if source.kind == "file" else None
        begin = 0.0 if own is not None else span_of(event.start_s, event.end_s)[0]
        return ClipShape(event.width or info.width, event.height or info.height, begin, info.fps)

    def table(self, event: StoredEvent) -> FrameTable:
        """The frames of the clip of an event, with their scores and boxes.

        Raises:
            VideoError: there is no clip.
        """
        clip = self.clip(event)
        aligned = self._aligned(event, clip)
        if aligned is None:
            none = [None] * len(clip.times)
            return FrameTable(clip.times, None, list(none), list(none), event.box, None)
        media, scores, rows = aligned.media, aligned.scores, aligned.rows
        values = [None if row is None or scores is None else float(scores.score[row]) for row in rows]
        inside = np.flatnonzero((media >= event.start_s - 1e-3) & (media <= event.end_s + 1e-3))
        span = (int(inside[0]), int(inside[-1])) if len(inside) else None
        boxes: dict[int, tuple[int, int, int, int]] | tuple[int, int, int, int] | None = event.box
        if scores is not None and span is not None and event.kind == "anomaly":
            boxes = _boxes(rows, scores, span) or boxes
        start = round(float(media[0]) - clip.times[0], 6)
        size = None if event.threshold is None else aligned.map_size
        return FrameTable(clip.times, start, aligned.numbers, values, boxes, span, size)

    def _aligned(self, event: StoredEvent, clip: Clip) -> _Aligned | None:
        """Which frame of the clip of an event is which of the scored ones; None where nothing says so."""
        media = np.array(clip.media)
        if event.video is None:
            file = self._live(event.clip, _CLIP_SUFFIXES)
            peak = None if file is None else peak_in_clip(file.with_suffix(".json"))
            if peak is None:
                return None
            media = media + (event.peak_s - peak)
        scores = self._files.of(event)
        numbers = _numbers(media, clip, event, scores)
        return _Aligned(media, numbers, scores, _rows(numbers, scores))

    def maps(self, event: StoredEvent) -> NDArray[np.uint8]:
        """The anomaly map of each frame of the clip of an event, (N, h, w): 0 as usual, 255 the strongest colour.

        Frames without a score have no colour.

        Raises:
            VideoError: there is no clip, or there are no maps.
        """
        aligned = self._aligned(event, self.clip(event))
        size = None if aligned is None or event.threshold is None else aligned.map_size
        if aligned is None or aligned.scores is None or size is None:
            raise VideoError("there are no anomaly maps of this event")
        heat = self._heat(event, aligned.scores)
        found = np.zeros((len(aligned.rows), *size), np.uint8)
        for place, row in enumerate(aligned.rows):
            if row is not None:
                found[place] = levels(heat.maps[row], heat.low, heat.high)
        return found

    def _heat(self, event: StoredEvent, scores: FrameScores) -> Heat:
        """The maps of the video of an event, on one scale; of these very scores, since a file may be written anew."""
        threshold = event.threshold or 0.0
        return self._heats.get_or((id(scores.map), threshold), lambda: Heat(scores, threshold))

    def thumbnail(self, event: StoredEvent) -> Path:
        """A small picture of the peak, as JPEG.

        Raises:
            VideoError: there is nothing to make it of.
        """
        kept = self._live(event.thumbnail, (".jpg",))
        if kept is not None and kept.read_bytes()[:2] == _JPEG:
            return kept
        return self._cache.file(f"thumb 1 {event.id} {event.peak_s} {event.key}", ".jpg", partial(self._draw, event))

    def has_heat(self, event: StoredEvent) -> bool:
        """Whether there seems to be a map that can be drawn over the peak of an event."""
        if self._live(event.heat, (".jpg",)) is not None:
            return True
        scores = self._files.of(event)
        return scores is not None and scores.map is not None and event.threshold is not None

    def heat(self, event: StoredEvent) -> Path:
        """The picture of the peak with the anomaly map over it, as JPEG.

        Raises:
            VideoError: there is no map, or nothing to draw it on.
        """
        kept = self._live(event.heat, (".jpg",))
        if kept is not None and kept.read_bytes()[:2] == _JPEG:
            return kept
        scores = self._files.of(event)
        if scores is None or scores.map is None or event.threshold is None:
            raise VideoError("there is no anomaly map of this event")
        key = f"heat 1 {event.id} {event.peak_s} {event.key}"
        return self._cache.file(key, ".jpg", partial(self._draw_heat, event, scores))

    def normal(self, event: StoredEvent, bundle: str) -> list[Moment]:
        """The normal moments that look most like the peak of an event; none where the bundle keeps none."""
        place = self._library.given or (Path(bundle) if bundle else None)
        if place is None or not place.is_dir():
            return []
        try:
            moments = self._moments.get_or(place, lambda: load_moments(place))
            picture = cv2.imread(str(self.thumbnail(event))) if moments else None
        except (VideoError, BundleError, OSError):  # without a picture of its own, nothing can be compared
            return []
        if picture is None:
            return []
        own = look_of(np.asarray(picture, np.uint8)).astype(np.float32)
        return sorted(moments, key=lambda one: float(((one.look.astype(np.float32) - own) ** 2).sum()))[:NORMAL]

    def _draw(self, event: StoredEvent, file: Path) -> None:
        picture = self._peak(event)
        width = min(THUMB_WIDTH, picture.shape[1])
        height = max(1, round(picture.shape[0] * width / picture.shape[1]))
        write_jpeg(file, np.asarray(cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA), np.uint8))

    def _draw_heat(self, event: StoredEvent, scores: FrameScores, file: Path) -> None:
        row = int(np.argmin(np.abs(scores.time - event.peak_s)))
        write_jpeg(file, self._heat(event, scores).blend(self._peak(event), row))

    def _peak(self, event: StoredEvent) -> NDArray[np.uint8]:
        """The picture at the peak of an event, (H, W, 3) BGR."""
        source, seconds = self.source(event), event.peak_s
        if event.video is None:
            seconds = peak_in_clip(source.path.with_suffix(".json")) or 0.0
        with VideoReader(source, start=max(0.0, seconds - 1e-3)) as reader:
            frame = next(iter(reader), None)
        if frame is None:
            raise VideoError(f"{source.path}: it has no frame at {seconds:.1f} s")
        return frame.image

    def _live(self, file: str | None, suffixes: tuple[str, ...]) -> Path | None:
        """A file of a watch that is there; what the store says must be a file of its kind."""
        path = None if not file or not file.lower().endswith(suffixes) else self._library.path_of(file)
        return path if path is not None and path.is_file() else None


def _content_told(source: VideoSource, key: str) -> str:
    """What is wrong with the content of a video; empty where it is the one that was scored."""
    found = content_key(replace(source))
    return "" if found == key else f"{source.path} is another video now than the one that was scored"


def _numbers(
    media: NDArray[np.float64], clip: Clip, event: StoredEvent, scores: FrameScores | None
) -> list[int | None]:
    """The number of each frame of a clip in its source. Frames follow one another, so one that is known tells all."""
    count = len(media)
    if clip.whole and event.video is not None:
        return list(range(count))
    if event.peak_frame is not None:
        first = event.peak_frame - nearest(media, event.peak_s)
        return [first + place for place in range(count)]
    if scores is None or not len(scores.time):
        return [None] * count
    place = nearest(media, event.peak_s)
    first = int(scores.frame[nearest(scores.time, event.peak_s)]) - place
    return [number if (number := first + place) >= 0 else None for place in range(count)]


def _rows(numbers: list[int | None], scores: FrameScores | None) -> list[int | None]:
    """The row of each frame among the scores; None for frames without a score."""
    if scores is None:
        return [None] * len(numbers)
    places = {int(frame): row for row, frame in enumerate(scores.frame)}
    return [None if number is None else places.get(number) for number in numbers]


def _boxes(rows: list[int | None], scores: FrameScores, span: tuple[int, int]) -> dict[int, tuple[int, int, int, int]]:
    """The region of each frame of the event; between two frames with a map, that of the one before stays."""
    if scores.map is None:
        return {}
    found, last = dict[int, tuple[int, int, int, int]](), None
    for place in range(span[0], span[1] + 1):
        row = rows[place]
        if row is not None:
            last = region(scores.map[row], scores.info)
        if last is not None:
            found[place] = last
    return found
