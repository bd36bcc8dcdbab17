"""Serving the review page: the port, patience with slow clients, and the end."""

from __future__ import annotations

import asyncio
import errno
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from oddframe.errors import InputError

HEAD_S = 10.0  # in which the head of a request arrives
IDLE_S = 30.0  # between two requests of one connection
STOP_S = 2  # for requests that run when the server ends


class PatientProtocol(H11Protocol):
    """HTTP that gives up on clients which do not finish the head of a request."""

    _late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._wait()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.cycle is None or self.cycle.response_complete:
            self._wait()
        else:
            self._heard()

    def connection_lost(self, exc: Exception | None) -> None:
        self._heard()
        super().connection_lost(exc)

    def _wait(self) -> None:
        """A head has begun, or is about to. The time for it does not begin anew with every letter."""
        if self._late is None:
            self._late = self.loop.call_later(HEAD_S, self._give_up)

    def _heard(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _give_up(self) -> None:
        self._late = None
        if self.cycle is None or self.cycle.response_complete:
            self.transport.close()


def listening(host: str, port: int) -> socket.socket:
    """A socket that listens on an address.

    Raises:
        InputError: somebody else does, or this machine has no such address.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except OSError as error:
        raise InputError(f"--host {host}: there is no such address ({error.strerror})") from None
    # Where asyncio knows that it is TCP, it sends at once; otherwise answers may wait 40 ms for an acknowledgement.
    one = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        one.bind(address)
        one.listen(2048)
    except OSError as error:
        one.close()
        if error.errno == errno.EADDRINUSE:
            raise InputError(f"port {port} is taken; choose another one with --port, or end what uses it") from None
        if error.errno == errno.EACCES:
            raise InputError(f"port {port} may not be used by this user; choose one from 1024 on") from None
        raise InputError(f"--host {host}: this machine cannot listen there ({error.strerror})") from None
    one.setblocking(False)
    return one


class Server(uvicorn.Server):
    """Serves until `should_exit` is set, or Ctrl-C, SIGTERM or SIGHUP comes.

    Args:
        ready: is called once requests are answered.

    Attributes:
        signal: number of the signal that ended it, or 0.
    """

    def __init__(self, app: ASGIApp, ready: Callable[[], None] | None = None) -> None:
        super().__init__(
            uvicorn.Config(
                app, http=PatientProtocol, ws="none", log_config=None, access_log=False, server_header=False,
                timeout_keep_alive=int(IDLE_S), timeout_graceful_shutdown=STOP_S, h11_max_incomplete_event_size=1 << 16,
            )
        )  # fmt: skip
        self._ready, self.signal = ready, 0

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self._ready is not None and self.started:
            self._ready()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Inside this block a signal ends the server, and nothing else; the second one does so at once."""

        def hear(number: int, frame: FrameType | None) -> None:
            self.signal = self.signal or number
            self.handle_exit(number, frame)

        with stopping_signals(hear):
            yield


@contextmanager
def stopping_signals(hear: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """Inside this block `hear` gets the signals that end a program; outside the main thread nothing changes."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    names = ("SIGINT", "SIGTERM", "SIGHUP")  # Windows has no SIGHUP
    numbers = [number for name in names if (number := getattr(signal, name, None)) is not None]
    before = {number: signal.signal(number, hear) for number in numbers if signal.getsignal(number) != signal.SIG_IGN}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
