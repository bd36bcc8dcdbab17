"""The states of a source, when each change is told, and when to try again after a loss."""

from __future__ import annotations

import random
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

from oddframe.live.address import Address

State = Literal["connecting", "running", "stalled", "waiting", "stopped"]

STALL_S = 2.0
"""Seconds without a packet after which a source is stalled, or two of its intervals if they are longer."""
SEGMENTS_STALL_S = 15.0
"""The same for HLS, whose packets come a segment at a time."""
FIRST_S, LONGEST_S = 0.5, 30.0
"""Seconds before the first try after a loss and at most; they double from try to try."""

_JITTER = 0.25  # share by which a delay differs, so that many cameras do not come back in one moment
_PROBE_S = 0.5  # between two looks whether a source that was away is back
_CONNECT_S = 1.0
_PORTS = {"rtsp": 554, "rtsps": 322, "http": 80, "https": 443}
_RANDOM = random.SystemRandom()


@dataclass(frozen=True)
class StateChange:
    """A source has come into a state.

    Attributes:
        camera: its name.
        words: why, for people, without credentials.
        utc: seconds since 1970.
    """

    camera: str
    state: State
    words: str
    utc: float


class SourceState:
    """The state of one source. Each change is told once, in order, whichever thread finds it.

    No lock is held while a change is told, so whoever is told may read the state and use locks of its own.
    """

    def __init__(self, camera: str, tell: Callable[[StateChange], None]) -> None:
        self._camera, self._tell = camera, tell
        self._lock = threading.Lock()
        self._state: State | None = None
        self._words = ""
        self._last = 0.0  # when the last packet came
        self._untold: deque[StateChange] = deque()
        self._telling = False
        self.limit = STALL_S

    @property
    def state(self) -> State:
        """The state now. A reader finds out that a source has stalled while its own thread waits for a packet."""
        with self._lock:
            self._look(time.monotonic() - self._last)
            now = self._state or "connecting"
        self._deliver()
        return now

    @property
    def words(self) -> str:
        """Why it is in its state."""
        return self._words

    def set(self, state: State, words: str) -> None:
        """Come into a state; nothing leads out of "stopped"."""
        with self._lock:
            self._change(state, words)
        self._deliver()

    def packet(self) -> None:
        """A packet has come."""
        now = time.monotonic()
        with self._lock:
            silent, self._last = now - self._last, now
            self._look(silent)
            if self._state == "stalled":
                self._change("running", f"pictures again after {silent:.1f} seconds")
        self._deliver()

    def _look(self, silent: float) -> None:
        if self._state == "running" and silent > self.limit:
            self._change("stalled", f"no picture for {silent:.1f} seconds")

    def _change(self, state: State, words: str) -> None:
        if self._state != "stopped" and (state, words) != (self._state, self._words):
            self._state, self._words = state, words
            self._untold.append(StateChange(self._camera, state, words, time.time()))

    def _deliver(self) -> None:
        """Tell what is to be told, unless another thread does it now; then that one tells this too."""
        while True:
            with self._lock:
                if self._telling or not self._untold:
                    return
                self._telling, change = True, self._untold.popleft()
            try:
                self._tell(change)
            finally:
                with self._lock:
                    self._telling = False


class Retry:
    """When to try again. The delay doubles from 0.5 to 30 seconds, counted from the begin of the last try.

    A source that did not answer and now does is tried at once, however long it was away: while it is waited for, a
    connection without credentials asks whether somebody is there.
    """

    def __init__(self, address: Address) -> None:
        self._address = address
        self._tries = 0

    def reset(self) -> None:
        """The source has been stable."""
        self._tries = 0

    def wait(self, begun: float, refused: bool, stop: threading.Event) -> None:
        """Wait before the next try.

        Args:
            begun: when the last try began, by `time.monotonic`.
            refused: whether trying again soon does harm.
            stop: ends the waiting.
        """
        delay = LONGEST_S if refused else min(LONGEST_S, FIRST_S * 2**self._tries)
        self._tries += 1
        delay *= 1 + _JITTER * _RANDOM.uniform(-1, 1)
        if _returns(self._address, begun + delay, stop):
            self.reset()


def _returns(address: Address, end: float, stop: threading.Event) -> bool:
    """Wait until `end`, or until a source that did not answer in the beginning answers; whether it does."""
    if address.kind not in ("rtsp", "http"):
        stop.wait(max(0.0, end - time.monotonic()))
        return False
    silent = False
    while (now := time.monotonic()) < end and not stop.is_set():
        if not _answers(address, end, stop):
            silent = True
            stop.wait(min(_PROBE_S, max(0.0, end - time.monotonic())))
        elif silent or time.monotonic() - now > _PROBE_S:
            return True
        else:  # it is there, and what is wrong is something else
            stop.wait(max(0.0, end - time.monotonic()))
    return False


def _answers(address: Address, end: float, stop: threading.Event) -> bool:
    """Whether somebody answers before `end`. No credentials are sent."""
    try:
        parts = urlsplit(address.url)
        host, port = parts.hostname or "", parts.port or _PORTS[parts.scheme.lower()]
        with socket.create_connection((host, port), timeout=_CONNECT_S) as connection:
            if parts.scheme.lower() != "rtsp":
                return True
            connection.sendall(b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n")
            while (left := end - time.monotonic()) > 0 and not stop.is_set():
                connection.settimeout(min(left, _PROBE_S / 2))
                with suppress(TimeoutError):
                    return bool(connection.recv(1))
    except (OSError, ValueError):
        pass
    return False
