"""Who may use the review page: addresses, the token, and cookies that say who has shown it."""

from __future__ import annotations

import base64
import hashlib
import hmac
import ipaddress
import secrets
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from oddframe.errors import InputError

SHORTEST, LONGEST = 16, 1000  # letters of a token
COOKIE = "oddframe_review"
LASTS_S = 30 * 86_400  # of a cookie
_LOCAL = ("localhost", "127.0.0.1", "::1")
_LONGEST_WHO = 100


@dataclass(frozen=True)
class Access:
    """Who may use a server.

    Attributes:
        names: that a browser may call it by, in lower case, without the port.
        any_address: whether it may also call it by any IP address. A page of a stranger that gets its own name resolved
            to this machine (DNS rebinding) has a name, and no address.
        token: None where nobody has to show one.
        csrf: what a page of this server knows, and no other page does.
        user: the name under which marks are made by those who give none.
    """

    names: frozenset[str]
    any_address: bool
    token: str | None
    user: str
    csrf: str = field(default_factory=lambda: secrets.token_urlsafe(24))

    def knows_host(self, header: str) -> bool:
        """Whether a Host header names this server."""
        name = header.strip().lower()
        if name.startswith("["):
            name, closed, _ = name[1:].partition("]")
            name = name if closed else ""
        elif name.count(":") == 1:
            name = name.partition(":")[0]
        if name.rstrip(".") in self.names:
            return True
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return self.any_address

    def is_token(self, given: str) -> bool:
        """Whether somebody shows the token; in a time that does not depend on how much of it is right."""
        return self.token is not None and hmac.compare_digest(given.encode(), self.token.encode())

    def cookie(self, who: str) -> str:
        """What a browser keeps that has shown the token, for somebody of this name."""
        name = base64.urlsafe_b64encode(who.strip()[:_LONGEST_WHO].encode()).decode()
        body = f"{int(time.time()) + LASTS_S}.{name}"
        return f"{body}.{self._sign(body)}"

    def who(self, cookie: str) -> str | None:
        """The name in a cookie of this server; None where it is none, or too old."""
        body, _, signature = cookie.rpartition(".")
        if not body or not hmac.compare_digest(signature.encode(), self._sign(body).encode()):
            return None
        until, _, name = body.partition(".")
        if float(until) < time.time():
            return None
        return base64.urlsafe_b64decode(name).decode() or self.user

    def _sign(self, body: str) -> str:
        key = hashlib.sha256(f"oddframe review\n{self.token}".encode()).digest()
        return hmac.new(key, body.encode(), hashlib.sha256).hexdigest()


def access_for(host: str, names: Sequence[str], token_file: Path | None, user: str) -> Access:
    """Who may use a server on an address.

    Args:
        host: the address that it listens on.
        names: other names that browsers call it by, for example behind a reverse proxy.
        token_file: a file whose one line is the token.

    Raises:
        InputError: others than the user of this machine could reach it, and there is no token; or the token is none.
    """
    token = None if token_file is None else read_token(token_file)
    if token is None and (not is_loopback(host) or names):
        reach = f"--host {host}" if not is_loopback(host) else f"--name {names[0]}"
        raise InputError(
            f"{reach}: others can reach this page, and it needs a token; write a long random line into a file, such as "
            "`openssl rand -hex 24 > token`, and give it with --token-file token"
        )
    own = {*_LOCAL, *(name.lower().rstrip(".") for name in names)}
    if not is_loopback(host):
        own |= {host.lower(), socket.gethostname().lower(), socket.getfqdn().lower()}
    return Access(frozenset(own), not is_loopback(host), token, user)


def is_loopback(host: str) -> bool:
    """Whether an address is reached from this machine alone."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def read_token(path: Path) -> str:
    """The token in a file.

    Raises:
        InputError: there is none, or it is too short to be one.
    """
    try:
        with path.open(encoding="utf-8") as file:
            token = file.read(LONGEST + 2).strip()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: the token cannot be read ({getattr(error, 'strerror', None) or error})") from None
    plain = token.isascii() and token.isprintable() and " " not in token
    if not SHORTEST <= len(token) <= LONGEST or not plain:
        raise InputError(
            f"{path}: a token is one line of {SHORTEST} to {LONGEST} plain letters without spaces; "
            "`openssl rand -hex 24` makes one"
        )
    return token
