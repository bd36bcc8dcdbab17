"""Events as the page gets them, and the texts by which it names their sources."""

from __future__ import annotations

import time
from typing import Any

from starlette.exceptions import HTTPException

from oddframe.scoring.words import event_text
from oddframe.server.alike import alike
from oddframe.server.media import Media
from oddframe.server.score_files import Recent, ScoreFiles
from oddframe.store.reading import EventQuery, StoredEvent
from oddframe.store.sources import source_id
from oddframe.store.store import Store

COUNTED_S = 1.0
_KEPT_S = 30.0  # in which the size of a camera's pictures is looked up once

SourceKey = tuple[str, str | int]
"""("camera", its name) or ("video", its number)."""


def source_key(text: str) -> SourceKey:
    """The source that a text such as "camera:door" or "video:3" names.

    Raises:
        HTTPException: it names none.
    """
    kind, _, name = text.partition(":")
    if kind == "camera" and name:
        return kind, name
    if kind == "video" and name.isdecimal() and len(name) < 18:
        return kind, int(name)
    raise HTTPException(400, f"{text!r} is no source; write camera:NAME or video:NUMBER")


class EventCounts:
    """How many events there are. That takes longer than a page of them: a count of one second serves all who ask in it.

    Who marks events through this server sees the new counts at once; what a watch writes is counted a second later.
    """

    def __init__(self, store: Store) -> None:
        self._store, self._marked = store, 0
        self._known = Recent[tuple[EventQuery, int, int, int], int](1000)

    def of(self, query: EventQuery) -> int:
        """How many events a query finds."""
        now = int(time.monotonic() / COUNTED_S)
        return self._known.get_or((query, now, self._marked, self._store.replaced), lambda: self._store.count(query))

    def forget(self) -> None:
        """Events were marked."""
        self._marked += 1


class Rows:
    """Makes rows of events."""

    def __init__(self, media: Media, files: ScoreFiles) -> None:
        self._media, self._files = media, files
        self._sizes = Recent[tuple[str, int], tuple[int, int] | None](1000)

    def of(self, event: StoredEvent) -> dict[str, Any]:
        """An event as plain values for JSON."""
        row = event.as_json()
        del row["path"]  # the page names media by the ids of events
        row["source"] = source_id(event.camera, event.video_id)
        size = self._size(event)
        if not row["text"] and event.kind == "anomaly":  # an older oddframe wrote none for files
            row["text"] = event_text(event.why, event.box, size, {})
        row["alike"] = alike(event, size)
        row["media"] = self._media.playable(event)
        row["thumb"] = row["media"] or self._media.drawable(event)
        return row

    def _size(self, event: StoredEvent) -> tuple[int, int] | None:
        if event.width and event.height:
            return event.width, event.height
        if event.camera is None or event.box is None:
            return None
        camera, now = event.camera, int(time.monotonic() / _KEPT_S)
        return self._sizes.get_or((camera, now), lambda: self._files.size(camera))
