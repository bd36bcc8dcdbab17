"""Answers as JSON, and errors as one line of it."""

from __future__ import annotations

import json
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from oddframe.disk import in_words
from oddframe.errors import InputError, OddframeError, SpaceError, StoreError, StoreMissing, StoreRefusal, VideoError
from oddframe.reading.records import finite

_STATUS = {StoreMissing: 404, StoreRefusal: 400, StoreError: 503, SpaceError: 507, VideoError: 404, InputError: 400}


class Plain(JSONResponse):
    """JSON in ASCII: names of files need not be UTF-8. Numbers that are not finite become null."""

    def render(self, content: Any) -> bytes:
        try:
            text = json.dumps(content, allow_nan=False, separators=(",", ":"))
        except ValueError:
            text = json.dumps(finite(content), allow_nan=False, separators=(",", ":"))
        return text.encode()


def refusal(status: int, line: str, headers: dict[str, str] | None = None) -> Plain:
    """An error as the page knows it: a status, and a line that says what is wrong."""
    return Plain({"error": line}, status, headers)


def one_line(error: Exception) -> str:
    """What an error says, on one line."""
    return " ".join(str(error).split())


def status_of(error: OddframeError) -> int:
    """The status of HTTP that an error stands for."""
    return next((_STATUS[kind] for kind in type(error).__mro__ if kind in _STATUS), 500)


def answer_errors(app: FastAPI) -> None:
    """Let errors of every kind become one line; those of oddframe itself say what to do."""

    @app.exception_handler(OddframeError)
    async def of_oddframe(request: Request, error: OddframeError) -> Plain:
        return refusal(status_of(error), one_line(error))

    @app.exception_handler(OSError)
    async def of_system(request: Request, error: OSError) -> Plain:
        """A file that was removed, or a disk that is full, while it was used."""
        told = in_words(error) or error
        status = 404 if isinstance(error, FileNotFoundError) else 507 if isinstance(told, SpaceError) else 503
        return refusal(status, one_line(told))

    @app.exception_handler(HTTPException)
    async def of_http(request: Request, error: HTTPException) -> Plain:
        return refusal(error.status_code, str(error.detail), dict(error.headers or {}))

    @app.exception_handler(RequestValidationError)
    async def of_values(request: Request, error: RequestValidationError) -> Plain:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"] if part not in ("query", "body", "path"))
        return refusal(400, f"{place}: {first['msg']}" if place else str(first["msg"]))

    @app.exception_handler(Exception)
    async def of_ours(request: Request, error: Exception) -> Plain:
        return refusal(500, f"a fault of oddframe: {type(error).__name__}; see the console of `oddframe review`")
