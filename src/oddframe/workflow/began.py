"""When a video was taken, as far as its file tells: the time of day at which its first frame was shown."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from oddframe.errors import VideoError
from oddframe.live.limits import begun
from oddframe.video.opening import open_video
from oddframe.video.sources import VideoSource

FIRST_YEAR = 1995  # no digital video is older: clocks that were never set say 1904, 1970 or 1980


def recording_began(source: VideoSource) -> datetime | None:
    """UTC at which a video begins; None where nobody knows.

    A recording of `oddframe watch` has it in its name. Other files may have it as `creation_time` in their header; most
    cameras and recorders write it there, programs that encode a file again leave it out or copy it.
    """
    if source.kind != "file":
        return None
    own = begun(source.path.name)
    if own is not None:
        return datetime.fromtimestamp(own, UTC)
    try:
        container, stream, _ = open_video(source.where, threads=1)
        with container:
            text = container.metadata.get("creation_time") or stream.metadata.get("creation_time") or ""
    except VideoError:
        return None  # what cannot be read any more is told where its pictures are missing
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return moment if moment.year >= FIRST_YEAR and moment < datetime.now(UTC) + timedelta(days=1) else None
