"""Addresses of sources, and that nothing of them shows what is secret."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oddframe.errors import InputError
from oddframe.live.address import Address

ODD = st.text(st.characters(min_codepoint=33, max_codepoint=0x2FF, exclude_categories=("Cc", "Zs")), min_size=6)


@pytest.mark.parametrize(
    ("text", "kind", "shown", "url"),
    [
        ("rtsp://cam:8554/main", "rtsp", "rtsp://cam:8554/main", "rtsp://cam:8554/main"),
        ("rtsps://cam/main", "rtsp", "rtsps://cam/main", "rtsps://cam/main"),
        ("https://cam/live.m3u8", "http", "https://cam/live.m3u8", "https://cam/live.m3u8"),
        ("usb:0", "usb", "usb:0", "/dev/video0"),
        ("/dev/video2", "usb", "usb:2", "/dev/video2"),
        ("test:", "test", "test:", "testsrc2=size=640x360:rate=10"),
        ("test:64x48@25", "test", "test:64x48@25", "testsrc2=size=64x48:rate=25"),
        ("rtsp://joe:s3cret@cam/x", "rtsp", "rtsp://***@cam/x", "rtsp://joe:s3cret@cam/x"),
        ("rtsp://joe:p/ss@w@cam/x", "rtsp", "rtsp://***@cam/x", "rtsp://joe:p/ss@w@cam/x"),
        ("http://cam/v?user=joe&pwd=s3cret&id=1", "http", "http://cam/v?user=***&pwd=***&id=1",
         "http://cam/v?user=joe&pwd=s3cret&id=1"),
    ],
)  # fmt: skip
def test_an_address_says_what_it_is(text: str, kind: str, shown: str, url: str) -> None:
    address = Address.parse(text)
    assert (address.kind, address.shown, address.url, address.live) == (kind, shown, url, True)
    assert str(address) == shown


def test_a_file_waits_and_as_a_camera_does_not(tmp_path: Path) -> None:
    path = tmp_path / "a {ODD} name.mp4"
    path.touch()
    assert not Address.parse(str(path)).live
    assert Address.parse(str(path), as_live=True).live


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("rtsp://{NOBODY}@cam/x", "variable NOBODY is not set"),
        ("rtsp://{EMPTY}@cam/x", "variable EMPTY is empty"),
        ("rtsp://{file:/no/such}@cam/x", "/no/such: the file of a placeholder cannot be read"),
        ("{NOBODY}", "variable NOBODY is not set"),
        ("ftp://cam/x", "begin with rtsp://"),
        ("rtsp:///", "names no host"),
        ("rtsp://{USER}@/", "names no host"),
        ("usb:first", "usb:NUMBER"),
        ("test:big", "test:WIDTHxHEIGHT@FPS"),
        ("test:0x48", "test:WIDTHxHEIGHT@FPS"),
        ("test:64x48@999", "1 to 240 frames"),
        ("nothing.mp4", "no such file"),
        ("/tmp", "is a folder"),
        ("rtsp://cam/a\nb", "one line"),
    ],
)
def test_what_is_no_address_is_one_clear_line(text: str, words: str) -> None:
    with pytest.raises(InputError) as error:
        Address.parse(text, environment={"EMPTY": "", "USER": "s3cretuser"})
    assert words in str(error.value)
    assert "\n" not in str(error.value).replace("a\nb", "")
    assert "s3cretuser" not in str(error.value)


@given(user=ODD, password=ODD)
def test_credentials_of_the_environment_reach_the_camera_and_nobody_else(user: str, password: str) -> None:
    address = Address.parse("rtsp://{U}:{P}@cam:554/main", environment={"U": user, "P": password})
    parts = urlsplit(address.url)
    assert (unquote(parts.username or ""), unquote(parts.password or "")) == (user, password)
    assert (parts.hostname, parts.port, parts.path) == ("cam", 554, "/main")
    text = f"{address.url} cannot be opened; {user} and {password} of {parts.netloc}"
    for said in (repr(address), str(address), address.shown, address.redact(text)):
        for secret in (user, password, parts.username, parts.password):
            assert secret not in said.replace("rtsp://***@cam:554/main", "")


@given(secret=st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="&;#="), min_size=6))
def test_a_secret_in_the_query_or_path_is_not_shown(secret: str) -> None:
    for template in ("http://cam/x?id=1&token={S}", "http://cam/{S}/x.m3u8", "http://cam/x?n={S}"):
        address = Address.parse(template, environment={"S": secret})
        assert secret not in repr(address)
        assert secret not in address.redact(f"404 for {address.url} ({secret})")


@given(user=ODD, password=ODD)
def test_what_is_typed_into_an_address_is_not_shown_either(user: str, password: str) -> None:
    address = Address.parse(f"rtsp://{user.translate(_BRACES)}:{password.translate(_BRACES)}@cam/main")
    assert address.shown == "rtsp://***@cam/main"
    assert password not in address.redact(f"error -5 of {address.url}")


_BRACES = {ord("{"): "(", ord("}"): ")"}  # which would be placeholders


def test_a_variable_may_hold_the_whole_address(tmp_path: Path) -> None:
    address = Address.parse("{CAMERA}", environment={"CAMERA": "rtsp://joe:s3cret@cam/x?token=abcdef"})
    assert (address.kind, address.shown) == ("rtsp", "rtsp://***@cam/x?token=***")
    file = tmp_path / "secret"
    file.write_text("s3cret word\n", encoding="utf-8")
    address = Address.parse(f"rtsp://joe:{{file:{file}}}@cam/x")
    assert address.url == "rtsp://joe:s3cret%20word@cam/x"
    assert "s3cret" not in repr(address)
