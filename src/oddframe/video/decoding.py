"""From packets to pictures with their times. Files and live streams are decoded by the same code."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from fractions import Fraction
from itertools import chain, islice
from typing import Literal, Protocol

import av
from av.video.stream import VideoStream

from oddframe.video.clock import Clock
from oddframe.video.ledger import Ledger

Picture = tuple[av.VideoFrame, float]
"""A decoded picture, not yet resized or rotated, and its time in seconds."""
Tap = Callable[["av.Packet[VideoStream]", VideoStream], None]  # PyAV's class takes no parameter at run time
"""Gets every packet of a stream before it is decoded."""
Stamps = Literal["shown", "decoded", "none"]
"""What the stamps of a container count: frames as they are shown, packets as they are decoded (AVI), or nothing."""

ORDER = 64  # packets that tell in which order stamps count
_FED = 256  # stamps of packets that are kept; a decoder holds back fewer


class ComingPackets(Protocol):
    """Packets that can be looked at ahead of their turn."""

    def ahead(self) -> Iterable[av.Packet[VideoStream]]:
        """The packets to come."""


class Decoding:
    """Decodes the packets of one stream, one after the other.

    Presentation stamps count frames as they are shown. AVI has none, and some programs write decoding stamps in their
    place. Such stamps count packets as they are decoded: the i-th frame that comes out has the i-th stamp that went in.

    Attributes:
        in_order: stamps count packets as they are decoded.
    """

    def __init__(
        self,
        stream: VideoStream,
        packets: ComingPackets,
        clock: Clock,
        stamps: Stamps = "shown",
        ledger: Ledger | None = None,
        order: int = ORDER,
    ) -> None:
        """`order`: packets that are looked at ahead where frames may be shown in another order than decoded."""
        self._stream, self._packets, self._clock, self._ledger = stream, packets, clock, ledger
        self._avi, self._stampless = stamps == "decoded", stamps == "none"
        self.in_order = self._avi or counts_packets(stream, packets, order)
        self._fed = _Fed(self._avi)
        # FFmpeg does not mark pictures of Motion JPEG with errors. A decoder that is told to stop at errors shows them,
        # and a second one gives the picture all the same. With threads, an error comes with the wrong packet.
        self._lenient: av.VideoCodecContext | None = None
        if stream.codec.canonical_name == "mjpeg" and stream.thread_count == 1:
            stream.codec_context.options |= {"err_detect": "explode"}
            self._lenient = av.VideoCodecContext.create("mjpeg", "r")

    def push(self, packet: av.Packet[VideoStream] | None) -> Generator[Picture]:
        """The pictures that a packet completes; None completes those that the decoder still holds.

        Raises:
            av.error.EOFError: the decoder takes no more packets.
        """
        if packet is not None:
            if self._ledger is not None:
                self._ledger.packet(packet)
            self._fed.push(packet)
            self.in_order &= self._avi or not self._fed.goes_back(1 / self._clock.base)
        try:
            pictures = self._stream.decode(packet)
        except av.error.EOFError:
            raise
        except av.FFmpegError:
            pictures = [] if packet is None else self._with_errors(packet)
            if packet is not None and not pictures and self._ledger is not None:
                self._ledger.failed(packet)
        for picture in pictures:
            yield picture, self._time(picture, flushed=packet is None)

    def restart(self) -> None:
        """Go on from another place of the stream."""
        self._fed = _Fed(self._avi)

    def _with_errors(self, packet: av.Packet[VideoStream]) -> list[av.VideoFrame]:
        """The picture of a packet of Motion JPEG in which the strict decoder has found an error."""
        if self._lenient is None:
            return []
        try:
            pictures = self._lenient.decode(packet)
        except av.FFmpegError:
            return []
        if self._ledger is not None:
            self._ledger.flaw(packet)
        return pictures

    def _time(self, picture: av.VideoFrame, flushed: bool) -> float:
        own = self._fed.find(picture.pts)
        place = self._fed.next_in_order(own, flushed) if self.in_order else own
        stamp = self._fed.stamp(place) if self.in_order else picture.pts
        if self._stampless:
            stamp = None
        time = self._clock(stamp, lambda: self._coming(place))
        if self._ledger is not None:
            self._ledger.picture(picture, time, self._clock.usual, self._fed.number(own))
        return time

    def _coming(self, place: int | None) -> Iterator[int | None]:
        """The stamps after a packet that was fed, and then those of packets that were not."""
        fed = () if place is None else self._fed.after(place)
        return chain(fed, (packet.dts if self._avi else packet.pts for packet in self._packets.ahead()))


def counts_packets(stream: VideoStream, packets: ComingPackets, order: int) -> bool:
    """Whether the stamps of a video with reordered frames rise in the order of decoding."""
    if not stream.codec_context.has_b_frames:
        return False
    known = 0
    last: int | None = None
    for packet in islice(packets.ahead(), order):
        if packet.pts is not None:
            if last is not None and packet.pts <= last:
                return False
            known, last = known + 1, packet.pts
    return known > 1


class _Fed:
    """The latest packets that the decoder was fed. A place counts from the oldest of them."""

    def __init__(self, avi: bool) -> None:
        self._avi = avi
        self._stamps: deque[tuple[int | None, int | None]] = deque(maxlen=_FED)  # own one, one in order of decoding
        self._count = 0
        self._first_key: int | None = None
        self._delay: int | None = None  # packets by which frames come out late
        self._last = -1  # number of the packet whose stamp the last frame got, where stamps count packets

    def push(self, packet: av.Packet[VideoStream]) -> None:
        if packet.is_keyframe and self._first_key is None:
            self._first_key = self._count
        self._stamps.append((packet.pts, packet.dts if self._avi else packet.pts))
        self._count += 1

    def goes_back(self, ticks: Fraction) -> bool:
        """Whether the stamp of the last packet lies before that of the one before it, by less than `ticks`."""
        if len(self._stamps) < 2:
            return False
        (before, _), (last, _) = self._stamps[-2], self._stamps[-1]
        return before is not None and last is not None and 0 < before - last < ticks

    def find(self, pts: int | None) -> int | None:
        """The place of the packet with this stamp."""
        if pts is None:
            return None
        places = range(len(self._stamps) - 1, -1, -1)
        return next((place for place in places if self._stamps[place][0] == pts), None)

    def next_in_order(self, own: int | None, flushed: bool) -> int | None:
        """The place of the packet that is as far behind the last one as frames come out late."""
        oldest = self._count - len(self._stamps)
        if self._delay is None:
            first = (self._first_key or 0) if own is None else oldest + own
            self._delay = max(0, self._count - 1 - first)
        number = self._last + 1 if flushed else max(self._last + 1, self._count - 1 - self._delay)
        self._last = number
        return number - oldest if oldest <= number < self._count else None

    def stamp(self, place: int | None) -> int | None:
        return None if place is None else self._stamps[place][1]

    def number(self, place: int | None) -> int | None:
        """How many packets were fed before the one at a place."""
        return None if place is None else self._count - len(self._stamps) + place

    def after(self, place: int) -> list[int | None]:
        """The stamps of the packets after a place."""
        return [stamp for _, stamp in islice(self._stamps, place + 1, None)]
