"""Which events look alike: of one source and kind, for the same reason, in the same place, at about the same time."""

from __future__ import annotations

from datetime import UTC, datetime

from oddframe.models.reasons import ninth
from oddframe.store.reading import StoredEvent
from oddframe.store.sources import source_id

STRETCH_S = 3600  # of the clock
FILE_STRETCH_S = 600  # of a video


def alike(event: StoredEvent, size: tuple[int, int] | None) -> str:
    """A text that is the same for events that look alike, and that says in what.

    Args:
        size: (width, height) of the pictures in pixels; None where it is not known, and then places do not count.
    """
    parts = [source_id(event.camera, event.video_id), event.kind, top_component(event) or "", place(event, size)]
    return " / ".join([*filter(None, parts), stretch(event)])


def top_component(event: StoredEvent) -> str | None:
    """The component that lies farthest above normal."""
    heights = {name: height for name, height in event.why.items() if height is not None}
    return max(heights, key=lambda name: heights[name], default=None)


def place(event: StoredEvent, size: tuple[int, int] | None) -> str:
    """The third of the picture, across and down, in which the middle of the box lies; empty without a box."""
    if event.box is None or size is None or not all(size):
        return ""
    left, top, right, bottom = event.box
    return ninth((left / size[0], top / size[1], right / size[0], bottom / size[1]))


def stretch(event: StoredEvent) -> str:
    """The hour of the clock, or the ten minutes of the video, in which an event begins."""
    if event.start_utc is not None:
        begin = datetime.fromtimestamp(event.start_utc // STRETCH_S * STRETCH_S, UTC)
        return begin.strftime("%Y-%m-%d %H:%MZ")
    minutes = int(event.start_s // FILE_STRETCH_S) * FILE_STRETCH_S // 60
    return f"from {minutes} min"
