"""A receiver of webhooks on a free port, which can be told to fail, to hang, and to be down."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import uvicorn
from patience import PATIENCE, until


@dataclass(frozen=True)
class Received:
    """A POST: when it came (UTC), its headers in lower case, its body, and what was answered."""

    utc: float
    headers: dict[str, str]
    body: bytes
    status: int

    @property
    def row(self) -> dict[str, Any]:
        row: dict[str, Any] = json.loads(self.body)
        return row


class Receiver:
    """Use it in a `with` block, or call `up` and `down`.

    Attributes:
        status: to answer with; a function is asked with the body.
        hang: seconds to wait before answering.
        all: every POST, in order.
    """

    def __init__(self, port: int = 0) -> None:
        self.port, self.hang = port, 0.0
        self.status: int | Callable[[dict[str, Any]], int] = 200
        self.all: list[Received] = []
        self.answer_headers: list[tuple[bytes, bytes]] = []
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    @property
    def accepted(self) -> list[Received]:
        return [each for each in self.all if each.status < 300]

    def up(self) -> None:
        config = uvicorn.Config(
            self._app, "127.0.0.1", self.port, log_level="critical", lifespan="off", ws="none", interface="asgi3"
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, daemon=True)
        self._thread.start()
        server, thread = self._server, self._thread
        until(lambda: server.started or not thread.is_alive())
        assert server.started, "the receiver does not start"
        self.port = self._server.servers[0].sockets[0].getsockname()[1]

    def down(self) -> None:
        if self._server is not None and self._thread is not None:
            self._server.should_exit = self._server.force_exit = True
            self._thread.join(PATIENCE)
        self._server = None

    def __enter__(self) -> Receiver:
        self.up()
        return self

    def __exit__(self, *_: object) -> None:
        self.down()

    async def _app(self, scope: Any, receive: Any, send: Any) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        arrived = time.time()
        if self.hang:
            await asyncio.sleep(self.hang)
        status = self.status if isinstance(self.status, int) else self.status(json.loads(body))
        headers = {name.decode().lower(): value.decode() for name, value in scope["headers"]}
        self.all.append(Received(arrived, headers, body, status))
        await send({"type": "http.response.start", "status": status, "headers": self.answer_headers})
        await send({"type": "http.response.body", "body": b""})
