"""Names of videos as label files write them: one rule for every table, list and folder of labels.

A name is compared in NFC, with slashes for back slashes, with or without the suffix of a video file, and with or
without the folder that holds the videos in front of it. Case and leading zeros count.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from oddframe.errors import InputError
from oddframe.video.sources import VIDEO_SUFFIXES, VideoSource


def slashed(text: str) -> str:
    """A name in NFC, with slashes for back slashes and without "./" in front."""
    return unicodedata.normalize("NFC", text.strip()).replace("\\", "/").removeprefix("./")


def video_name(text: str) -> str:
    """A name as `slashed` makes it, without the suffix of a video file."""
    name = slashed(text)
    suffix = PurePosixPath(name).suffix
    return name[: -len(suffix)] if suffix.lower() in VIDEO_SUFFIXES else name


class VideoNames:
    """Finds the video that a label file means.

    Args:
        sources: the videos.
        root: folder of the data set. Names may also be paths below it.
    """

    def __init__(self, sources: Iterable[VideoSource], root: Path) -> None:
        self._exact: dict[str, VideoSource] = {}
        self._other: dict[str, list[VideoSource]] = defaultdict(list)
        for source in sources:
            self._exact[slashed(source.name)] = source
            path = source.path.relative_to(root).as_posix() if source.path.is_relative_to(root) else source.path.name
            for text in {slashed(path), video_name(path), video_name(source.name)}:
                self._other[text].append(source)

    def find(self, text: str, where: object) -> VideoSource | None:
        """The video that is called `text`; None if there is none.

        Raises:
            InputError: it fits several videos. The message names two of them and `where`.
        """
        exact = self._exact.get(slashed(text)) or self._exact.get(video_name(text))
        found = self._other.get(slashed(text)) or self._other.get(video_name(text)) or []
        if exact is None and len(found) > 1:
            raise InputError(f"{where}: {text!r} may be {found[0].name} or {found[1].name}; write the name with suffix")
        return exact or (found[0] if found else None)

    def close(self, text: str) -> str:
        """A question for messages, with the only video that differs from `text` in case and zeros alone; or empty."""
        near = [source.name for name, source in self._exact.items() if _loose(name) == _loose(video_name(text))]
        return f"; is it {near[0]!r}?" if len(near) == 1 else ""


def _loose(name: str) -> str:
    """A name without case and without zeros in front of numbers."""
    return re.sub(r"(?<!\d)0+(?=\d)", "", name).casefold()
