"""Routes of pictures and clips. What is asked for is the id of an event; no path comes from a request."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from fastapi import APIRouter
from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, Response

from oddframe.server.answers import Plain
from oddframe.server.library import Library
from oddframe.server.media import Media
from oddframe.store.reading import StoredEvent

T = TypeVar("T")
MOST_WAITING = 100  # pictures or clips that are being made, or wait for it
_KEPT = {"Cache-Control": "private, max-age=3600"}


def media_routes(library: Library, media: Media) -> APIRouter:
    """The routes of pictures and clips."""
    api = APIRouter(prefix="/api/events/{name}")
    waiting = {media.clips: 0, media.pictures: 0}

    async def made(pool: ThreadPoolExecutor, name: str, make: Callable[[StoredEvent], T]) -> T:
        """What a thread of `pool` makes of an event."""
        event = await asyncio.to_thread(library.store.event, name)
        if waiting[pool] >= MOST_WAITING:
            raise HTTPException(503, "too many clips are being made; try again in a moment", {"Retry-After": "2"})
        waiting[pool] += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(pool, make, event)
        finally:
            waiting[pool] -= 1

    @api.get("/frames")
    async def frames(name: str) -> Any:
        return Plain((await made(media.clips, name, media.table)).as_json())

    @api.api_route("/clip", methods=["GET", "HEAD"])
    async def clip(name: str) -> Response:
        return _file((await made(media.clips, name, media.clip)).file, "video/mp4")

    @api.api_route("/thumb", methods=["GET", "HEAD"])
    async def thumb(name: str) -> Response:
        return _file(await made(media.pictures, name, media.thumbnail), "image/jpeg", _KEPT)

    @api.api_route("/heat", methods=["GET", "HEAD"])
    async def heat(name: str) -> Response:
        return _file(await made(media.pictures, name, media.heat), "image/jpeg", _KEPT)

    @api.get("/maps")
    async def maps(name: str) -> Response:
        found = await made(media.clips, name, media.maps)
        return Response(found.tobytes(), media_type="application/octet-stream")

    @api.get("/normal/{place}")
    async def normal(name: str, place: int) -> Response:
        known = await asyncio.to_thread(library.store.explanation, name)
        moments = await made(media.pictures, name, lambda event: media.normal(event, known.bundle))
        if not 0 <= place < len(moments):
            raise HTTPException(404, "there is no such moment")
        return Response(moments[place].jpeg, media_type="image/jpeg", headers=_KEPT)

    return api


def _file(path: Path, kind: str, headers: dict[str, str] | None = None) -> Response:
    """A file of the server, whole or the ranges that are asked for."""
    try:
        return FileResponse(path, media_type=kind, stat_result=path.stat(), headers=headers)
    except OSError:
        raise HTTPException(404, "the file is gone; try again") from None
