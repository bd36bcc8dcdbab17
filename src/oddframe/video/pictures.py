"""Decoded pictures with their times, before resizing: of a video file by PyAV, of a frame folder by OpenCV."""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Iterator
from fractions import Fraction
from math import ceil
from pathlib import Path

import av
import cv2
import numpy as np
from av.codec.context import ThreadType
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream
from numpy.typing import NDArray

from oddframe.errors import VideoError
from oddframe.video.sources import ArrayVideo, VideoSource, frame_files

FRAME_FOLDER_FPS = 25.0
"""Frame rate of a frame folder, because images have no time stamps."""

Picture = tuple[av.VideoFrame, float]
"""A decoded picture, not yet resized or rotated, and its time in seconds since the first picture."""


class FilePictures:
    """Pictures of a video file, packet by packet."""

    def __init__(self, path: Path, threads: int) -> None:
        self.container, self.stream = open_video(path, threads)
        rate = self.stream.average_rate or self.stream.guessed_rate
        self.codec = self.stream.codec.canonical_name
        self.fps = float(rate) if rate else None
        self.promised = self.stream.frames or None
        self.clock = _Clock(self.stream, Fraction(1) / rate if rate else Fraction(1, 25))
        self.by_dts = self.container.format.name == "avi"
        self.slots = self.bad_packets = self.flawed = 0
        self.stopped = ""

    def decode(self) -> Generator[Picture]:
        with self.container:
            for packet in self._packets():
                try:
                    pictures = self.stream.decode(packet)
                except av.error.EOFError:
                    break
                except av.FFmpegError:
                    self.bad_packets += 1
                    continue
                for picture in pictures:
                    self.flawed += picture.is_corrupt
                    yield picture, self.clock(picture.dts if self.by_dts else picture.pts)

    def seek(self, seconds: float) -> None:
        """Go on with the last key frame at or before `seconds`; call it once the first picture is decoded.

        What lies before is not held against the header as damage.
        """
        assert self.clock.origin is not None, "the first picture tells where the stream begins"
        self.container.seek(self.clock.origin + round(seconds / float(self.clock.base)), stream=self.stream)
        self.clock.last = -self.clock.step
        self.promised = None

    def _packets(self) -> Iterator[av.Packet[VideoStream] | None]:
        """The stream's packets; None, which flushes the decoder, stands for the end."""
        try:
            for packet in self.container.demux(self.stream):
                if packet.size:
                    # AVI has no packet for a repeated frame, but its time stamps count that frame.
                    self.slots = packet.dts + 1 if self.by_dts and packet.dts is not None else self.slots + 1
                    yield packet
        except av.FFmpegError as error:
            self.stopped = error.strerror or type(error).__name__
        yield None

    def damage(self, decoded: int) -> tuple[str, ...]:
        lines = []
        if self.bad_packets:
            lines.append(f"{count_of(self.bad_packets, 'damaged packet')} skipped")
        if self.flawed:
            lines.append(f"{count_of(self.flawed, 'frame')} decoded with errors")
        if self.stopped:
            lines.append(f"reading stopped after {count_of(decoded, 'frame')}: {self.stopped}")
        # Packets, not frames, are compared with the header: some packets of an intact MPEG-4 file hold no frame.
        if self.promised and self.slots < self.promised:
            lines.append(f"header promises {count_of(self.promised, 'frame')}, {decoded} decoded")
        if self.clock.backwards and not self.by_dts:
            lines.append(f"{count_of(self.clock.backwards, 'time stamp')} out of order replaced")
        return tuple(lines)


class ArrayPictures:
    """Pictures of an `ArrayVideo`."""

    codec = "array"

    def __init__(self, video: ArrayVideo) -> None:
        self.frames, self.fps, self.promised = video.frames, video.fps, len(video.frames)

    def decode(self) -> Generator[Picture]:
        layout, self.position = "rgb24" if self.frames.ndim == 4 else "gray", 0
        while self.position < len(self.frames):
            image, position = np.ascontiguousarray(self.frames[self.position]), self.position
            self.position += 1
            yield av.VideoFrame.from_ndarray(image, layout), position / self.fps

    def seek(self, seconds: float) -> None:
        """Go on with the frame at `seconds`."""
        self.position = max(0, ceil(seconds * self.fps - 1e-6))

    def damage(self, decoded: int) -> tuple[str, ...]:
        return ()


class FolderPictures:
    """Pictures of a frame folder. Colour images become BGR, 16-bit images become 8-bit, and alpha is dropped."""

    def __init__(self, folder: Path, gray: bool) -> None:
        self.files = frame_files(folder)
        if not self.files:
            raise VideoError(f"{folder}: the folder holds no frames")
        self.codec = self.files[0].suffix[1:].lower()
        self.fps = FRAME_FOLDER_FPS
        self.promised = len(self.files)
        self.flags, self.format = (cv2.IMREAD_GRAYSCALE, "gray") if gray else (cv2.IMREAD_COLOR, "bgr24")
        self.unreadable: list[str] = []

    def decode(self) -> Generator[Picture]:
        self.position = 0
        while self.position < len(self.files):
            path, position = self.files[self.position], self.position
            self.position += 1
            image = self._read(path)
            if image is None:
                self.unreadable.append(path.name)
            else:
                yield av.VideoFrame.from_ndarray(image, self.format), position / self.fps

    def seek(self, seconds: float) -> None:
        """Go on with the image at `seconds`."""
        self.position = max(0, ceil(seconds * self.fps - 1e-6))

    def _read(self, path: Path) -> NDArray[np.uint8] | None:
        # NumPy reads the file, because cv2.imread cannot open every path on every system.
        try:
            data = np.fromfile(path, np.uint8)
            return cv2.imdecode(data, self.flags) if data.size else None  # type: ignore[return-value]
        except (OSError, cv2.error):
            return None

    def damage(self, decoded: int) -> tuple[str, ...]:
        if not self.unreadable:
            return ()
        return (f"{count_of(len(self.unreadable), 'unreadable image')} skipped, first {self.unreadable[0]}",)


class _Clock:
    """Converts the time stamps of a stream to seconds since the first frame, strictly increasing.

    A frame without a time stamp, or with one that is not after the previous frame's, follows the previous frame by
    `step` seconds.
    """

    def __init__(self, stream: VideoStream, step: Fraction) -> None:
        self.base = stream.time_base or Fraction(1, 90_000)
        self.step = max(1, round(step / self.base))
        self.origin: int | None = None
        self.last = -self.step
        self.backwards = 0

    def __call__(self, stamp: int | None) -> float:
        tick = self.last + self.step
        if stamp is not None:
            if self.origin is None:
                self.origin = stamp - tick
            if stamp - self.origin > self.last:
                tick = stamp - self.origin
            else:
                self.backwards += 1
        self.last = tick
        return tick * self.base.numerator / self.base.denominator


def open_video(path: Path, threads: int) -> tuple[InputContainer, VideoStream]:
    """Open a video file and its first stream of moving pictures for decoding.

    Raises:
        VideoError: the file cannot be opened, has no video stream, or there is no decoder for it.
    """
    try:
        # With "file:" a name such as cam:1.mp4 is not read as a protocol. With the whitelist a play list cannot open
        # addresses on other machines.
        container = av.open(f"file:{path}", "r", options={"protocol_whitelist": "file"})
    except (av.FFmpegError, OSError) as error:
        raise VideoError(f"{path}: {_open_failure(path, error)}") from error
    streams = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
    if not streams:
        kinds = " and ".join(sorted({s.type for s in container.streams}))
        container.close()
        raise VideoError(f"{path}: has no video stream" + (f", only {kinds}" if kinds else ""))
    stream = streams[0]
    if not hasattr(stream, "thread_count"):  # PyAV takes the attributes of a stream from its decoder
        container.close()
        raise VideoError(f"{path}: no decoder for its video codec; re-encode it, for example to H.264")
    stream.thread_count = threads
    if threads != 1:
        stream.thread_type = ThreadType.AUTO
    return container, stream


def count_packets(path: Path) -> int:
    """Number of video packets in a file, which is about the number of its frames. The file is not decoded."""
    container, stream = open_video(path, threads=1)
    count = 0
    with container, contextlib.suppress(av.FFmpegError):
        for packet in container.demux(stream):
            count += packet.size > 0
    return count


def _open_failure(path: Path, error: Exception) -> str:
    """The reason why a file does not open, as far as its first bytes show it."""
    if not path.exists():
        return "no such file"
    if not path.is_file():
        return "not a file"
    try:
        with path.open("rb") as file:
            head = file.read(512)
    except OSError as denied:
        return f"cannot be read ({denied.strerror})"
    if not head:
        return "the file is empty (0 bytes)"
    if head[4:8] == b"ftyp":
        return "MP4 without a usable index (moov): recording or copying was cut off; get the whole file or repair it"
    if all(byte >= 32 or byte in b"\t\n\r\f" for byte in head):
        return "this is a text file, not a video"
    return f"not a video that FFmpeg can open ({getattr(error, 'strerror', None) or error})"


def count_of(number: int, noun: str) -> str:
    """A number with its noun in the singular or plural, such as "1 frame" and "2 frames"."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def open_pictures(source: VideoSource, gray: bool, threads: int = 1) -> FilePictures | FolderPictures | ArrayPictures:
    """Open the pictures of a video file, a frame folder or an array.

    Args:
        source: the video.
        gray: read the images of a folder as grey.
        threads: number of threads of the decoder of a file; 0 lets FFmpeg choose.

    Raises:
        VideoError: the video cannot be opened.
    """
    if isinstance(source, ArrayVideo):
        return ArrayPictures(source)
    if source.kind == "frames":
        return FolderPictures(source.path, gray)
    return FilePictures(source.path, threads)
