"""A connection to a source of live pictures: opened with both time bounds, read packet by packet.

A camera that falls silent hangs FFmpeg for ever unless it is told otherwise. PyAV's own bounds hold for everything that
is opened and read here. FFmpeg's option `timeout` stands beside them; `stimeout` and `rw_timeout` are ignored by some
protocols without a word. End of file, time-out and error of a live source are one thing: a `Lost` with words.
"""

from __future__ import annotations

import errno
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import cast

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from oddframe.errors import VideoError
from oddframe.live.address import Address, Kind
from oddframe.reading.images import MOST_PIXELS
from oddframe.video.headers import RAW_FORMATS
from oddframe.video.opening import choose_stream

SEGMENTS_READ_S = 30.0
"""Seconds without a packet after which HLS is given up, whose packets come a segment at a time."""
TICKS = 90_000
"""Ticks per second of stamps that are made from the time of arrival."""

_PROTOCOLS: dict[Kind, str] = {
    "rtsp": "rtsp,rtsps,rtp,tcp,tls",
    "http": "http,https,httpproxy,tcp,tls,crypto,hls",
}
# Of what may come over HTTP. Scripts and play lists of other kinds would read what nobody has named.
_HTTP_FORMATS = "mpjpeg,mjpeg,hls,mpegts,mpeg,flv,matroska,webm,mov,mp4,m4a,3gp,3g2,mj2,h264,hevc,aac,mp3,webvtt"
_STAMPLESS = frozenset({"mpjpeg"}) | RAW_FORMATS
_ALL_KEYS = frozenset({"mjpeg", "rawvideo", "wrapped_avframe"})  # codecs whose packets are all key frames
_LONGEST_STEP_S = 10.0
_LATE_S = 1.0  # by which the test picture may be late before it gives up catching up
_QUICKER = 0.95

_REFUSALS = {
    "HTTPUnauthorizedError": "user name or password are refused (401)",
    "HTTPForbiddenError": "access is refused (403)",
}
_SHORT = {"analyzeduration": "0", "probesize": "32"}
_EARLY = 16  # packets in which a stream shows its first stamp, or has none
_STEP = Fraction(1, 25)  # seconds between packets that do not say how long they last
_NEED_SETS = frozenset({"h264", "hevc"})  # codecs whose parameter sets a recording must have


class Lost(Exception):
    """A live source cannot be opened, or gives no more. The message says why, for people, without credentials.

    Attributes:
        refused: whether trying again soon does harm: cameras lock out whoever gives a wrong password often.
    """

    def __init__(self, words: str, refused: bool = False) -> None:
        super().__init__(words)
        self.refused = refused


@dataclass(frozen=True)
class Bounds:
    """How long a source is waited for.

    Attributes:
        open_s: seconds in which it must answer.
        read_s: seconds without a packet after which a connection is given up.
    """

    open_s: float = 10.0
    read_s: float = 10.0


@dataclass(frozen=True)
class Received:
    """A packet, and when it came.

    Attributes:
        utc: seconds since 1970.
        at: the same by `time.monotonic`.
        key: whether decoding can begin with it.
    """

    packet: av.Packet[VideoStream]
    utc: float
    at: float
    key: bool


class Connection:
    """An open source. The thread that opens it reads it and closes it; no other one may touch it.

    Attributes:
        stream: of the moving pictures.
        base: seconds of a tick of the stamps of its packets.
        bits: size of the counter of stamps, 0 where it does not overflow.
        segments: whether packets come many at a time (HLS).
        short: whether it was opened without a look at its first seconds.
    """

    def __init__(
        self,
        address: Address,
        short: bool = True,
        bounds: Bounds | None = None,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        """Open a source.

        Args:
            short: try to do without FFmpeg's look at the first seconds, which takes as long as they do.
            sleep: waits for so many seconds, or less where nobody wants the packets any more.

        Raises:
            Lost: it cannot be opened.
        """
        bounds = bounds or Bounds()
        self._address, self._open_s, self._read_s, self._sleep = address, bounds.open_s, bounds.read_s, sleep
        self.short = short and address.kind == "rtsp"
        self._container = self._open()
        self._opened = time.monotonic()
        try:
            self.stream = self._choose()
        except BaseException:
            self._container.close()
            raise
        form = self._container.format.name
        self.segments = form == "hls"
        self.bits = 33 if form in ("mpegts", "hls") else 0
        self._by_arrival = form in _STAMPLESS
        base = self.stream.time_base or Fraction(1, TICKS)
        if self._by_arrival:
            self.stream.time_base = base = Fraction(1, TICKS)
        self.base = base
        self.codec = self.stream.codec.canonical_name

    def packets(self) -> Iterator[Received]:
        """The packets of its pictures, for ever.

        Raises:
            Lost: there are no more.
        """
        pace = _Metronome(self._address.kind, self.base, self._sleep)
        early: list[Received] = []
        stamped = self._by_arrival
        try:
            for packet in self._pictures():
                if not self._by_arrival:
                    pace(packet)
                now = time.monotonic()
                if self._by_arrival:
                    packet.pts = packet.dts = round((now - self._opened) * TICKS)
                    packet.time_base = self.base
                received = Received(packet, time.time(), now, packet.is_keyframe or self.codec in _ALL_KEYS)
                if stamped:
                    yield received
                    continue
                early.append(received)
                if packet.pts is not None:
                    _stamp(early)
                if packet.pts is not None or len(early) > _EARLY:
                    stamped = True
                    yield from early
                    early.clear()
        except IndexError:
            raise Lost("its streams have changed") from None
        except (av.FFmpegError, OSError) as error:
            raise Lost(self._reading(error)) from None
        raise Lost("the stream has ended")

    def _pictures(self) -> Iterator[av.Packet[VideoStream]]:
        """Packets of pictures. All streams are read: with theirs alone, sound hides for ever that there are none."""
        silent = 0.0  # seconds that were waited for a picture, and not for the reader of this
        packets = self._container.demux()
        while True:
            begun = time.monotonic()
            packet = next(packets, None)
            silent += time.monotonic() - begun
            if packet is None:
                return
            if silent >= self._read_s:  # what FFmpeg hands out at its time-out is what it has held back
                raise Lost(f"no picture for {self._read_s:g} seconds")
            if packet.stream is self.stream and packet.size:
                silent = 0.0
                yield cast("av.Packet[VideoStream]", packet)

    def close(self) -> None:
        """Close it; only the thread that opened it may."""
        self._container.close()

    def _open(self) -> InputContainer:
        address = self._address
        options = {"max_pixels": str(MOST_PIXELS), "correct_ts_overflow": "0"}
        form = None
        if address.kind == "test":
            form = "lavfi"
        elif address.kind == "usb":
            form = "v4l2"
        else:
            options |= {"protocol_whitelist": _PROTOCOLS[address.kind], "timeout": str(round(self._open_s * 1e6))}
        if address.kind == "rtsp":
            options |= {"rtsp_transport": "tcp"} | (_SHORT if self.short else {})
        if address.kind == "http":
            options |= {"format_whitelist": _HTTP_FORMATS}
        read_s = max(self._read_s, SEGMENTS_READ_S) if address.url.partition("?")[0].endswith(".m3u8") else self._read_s
        self._read_s = read_s
        try:
            return av.open(
                address.url, "r", form, options=options, metadata_errors="replace", timeout=(self._open_s, read_s)
            )
        except (av.FFmpegError, OSError) as error:
            raise self._opening(error) from None
        except (ValueError, UnicodeError):
            raise Lost("its address cannot be read") from None

    def _choose(self) -> VideoStream:
        """The stream of pictures; opens again with a longer look where the short one has shown too little."""
        if self.short:
            found = [s for s in self._container.streams.video if getattr(s, "width", 0)]
            sets = all(s.codec_context.extradata for s in found if s.codec.canonical_name in _NEED_SETS)
            if not found or not sets:
                self.short = False
                self._container.close()
                self._container = self._open()
        try:
            stream, _ = choose_stream(self._container, "", threads=1)
        except VideoError as error:
            raise Lost(str(error).removeprefix(": ")) from None
        return stream

    def _opening(self, error: Exception) -> Lost:
        """Why it cannot be opened."""
        name, code = type(error).__name__, getattr(error, "errno", None)
        if name in _REFUSALS:
            return Lost(_REFUSALS[name], refused=True)
        if isinstance(error, ConnectionRefusedError):
            return Lost("the connection is refused: nothing listens at that host and port")
        if isinstance(error, TimeoutError | av.error.ExitError):
            return Lost(f"no answer within {self._open_s:g} seconds")
        if isinstance(error, av.error.HTTPNotFoundError):
            return Lost("there is no such stream (404); look at the path of the address")
        if self._address.kind == "usb":
            return Lost(f"the device cannot be opened ({self._said(error)})")
        if isinstance(error, av.error.InvalidDataError | av.error.EOFError) or code == errno.EINVAL:
            return Lost("what answers sends no video that is read here")
        if code == errno.EIO:
            return Lost("the host cannot be reached; look at its name and at the network")
        return Lost(f"it cannot be opened ({self._said(error)})")

    def _reading(self, error: Exception) -> str:
        """Why it gives no more."""
        if isinstance(error, TimeoutError | av.error.ExitError):
            return f"no picture for {self._read_s:g} seconds"
        return f"the stream broke off ({self._said(error)})"

    def _said(self, error: Exception) -> str:
        return self._address.redact(getattr(error, "strerror", None) or type(error).__name__)


class _Metronome:
    """Holds back packets that come earlier than their stamps say: those of a generator, and of segments.

    The test picture keeps exact time. Of what comes over HTTP the interval counts, and a little less, so that a clock
    that runs fast does not make the delay grow.
    """

    def __init__(self, kind: Kind, base: Fraction, sleep: Callable[[float], object]) -> None:
        self._exact, self._idle = kind == "test", kind not in ("test", "http")
        self._base, self._sleep = float(base), sleep
        self._stamp: int | None = None
        self._due = 0.0

    def __call__(self, packet: av.Packet[VideoStream]) -> None:
        """Wait until it is the turn of a packet."""
        stamp = packet.pts if packet.dts is None else packet.dts
        if self._idle or stamp is None:
            return
        now = time.monotonic()
        step = 0.0 if self._stamp is None else (stamp - self._stamp) * self._base
        self._stamp = stamp
        if not 0 < step <= _LONGEST_STEP_S:  # the first one, or a jump
            self._due = now
            return
        self._due += step if self._exact else _QUICKER * step
        if now < self._due:
            self._sleep(self._due - now)
        elif now - self._due > _LATE_S or not self._exact:
            self._due = now


def _stamp(received: list[Received]) -> None:
    """Give the packets before the first stamp stamps that lie before it, so that nothing that follows lacks one."""
    following = received[-1].packet
    assert following.pts is not None
    # The packet before it may be shown before others that are still to come and are shown before this one.
    reorder = following.stream.codec_context.reorder_depth
    for packet in (each.packet for each in reversed(received[:-1])):
        base = packet.time_base or Fraction(1, TICKS)
        step = packet.duration or following.duration or max(1, round(_STEP / base))
        packet.pts = following.pts - step * (1 + reorder)
        following, reorder = packet, 0
