"""Consecutive frames of a source, and the packets that they come from."""

from __future__ import annotations

import hashlib
import os
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import av
import numpy as np
from av.video.stream import VideoStream
from numpy.typing import NDArray

from oddframe.live.address import Address
from oddframe.live.connection import Connection, Lost, Received
from oddframe.live.messages import Arrived, Begun, Message
from oddframe.types import VideoInfo, Window
from oddframe.video.conversion import Converter
from oddframe.video.decode import Frame
from oddframe.video.depth import depth_of
from oddframe.video.geometry import plausible_aspect
from oddframe.video.pauses import pace

RATE_FRAMES, RATE_S, RATE_LEAST = 32, 2.0, 8
"""A rate is measured from so many frames, or from those of so many seconds if they are at least so many."""

_DIGITS = 27  # of a key, with "live-" before them as many characters as of a file's


class LiveStretch:
    """The frames of a stretch, which are held until their rate is known.

    Attributes:
        told: whether its begin has been told.
    """

    def __init__(self, info: VideoInfo, start: float, fps: float | None = None) -> None:
        """`start`: the time of its first frame. `fps`: its rate where that is known."""
        self.info, self._start, self._known = info, start, fps is not None
        self.told = False
        self._count = 0
        self._held: list[Arrived] = []

    def add(self, image: NDArray[np.uint8], moment: float, utc: float, at: float) -> list[Message]:
        """Take a frame; the messages that can be handed out now."""
        arrived = Arrived(Frame(self._count, moment - self._start, image), utc, at)
        self._count += 1
        if self.told:
            return [arrived]
        self._held.append(arrived)
        lasts = arrived.frame.time - self._held[0].frame.time
        many = len(self._held) >= RATE_FRAMES or (len(self._held) >= RATE_LEAST and lasts >= RATE_S)
        return self.release() if many or self._known else []

    def release(self) -> list[Message]:
        """Begin with the frames that are held."""
        held, self._held = self._held, []
        if self.told or not held:
            return []
        self.told = True
        if not self._known:
            fps = pace(np.array([each.frame.time for each in held]))
            self.info = replace(self.info, fps=fps and round(fps, 3))
        return [Begun(self.info, held[0].utc), *held]


class FrameMaker:
    """Makes the frames of one stretch from the decoded pictures of a connection.

    Attributes:
        stretch: None before the first picture.
    """

    stretch: LiveStretch | None = None

    def __init__(
        self, name: str, address: Address, window: Window, levels: tuple[float, float] | None, connection: Connection
    ) -> None:
        """`name`: of the camera. `levels`: see `oddframe.video.sources.VideoSource`."""
        self._name, self._address, self._levels, self._connection = name, address, levels, connection
        self._convert = Converter(window.size, window.colour, window.resize)

    def __call__(self, picture: av.VideoFrame, moment: float, received: Received) -> list[Message]:
        """Take a picture and its time in seconds; the messages that can be handed out now.

        Raises:
            Lost: pictures have another size now.
        """
        size = picture.width, picture.height
        if self.stretch is None:
            self._size = size
            self.stretch = self._begin(picture, moment, received.utc)
        if size != self._size:
            was, now = (f"{width}x{height}" for width, height in (self._size, size))
            raise Lost(f"its pictures have changed from {was} to {now}")
        return self.stretch.add(self._convert(picture), moment, received.utc, received.at)

    def _begin(self, picture: av.VideoFrame, moment: float, utc: float) -> LiveStretch:
        stream = self._connection.stream
        ratio = stream.sample_aspect_ratio or stream.codec_context.sample_aspect_ratio
        height, width = self._convert.begin(picture, aspect=plausible_aspect(ratio))
        info = VideoInfo(
            self._name, self._address.shown, width, height, None, codec=self._connection.codec,
            depth=depth_of(picture), key=stretch_key(self._name, utc),
        )  # fmt: skip
        self._convert.read(info, self._levels)
        return LiveStretch(info, moment)


class ComingReceived:
    """The packets of a connection, which can be looked at ahead of their turn."""

    def __init__(self, source: Iterator[Received]) -> None:
        self._source = source
        self._ahead: deque[Received] = deque()
        self._wait = False
        self._lost: Lost | None = None

    @contextmanager
    def waited_for(self) -> Iterator[None]:
        """Here a look ahead waits for packets. Elsewhere it does not: a camera is not waited for to judge a stamp."""
        self._wait = True
        yield
        self._wait = False

    def __iter__(self) -> Iterator[Received]:
        while (received := self._next()) is not None:
            yield received

    def to_key(self) -> int:
        """Leave out what comes before the next key frame; how many packets that are."""
        count = 0
        while (received := self._next()) is not None:
            if received.key:
                self._ahead.appendleft(received)
                break
            count += 1
        return count

    def ahead(self) -> Iterator[av.Packet[VideoStream]]:
        """Packets to come."""
        place = 0
        while True:
            if place == len(self._ahead):
                received = self._read() if self._wait else None
                if received is None:
                    return
                self._ahead.append(received)
            yield self._ahead[place].packet
            place += 1

    def _next(self) -> Received | None:
        received = self._ahead.popleft() if self._ahead else self._read()
        if received is None and self._lost is not None:
            raise self._lost
        return received

    def _read(self) -> Received | None:
        """The next packet of the connection. Its loss is told when those before it have been taken."""
        try:
            return next(self._source, None)
        except Lost as lost:
            self._lost = lost
            return None


def stretch_key(camera: str, utc: float) -> str:
    """A key that names one stretch and never another one."""
    digest = hashlib.sha256(f"{camera}\n{utc!r}\n".encode() + os.urandom(16)).hexdigest()
    return f"live-{digest[:_DIGITS]}"
