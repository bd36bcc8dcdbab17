"""Webhooks: every notice as a signed HTTP POST, from an outbox on the disk.

A notice is a file before it is sent for the first time, and the file goes when the receiver has answered 2xx. So it
arrives at least once, in order, however long the receiver is down and however the process ends. The header
`Idempotency-Key` is the same in every try.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import logging
import socket
import threading
import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

from oddframe import __version__
from oddframe.errors import InputError
from oddframe.extras import imported
from oddframe.live.messages import Notice
from oddframe.live.names import safe_name
from oddframe.live.sinks.outbox import Outbox, OutboxSink, Tries
from oddframe.live.sinks.sink import Complaints, Say, Selection

_FIRST_S, _LONGEST_S, _JITTER = 0.5, 60.0, 0.25  # between two tries
_TRY_AGAIN = frozenset({408, 425, 429})  # of the 4xx answers
_MOST_READ, _READ_S = 4096, 1.0  # bytes of an answer's body, and seconds for them, to use its connection again
SIGNATURE, TIMESTAMP, KEY = "X-Oddframe-Signature", "X-Oddframe-Timestamp", "Idempotency-Key"


@dataclass(frozen=True)
class WebhookOptions:
    """Where to post and how.

    Attributes:
        url: http:// or https://. User, password and query may be secrets, and are neither logged nor stored.
        secret: signs what is posted; empty: nothing is signed.
        name: of its outbox, metrics and messages; it must not change from one run to the next.
        updates, gaps: whether these are told too.
        timeout: seconds to wait for an answer, from the connection to the last of its headers.
        most: notices that may wait in the outbox.
        most_bytes: that they may take.
    """

    url: str
    secret: str = ""
    name: str = "webhook"
    updates: bool = False
    gaps: bool = False
    timeout: float = 10.0
    most: int = 10_000
    most_bytes: int = 100_000_000

    def __repr__(self) -> str:
        return f"WebhookOptions({self.name}: {shown(self.url)})"


def shown(url: str) -> str:
    """A URL without anything in it that may be a secret: scheme, host and port."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "what is given"
    try:
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        port = ""
    return f"{parts.scheme}://{parts.hostname or ''}{port}"


def parted(url: str, schemes: Collection[str]) -> SplitResult | None:
    """The parts of a URL; None where it has another scheme, or no host and port that there can be."""
    try:
        url.encode()
        parts = urlsplit(url)
        host = parts.hostname or ""
        host.encode("idna")
        right = parts.scheme in schemes and parts.port != 0
    except ValueError:
        return None
    return parts if right and host and not any(letter.isspace() for letter in host) else None


def check_webhook(options: WebhookOptions) -> None:
    """See that there may be such a receiver.

    Raises:
        InputError: the URL is none.
    """
    if parted(options.url, ("http", "https")) is None:
        raise InputError(
            f"{titled(options)}: {shown(options.url)} is no address; give http:// or https://, a host, and a port up "
            "to 65535"
        )


def titled(options: WebhookOptions) -> str:
    """The name of a webhook for messages."""
    return options.name if options.name == "webhook" else f"webhook {options.name}"


def signature(secret: str, timestamp: str, body: bytes) -> str:
    """What the header `X-Oddframe-Signature` holds: "sha256=" and the HMAC of timestamp, full stop and body."""
    return "sha256=" + hmac.new(secret.encode(), timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()


class Webhook(OutboxSink):
    """Posts notices to one receiver. A `Sink`.

    Raises:
        InputError: the URL is none, or httpx is not installed.
        OSError: the outbox cannot be made.
    """

    def __init__(self, options: WebhookOptions, folder: Path, say: Say) -> None:
        """Begin, with what earlier runs left in the outbox.

        Args:
            folder: of the outboxes of all webhooks.
            say: is told in one line what goes wrong.
        """
        httpx = imported("httpx", "live")
        check_webhook(options)
        # At level INFO, httpx logs every address as a whole.
        logging.getLogger("httpx").setLevel(logging.WARNING)
        super().__init__(
            options.name,
            Outbox(folder / safe_name(options.name), options.most, options.most_bytes),
            Complaints(lambda line: say(f"{titled(options)} ({shown(options.url)}): {line}")),
            Tries(_FIRST_S, _LONGEST_S, _JITTER),
            "it answers",
        )
        self._options = options
        self._selection = Selection(options.updates, options.gaps)
        self._httpx: Any = httpx
        self._client = httpx.Client(timeout=options.timeout, headers={"User-Agent": f"oddframe/{__version__}"})
        self._busy = ""  # key of the notice that the receiver had no time for
        self._socket: socket.socket | None = None  # of the last connection
        self._late = threading.Event()  # the receiver has taken too long
        self._start()

    def tell(self, notice: Notice) -> None:
        if self._selection.wants(notice):
            self._keep(notice, {"event_id": notice.id, **notice.as_json()})

    def close(self, timeout: float) -> None:
        """Send what waits for at most `timeout` seconds, nothing twice; the rest stays in the outbox."""
        super().close(timeout)
        self._client.close()

    def _next(self) -> float | None:
        """Post the first notice; the least seconds to wait before another try, or None where none is needed."""
        item = self._outbox.first()
        if item is None:
            return None
        key, body = item
        try:
            status, wish = self._post(key, body)
        except Exception as error:  # of the network, of TLS, of the protocol; its message may hold the address
            words = "it does not answer in time" if self._late.is_set() else _in_words(error, self._httpx)
            self._complaints.ill("down", f"{words}; notices wait in the outbox")
            return 0.0
        if 200 <= status < 300:
            self._delivered()
            self._complaints.well("down", "it answers again")
            self._complaints.well("refused")
            return None
        if status >= 500 or status in _TRY_AGAIN:
            if self._busy == key:  # once is no news
                self._complaints.ill("down", f"it answers {status}; notices wait in the outbox")
            self._busy = key
            return _seconds(wish)
        place = self._refused()
        self._complaints.ill("refused", f"it refuses a notice with {status}; it lies in {place} with all like it")
        return None

    def _post(self, key: str, body: bytes) -> tuple[int, str]:
        """Post a notice; the status of the answer, and what its `Retry-After` says. Its body does not matter."""
        request = {"content": body, "headers": self._headers(key, body), "extensions": {"trace": self._trace}}
        with (
            self._within(self._options.timeout),
            self._client.stream("POST", self._options.url, **request) as answer,
        ):
            status, wish = answer.status_code, answer.headers.get("Retry-After", "")
            with self._within(_READ_S), contextlib.suppress(Exception):
                size = 0
                for chunk in answer.iter_raw():
                    size += len(chunk)
                    if size > _MOST_READ:
                        break
        return status, wish

    @contextlib.contextmanager
    def _within(self, seconds: float) -> Iterator[None]:
        """End the connection after so many seconds: the timeouts of httpx are those of every single read."""
        self._late.clear()
        timer = threading.Timer(seconds, self._end)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def _trace(self, name: str, info: dict[str, Any]) -> None:
        """Is told by httpx of every connection."""
        if name.endswith(("connect_tcp.complete", "start_tls.complete")):
            self._socket = info["return_value"].get_extra_info("socket")
            if self._late.is_set():
                self._end()

    def _end(self) -> None:
        self._late.set()
        if self._socket is not None:
            with contextlib.suppress(OSError):
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)  # that of TLS would change it under its reader

    def _headers(self, key: str, body: bytes) -> dict[str, str]:
        timestamp = str(int(time.time()))
        headers = {"Content-Type": "application/json", KEY: key, TIMESTAMP: timestamp}
        if self._options.secret:
            headers[SIGNATURE] = signature(self._options.secret, timestamp, body)
        return headers


def _in_words(error: Exception, httpx: Any) -> str:
    if isinstance(error, httpx.TimeoutException):
        return "it does not answer in time"
    if isinstance(error, httpx.ConnectError):
        return "it cannot be reached"
    return f"the connection fails ({type(error).__name__})"


def _seconds(text: str) -> float:
    """What `Retry-After` asks for, at most five minutes; dates are passed over."""
    return min(300.0, float(text)) if text.strip().isdecimal() else 0.0
