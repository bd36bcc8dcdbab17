"""A real server: what strangers do to it does not keep it from answering others."""

from __future__ import annotations

import itertools
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest
from told import PATIENCE_S, Looks

from oddframe.errors import InputError
from oddframe.server import serving
from oddframe.server.access import access_for
from oddframe.server.app import make_app
from oddframe.server.guard import BODY_S
from oddframe.server.library import Library, open_library
from oddframe.server.serving import Server, listening
from oddframe.store.opening import open_store


@contextmanager
def served(library: Library) -> Iterator[int]:
    """The page on a free port, on a thread of its own."""
    with listening("127.0.0.1", 0) as one:
        ready = threading.Event()
        server = Server(make_app(library, access_for("127.0.0.1", (), None, "ann")), ready.set)
        thread = threading.Thread(target=server.run, args=([one],), daemon=True)
        thread.start()
        assert ready.wait(PATIENCE_S)
        yield int(one.getsockname()[1])
        server.should_exit = True
        thread.join(PATIENCE_S)
        assert not thread.is_alive()


@pytest.fixture
def port(scored: Path) -> Iterator[int]:
    with served(open_library(str(scored))[0]) as free:
        yield free


def raw(port: int, data: bytes, seconds: float = 10.0) -> bytes:
    """What a server answers to bytes, until it closes the connection or says nothing more."""
    with socket.create_connection(("127.0.0.1", port), timeout=seconds) as one:
        one.sendall(data)
        answer = b""
        try:
            while part := one.recv(1 << 16):
                answer += part
        except (TimeoutError, ConnectionResetError):
            pass
        return answer


def asked(port: int, path: str, **headers: str) -> bytes:
    """The bytes of a request."""
    lines = [
        f"GET {path} HTTP/1.1",
        f"Host: 127.0.0.1:{port}",
        *(f"{name}: {value}" for name, value in headers.items()),
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def alive(port: int) -> bool:
    return httpx.get(f"http://127.0.0.1:{port}/api/session", timeout=PATIENCE_S).status_code == 200


@pytest.mark.slow
@pytest.mark.parametrize(
    "path",
    [
        "/page/../app.py", "/page/..%2fapp.py", "/page/%2e%2e/app.py", "/../../etc/passwd", "/page//etc/passwd",
        "/page/..\\app.py", "/api/events/../../x", "/api/events/..%2f..%2fevents.db/clip", "/events.db", "/.review/",
        "/page/index.html%00.js", "/docs", "/openapi.json", "//evil.example/", "/api/events/%00/clip",
    ],
)  # fmt: skip
def test_no_path_leads_to_a_file(port: int, path: str) -> None:
    answer = raw(port, asked(port, path, Connection="close"))
    assert answer.split(b" ", 2)[1] in (b"400", b"404", b"405"), answer[:200]
    assert b"root:" not in answer and b"SQLite" not in answer and b"def " not in answer
    assert alive(port)


@pytest.mark.slow
def test_a_large_body_is_refused_before_it_is_read(port: int) -> None:
    csrf = httpx.get(f"http://127.0.0.1:{port}/api/session").json()["csrf"]
    head = (
        f"POST /api/marks HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nX-CSRF-Token: {csrf}\r\n"
        "Content-Type: application/json\r\n"
    )
    answer = raw(port, f"{head}Content-Length: 10485760\r\n\r\n".encode(), 0.75 * BODY_S)
    assert answer.startswith(b"HTTP/1.1 413 "), "it is answered although nothing of the body was sent"
    assert b"connection: close" in answer.lower()
    pieces = b"".join(b"10000\r\n" + b"x" * 0x10000 + b"\r\n" for _ in range(20))
    answer = raw(port, f"{head}Transfer-Encoding: chunked\r\n\r\n".encode() + pieces)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert alive(port)


def test_a_slow_client_is_given_up_and_delays_nobody(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = [socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S) for _ in range(50)]
    for one in slow:
        one.sendall(b"GET /api/session HT")
    assert alive(port) and not select.select(slow, [], [], 0)[0], "another one is answered before these are given up"
    for one in slow:
        one.close()
    monkeypatch.setattr(serving, "HEAD_S", 1.0)
    slow = [socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S) for _ in range(10)]
    for _ in range(5):  # a letter now and then does not help
        for one in slow:
            with suppress(OSError):
                one.sendall(b"G")
        time.sleep(0.3)
    for one in slow:
        with suppress(ConnectionResetError):
            assert one.recv(100) == b"", "the server has closed the connection"
        one.close()
    assert alive(port)


def test_a_body_that_does_not_come_is_given_up(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("oddframe.server.guard.BODY_S", 0.5)
    csrf = httpx.get(f"http://127.0.0.1:{port}/api/session").json()["csrf"]
    head = f"POST /api/marks HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nX-CSRF-Token: {csrf}\r\nContent-Length: 50\r\n\r\n"
    answer = raw(port, head.encode() + b'{"ids"')
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert alive(port)


def test_a_client_that_reads_nothing_delays_nobody(port: int) -> None:
    stuck = [socket.create_connection(("127.0.0.1", port)) for _ in range(20)]
    for one in stuck:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        one.sendall(asked(port, "/api/events?limit=500") * 20)
    assert alive(port)
    for one in stuck:
        one.close()
    assert alive(port)


@pytest.mark.slow
@pytest.mark.parametrize(
    "data",
    [b"\x16\x03\x01\x02\x00\x01", b"GET / HTTP/9.9\r\n\r\n", b"A" * 200_000, b"GET / HTTP/1.1\r\n\r\n",
     b"GET / HTTP/1.1\r\nHost: a\r\nHost: 127.0.0.1\r\n\r\n", b"GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n"],
)  # fmt: skip
def test_what_is_no_request_is_refused(port: int, data: bytes) -> None:
    answer = raw(port, data, 1.0)
    assert not answer or answer.split(b" ", 2)[1] in (b"400", b"403")
    assert alive(port)


def test_changes_are_told_as_they_happen(scored: Path) -> None:
    library, _ = open_library(str(scored))
    looks = Looks(library.store)
    with (
        served(library) as port,
        httpx.stream("GET", f"http://127.0.0.1:{port}/api/changes", timeout=PATIENCE_S) as stream,
    ):
        assert stream.headers["content-type"].startswith("text/event-stream")
        lines = stream.iter_lines()
        assert next(lines) == "retry: 2000"
        looks.wait()
        with open_store(scored, create=False) as store:
            event = store.events()[0].id
            store.mark(event, "normal", "bob")
        told = list(itertools.islice((line for line in lines if line), 2))
        assert told[0] == "event: change" and json.loads(told[1].removeprefix("data: ")) == {"ids": [event]}


def test_a_port_that_is_taken_is_one_line() -> None:
    with listening("127.0.0.1", 0) as one:
        port = one.getsockname()[1]
        with pytest.raises(InputError, match=f"port {port} is taken; choose another one with --port"):
            listening("127.0.0.1", port)
    with pytest.raises(InputError, match=r"cannot listen there|no such address"):
        listening("192.0.2.1", 0)


@pytest.mark.slow
def test_the_loopback_of_ipv6_needs_no_password(scored: Path) -> None:
    if not socket.has_ipv6:
        pytest.skip("needs IPv6")
    command = [sys.executable, "-m", "oddframe", "review", str(scored), "--host", "::1", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stderr is not None
        address = next((line.split()[1] for line in process.stdout if line.startswith("review ")), "")
        if not address and "cannot listen there" in process.stderr.read():
            pytest.skip("this machine has no IPv6 loopback")
        assert address.startswith("http://[::1]:")
        with httpx.Client(base_url=address, timeout=60) as client:
            csrf = client.get("/api/session").json()["csrf"]
            (event, *_) = client.get("/api/events").json()["events"]
            headers = {"X-CSRF-Token": csrf, "Origin": address.rstrip("/")}
            done = client.post("/api/marks", json={"ids": [event["id"]], "what": "normal"}, headers=headers)
            assert done.status_code == 200
            assert client.get("/api/session", headers={"Host": "evil.example"}).status_code == 403
        process.terminate()


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_command_prints_the_address_and_ends_by_a_signal(scored: Path, number: signal.Signals) -> None:
    command = [sys.executable, "-m", "oddframe", "review", str(scored), "--port", "0"]
    done = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ})
    assert done.stdout is not None
    try:
        lines = [done.stdout.readline(), done.stdout.readline()]
        assert lines[0].startswith("store   ") and "2 events, 2 new" in lines[0]
        address = lines[1].removeprefix("review  ").strip()
        with httpx.stream("GET", f"{address}api/changes", timeout=PATIENCE_S) as stream:
            assert next(stream.iter_lines()) == "retry: 2000"
            done.send_signal(number)
            _, err = done.communicate(timeout=PATIENCE_S)
        assert done.returncode == 128 + number and "Traceback" not in err
    finally:
        done.kill()
