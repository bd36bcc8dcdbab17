"""What every request passes before anything looks at it: the Host header, the token, CSRF, and the size of its body."""

from __future__ import annotations

import asyncio
import hmac
import html
from collections.abc import Mapping
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from oddframe.server.access import COOKIE, LASTS_S, Access
from oddframe.server.answers import refusal

MOST_BODY = 1 << 20  # bytes
BODY_S = 20.0  # in which a body arrives
TOO_LARGE = f"a request may have {MOST_BODY:,} bytes"
CLOSE = {"Connection": "close"}  # so that the rest of the body is not read
WRONG_S = 1.0  # before a wrong token is answered
LOGIN, LOGIN_STYLE = "/login", "/page/login.css"
READS = ("GET", "HEAD")

POLICY = (
    "default-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:; object-src 'none'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY, "X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY",
    # Not "no-referrer": with it, browsers say of the form for the token that it comes from nowhere.
    "Referrer-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}  # fmt: skip
FORM = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>oddframe review</title><link rel="stylesheet" href="/page/login.css"></head>
<body><main><h1>oddframe review</h1><p role="alert">{fault}</p>
<form method="post" action="/login">
<label>Your name <input name="who" autocomplete="username" maxlength="100" value="{who}"></label>
<label>Token <input name="token" type="password" autocomplete="current-password" required autofocus></label>
<button>Open</button></form></main></body></html>
"""


class Guard:
    """Middleware that lets only those requests through that the page of this server makes, for people who may use it.

    `scope["state"]["who"]` is the name of who asks.
    """

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app, self._access = app, access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            return  # there are no web sockets here
        headers = Headers(scope=scope)
        with_headers = _adding(send, scope["path"])
        refused = self._refused(scope, headers)
        if refused is not None:
            await refused(scope, receive, with_headers)
            return
        body = _Body(receive)
        if scope["path"] != LOGIN:
            await self._app(scope, body, with_headers)
            return
        try:
            answer = await self._login(scope, body)
        except HTTPException as error:
            answer = refusal(error.status_code, error.detail, dict(error.headers or {}))
        await answer(scope, body, with_headers)

    def _refused(self, scope: Scope, headers: Headers) -> Response | None:
        """Why a request is refused before its body is read; None where it is not."""
        access, path, method = self._access, scope["path"], scope["method"]
        if len(headers.getlist("host")) != 1 or not access.knows_host(headers["host"]):
            return refusal(403, "this server is not known by that name; see --name of `oddframe review`")
        if access.token is None and ("x-forwarded-for" in headers or "forwarded" in headers):
            return refusal(403, "behind a proxy this page needs a token; see --token-file of `oddframe review`")
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > MOST_BODY:
            return refusal(413, TOO_LARGE, CLOSE)
        who = self._who(headers)
        if who is None and path not in (LOGIN, LOGIN_STYLE):
            if path == "/" and method in READS:
                return RedirectResponse(LOGIN, 303)
            return refusal(401, "show the token first: open the page and log in", {"WWW-Authenticate": "Bearer"})
        scope.setdefault("state", {})["who"] = who
        if method in READS:
            return None
        if not _same_origin(headers):
            return refusal(403, "the request comes from another page")
        if path != LOGIN and not _equal(headers.get("x-csrf-token", ""), access.csrf):
            return refusal(403, "this is not a request of the page as it is now; load the page again")
        return None

    def _who(self, headers: Headers) -> str | None:
        """The name of who asks; None where that is nobody who has shown the token."""
        if self._access.token is None:
            return self._access.user
        kind, _, given = headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer" and self._access.is_token(given.strip()):
            return self._access.user
        try:
            cookie = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
            return None if cookie is None else self._access.who(cookie.value)
        except (CookieError, ValueError):
            return None

    async def _login(self, scope: Scope, receive: Receive) -> Response:
        """The form for the token, or what becomes of it."""
        if self._access.token is None:
            return RedirectResponse("/", 303)
        if scope["method"] in READS:
            return _form("", "")
        if scope["method"] != "POST":
            return refusal(405, "log in with POST")
        fields = parse_qs((await _whole(receive)).decode(errors="replace"), max_num_fields=10)
        who, token = (fields.get(name, [""])[0] for name in ("who", "token"))
        if not self._access.is_token(token.strip()):
            await asyncio.sleep(WRONG_S)
            return _form("This is not the token.", who, 401)
        answer = RedirectResponse("/", 303)
        answer.set_cookie(
            COOKIE, self._access.cookie(who), max_age=LASTS_S, httponly=True, samesite="strict",
            secure=scope["scheme"] == "https",
        )  # fmt: skip
        return answer


class _Body:
    """`receive` with a limit on size and time. After the body, it waits for as long as it takes: streams go on."""

    def __init__(self, receive: Receive) -> None:
        self._receive, self._size, self._whole = receive, 0, False
        self._until: float | None = None

    async def __call__(self) -> Message:
        if self._whole:
            return await self._receive()
        now = asyncio.get_running_loop().time()
        self._until = self._until or now + BODY_S
        try:
            message = await asyncio.wait_for(self._receive(), max(0.0, self._until - now))
        except TimeoutError:
            raise HTTPException(408, f"a request arrives within {BODY_S:g} s", CLOSE) from None
        self._size += len(message.get("body", b""))
        if self._size > MOST_BODY:
            raise HTTPException(413, TOO_LARGE, CLOSE)
        self._whole = not message.get("more_body", False)
        return message


def _adding(send: Send, path: str) -> Send:
    """`send` with the headers that every answer has."""

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers[name] = value
            headers.setdefault("Cache-Control", "no-store" if path.startswith("/api/") else "no-cache")
        await send(message)

    return sending


def _same_origin(headers: Mapping[str, str]) -> bool:
    """Whether a browser says that a write comes from this server's page; programs say nothing."""
    if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        return False
    origin = headers.get("origin")
    return origin is None or urlsplit(origin).netloc.lower() == headers["host"].lower()


def _equal(given: str, wanted: str) -> bool:
    return hmac.compare_digest(given.encode(), wanted.encode())


def _form(fault: str, who: str, status: int = 200) -> Response:
    return HTMLResponse(FORM.format(fault=html.escape(fault), who=html.escape(who)), status)


async def _whole(receive: Receive) -> bytes:
    """The body of a request."""
    parts = []
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(parts)
