"""Encoded packets of a stream, kept apart from the container that they came from, and files made of them.

Nothing is encoded again. A PyAV stream must not be used once its container is closed, and muxing a packet changes it;
so what is kept here is a copy: the bytes, the stamps, and the parameters of the codec.
"""

from __future__ import annotations

import contextlib
import io
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
from av.container import OutputContainer
from av.video.stream import VideoStream

from oddframe.disk import in_words
from oddframe.errors import InputError, OddframeError

_NOT_BYTES = frozenset({"wrapped_avframe", "rawvideo"})
"""Codecs of sources that hand out pictures: the first one's packets hold addresses of memory, not pictures."""
_REORDERED = 20  # packets that tell how far stamps are out of order; H.264 and HEVC allow 16
_PARAMETER_SETS = {"h264": (0x1F, 0, {7, 8}), "hevc": (0x7E, 1, {32, 33, 34})}  # mask, shift, types of NAL units


@dataclass(frozen=True, slots=True)
class Encoded:
    """A packet.

    Attributes:
        data: what it holds.
        pts, dts: stamps in units of the time base of its stream; None where they are missing.
        duration: in the same units, 0 where it is not known.
        key: whether decoding can begin with it.
        utc: seconds since 1970 at which it arrived.
        time: seconds of a media clock that never goes back.
        number: of the packet in its ring, from 1; it goes on through connections.
    """

    data: bytes
    pts: int | None
    dts: int | None
    duration: int
    key: bool
    utc: float
    time: float
    number: int = 0


class StreamParameters:
    """What a file of packets has to know of their stream. It outlives the container of the stream.

    Attributes:
        codec: FFmpeg's name.
        time_base: seconds of one unit of the stamps.
        reordered: frames that a decoder holds back, as far as that is known when the stream begins.
        suffix: ".mp4", or ".mkv" for a codec that MP4 cannot hold.

    Raises:
        InputError: the stream cannot be copied into any file.
    """

    def __init__(self, stream: VideoStream) -> None:
        """Take them from a stream whose container is open."""
        self.codec = stream.codec.canonical_name
        self.time_base = stream.time_base or Fraction(1, 90_000)
        if self.codec in _NOT_BYTES:
            raise InputError(f"its pictures are {codec_words(self.codec)}, so that there is nothing to copy")
        self.extradata = stream.codec_context.extradata
        self.reordered: int = stream.codec_context.reorder_depth
        for form, suffix in (("mp4", ".mp4"), ("matroska", ".mkv")):
            with contextlib.suppress(ValueError):
                # A container that is never written owns a copy of all parameters.
                self._holder = av.open(io.BytesIO(), "w", form)
                self._stream = self._holder.add_stream_from_template(stream, opaque=True)
                self.suffix = suffix
                return
        raise InputError(f"neither MP4 nor Matroska can hold its codec, {self.codec}")

    def add_to(self, container: OutputContainer, first: Encoded) -> VideoStream:
        """Make the stream of a new file whose first packet is a key frame."""
        stream = container.add_stream_from_template(self._stream, opaque=True)
        stream.time_base = self.time_base
        if not self.extradata:
            # Some cameras send parameter sets with every key frame only; MP4 wants them in its header as well.
            stream.codec_context.extradata = parameter_sets(self.codec, first.data) or None
        return stream


def codec_words(codec: str) -> str:
    """FFmpeg's name of a codec; of one that encodes nothing, in words."""
    return "not encoded" if codec in _NOT_BYTES else codec


def parameter_sets(codec: str, data: bytes) -> bytes:
    """The parameter sets of H.264 or HEVC that a packet with start codes brings along, with start codes."""
    if codec not in _PARAMETER_SETS:
        return b""
    mask, shift, kinds = _PARAMETER_SETS[codec]
    found, place = [], data.find(b"\0\0\1")
    while place >= 0:
        after = data.find(b"\0\0\1", place + 3)
        unit = data[place + 3 : after if after >= 0 else len(data)]
        if unit and (unit[0] & mask) >> shift in kinds:
            found.append(b"\0\0\0\1" + unit.rstrip(b"\0"))
        place = after
    return b"".join(found)


class _Written:
    """A file for FFmpeg, which does not always tell that it could not write.

    Attributes:
        name: as FFmpeg opens it again to move the index.
        error: the first one. Nothing is written after it, so that the file ends where it is whole.
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("wb", buffering=0)
        self.name = f"file:{path}"
        self.error: OSError | None = None

    def write(self, data: bytes) -> int:
        """Write all of the data, or remember why not."""
        rest = memoryview(data)
        try:
            while rest and self.error is None:
                rest = rest[self._file.write(rest) :]
        except OSError as error:
            self.error = error
        return len(data)

    def seek(self, place: int, whence: int = 0) -> int:
        """As of any file."""
        return self._file.seek(place, whence)

    def tell(self) -> int:
        """As of any file."""
        return self._file.tell()

    def close(self) -> None:
        """Close it; a network drive may have an error left for then."""
        try:
            self._file.close()
        except OSError as error:
            self.error = self.error or error


class PacketFile:
    """A file of the packets of one stream, in the order in which they arrived, the first of them a key frame.

    Presentation stamps keep their distances exactly, in the time base of the stream (Matroska: to the millisecond).
    The earliest decoding stamp becomes 0, so `origin` is what all stamps have lost. Decoding stamps are kept where they
    rise and lie before the presentation stamps; otherwise they are made. Nothing is hidden by an edit list.

    Attributes:
        origin: units of the time base, None before the first packet is written.
        count: packets written.

    Raises:
        InputError: nothing can be written there.
        SpaceError: the disk is full.
    """

    def __init__(self, path: Path, parameters: StreamParameters, fragmented: bool = False, shown: str = "") -> None:
        """Start a file.

        Args:
            path: is written under its own name.
            parameters: of the stream.
            fragmented: every group of pictures is complete on its own, so that what a killed process leaves can be
                played up to the last of them. Otherwise the index is written at the end, and moved to the front.
            shown: path in messages; `path` where it is empty.
        """
        self._parameters, self._shown = parameters, shown or str(path)
        self._fragmented = fragmented
        self.origin: int | None = None
        self.count = 0
        self._ahead: deque[Encoded] = deque()
        self._last = 0
        self._step = 1
        self._stream: VideoStream | None = None
        with self._named_errors():
            self._disk = _Written(path)
            try:
                self._container = av.open(self._disk, "w", self._form(), container_options=self._options())
            except BaseException:
                self._disk.close()
                raise

    def _form(self) -> str:
        return "mp4" if self._parameters.suffix == ".mp4" else "matroska"

    def _options(self) -> dict[str, str]:
        if self._form() != "mp4":
            return {}
        # With negative offsets the decoding stamp of a key frame is its presentation stamp. FFmpeg seeks by the former,
        # and would otherwise enter a file behind the last pictures before a key frame.
        flags = "+frag_keyframe+empty_moov+default_base_moof" if self._fragmented else "+faststart"
        flags += "+negative_cts_offsets"
        options = {
            "movflags": flags,
            "use_editlist": "0",
            "video_track_timescale": str(self._parameters.time_base.denominator),
        }
        return {**options, "flush_packets": "1"} if self._fragmented else options

    def write(self, packet: Encoded) -> None:
        """Append a packet. Some packets wait, until those after them have told the order of stamps."""
        if self._stream is None:
            if not packet.key:
                raise ValueError("a file of packets begins with a key frame")
            with self._named_errors():
                self._stream = self._parameters.add_to(self._container, packet)
                self._container.start_encoding()
        self._ahead.append(packet)
        if len(self._ahead) > _REORDERED:
            self._emit()

    def close(self) -> None:
        """Finish the file."""
        try:
            while self._ahead:
                self._emit()
        finally:
            with self._named_errors():
                try:
                    self._container.close()
                finally:
                    self._disk.close()

    def discard(self) -> None:
        """Let go of the file as it is."""
        self._ahead.clear()
        with contextlib.suppress(av.FFmpegError, OSError):
            self._container.close()
        self._disk.close()

    def _emit(self) -> None:
        """Write the packet that waits longest."""
        rows = [(number, packet.pts) for number, packet in enumerate(self._ahead) if packet.pts is not None]
        steps = [after - before for before, after in pairwise(sorted({pts for _, pts in rows}))]
        self._step = min(steps, default=self._step)
        # The latest decoding stamps that leave room for the packets behind: at the usual distance, or a tick apart.
        usual = min((pts - number * self._step for number, pts in rows), default=self._last + self._step)
        utmost = min((pts - number for number, pts in rows), default=usual)
        packet = self._ahead.popleft()
        pts = usual if packet.pts is None else packet.pts
        dts = packet.dts
        if dts is None or dts > min(pts, utmost) or (self.origin is not None and dts <= self._last):
            dts = usual
        if self.origin is None:
            self.origin = dts
        else:
            dts = max(dts, self._last + 1)
        self._last = dts
        # Two packets with one stamp, which no sound stream has, are a tick apart.
        own = av.Packet(packet.data)
        own.pts, own.dts, own.duration = max(pts, dts) - self.origin, dts - self.origin, packet.duration
        own.time_base, own.is_keyframe = self._parameters.time_base, packet.key
        assert self._stream is not None
        own.stream = self._stream
        with self._named_errors():
            self._container.mux_one(own)
        self.count += 1

    @contextlib.contextmanager
    def _named_errors(self) -> Iterator[None]:
        """Turn errors of FFmpeg or the system into one line about this file."""
        try:
            yield
            if self._disk.error is not None:
                raise self._disk.error
        except (av.FFmpegError, OSError) as error:
            told: OddframeError | None = in_words(OSError(error.errno, error.strerror, self._shown))
            raise told or InputError(f"{self._shown}: cannot be written ({error.strerror})") from error
