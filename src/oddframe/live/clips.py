"""Clips of events: the packets of the camera from before an event to after it, with pictures of its peak.

    clips/CAMERA/EVENT_ID.mp4        not encoded again, from a key frame on
    clips/CAMERA/EVENT_ID.jpg        the picture at the peak
    clips/CAMERA/EVENT_ID-heat.jpg   the same with the anomaly map and the box over it
    clips/CAMERA/EVENT_ID.json       the notice, and whether anybody has reviewed it

All of it is written by one thread of its own, so that neither following nor scoring waits for a disk.
"""

from __future__ import annotations

import json
import queue
import threading
import time
from bisect import bisect_right
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from oddframe.atomic import Replacement, replacing, write_text
from oddframe.disk import in_words
from oddframe.errors import VideoError
from oddframe.live.messages import Notice
from oddframe.live.names import safe_name
from oddframe.live.packets import Encoded, PacketFile
from oddframe.live.peaks import PeakMap
from oddframe.live.ring import PacketRing, Reel
from oddframe.video.decode import VideoReader
from oddframe.video.sources import VideoSource

T = TypeVar("T")
_LOOK_S = 0.25  # between two looks at what has arrived, while a clip is open
_QUALITY = 90  # of JPEG
_NO_CLIP = frozenset({"gap", "drift"})  # nothing was seen, or nothing happens at one moment

_SILENT_S = 10.0  # without packets after the end of a clip, which then has all that it can have
_MOST_BYTES = 64 << 20  # of packets that wait to see how long an event lasts

OnFiles = Callable[[Notice], None]
"""Is told the latest notice of an event again, as an update with its files, on the thread of the clips."""


@dataclass(frozen=True)
class ClipOptions:
    """How clips are cut.

    Attributes:
        before, after: seconds that are shown before an event and after it.
        most: seconds that a clip lasts at most; a longer event has a clip of its beginning.
        held: whether events for which nobody is told have clips.
    """

    before: float = 5.0
    after: float = 5.0
    most: float = 120.0
    held: bool = False


class _Clip:
    """A clip that is being written."""

    def __init__(self, notice: Notice, reel: Reel, peak: PeakMap | None, target: Path, options: ClipOptions) -> None:
        self.notice, self.reel, self.peak, self.options = notice, reel, peak, options
        self.closed = notice.change == "closed"
        self.target = target
        self._part = Replacement(target)
        try:
            self._file = PacketFile(self._part.path, reel.parameters, shown=str(target))
        except BaseException:
            self._part.discard()
            raise
        self._waiting: list[Encoded] = []
        self._first: Encoded | None = None
        self._last: Encoded | None = None
        self._end: float | None = None  # media time of the end of the event, as far as its packets are here
        self._ended = 0.0  # when the last packet was written, by `time.monotonic`
        self._stamps: list[tuple[float, int]] = []  # (UTC, presentation stamp) of the packets

    def pump(self) -> bool:
        """Write what has arrived; whether the clip is complete."""
        ended = self.reel.ended
        self._waiting += self.reel.take()
        # Where nothing more arrives, or too much waits, what waited to see how long the event lasts belongs to it.
        unsure = not self.closed and (bool(ended) or self._crowded())
        after = self.options.most if unsure else self.options.after
        for number, packet in enumerate(self._waiting):
            first = self._first or packet
            if packet.utc <= self.notice.end_utc or self._end is None:
                self._end = packet.time
            long = packet.time - first.time > self.options.most
            if long or packet.time > self._end + after:
                self._waiting = self._waiting[number:]
                return long or self.closed
            self._file.write(packet)
            self._first, self._last = first, packet
            if packet.pts is not None:
                self._stamps.append((packet.utc, packet.pts))
        self._waiting = []
        if ended:  # the event is closed soon, and only then its peak is known
            self._ended = self._ended or time.monotonic()
            return self.closed or time.monotonic() - self._ended > _SILENT_S
        return self.closed and time.time() - self.notice.end_utc > self.options.after + _SILENT_S

    def _crowded(self) -> bool:
        """Whether what waits is enough for the longest clip, or too much: not every event is updated while it lasts."""
        if not self._waiting:
            return False
        first = self._first or self._waiting[0]
        lasts = self._waiting[-1].time - first.time
        return lasts > self.options.most or sum(len(packet.data) for packet in self._waiting) > _MOST_BYTES

    def finish(self) -> bool:
        """Give the file its name."""
        self.reel.let_go()
        self._file.close()
        self._part.keep()
        self._part.discard()
        return True

    def peak_s(self) -> float | None:
        """Seconds in the file at which the peak is shown, if it is in there."""
        peak = self.notice.peak_utc
        if not self._stamps or self._last is None or peak > self._last.utc + 1.0:
            return None
        # The frame of the peak came out of the decoder with the last packet that had arrived at its time. A decoder
        # holds back as many frames as stamps are out of order, or more if the stream says so.
        place = bisect_right(self._stamps, peak + 1e-6, key=lambda each: each[0]) - 1
        order = sorted(stamp for _, stamp in self._stamps)
        rank = {stamp: number for number, stamp in enumerate(order)}
        held = max(number - rank[stamp] for number, (_, stamp) in enumerate(self._stamps))
        held = max(held, self.reel.parameters.reordered)
        return float((order[max(0, place - held)] - order[0]) * self.reel.parameters.time_base)

    def discard(self) -> None:
        self.reel.let_go()
        self._file.discard()
        self._part.discard()


class ClipWriter:
    """Writes the clips of the events of all cameras of a process.

    `tell` and `close` may be called from any thread, and `tell` returns at once.
    """

    def __init__(
        self,
        folder: Path,
        rings: Mapping[str, PacketRing],
        options: ClipOptions | None = None,
        say: Callable[[str], None] | None = None,
        on_files: OnFiles | None = None,
    ) -> None:
        """Begin.

        Args:
            folder: the output folder; clips lie in `clips` below it.
            rings: name of a camera -> its packets. More may be added while it runs.
            options: how clips are cut.
            say: is told in one line what goes wrong.
            on_files: is told of every event whose files are there.
        """
        self._folder, self._rings, self._options = folder, rings, options or ClipOptions()
        self._say, self._on_files = say or (lambda line: None), on_files
        self._tasks: queue.SimpleQueue[tuple[Notice, Reel | None, PeakMap | None] | None] = queue.SimpleQueue()
        self._open: dict[str, _Clip] = {}
        self._done: dict[str, Notice] = {}
        self._failing: set[str] = set()
        self.written = self.failed = 0
        self._thread = threading.Thread(target=self._run, name="clips", daemon=True)
        self._thread.start()

    def tell(self, notice: Notice, peak: PeakMap | None = None) -> None:
        """Take a notice, and the map at its peak where that is new."""
        if notice.kind in _NO_CLIP:
            return
        reel = None
        if notice.change == "opened":
            # What comes later of an event that has a clip is always taken, or the clip would never end.
            if notice.camera not in self._rings or (notice.held and not self._options.held):
                return
            # Now, because the ring moves on.
            reel = self._rings[notice.camera].follow(notice.start_utc, self._options.before)
        self._tasks.put((notice, reel, peak))

    def close(self, timeout: float = 2.0) -> bool:
        """Finish all clips as they are; whether that was done in time."""
        self._tasks.put(None)
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _run(self) -> None:
        due = 0.0
        while True:
            try:
                task = self._tasks.get(timeout=max(0.0, due - time.monotonic()) if self._open else None)
                if task is None:
                    break
                self._take(*task)
            except queue.Empty:
                pass
            if time.monotonic() >= due:  # however many notices come of other events
                self._pump(list(self._open))
                due = time.monotonic() + _LOOK_S
        self._stop()

    def _take(self, notice: Notice, reel: Reel | None, peak: PeakMap | None) -> None:
        clip = self._open.get(notice.id)
        if reel is not None and clip is None:
            try:
                self._open[notice.id] = _Clip(notice, reel, peak, self._target(notice, reel), self._options)
            except Exception as error:
                reel.let_go()
                self._fail(notice, error)
        elif clip is not None:
            clip.notice, clip.closed = notice, notice.change == "closed"
            clip.peak = peak or clip.peak
        elif notice.change == "closed" and notice.id in self._done:
            self._rewrite(notice, self._done.pop(notice.id))
        self._pump([notice.id] if notice.id in self._open else [])

    def _rewrite(self, notice: Notice, before: Notice) -> None:
        """The note of a clip that was complete before its event was closed."""
        try:
            write_note(
                self._folder / Path(before.files["clip"]).with_suffix(".json"), replace(notice, files=before.files)
            )
        except OSError as error:
            self._fail(notice, error)

    def _pump(self, names: list[str]) -> None:
        for name in names:
            clip = self._open[name]
            if self._tried(clip, clip.pump):
                del self._open[name]
                self._tried(clip, partial(self._finish, clip))

    def _stop(self) -> None:
        """Finish all clips as they are, first their files and then what takes longer."""
        clips, done = list(self._open.values()), []
        self._open.clear()
        for clip in clips:
            self._tried(clip, clip.pump)
            done.append(self._tried(clip, clip.finish))
        for clip in (clip for clip, finished in zip(clips, done, strict=True) if finished):
            self._tried(clip, partial(self._describe, clip))

    def _tried(self, clip: _Clip, do: Callable[[], T]) -> T | None:
        """What one step gives; None after a fault, which ends this clip and neither the thread nor another clip."""
        try:
            return do()
        except Exception as error:
            self._open.pop(clip.notice.id, None)
            clip.discard()
            self._fail(clip.notice, error)
            return None

    def _finish(self, clip: _Clip) -> None:
        """A clip is complete."""
        clip.finish()
        self._describe(clip)

    def _describe(self, clip: _Clip) -> None:
        """The pictures and the note of a clip whose file is there."""
        seconds = clip.peak_s()
        files = {"clip": clip.target}
        picture = None if seconds is None else picture_at(clip.target, seconds)
        if picture is not None:
            files["thumbnail"] = clip.target.with_suffix(".jpg")
            write_jpeg(files["thumbnail"], picture)
            if clip.peak is not None:
                files["heat"] = clip.target.with_name(f"{clip.target.stem}-heat.jpg")
                write_jpeg(files["heat"], clip.peak.draw(picture, clip.notice.box))
        below = {name: path.relative_to(self._folder).as_posix() for name, path in files.items()}
        notice = replace(clip.notice, files=below)
        write_note(clip.target.with_suffix(".json"), notice, seconds)
        if not clip.closed:
            self._done[notice.id] = notice
        self.written += 1
        self._failing.clear()
        if clip.reel.ended == "slow":
            self._say(f"{clip.target}: the clip is cut short, because the disk is too slow for it")
        if self._on_files is not None:
            self._on_files(replace(notice, change="updated"))

    def _fail(self, notice: Notice, error: Exception) -> None:
        """Say what went wrong, once until something goes well; watching goes on."""
        told = (in_words(error) or error) if isinstance(error, OSError) else error
        self.failed += 1
        if type(told).__name__ not in self._failing:
            self._failing.add(type(told).__name__)
            self._say(f"{notice.camera}: no clip of event {notice.id}: {told}")

    def _target(self, notice: Notice, reel: Reel) -> Path:
        return self._folder / "clips" / safe_name(notice.camera) / f"{notice.id}{reel.parameters.suffix}"


def picture_at(path: Path, seconds: float) -> NDArray[np.uint8] | None:
    """The displayed picture of a video file at a time, (H, W, 3) BGR; None where it has none from there on."""
    try:
        with VideoReader(VideoSource(path.stem, path, "file"), start=max(0.0, seconds - 1e-3)) as reader:
            return next((frame.image for frame in reader), None)
    except VideoError:
        return None


def write_note(path: Path, notice: Notice, peak_s: float | None = None) -> None:
    """Write the file beside a clip, and keep what it says of a review.

    Args:
        peak_s: seconds in the clip at which the peak is shown; None keeps what the note says of it.
    """
    peak_s = peak_in_clip(path) if peak_s is None else peak_s
    kept = {"reviewed": reviewed(path), "peak_in_clip_s": peak_s}
    write_text(path, json.dumps({**kept, **notice.as_json()}, indent=1) + "\n")


def peak_in_clip(note: Path) -> float | None:
    """Seconds in a clip at which the peak of its event is shown; None where the note beside it does not say so."""
    try:
        found = json.loads(note.read_text(encoding="utf-8")).get("peak_in_clip_s")
        return None if found is None else float(found)
    except (OSError, ValueError, AttributeError, TypeError):
        return None


def reviewed(note: Path) -> bool:
    """Whether somebody has reviewed the clip beside which a note lies: `"reviewed": true` stands in it."""
    try:
        return json.loads(note.read_text(encoding="utf-8")).get("reviewed") is True
    except (OSError, ValueError, AttributeError):
        return False


def write_jpeg(path: Path, picture: NDArray[np.uint8]) -> None:
    """Write a picture, (H, W, 3) BGR, as a JPEG that appears whole or not at all."""
    done, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    assert done, "OpenCV writes any picture of 8 bits"
    with replacing(path) as temporary:
        temporary.write_bytes(data.tobytes())
