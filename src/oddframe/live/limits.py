"""How much of recordings and clips is kept: the oldest go first, and what nobody has reviewed goes last.

Nothing is removed but files that oddframe has written: a name of the right form, in the folder of a camera below
`recordings` or `clips`, and no link.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from oddframe.live.names import safe_name
from oddframe.reading.records import read_object

SEGMENT = re.compile(r"(\d{8}T\d{6}\.\d{3})Z\.(mp4|mkv)")
_WRITTEN = re.compile(r"\d{8}T\d{6}\.\d{3}Z\.part\.(mp4|mkv)")
_CLIP = re.compile(r"([0-9a-f]{16})(\.mp4|\.mkv|\.jpg|-heat\.jpg|\.json)")
_FORM = "%Y%m%dT%H%M%S.%f"


@dataclass(frozen=True)
class KeepLimits:
    """What is kept of one camera.

    Attributes:
        days: whatever ended earlier is removed, reviewed or not; None: no limit.
        gigabytes: 10^9 bytes of recordings and clips together; None: no limit.
    """

    days: float | None = None
    gigabytes: float | None = None


@dataclass(frozen=True)
class _Kept:
    """A segment, or a clip with what lies beside it."""

    paths: tuple[Path, ...]
    start: float
    end: float
    size: int
    awaited: bool = False  # nobody has reviewed its event


def segment_name(utc: float) -> str:
    """Name of a segment that begins at `utc`, without suffix."""
    return datetime.fromtimestamp(utc, UTC).strftime(_FORM)[:-3] + "Z"


def begun(name: str) -> float | None:
    """Seconds since 1970 at which the segment of this name begins; None where it is no name of a segment."""
    match = SEGMENT.fullmatch(name)
    try:
        return datetime.strptime(match[1], _FORM).replace(tzinfo=UTC).timestamp() if match else None
    except ValueError:
        return None


def prune(folder: Path, camera: str, limits: KeepLimits, now: float | None = None) -> list[Path]:
    """Remove what is too old or too much of a camera's recordings and clips.

    Over the limit in gigabytes, the oldest go first; clips of events that nobody has reviewed, and segments that show
    such events, go only when nothing else is left.

    Args:
        folder: the output folder.
        camera: its name.
        limits: what is kept.
        now: seconds since 1970, the present time where it is None.

    Returns:
        The removed files.
    """
    if limits.days is None and limits.gigabytes is None:
        return []
    clips = list(_clips(folder / "clips" / safe_name(camera)))
    place = folder / "recordings" / safe_name(camera)
    kept = [*clips, *_segments(place, [clip for clip in clips if clip.awaited])]
    going: list[_Kept] = []
    if limits.days is not None:
        oldest = (time.time() if now is None else now) - limits.days * 86_400
        going = [each for each in kept if each.end < oldest]
        kept = [each for each in kept if each.end >= oldest]
    if limits.gigabytes is not None:
        total = sum(each.size for each in kept) + _being_written(place)
        for each in sorted(kept, key=lambda each: (each.awaited, each.start)):
            if total <= limits.gigabytes * 1e9:
                break
            going.append(each)
            total -= each.size
    removed = []
    for path in (path for each in going for path in each.paths):
        with suppress(FileNotFoundError):
            path.unlink()
            removed.append(path)
    return removed


def _own(folder: Path) -> list[Path]:
    """The files of a folder of ours, without links."""
    if folder.is_symlink() or not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if not path.is_symlink() and path.is_file())


def _clips(folder: Path) -> Iterator[_Kept]:
    groups: dict[str, list[Path]] = {}
    for path in _own(folder):
        if match := _CLIP.fullmatch(path.name):
            groups.setdefault(match[1], []).append(path)
    for name, paths in groups.items():
        stats = [path.stat() for path in paths]
        written = max(stat.st_mtime for stat in stats)
        start, end, awaited = written, written, True
        with suppress(Exception):  # a note that somebody has spoilt says nothing
            note = read_object((folder / f"{name}.json").read_text(encoding="utf-8"))
            awaited = note.get("reviewed") is not True
            start, end = (datetime.fromisoformat(note[key]).timestamp() for key in ("start_utc", "end_utc"))
        yield _Kept(tuple(paths), start, max(start, end), sum(stat.st_size for stat in stats), awaited)


def _segments(folder: Path, awaited: list[_Kept]) -> Iterator[_Kept]:
    for path in _own(folder):
        start = begun(path.name)
        if start is not None:
            stat = path.stat()
            end = max(start, stat.st_mtime)
            shows = any(clip.start <= end and clip.end >= start for clip in awaited)
            yield _Kept((path,), start, end, stat.st_size, shows)


def _being_written(folder: Path) -> int:
    return sum(path.stat().st_size for path in _own(folder) if _WRITTEN.fullmatch(path.name))
