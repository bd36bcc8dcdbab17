"""Learning from marks: `oddframe learn` in a process of its own, so that the page goes on meanwhile."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter
from pydantic import BaseModel, Field
from sqlalchemy import make_url
from starlette.exceptions import HTTPException
from starlette.responses import Response

from oddframe.server.answers import Plain
from oddframe.server.changes import Changes
from oddframe.server.library import Library
from oddframe.store.place import StorePlace

if TYPE_CHECKING:
    from oddframe.workflow.bundles import BundleVersion

MOST_LINES = 1000
_LONGEST_LINE = 1 << 20


class LearnProcess:
    """Runs `oddframe learn`, one at a time."""

    def __init__(self, library: Library, changes: Changes) -> None:
        self._library, self._changes = library, changes
        self._lines: deque[str] = deque(maxlen=MOST_LINES)
        self._result: dict[str, Any] | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def running(self) -> bool:
        """Whether one runs now."""
        return self._task is not None and not self._task.done()

    def as_json(self) -> dict[str, Any]:
        """How it goes, as plain values for JSON."""
        return {"running": self.running, "lines": list(self._lines), "result": self._result}

    async def start(self) -> None:
        """Begin.

        Raises:
            HTTPException: one runs already, or there is no bundle that could learn.
        """
        if self.running:
            raise HTTPException(409, "learning runs already")
        run = await asyncio.to_thread(lambda: self._library.run)
        if run is None:
            raise HTTPException(409, "no bundle is known that could learn; name one with --run")
        self._lines.clear()
        self._result = None
        out = next_version(run)
        store, environment = store_for_process(self._library.place)
        command = [sys.executable, "-m", "oddframe", "learn", str(run), "--store", store, "--out", str(out), "--json"]
        self._task = asyncio.create_task(self._run(command, environment, out))

    async def stop(self) -> None:
        """End the process that runs, if there is one."""
        if self._process is not None and self._process.returncode is None:
            self._process.terminate()
        if self._task is not None:
            await asyncio.wait([self._task], timeout=5)

    async def _run(self, command: list[str], environment: Mapping[str, str], out: Path) -> None:
        self._process = process = await asyncio.create_subprocess_exec(
            *command, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE, env=dict(environment), limit=_LONGEST_LINE,
        )  # fmt: skip
        assert process.stdout is not None and process.stderr is not None
        told, answer = await asyncio.gather(self._follow(process.stderr), process.stdout.read())
        status = await process.wait()
        try:
            self._result = {**json.loads(answer), "out": str(out), "status": status}
        except (ValueError, TypeError):
            self._result = {"error": told or f"learning ended with status {status}", "status": status}
        self._changes.tell("learn", {"running": False, "line": None, "result": self._result})

    async def _follow(self, stream: asyncio.StreamReader) -> str:
        """Tell each line; the last one."""
        last = ""
        while line := await _line_of(stream):
            last = line.rstrip()
            self._lines.append(last)
            self._changes.tell("learn", {"running": True, "line": last, "result": None})
        return last


async def _line_of(stream: asyncio.StreamReader) -> str:
    try:
        return (await stream.readline()).decode(errors="replace")
    except ValueError:  # longer than the limit
        return "(a line that is too long)\n"


def next_version(run: Path) -> Path:
    """A folder beside a bundle for the next version of it, which does not exist: run-2, run-3."""
    stem, _, number = run.name.rpartition("-")
    base, first = (stem, int(number) + 1) if stem and number.isdecimal() else (run.name, 2)
    version = first
    while (run.parent / f"{base}-{version}").exists():
        version += 1
    return run.parent / f"{base}-{version}"


def store_for_process(place: StorePlace) -> tuple[str, dict[str, str]]:
    """A store for the command line of another process, and its environment.

    A password goes into the environment: others can see command lines.
    """
    environment = dict(os.environ)
    if place.file is not None:
        return str(place.file), environment
    url = make_url(place.url)
    if url.password:
        environment["PGPASSWORD"] = str(url.password)
        url = url._replace(password=None)  # `set` takes None for what stays
    return url.set(drivername="postgresql").render_as_string(hide_password=False), environment


class UseRequest(BaseModel):
    """The version of a bundle that is used from now on."""

    id: Annotated[str, Field(min_length=1, max_length=64)]


def known_versions(library: Library) -> tuple[list[BundleVersion], list[tuple[Path, str]]]:
    """The versions of bundles that the store knows, and those that are damaged, with a line each."""
    # It brings all that reads bundles, which nothing else of the server needs.
    from oddframe.workflow.bundles import versions_of

    damaged: list[tuple[Path, str]] = []
    paths = dict.fromkeys(Path(one.path) for one in library.store.bundles() if one.path)
    return versions_of(paths, damaged), damaged


def use_version(library: Library, id: str) -> Path:
    """Let the link beside a version point to it; the link.

    Raises:
        HTTPException: the store knows no such version, or more than one folder that holds it.
        InputError: the link cannot be made.
    """
    from oddframe.workflow.bundles import use_bundle

    found = [one.path for one in known_versions(library)[0] if one.id == id]
    if not found:
        raise HTTPException(404, f"there is no bundle {id!r} any more")
    if len(found) > 1:
        folders = " and ".join(map(str, found))
        raise HTTPException(409, f"{folders} hold the same bundle; choose one with `oddframe bundles use`")
    return use_bundle(found[0])


def learning_routes(library: Library, learner: LearnProcess) -> APIRouter:
    """The routes of learning, and of what it leaves."""
    api = APIRouter(prefix="/api")

    @api.get("/learn")
    async def learning() -> Any:
        return learner.as_json()

    @api.get("/bundles")
    def bundles() -> Any:
        found, damaged = known_versions(library)
        run = library.run  # in use where no link says so, too
        rows = [{**one.as_json(), "in_use": one.path.resolve() == run, "fault": None} for one in found]
        return Plain([*rows, *({"path": str(path), "id": None, "fault": line} for path, line in damaged)])

    @api.post("/bundles/use")
    def use(wanted: UseRequest) -> Any:
        return Plain({"link": str(use_version(library, wanted.id))})

    @api.post("/learn")
    async def learn() -> Response:
        await learner.start()
        return Plain({"running": True}, 202)

    return api
