"""Server-sent events: what has changed in the store, whether it can be read, states of cameras, and how learning goes.

One task looks at the store for all who listen, at most twice a second, and only while somebody does.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from typing import Any

from fastapi import APIRouter
from starlette.exceptions import HTTPException
from starlette.responses import StreamingResponse

from oddframe.errors import OddframeError
from oddframe.server.answers import one_line
from oddframe.server.library import Library
from oddframe.server.timeline import state_of

LOOK_S = 0.5
STATES_S = 2.0  # between two looks at cameras
BEAT_S = 15.0  # between two signs of life to a listener
LATE_S = 15.0  # a change may be seen so long after its moment: writers wait for each other, and clocks differ
MOST_LISTENERS = 200
MOST_WAITING = 1000  # messages of a listener that reads too slowly; it is let go, and connects again


class Changes:
    """Tells listeners what changes."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self._listeners: set[asyncio.Queue[str | None]] = set()
        self._task: asyncio.Task[None] | None = None
        self._fault = ""  # why the store cannot be read now

    @property
    def listeners(self) -> int:
        """How many there are."""
        return len(self._listeners)

    def tell(self, kind: str, data: Any) -> None:
        """Tell every listener; on the thread of the server."""
        text = _message(kind, data)
        for queue in list(self._listeners):
            if queue.qsize() >= MOST_WAITING:
                self._listeners.discard(queue)
                queue.put_nowait(None)
            else:
                queue.put_nowait(text)

    async def listen(self) -> AsyncIterator[str]:
        """What one listener is told, until it goes away."""
        queue: asyncio.Queue[str | None] = asyncio.Queue()
        self._listeners.add(queue)
        if self._task is None or self._task.done():
            self._fault = ""
            self._task = asyncio.create_task(self._look())
        try:
            yield "retry: 2000\n\n"
            if self._fault:
                yield _message("store", {"error": self._fault, "replaced": False})
            while True:
                try:
                    text = await asyncio.wait_for(queue.get(), BEAT_S)
                except TimeoutError:
                    text = ": still here\n\n"
                if text is None:
                    return
                yield text
        finally:
            self._listeners.discard(queue)

    async def _look(self) -> None:
        """Look at the store until nobody listens any more."""
        seen: dict[tuple[str, float], None] = {}
        states: dict[str, tuple[object, ...]] = {}
        begin, looked, first = time.time(), 0.0, True
        store, replaced = self._library.store, self._library.store.replaced
        while self._listeners:
            now = time.time()
            begin = min(begin, now)  # a clock may be set back
            try:
                since = max(begin - LATE_S, now - 2 * LATE_S)
                changed = await asyncio.to_thread(store.changed_since, since)
                if self._fault or store.replaced != replaced:
                    self.tell("store", {"error": None, "replaced": store.replaced != replaced})
                    self._fault, replaced, first = "", store.replaced, True
                new = [pair for pair in changed if pair not in seen]
                seen.update(dict.fromkeys(new))
                seen = {pair: None for pair in seen if pair[1] >= since}
                if new and not first:
                    self.tell("change", {"ids": list(dict.fromkeys(name for name, _ in new))})
                first = False
                if time.monotonic() - looked >= STATES_S:
                    looked = time.monotonic()
                    await self._cameras(states)
            except OddframeError as error:
                if self._fault != one_line(error):
                    self._fault = one_line(error)
                    self.tell("store", {"error": self._fault, "replaced": False})
            await asyncio.sleep(LOOK_S)

    async def _cameras(self, states: dict[str, tuple[object, ...]]) -> None:
        """Tell the states and last events of cameras that are other than before."""
        for one in await asyncio.to_thread(self._library.store.camera_states):
            state, words, _ = state_of(one)
            now = (state, words, one.last_event)
            if one.id in states and states[one.id] != now:
                told = {"source": one.id, "state": state, "words": words, "last_event": one.last_event}
                self.tell("state", told)
            states[one.id] = now


def _message(kind: str, data: Any) -> str:
    return f"event: {kind}\ndata: {json.dumps(data)}\n\n"


def change_routes(changes: Changes) -> APIRouter:
    """The route of server-sent events."""
    api = APIRouter(prefix="/api")

    @api.get("/changes")
    async def listen() -> StreamingResponse:
        if changes.listeners >= MOST_LISTENERS:
            raise HTTPException(503, "too many pages are open", {"Retry-After": "10"})
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        return StreamingResponse(changes.listen(), media_type="text/event-stream", headers=headers)

    return api
