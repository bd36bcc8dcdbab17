"""Follows one source: a thread that owns its container and turns it into messages, through all losses."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import av
from av.video.stream import VideoStream

from oddframe.errors import OddframeError
from oddframe.live.address import Address
from oddframe.live.connection import Bounds, Connection, Lost, Received
from oddframe.live.mailbox import Mailbox
from oddframe.live.messages import Begun, Ended, Message, Why
from oddframe.live.packets import codec_words
from oddframe.live.states import SEGMENTS_STALL_S, STALL_S, Retry, SourceState, State, StateChange
from oddframe.live.stretch import ComingReceived, FrameMaker, LiveStretch, stretch_key
from oddframe.types import Window
from oddframe.video.clock import Clock
from oddframe.video.decode import VideoReader
from oddframe.video.decoding import Decoding
from oddframe.video.sources import VideoSource

CAPACITY = 64
"""Frames that may wait; more than a source holds back until its rate is known."""
_ORDER = 16  # packets that are looked at ahead where their stamps may count packets
_STOPPED = "stopped"
_BLIND_S = 20.0  # of packets without a picture after which a connection is given up


def _nothing(*_: object) -> None:
    pass


@dataclass(frozen=True)
class Hooks:
    """What is called from the thread of a source. A fault in one is kept in `Follower.hook_fault`; following goes on.

    Attributes:
        state: each change of state. A reader of `Follower.state` may call it too, when it finds a stall.
        begin: a connection is open; its stream is a template for recordings. Packets of other streams are over.
        packet: every packet from the first key frame of a connection on, before it is decoded: the packet, the stream,
            and seconds since 1970. It is not copied.
        message: a message waits.
        fault: the first fault of the others, in words.
    """

    state: Callable[[StateChange], None] = _nothing
    begin: Callable[[VideoStream], None] = _nothing
    packet: Callable[[av.Packet[VideoStream], VideoStream, float], None] = _nothing
    message: Callable[[], None] = _nothing
    fault: Callable[[str], None] = _nothing


class Follower:
    """Follows one source and hands out its frames.

    Attributes:
        name: of the camera.
        dropped: frames that were dropped so far, packets up to the next key frame included.
        losses: disconnections so far.
        fault: why a file cannot be followed; empty otherwise.
        hook_fault: the last exception of a hook, in words.
    """

    def __init__(
        self,
        name: str,
        address: Address,
        window: Window,
        hooks: Hooks | None = None,
        levels: tuple[float, float] | None = None,
        capacity: int = CAPACITY,
        bounds: Bounds | None = None,
    ) -> None:
        """Prepare to follow; nothing is opened before `start`.

        Args:
            window: of the detector; its size, colour and resize rule are those of the frames.
            levels: the values of frames of more than 8 bits that become 0 and 255, as the bundle has learned them.
            capacity: frames that may wait before a live source drops them, and before a file waits.
        """
        self.name, self.address, self.window, self.levels = name, address, window, levels
        self.dropped = self.losses = self._skipped = 0
        self.fault = self.hook_fault = ""
        self._hooks, self._bounds = hooks or Hooks(), bounds or Bounds()
        self._mailbox = Mailbox(capacity)
        self._state = SourceState(name, lambda change: self._call(self._hooks.state, change))
        self._stop = threading.Event()
        # A read that blocks cannot be interrupted, so a process must be able to leave without this thread.
        self._thread = threading.Thread(target=self._run, name=f"oddframe-{name}", daemon=True)
        self._stretch: LiveStretch | None = None
        self._making = threading.Lock()  # while a stretch takes a frame, or gives up those that it holds

    @property
    def state(self) -> State:
        """What the source does. Whoever waits for messages should look often, which is what finds a stall."""
        return self._state.state

    @property
    def words(self) -> str:
        """Why it is in its state, without credentials."""
        return self._state.words

    @property
    def waiting(self) -> int:
        """Frames that wait to be taken."""
        return self._mailbox.frames

    @property
    def finished(self) -> bool:
        """Whether no message is there and none will come."""
        return self._mailbox.finished

    def start(self) -> None:
        """Begin to follow."""
        self._thread.start()

    def take(self, timeout: float = 0.0) -> Message | None:
        """The next message; None when there is none within so many seconds."""
        _ = self.state
        return self._mailbox.take(timeout)

    def stop(self) -> None:
        """Follow no longer. It returns at once; the messages that wait can still be taken."""
        self._stop.set()
        self._state.set("stopped", _STOPPED)
        with self._making:  # frames that are held until their rate is known
            stretch = self._stretch
            for message in [] if stretch is None else stretch.release():
                self._mailbox.put(message)
            self._mailbox.close(_STOPPED)
        self._call(self._hooks.message)

    def join(self, timeout: float) -> bool:
        """Wait for the end of the thread; whether it has ended. A read that blocks ends with its time-out."""
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _run(self) -> None:
        if self.address.kind == "file":
            self._follow_file()
        else:
            self._follow_camera()

    def _follow_camera(self) -> None:
        retry, short = Retry(self.address), True
        self._state.set("connecting", f"opens {self.address.shown}")
        while not self._stop.is_set():
            begun, refused = time.monotonic(), False
            try:
                connection = Connection(self.address, short, self._bounds, self._stop.wait)
                with closing(connection):
                    short = connection.short
                    self._read(connection, retry)
            except _LookLonger:
                short, self._stretch = False, None
                continue
            except Lost as lost:
                words, refused = str(lost), lost.refused
            except (OddframeError, av.FFmpegError, OSError) as error:
                words = self.address.redact(str(getattr(error, "strerror", None) or error))
            except Exception as error:  # a camera of many must not end with a fault in what is done for it
                words = self.address.redact(f"a fault of oddframe: {type(error).__name__}: {error}")
            if self._stop.is_set():
                return
            self._end("lost", words)
            self._state.set("waiting", words)
            retry.wait(begun, refused, self._stop)

    def _read(self, connection: Connection, retry: Retry) -> None:
        """Read a connection, stretch by stretch.

        Raises:
            Lost: it gives no more.
        """
        self._call(self._hooks.begin, connection.stream)
        packets = ComingReceived(self._received(connection))
        context, depth = connection.stream.codec_context, connection.stream.codec_context.reorder_depth
        again = False  # what comes before the first key frame of a connection was never asked for
        while not self._stop.is_set():
            passed = packets.to_key()
            self.dropped += passed
            self._skipped += passed if again else 0
            again = True
            try:
                self._read_stretch(connection, packets, retry)
            except _Dropped:
                context.flush_buffers()
                context.reorder_depth = max(depth, context.reorder_depth)

    def _received(self, connection: Connection) -> Iterator[Received]:
        keyed = False
        limit = SEGMENTS_STALL_S if connection.segments else STALL_S
        for received in connection.packets():
            if self._stop.is_set():
                return
            rate = self._stretch.info.fps if self._stretch is not None else None
            self._state.limit = max(limit, 2 / rate) if rate else limit
            self._state.packet()
            if received.key and not keyed:
                keyed = True
                width, height = connection.stream.width, connection.stream.height
                self._state.set("running", f"pictures of {width}x{height}, {codec_words(connection.codec)}")
            if keyed:
                self._call(self._hooks.packet, received.packet, connection.stream, received.utc)
            yield received

    def _read_stretch(self, connection: Connection, packets: ComingReceived, retry: Retry) -> None:
        stream = connection.stream
        rate = stream.average_rate or stream.guessed_rate
        clock = Clock(connection.base, 1 / rate if rate else Fraction(1, 25), None, connection.bits)
        depth = stream.codec_context.reorder_depth
        with packets.waited_for():
            decoding = Decoding(stream, packets, clock, order=_ORDER)
        make = FrameMaker(self.name, self.address, self.window, self.levels, connection)

        def push(received: Received, packet: av.Packet[VideoStream] | None) -> bool:
            came = False
            for picture, moment in decoding.push(packet):
                came = True
                with self._making:
                    messages = make(picture, moment, received)
                    self._stretch = make.stretch
                self._put(messages, wait=False)
            return came

        seen = time.monotonic()
        last: Received | None = None
        try:
            for last in packets:
                if push(last, last.packet):
                    seen = last.at
                if make.stretch is not None and make.stretch.told:
                    retry.reset()
                elif connection.short and stream.codec_context.reorder_depth > depth:
                    raise _LookLonger
                if last.at - seen > _BLIND_S:
                    raise Lost("its packets cannot be decoded")
        except Lost:
            if last is not None:  # a recording of these packets ends with the same frames
                push(last, None)
            raise

    def _follow_file(self) -> None:
        self._state.limit = float("inf")
        try:
            words = self._read_file()
        except OddframeError as error:
            words = self.fault = str(error)
        except Exception as error:  # the same as for a camera
            words = self.fault = f"a fault of oddframe: {type(error).__name__}: {error}"
        self._end("stopped" if words == _STOPPED else "end", words)
        self._state.set("stopped", words)
        self._mailbox.close(words)
        self._call(self._hooks.message)

    def _read_file(self) -> str:
        """Read a file to its end; what there is to say about it."""
        source = VideoSource(self.name, Path(self.address.url), "file", levels=self.levels)
        self._state.set("connecting", f"opens {self.address.shown}")
        streams: list[VideoStream] = []

        def tap(packet: av.Packet[VideoStream], stream: VideoStream) -> None:
            if not streams:
                streams.append(stream)
                self._call(self._hooks.begin, stream)
            self._call(self._hooks.packet, packet, stream, time.time())

        window = self.window
        with VideoReader(source, window.size, window.colour, window.resize, tap=tap) as reader:
            self._state.set("running", f"pictures of {reader.info.width}x{reader.info.height}, {reader.info.codec}")
            begun, first = time.monotonic(), 0.0
            for frame in reader:
                first = first if frame.index else frame.time
                if self.address.live:
                    self._stop.wait(max(0.0, begun + frame.time - first - time.monotonic()))
                if self._stop.is_set():
                    return _STOPPED
                utc, at = time.time(), time.monotonic()
                if self._stretch is None:
                    info = replace(reader.info, key=stretch_key(self.name, utc))
                    # The times of a whole file are those of scoring it; after a drop they begin anew.
                    self._stretch = LiveStretch(info, frame.time if self.dropped else 0.0, info.fps)
                with self._making:
                    messages = self._stretch.add(frame.image, frame.time, utc, at)
                with suppress(_Dropped):
                    self._put(messages, wait=not self.address.live)
            return "; ".join(("the file is over", *reader.info.damage))

    def _put(self, messages: Sequence[Message], wait: bool) -> None:
        """Hand out messages.

        Raises:
            _Dropped: there was no room; the stretch is over.
        """
        for number, message in enumerate(messages):
            if isinstance(message, Begun) and self._skipped:
                message, self._skipped = replace(message, skipped=self._skipped), 0
            if not self._mailbox.put(message, wait):
                words = f"the machine is too slow: more than {self._mailbox.capacity} frames waited and were dropped"
                self.dropped += self._mailbox.drop(words, len(messages) - number)
                self._stretch = None
                self._call(self._hooks.message)
                raise _Dropped
            self._call(self._hooks.message)

    def _end(self, why: Why, words: str) -> None:
        """End the stretch, if there is one, with the frames that it still holds."""
        stretch, self._stretch = self._stretch, None
        if stretch is None:
            return
        self.losses += why == "lost"
        with self._making:
            held = stretch.release()
        try:
            self._put(held, wait=not self.address.live)
        except _Dropped:
            return
        self._put([Ended(why, words, time.time())], wait=False)

    def _call(self, hook: Callable[..., None], *values: object) -> None:
        try:
            hook(*values)
        except Exception as error:  # what is done with packets and states is not the source's business
            first, self.hook_fault = not self.hook_fault, self.address.redact(f"{type(error).__name__}: {error}")
            if first:
                with suppress(Exception):
                    self._hooks.fault(self.hook_fault)


class _Dropped(Exception):
    """Frames were dropped, and their stretch is over."""


class _LookLonger(Exception):
    """The short look at a stream has not shown that its frames are reordered."""
