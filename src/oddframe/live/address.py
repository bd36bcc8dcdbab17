"""Where the pictures of a camera come from, and what of it may be shown.

    rtsp://HOST/PATH, rtsps://...     a camera
    http://HOST/PATH, https://...     Motion JPEG, HLS, or any stream of a container
    usb:0, /dev/video0                a camera at this machine (Video4Linux)
    clips/street.mp4                  a video file
    test:, test:640x360@10            FFmpeg's moving test picture

In the address of a camera, `{NAME}` stands for a variable of the environment and `{file:PATH}` for the content of a
file. Neither these nor user information that is typed into the address are ever shown: `Address.shown` leaves them out,
and `Address.redact` takes them out of any text.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from urllib.parse import quote, unquote

from oddframe.errors import InputError

Kind = Literal["rtsp", "http", "usb", "file", "test"]

HIDDEN = "***"
DEVICE = "/dev/video"
TEST_SIZE, TEST_FPS = (640, 360), 10
_MOST_SIDE, _MOST_FPS = 4096, 240
_SCHEMES: dict[str, Kind] = {"rtsp": "rtsp", "rtsps": "rtsp", "http": "http", "https": "http"}
_PLACEHOLDER = re.compile(r"\{(file:[^{}]+|[A-Za-z_][A-Za-z0-9_]*)\}")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_TEST = re.compile(r"test:(?:(\d{1,4})x(\d{1,4}))?(?:@(\d{1,3}))?")
# A query value is hidden where its name contains one of these.
_PRIVATE = re.compile(r"pas|pwd|pw\b|tok|key|secret|auth|sig|user|usr|login|account|cred|session|code", re.IGNORECASE)
_QUERY = re.compile(r"([?&;])([^=&;#\s]*)=([^&;#\s]*)")
_USER = re.compile(r"(?<=://).*@")  # in an address; a password may contain anything
_USER_IN_TEXT = re.compile(r"(?<=://)[^\s'\"]*@")
_SHORTEST = 4  # characters of a secret that is looked for in other texts; a shorter one is found in any word


@dataclass(frozen=True)
class Address:
    """A source of pictures.

    Attributes:
        kind: what it is.
        shown: for people, without any credentials.
        live: whether pictures come when they come. Of a source that is not live none are ever dropped.
        url: for FFmpeg, with credentials; never show it.
    """

    kind: Kind
    shown: str
    live: bool
    url: str = field(repr=False)
    secrets: tuple[str, ...] = field(default=(), repr=False)

    @classmethod
    def parse(cls, text: str, as_live: bool = False, environment: Mapping[str, str] | None = None) -> Address:
        """The address that a user gives.

        Args:
            as_live: let a file play at the pace of its time stamps, as a camera would.
            environment: values of placeholders; None takes those of this process.

        Raises:
            InputError: there is no such kind of address, no such file, or no value for a placeholder.
        """
        filled = plain = text
        secrets: list[str] = []
        if _SCHEME.search(text) or text.startswith("{"):
            filled, plain, secrets = _fill(text, os.environ if environment is None else environment)
        if any(character < " " for character in filled):
            raise InputError(f"{_redacted(plain, secrets)}: an address is one line of text")
        scheme = _SCHEME.match(filled)
        if scheme is not None:
            kind = _SCHEMES.get(scheme[1].lower())
            if kind is None:
                raise InputError(
                    f"{scheme[1]}://: addresses of cameras begin with rtsp://, rtsps://, http:// or https://; "
                    "others are usb:0, test: or a video file"
                )
            if not filled[scheme.end() :].rpartition("@")[2].strip("/"):
                raise InputError(f"{_redacted(plain, secrets)}: names no host; write {scheme[1]}://HOST/PATH")
            secrets = [*secrets, *_typed(filled)]
            return cls(kind, _redacted(plain, secrets), True, filled, _sorted(secrets))
        if filled.startswith("usb:") or filled.startswith(DEVICE):
            number = filled.removeprefix("usb:").removeprefix(DEVICE)
            if not number.isdecimal():
                raise InputError(f"{filled}: a camera at this machine is usb:NUMBER, as usb:0, or {DEVICE}NUMBER")
            return cls("usb", f"usb:{int(number)}", True, f"{DEVICE}{int(number)}")
        if filled.startswith("test:"):
            return cls("test", filled, True, _test(filled))
        return _file(filled, as_live, secrets)

    def redact(self, text: str) -> str:
        """A text of anybody, as of FFmpeg, without what must not be shown."""
        for secret in self.secrets:
            text = text.replace(secret, HIDDEN)
        return _redacted(text, (), _USER_IN_TEXT)

    def __str__(self) -> str:
        return self.shown


def _fill(text: str, environment: Mapping[str, str]) -> tuple[str, str, list[str]]:
    """The address with its placeholders filled, the same without their values, and these as they are and stand there.

    A placeholder may hold the whole address. Then it is shown, because what is secret in it is found in it.
    """
    secrets: list[str] = []
    shown = text

    def value(found: re.Match[str]) -> str:
        name = found[1]
        if name.startswith("file:"):
            path = Path(name.removeprefix("file:"))
            try:
                plain = path.read_text(encoding="utf-8").strip()
            except (OSError, UnicodeDecodeError) as error:
                why = getattr(error, "strerror", None) or "no text"
                raise InputError(f"{path}: the file of a placeholder cannot be read ({why})") from None
            if not plain:
                raise InputError(f"{path}: the file of a placeholder is empty")
        elif name not in environment:
            raise InputError(f"{{{name}}} in the address: the variable {name} is not set; export it")
        else:
            plain = environment[name]
            if not plain:
                raise InputError(f"{{{name}}} in the address: the variable {name} is empty")
        # What is no letter is escaped where the address would otherwise be another one.
        before, after = text[: found.start()], text[found.end() :]
        if "?" in before or "@" in after:
            written = quote(plain, safe="")
        else:  # a host with its port stays as it is, and so does a whole address
            written = quote(plain, safe="/") if "/" in before.partition("://")[2] else plain
        if "://" in before:
            secrets.extend((plain, written))
        else:
            nonlocal shown
            shown = shown.replace(found[0], written, 1)
        return written

    filled = _PLACEHOLDER.sub(value, text)
    return filled, _PLACEHOLDER.sub(HIDDEN, shown), secrets


def _typed(url: str) -> list[str]:
    """The secrets that stand in an address: user information, and values of the query by their names."""
    found = []
    user = _USER.search(url)
    if user is not None:
        name, _, password = user[0][:-1].partition(":")
        found += [user[0][:-1], name, password]
    found += [value for _, name, value in _QUERY.findall(url) if _PRIVATE.search(name)]
    return [*found, *map(unquote, found)]


def _redacted(text: str, secrets: list[str] | tuple[str, ...], user: re.Pattern[str] = _USER) -> str:
    text = user.sub(f"{HIDDEN}@", text)
    text = _QUERY.sub(lambda q: f"{q[1]}{q[2]}={HIDDEN}" if _PRIVATE.search(q[2]) else q[0], text)
    for secret in _sorted(secrets):
        text = text.replace(secret, HIDDEN)
    return text


def _sorted(secrets: list[str] | tuple[str, ...]) -> tuple[str, ...]:
    """Those that are looked for, the longest first, because one may be part of another."""
    return tuple(sorted({each for each in secrets if len(each) >= _SHORTEST}, key=lambda each: (-len(each), each)))


def _test(text: str) -> str:
    """FFmpeg's description of the test picture."""
    found = _TEST.fullmatch(text)
    width, height, fps = (int(value) if value else 0 for value in (found.groups() if found else ("0", "", "0")))
    if found is None or width > _MOST_SIDE or height > _MOST_SIDE or (found[1] and not width * height):
        raise InputError(f"{text}: the test picture is test: or test:WIDTHxHEIGHT@FPS, as test:640x360@10")
    if found[3] and not 1 <= fps <= _MOST_FPS:
        raise InputError(f"{text}: the test picture has 1 to {_MOST_FPS} frames per second")
    width, height = (width, height) if width else TEST_SIZE
    return f"testsrc2=size={width}x{height}:rate={fps or TEST_FPS}"


def _file(text: str, as_live: bool, secrets: list[str]) -> Address:
    path = Path(text)
    if path.is_dir():
        raise InputError(f"{text}: is a folder; give a video file or the address of a camera")
    if not path.exists():
        raise InputError(
            f"{_redacted(text, secrets)}: no such file; a source is a video file, or begins with rtsp://, http://, "
            "https://, usb: or test:"
        )
    return Address("file", text, as_live, text)
