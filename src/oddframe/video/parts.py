"""What the outside of a file tells of its parts: the segments of a play list, and files that were joined end to end."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from oddframe.account import count_of

_LARGEST = 4 << 20  # bytes of a play list
_TRAILER = 1 << 16  # bytes after the last picture that sound and an index may take
_BOXES = 10_000  # of an MP4 that are looked at: a fragmented one has two for each fragment


@dataclass(frozen=True)
class PlayList:
    """What an HLS play list that is complete says of its segments.

    Attributes:
        seconds: the sum of their lengths; 0 where it says nothing.
        slack_s: by which that sum may be wrong, because lengths are rounded.
        absent: segments that are not there.
        absent_s: their length.
    """

    seconds: float = 0.0
    slack_s: float = 0.0
    absent: tuple[str, ...] = ()
    absent_s: float = 0.0


def read_play_list(path: Path) -> PlayList:
    """The segments of an HLS play list on disk. One of a recording that goes on promises nothing."""
    try:
        with path.open("rb") as file:
            lines = file.read(_LARGEST).decode("utf-8", "replace").splitlines()
    except OSError:
        return PlayList()
    if "#EXT-X-ENDLIST" not in (line.strip() for line in lines):
        return PlayList()
    seconds = slack = absent_s = length = 0.0
    absent: list[str] = []
    for line in map(str.strip, lines):
        stated = re.match(r"#EXTINF:(\d+)(?:\.(\d*))?", line)
        if stated:
            whole, decimals = stated.groups(default="")
            length = float(f"{whole}.{decimals}")
            slack += 0.5 * 10.0 ** -len(decimals)
        elif line and not line.startswith("#"):
            seconds += length
            if "://" not in line and not (path.parent / line.partition("?")[0]).exists():
                absent.append(line)
                absent_s += length
            length = 0.0
    return PlayList(seconds, slack, tuple(absent), absent_s)


def unread(path: Path, form: str, end: int | None) -> str:
    """In words, what FFmpeg has not read of files that were joined end to end; empty where nothing shows it.

    Args:
        form: FFmpeg's name of the container.
        end: position after the last packet that was read, in bytes.
    """
    try:
        size = path.stat().st_size
        begun = 0
        if form == "flv" and end is not None:
            begun = end if size - end > max(_TRAILER, size // 20) else 0
        elif form.startswith("mov"):
            begun = _second_index(path, size)
    except OSError:
        return ""
    if not begun:
        return ""
    return f"{count_of(size - begun, 'byte')} after the end of the video were not read, as in files that were joined"


def _second_index(path: Path, size: int) -> int:
    """Where a second MP4 begins in a file; 0 where there is none."""
    place = second = 0
    with path.open("rb") as file:
        for _ in range(_BOXES):
            file.seek(place)
            head = file.read(16)
            length, kind = int.from_bytes(head[:4], "big"), head[4:8]
            if kind == b"ftyp" and place:
                second = place
            if kind == b"moov" and second:
                return second
            length = int.from_bytes(head[8:16], "big") if length == 1 else length
            if length < 8 or place + length >= size:
                return 0
            place += length
    return 0
