"""The last seconds of a camera as encoded packets, for clips of what has just begun, and for recording.

follower thread  -> begin, add, end ->  PacketRing  -> Reel ->  threads of clips and recordings
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

import av
from av.video.stream import VideoStream

from oddframe.errors import InputError
from oddframe.live.packets import Encoded, StreamParameters

LATE_S = 10.0
"""Seconds that are kept besides those asked for, because an event is known only after it has begun."""
MAX_BYTES = 64 << 20
LONG_KEY_S = 5.0
"""Seconds from one key frame to the next from which on clips begin notably early."""
_ALL_KEYS = frozenset({"mjpeg"})  # codecs whose packets FFmpeg does not always mark as the key frames that they are
_STEP_S = 1.0  # a longer pause between two pictures is the network's, and says nothing about key frames
_BACK_S, _AHEAD_S = 10.0, 60.0  # a larger jump of the stamps is a clock that was set anew


class Reel:
    """Packets of one connection from a key frame on: those that a ring holds, and those that arrive later.

    What nobody takes is bounded in bytes: a reader that is too slow loses the connection's rest, and `ended` says so.

    Attributes:
        parameters: of the stream.
        ended: why no packet comes any more: "lost" (the connection is over), "slow", or "done" (nobody reads it any
            more); empty while it goes on.
    """

    def __init__(self, parameters: StreamParameters, max_bytes: int) -> None:
        self.parameters, self.ended = parameters, ""
        self._max_bytes, self._bytes = max_bytes, 0
        self._packets: deque[Encoded] = deque()
        self._lock = threading.Lock()

    def put(self, packet: Encoded) -> None:
        with self._lock:
            if self.ended:
                return
            if self._packets and self._bytes + len(packet.data) > self._max_bytes:
                self.ended = "slow"
                return
            self._packets.append(packet)
            self._bytes += len(packet.data)

    def end(self, why: str) -> None:
        with self._lock:
            self.ended = self.ended or why

    def let_go(self) -> None:
        """Nobody reads it any more: nothing is kept for it from now on."""
        with self._lock:
            self.ended = self.ended or "done"
            self._packets.clear()
            self._bytes = 0

    def take(self) -> list[Encoded]:
        """All packets that wait, in the order of arrival. After `ended` is seen, one more call gives the last ones."""
        with self._lock:
            packets = list(self._packets)
            self._packets.clear()
            self._bytes = 0
            return packets


@dataclass(eq=False)
class _Group:
    """A key frame with the packets that follow it up to the next one."""

    connection: int
    parameters: StreamParameters
    packets: list[Encoded] = field(default_factory=list)
    bytes: int = 0


class PacketRing:
    """Encoded packets of one camera, bounded in seconds and in bytes, from a key frame on.

    `begin`, `add` and `end` belong to the thread that owns the container. `follow` may be called from any thread.

    Attributes:
        bytes: that the packets hold.
        fault: why packets of this stream cannot be kept, empty if they are.
    """

    def __init__(
        self,
        seconds_before: float,
        max_bytes: int = MAX_BYTES,
        say: Callable[[str], None] | None = None,
        live: bool = True,
    ) -> None:
        """Make an empty ring.

        Args:
            seconds_before: seconds that a clip shows before its event. The ring keeps these and `LATE_S` more, from
                the last key frame before them on.
            max_bytes: of packets. If one group of pictures is larger, it is not kept.
            say: is told in one line what goes wrong.
            live: whether the source is a camera, which can be set to send key frames more often.
        """
        self._live = live
        self._seconds, self._max_bytes = seconds_before + LATE_S, max_bytes
        self._say = say or (lambda line: None)
        self.bytes, self.fault = 0, ""
        self._lock = threading.Lock()
        self._groups: deque[_Group] = deque()
        self._reels: list[Reel] = []
        self._parameters: StreamParameters | None = None
        self._connection = self._count = 0
        self._keyed = self._told = self._told_long = False
        self._time, self._utc, self._top, self._since_key = 0.0, 0.0, 0.0, 0.0
        self._stamp: int | None = None

    def begin(self, stream: VideoStream) -> None:
        """A connection begins. Its container is open; it may be closed at any time after this call."""
        self._break()
        try:
            self._parameters, self.fault = StreamParameters(stream), ""
        except InputError as error:
            self._parameters = None
            if self.fault != str(error):
                self.fault = str(error)
                self._say(f"no clips and recordings of this source: {self.fault}")

    def add(self, packet: av.Packet[VideoStream], utc: float) -> None:
        """Keep a packet that arrived at `utc` (seconds since 1970). It is copied."""
        parameters = self._parameters
        if parameters is None or not packet.size:
            return
        before, time = self._top, self._clock(packet, utc, parameters)
        key = bool(packet.is_keyframe) or parameters.codec in _ALL_KEYS
        self._count += 1
        encoded = Encoded(bytes(packet), packet.pts, packet.dts, packet.duration or 0, key, utc, time, self._count)
        self._since_key = 0.0 if key else self._since_key + min(time - before, _STEP_S)
        with self._lock:
            if encoded.key:
                self._groups.append(_Group(self._connection, parameters))
                self._keyed = True
            if not self._keyed:
                return
            group = self._groups[-1]
            group.packets.append(encoded)
            group.bytes += len(encoded.data)
            self.bytes += len(encoded.data)
            self._reels = [reel for reel in self._reels if not reel.ended]
            for reel in self._reels:
                reel.put(encoded)
            large = self._evict(time)
        if self._since_key > LONG_KEY_S and self._live and not self._told_long:
            self._told_long = True
            self._say(
                f"more than {LONG_KEY_S:g} seconds from one key frame to the next: clips begin too early by up to as "
                "much, and after a loss or a drop nothing is seen until the next one; set the interval of key frames "
                "(I-frames) in the camera to 2 seconds"
            )
        if large and not self._told:
            self._told = True
            self._say(
                f"more than {self._max_bytes >> 20} MB from one key frame to the next; clips begin late; set the "
                "camera to send key frames more often"
            )

    def end(self) -> None:
        """The connection is over."""
        self._break()
        self._parameters = None

    def follow(self, utc: float, before: float = 0.0) -> Reel | None:
        """The packets around a moment, all of one connection.

        Args:
            utc: seconds since 1970. The reel begins at the last key frame that lies `before` seconds of media time or
                more before this moment, or else as early as the ring and the connection allow.
            before: seconds.

        Returns:
            None where the ring is empty.
        """
        with self._lock:
            groups = list(self._groups)
            return self._reel(groups, self._entry(groups, utc, before)) if groups else None

    def follow_after(self, number: int = 0) -> Reel | None:
        """The packets after one of this number, from the group of pictures on in which the first of them lies.

        Returns:
            None where there are none.
        """
        with self._lock:
            groups = [group for group in self._groups if group.packets[-1].number > number]
            return self._reel(groups, groups[0]) if groups else None

    def _reel(self, groups: list[_Group], first: _Group) -> Reel:
        """A reel of a connection from one of its groups on."""
        reel = Reel(first.parameters, 4 * self._max_bytes)
        for group in groups[groups.index(first) :]:
            if group.connection == first.connection:
                for packet in group.packets:
                    reel.put(packet)
        if first.connection == self._connection and self._parameters is not None:
            self._reels.append(reel)
        else:
            reel.end("lost")
        return reel

    @staticmethod
    def _entry(groups: list[_Group], utc: float, before: float) -> _Group:
        """The group of pictures that a reel begins with."""
        held = [group for group in groups if group.packets[0].utc <= utc] or groups[:1]
        last = held[-1]
        moment = max((packet.time for packet in last.packets if packet.utc <= utc), default=last.packets[0].time)
        same = [group for group in held if group.connection == last.connection]
        early = [group for group in same if group.packets[0].time <= moment - before]
        return (early or same[:1])[-1]

    def _evict(self, now: float) -> bool:
        """Let go of what is too old or too much; whether even the last group is too large."""
        groups = self._groups
        while len(groups) > 1 and (self.bytes > self._max_bytes or groups[1].packets[0].time <= now - self._seconds):
            self.bytes -= groups.popleft().bytes
        if self.bytes <= self._max_bytes:
            return False
        groups.clear()
        self.bytes, self._keyed = 0, False
        return True

    def _break(self) -> None:
        with self._lock:
            self._connection += 1
            self._keyed = False
            for reel in self._reels:
                reel.end("lost")
            self._reels = []
        self._stamp = None

    def _clock(self, packet: av.Packet[VideoStream], utc: float, parameters: StreamParameters) -> float:
        """Seconds of a clock that goes on through connections, and never goes back."""
        if self._stamp is None and packet.time_base:
            # Packets of sources without stamps have got some, which count in a unit of their own.
            parameters.time_base = packet.time_base
        stamp = packet.pts if packet.pts is not None else packet.dts
        passed = max(0.0, utc - self._utc) if self._utc else 0.0
        if stamp is None or self._stamp is None:
            self._time += passed if self._stamp is None else 0.0
        else:
            step = float((stamp - self._stamp) * parameters.time_base)
            if -_BACK_S < step < _AHEAD_S:
                self._time += step
            else:  # no file may hold both sides of the jump
                self._break()
                self._time += min(passed, _AHEAD_S)
        self._utc, self._stamp = utc, stamp if stamp is not None else self._stamp
        self._top = max(self._top, self._time)
        return self._top
