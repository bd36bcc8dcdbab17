"""Decoded pictures of a video file with their times, packet by packet."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterator
from contextlib import closing
from fractions import Fraction
from itertools import chain, islice, pairwise

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from oddframe.account import Account, count_of
from oddframe.reading.images import MOST_PIXELS
from oddframe.types import RateOrigin
from oddframe.video.clock import Clock
from oddframe.video.decoding import ORDER, Decoding, Picture, Stamps, Tap
from oddframe.video.geometry import plausible_aspect
from oddframe.video.headers import ASSUMED, CONTAINER, FRAME_FOLDER_FPS, GIVEN, RAW_FORMATS, stated_rate
from oddframe.video.images import ALPHA
from oddframe.video.ledger import Ledger
from oddframe.video.opening import FRAME_A_PACKET, open_video, packets
from oddframe.video.parts import PlayList, read_play_list, unread
from oddframe.video.sources import VideoSource

_COUNTER_BITS = {"mpegts": 33, "mpeg": 33, "hls": 33, "flv": 32}
_TO_KEY = 512  # packets among which a key frame is looked for


class FilePictures:
    """Pictures of a video file."""

    def __init__(self, source: VideoSource, threads: int, tap: Tap | None = None) -> None:
        """`tap`: gets every packet before it is decoded."""
        self._tap = tap
        path, fps = source.path, source.fps
        self.container, self.stream, self._others = open_video(source.where, threads)
        rate = self.stream.average_rate or self.stream.guessed_rate
        self.codec = self.stream.codec.canonical_name
        self._format = self.container.format.name
        self._avi = self._format == "avi"
        self._packets = _Packets(self.container, self.stream)
        stride = self._stride() if self._avi else 1
        self._stampless = self._format in RAW_FORMATS  # what a parser makes up is no time stamp
        self.fps = (
            float(rate / stride) if rate and stride > 1 else stated_rate(self.container, self.stream, source.where)
        )
        self.rate: RateOrigin = CONTAINER
        if self._stampless and (fps or not self.fps):
            self.fps, self.rate = (fps, GIVEN) if fps else (FRAME_FOLDER_FPS, ASSUMED)
        if self._stampless and self.fps:
            rate = Fraction(self.fps).limit_denominator(1001)
        self.size: tuple[int, int] | None = None  # the first picture decides
        ratio = self.stream.sample_aspect_ratio or self.stream.codec_context.sample_aspect_ratio
        self.aspect = plausible_aspect(ratio)
        layout = self.stream.format  # None where only decoding tells
        alpha = layout is not None and any(component.is_alpha for component in layout.components)
        self._gif = alpha and self.codec == "gif"  # FFmpeg gives every GIF an alpha channel
        alpha &= not self._gif
        self.notes: tuple[str, ...] = (ALPHA,) if alpha else ()
        self._path = path
        self._end: int | None = None  # of the last packet, in bytes from the start of the file
        self._listed = read_play_list(path) if self._format == "hls" else PlayList()
        self.ledger = Ledger(self.stream, self._format, stride, self._listed)
        self.promised = self.ledger.visible
        base = self.stream.time_base or Fraction(1, 90_000)
        step = stride / rate if rate else Fraction(1, 25)
        self.clock = Clock(base, step, self._start(base), _COUNTER_BITS.get(self._format, 0))
        stamps: Stamps = "none" if self._stampless else "decoded" if self._avi else "shown"
        self._decoding = Decoding(self.stream, self._packets, self.clock, stamps, self.ledger)

    def decode(self) -> Generator[Picture]:
        with self.container, closing(self._packets):
            for packet in chain(self._packets, [None]):
                if packet is not None and packet.pos is not None:
                    self._end = max(self._end or 0, packet.pos + packet.size)
                if packet is not None and self._tap is not None:
                    self._tap(packet, self.stream)
                try:
                    for picture, time in self._decoding.push(packet):
                        if self._gif and _see_through(picture):
                            self._gif, self.notes = False, (*self.notes, ALPHA)
                        yield picture, time
                except av.error.EOFError:
                    break

    def seek(self, seconds: float) -> None:
        """Go on with the last key frame at or before `seconds`; call it once the first picture is decoded.

        What lies before is not held against the header as damage.
        """
        if self._stampless:
            return  # nothing tells where a time lies: the frames before it are decoded and left out
        wanted, second = self.clock.enter(seconds), round(1 / self.clock.base)
        first = wanted - round(seconds / self.clock.base) - second  # decoding stamps begin a little before time 0
        place, back = wanted, max(1, second // 2)
        self._enter(place)
        # FFmpeg seeks by decoding stamps, and in some containers not to a key frame. So the key frame at which decoding
        # begins may be shown after `seconds`, and the pictures before it would be left out.
        while place > first and not self._holds(wanted):
            place, back = max(first, place - back), 2 * back
            self._enter(place)
        self.ledger.restart()
        self._decoding.restart()

    def _enter(self, stamp: int) -> None:
        self.container.seek(stamp, stream=self.stream)
        self._packets.restart()

    def _holds(self, stamp: int) -> bool:
        """Whether decoding from here on gives the picture that is shown at a stamp."""
        near = list(islice(self._packets.ahead(), _TO_KEY))
        key = next((packet for packet in near if packet.is_keyframe), None)
        if key is None:
            return len(near) == _TO_KEY  # a stream that does without them, and not the end of the file
        own = key.dts if self._avi else key.pts
        return own is None or own <= stamp

    def stamps(self) -> tuple[list[int], set[int]] | str:
        """The stamps of all frames in the order in which they are shown, and those of key frames. Nothing is decoded.

        Where only decoding tells which frames there are and when they are shown, it says why. Call it instead of
        `decode`.
        """
        if self._avi:
            return "AVI keeps no time stamps"
        if self._stampless:
            return "its frames have no time stamps"
        if self._format == "hls":
            return "it is a play list"
        if self.codec not in FRAME_A_PACKET:
            return f"the packets of {self.codec} do not tell its frames"
        if self._decoding.in_order:
            return "its time stamps count packets, not frames"
        stamps, keys, seen = set[int](), set[int](), 0
        for packet in self._packets:
            if packet.pts is None or packet.is_discard or packet.is_corrupt:
                return "some of its packets are damaged, hidden or without a time stamp"
            if not seen and not packet.is_keyframe:
                return "it does not begin with a key frame"
            seen += 1
            stamps.add(packet.pts)
            if packet.is_keyframe:
                keys.add(packet.pts)
        promised = self.promised
        whole = not self._packets.stopped and len(stamps) == seen and promised in (None, seen)
        return (sorted(stamps), keys) if whole and seen else "it does not hold the frames that its header promises"

    def account(self, decoded: int) -> Account:
        return self.ledger.account(self.clock, self._packets.stopped, self._others)

    def damage(self, account: Account) -> tuple[str, ...]:
        lines = account.losses()
        if self._listed.absent:
            many = count_of(len(self._listed.absent), "segment")
            lines = (f"{many} of the play list not there, first {self._listed.absent[0]}", *lines)
        if not account.decoded and not self.stream.width:
            lines = (*lines, f"no size in the header; pictures of more than {MOST_PIXELS:,} pixels are not read")
        rest = unread(self._path, self._format, self._end)
        return (*lines, rest) if rest else lines

    def _start(self, base: Fraction) -> int | None:
        """The stamp at which the container begins, which is time 0 of a player."""
        if self._stampless:
            return None
        start: int | None = self.container.start_time  # PyAV's stubs leave None out
        own = self.stream.start_time
        if start is None:
            return own
        if own is not None and abs(own * base - Fraction(start, av.time_base)) < Fraction(1, 500_000):
            return own
        return round(Fraction(start, av.time_base) / base)

    def _stride(self) -> int:
        """Slots of an AVI from one frame to the next."""
        stamps = [packet.dts for packet in islice(self._packets.ahead(), ORDER) if packet.dts is not None]
        return min((b - a for a, b in pairwise(stamps) if b > a), default=1)


def _see_through(picture: av.VideoFrame) -> bool:
    """Whether a pixel of a frame with alpha is transparent."""
    return picture.format.name == "bgra" and bool((picture.to_ndarray()[..., 3] < 255).any())


class _Packets:
    """The packets of a stream, which can be looked at ahead of their turn."""

    def __init__(self, container: InputContainer, stream: VideoStream) -> None:
        self._container, self._stream = container, stream
        self.restart()

    def restart(self) -> None:
        """Go on from where the container now is."""
        self._ahead: deque[av.Packet[VideoStream]] = deque()
        self._source = self._read()
        self.stopped = ""

    def close(self) -> None:
        """Let go of the container. What reads it belongs to this object and knows it, so that both would wait for
        Python's search for such circles, and the pictures in the decoder with them."""
        self._source.close()
        self._ahead.clear()

    def __iter__(self) -> Iterator[av.Packet[VideoStream]]:
        while True:
            packet = self._ahead.popleft() if self._ahead else next(self._source, None)
            if packet is None:
                return
            yield packet

    def ahead(self) -> Iterator[av.Packet[VideoStream]]:
        """The packets to come."""
        place = 0
        while True:
            if place == len(self._ahead):
                packet = next(self._source, None)
                if packet is None:
                    return
                self._ahead.append(packet)
            yield self._ahead[place]
            place += 1

    def _read(self) -> Generator[av.Packet[VideoStream]]:
        try:
            yield from packets(self._container, self._stream)
        except av.FFmpegError as error:
            self.stopped = error.strerror or type(error).__name__
