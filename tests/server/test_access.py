"""Who may use the page, and what is refused before anything looks at it."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from shown import HERE
from starlette.responses import Response
from starlette.testclient import TestClient
from starlette.types import Receive, Scope, Send

from oddframe.errors import InputError
from oddframe.server import access as access_module
from oddframe.server.access import COOKIE, access_for
from oddframe.server.guard import MOST_BODY, Guard

TOKEN = "a long and random token".replace(" ", "-")


async def inner(scope: Scope, receive: Receive, send: Send) -> None:
    """The application behind the guard: it reads the body, and says who asks."""
    size = 0
    while True:
        message = await receive()
        size += len(message.get("body", b""))
        if not message.get("more_body"):
            break
    await Response(f"{scope['state']['who']} {size}")(scope, receive, send)


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    return tmp_path / "token"


@pytest.fixture
def local() -> TestClient:
    return TestClient(Guard(inner, access_for("127.0.0.1", (), None, "ann")), base_url=HERE)


@pytest.fixture
def remote(token_file: Path, monkeypatch: pytest.MonkeyPatch) -> TestClient:
    monkeypatch.setattr("oddframe.server.guard.WRONG_S", 0.0)
    guard = Guard(inner, access_for("0.0.0.0", ("cams.example",), token_file, "ann"))
    return TestClient(guard, base_url="http://cams.example:8400", follow_redirects=False)


def test_loopback_needs_no_token(local: TestClient) -> None:
    assert local.get("/api/x").text == "ann 0"


@pytest.mark.parametrize("host", ["localhost:8400", "127.0.0.1", "[::1]:8400", "LOCALHOST.:1"])
def test_the_names_of_this_machine_are_known(local: TestClient, host: str) -> None:
    assert local.get("/api/x", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8400", "127.0.0.1.evil.example", "192.168.0.7", "", "[::1", "localhost:1:2"]
)
def test_a_foreign_host_is_refused(local: TestClient, host: str) -> None:
    answer = local.get("/api/x", headers={"Host": host})
    assert answer.status_code == 403 and "not known by that name" in answer.json()["error"]


def test_what_comes_through_a_proxy_needs_a_token(local: TestClient) -> None:
    for header in ("X-Forwarded-For", "Forwarded"):
        answer = local.get("/api/x", headers={header: "for=10.0.0.1"})
        assert answer.status_code == 403 and "--token-file" in answer.json()["error"]


def test_every_answer_has_the_headers_that_keep_a_page_to_itself(local: TestClient) -> None:
    for answer in (local.get("/api/x"), local.get("/api/x", headers={"Host": "evil.example"})):
        policy = answer.headers["content-security-policy"]
        assert (
            policy.startswith("default-src 'self';") and "unsafe" not in policy and "frame-ancestors 'none'" in policy
        )
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "same-origin"
        assert answer.headers["cache-control"] == "no-store"


def test_a_write_needs_the_token_of_this_page(local: TestClient) -> None:
    csrf = local.app._access.csrf
    for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS"):
        assert local.request(method, "/api/x").status_code == 403
        assert local.request(method, "/api/x", headers={"X-CSRF-Token": csrf + "x"}).status_code == 403
        assert local.request(method, "/api/x", headers={"X-CSRF-Token": csrf}).status_code == 200
    for origin in ("http://evil.example", "http://127.0.0.1:9", "null", "https://evil.example/127.0.0.1:8400"):
        assert local.post("/api/x", headers={"X-CSRF-Token": csrf, "Origin": origin}).status_code == 403
    assert local.post("/api/x", headers={"X-CSRF-Token": csrf, "Origin": HERE}).status_code == 200
    assert local.post("/api/x", headers={"X-CSRF-Token": csrf, "Sec-Fetch-Site": "cross-site"}).status_code == 403


def test_a_body_that_is_too_large_is_refused(local: TestClient) -> None:
    csrf = {"X-CSRF-Token": local.app._access.csrf}
    assert local.post("/api/x", headers=csrf, content=b"x" * MOST_BODY).text == f"ann {MOST_BODY}"
    answer = local.post("/api/x", headers=csrf, content=b"x" * (MOST_BODY + 1))
    assert answer.status_code == 413 and "bytes" in answer.json()["error"]
    assert local.post("/api/x", headers={**csrf, "Content-Length": "-1"}).status_code == 413


def test_without_the_token_nothing_is_shown(remote: TestClient) -> None:
    answer = remote.get("/api/x")
    assert answer.status_code == 401 and "log in" in answer.json()["error"]
    assert remote.get("/page/app.js").status_code == 401
    to_login = remote.get("/")
    assert to_login.status_code == 303 and to_login.headers["location"] == "/login"
    form = remote.get("/login")
    assert form.status_code == 200 and "<script" not in form.text and "style=" not in form.text
    for wrong in (TOKEN[:-1], f"{TOKEN}x", "", TOKEN.upper()):
        assert remote.get("/api/x", headers={"Authorization": f"Bearer {wrong}"}).status_code == 401
    for cookie in ("x", "9999999999.YW5u.00", "..", "9999999999.YW5u."):
        assert remote.get("/api/x", headers={"Cookie": f"{COOKIE}={cookie}"}).status_code == 401


def test_the_token_opens_the_page(remote: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = remote.post("/login", data={"token": "no", "who": "<b>bob"})
    assert wrong.status_code == 401 and "&lt;b&gt;bob" in wrong.text and COOKIE not in remote.cookies
    assert remote.post("/login", data={"token": TOKEN}, headers={"Origin": "http://evil.example"}).status_code == 403
    right = remote.post("/login", data={"token": TOKEN, "who": " bob "})
    assert right.status_code == 303 and right.headers["location"] == "/"
    cookie = right.headers["set-cookie"]
    assert "HttpOnly" in cookie and "SameSite=strict" in cookie and "Secure" not in cookie and TOKEN not in cookie
    assert remote.get("/api/x").text == "bob 0"
    monkeypatch.setattr(access_module, "LASTS_S", -10)
    old = remote.app._access.cookie("bob")
    remote.cookies.clear()
    assert remote.get("/api/x", headers={"Cookie": f"{COOKIE}={old}"}).status_code == 401, "a cookie has an end"
    assert remote.get("/api/x", headers={"Authorization": f"Bearer {TOKEN}"}).text == "ann 0"


def test_a_cookie_over_https_stays_there(token_file: Path) -> None:
    guard = Guard(inner, access_for("127.0.0.1", ("cams.example",), token_file, "ann"))
    client = TestClient(guard, base_url="https://cams.example", follow_redirects=False)
    assert "Secure" in client.post("/login", data={"token": TOKEN}).headers["set-cookie"]


def test_addresses_are_no_names_of_strangers(remote: TestClient) -> None:
    for host in ("192.168.0.7:8400", "[fe80::1]", "CAMS.example"):
        assert remote.get("/login", headers={"Host": host}).status_code == 200
    assert remote.get("/login", headers={"Host": "evil.example"}).status_code == 403


@pytest.mark.parametrize(
    ("host", "names"), [("0.0.0.0", ()), ("::", ()), ("192.168.0.7", ()), ("127.0.0.1", ("cams",))]
)
def test_whatever_others_can_reach_needs_a_token(host: str, names: tuple[str, ...]) -> None:
    with pytest.raises(InputError, match=r"others can reach this page, and it needs a token; .*--token-file"):
        access_for(host, names, None, "ann")


@pytest.mark.parametrize("content", ["", "short", "two words of a token", "x" * 2000, b"\xff" * 20])
def test_a_token_that_is_none_is_refused(tmp_path: Path, content: str | bytes) -> None:
    path = tmp_path / "token"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(InputError, match="token"):
        access_for("0.0.0.0", (), path, "ann")
    with pytest.raises(InputError, match="cannot be read"):
        access_for("0.0.0.0", (), tmp_path / "nothing", "ann")


def test_the_token_is_compared_in_constant_time(token_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(
        access_module.hmac,
        "compare_digest",
        lambda a, b: asked.append((a, b)) or a == b,  # type: ignore[func-returns-value]
    )
    assert access_for("0.0.0.0", (), token_file, "ann").is_token("wrong") is False
    assert asked == [(b"wrong", TOKEN.encode())]


def test_a_cookie_is_old_after_thirty_days(token_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    access = access_for("0.0.0.0", (), token_file, "ann")
    cookie, now = access.cookie(""), time.time()
    assert access.who(cookie) == "ann"
    monkeypatch.setattr(access_module.time, "time", lambda: now + 31 * 86_400)
    assert access.who(cookie) is None
