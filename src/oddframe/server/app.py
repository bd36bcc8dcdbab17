"""The application: all routes of the review page behind their guard."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.resources import files as package_files
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp

import oddframe
from oddframe.server.access import Access
from oddframe.server.answers import Plain, answer_errors
from oddframe.server.changes import Changes, change_routes
from oddframe.server.event_routes import event_routes
from oddframe.server.guard import Guard
from oddframe.server.learning import LearnProcess, learning_routes
from oddframe.server.library import Library
from oddframe.server.media import Media
from oddframe.server.media_routes import media_routes
from oddframe.server.rows import Rows
from oddframe.server.score_files import ScoreFiles
from oddframe.server.timeline import state_of, timeline_routes

PAGE = "index.html"
KINDS = {
    ".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml", ".png": "image/png", ".woff2": "font/woff2",
}  # fmt: skip


def make_app(library: Library, access: Access) -> ASGIApp:
    """The application behind its guard. It closes the store when it ends."""
    files = ScoreFiles(library)
    media = Media(library, files)
    changes = Changes(library)
    learner = LearnProcess(library, changes)

    @asynccontextmanager
    async def life(app: FastAPI) -> AsyncIterator[None]:
        yield
        await learner.stop()
        media.close()
        library.store.close()

    # No pages of documentation: they ask for scripts from elsewhere.
    app = FastAPI(
        lifespan=life, docs_url=None, redoc_url=None, openapi_url=None, default_response_class=Plain
    )  # fmt: skip
    answer_errors(app)
    rows = Rows(media, files)

    @app.get("/api/session")
    def session(request: Request) -> Any:
        run = library.run
        seen = [state_of(one)[0] for one in library.store.camera_states()]
        return {
            "csrf": access.csrf, "store": library.store.shown, "who": request.state.who,
            "version": oddframe.__version__, "can_learn": run is not None, "run": None if run is None else run.name,
            "watching": any(state not in (None, "stopped", "unknown") for state in seen),
        }  # fmt: skip

    for routes in (
        event_routes(library, media, rows), media_routes(library, media), timeline_routes(library, files),
        change_routes(changes), learning_routes(library, learner),
    ):  # fmt: skip
        app.include_router(routes)
    page = page_files()

    @app.get("/")
    async def index() -> Response:
        return _page(page, PAGE)

    @app.get("/page/{name}")
    async def module(name: str) -> Response:
        return _page(page, name)

    return Guard(app, access)


def page_files() -> dict[str, bytes]:
    """The files of the page, by their names. Nothing else of the disk can be asked for."""
    folder = Path(str(package_files("oddframe.server"))) / "page"
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.suffix in KINDS}


def _page(page: dict[str, bytes], name: str) -> Response:
    if name not in page:
        raise HTTPException(404, "there is no such file")
    return Response(page[name], media_type=KINDS[Path(name).suffix])
