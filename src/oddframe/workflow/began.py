"""When a video was taken, as far as its file tells: the time of day at which its first frame was shown."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime

from oddframe.errors import InputError, VideoError
from oddframe.live.limits import begun
from oddframe.scoring.schedule import ClockSchedule, Schedule
from oddframe.video.opening import open_video
from oddframe.video.sources import VideoSource, begun_at

FIRST_YEAR = 1995  # no digital video is older: clocks that were never set say 1904, 1970 or 1980
LONGEST_DATE = len("2026-01-31")  # a date alone says no time of day
EXAMPLE = "20260131T170000.000Z.mp4"
NAME_IT = (
    f"give the file a name such as {EXAMPLE}, the UTC time at which it begins, or calibrate with a schedule by "
    "brightness"
)
SAY_IT = f"say it with --start 2026-01-31T18:00:00+01:00, {NAME_IT}"


def recording_began(source: VideoSource) -> datetime | None:
    """UTC at which a video begins; None where nobody knows.

    What the user has said of it comes first. A recording of `oddframe watch` has it in its name. Other files may have
    it as `creation_time` in their header; most cameras and recorders write it there, programs that encode a file again
    leave it out or copy it.
    """
    try:
        return _began(source)
    except VideoError:
        return None  # what cannot be read any more is told where its pictures are missing


def with_starts(sources: Sequence[VideoSource], schedule: Schedule | None, remedy: str = SAY_IT) -> list[VideoSource]:
    """The same videos; where the clock chooses among calibrations, each with when it was taken.

    Those that cannot be opened stay as they are: scoring says what is wrong with them.

    Args:
        remedy: what to do where nobody knows.

    Raises:
        InputError: nobody knows when one of them was taken.
    """
    if not isinstance(schedule, ClockSchedule):
        return list(sources)
    found, unknown = [], []
    for source in sources:
        try:
            began = None if source.fault else _began(source)
        except VideoError:
            found.append(source)
            continue
        if began is None and not source.fault:
            unknown.append(source)
        found.append(source if began is None else begun_at(source, began.timestamp()))
    if unknown:
        more = f" (and of {len(unknown) - 1} more)" if unknown[1:] else ""
        raise InputError(
            f"{unknown[0].where}: when this video was taken is not known{more}, and calibrations are chosen "
            f"{schedule.words}; {remedy}"
        )
    return found


def given_start(sources: Sequence[VideoSource], start: str | None) -> list[VideoSource]:
    """The same video, taken at this time; None says nothing.

    Args:
        start: ISO 8601 with a time zone, such as "2026-01-31T18:00:00+01:00".

    Raises:
        InputError: it is no such time, lies before `FIRST_YEAR` or in the future, or there are several videos.
    """
    if start is None:
        return list(sources)
    if len(sources) > 1:
        raise InputError(
            f"--start {start} is of one video, and there are {len(sources)}; score them one by one, or give them names "
            f"such as {EXAMPLE}, the UTC time at which each begins"
        )
    try:
        moment = datetime.fromisoformat(start)
    except ValueError:
        moment = datetime.min
    if moment.tzinfo is None:
        raise InputError(f"--start {start}: write a time with its zone, such as 2026-01-31T18:00:00+01:00")
    if not _plausible(moment):
        raise InputError(f"--start {start}: lies before {FIRST_YEAR} or in the future; correct it")
    return [begun_at(source, moment.timestamp()) for source in sources]


def _began(source: VideoSource) -> datetime | None:
    """`recording_began`.

    Raises:
        VideoError: it cannot be opened.
    """
    if source.began is not None:
        return datetime.fromtimestamp(source.began, UTC)
    if source.kind != "file":
        return None
    own = begun(f"{source.path.stem}.mp4")  # whatever the container is
    if own is not None:
        moment = datetime.fromtimestamp(own, UTC)
        return moment if _plausible(moment) else None
    container, stream, _ = open_video(source.where, threads=1)
    with container:
        return stated(container.metadata.get("creation_time") or stream.metadata.get("creation_time") or "")


def stated(text: str) -> datetime | None:
    """The moment, in UTC, that the header of a file states as `creation_time`; None where it says none that can be."""
    try:
        moment = datetime.fromisoformat(text)
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return moment if len(text) > LONGEST_DATE and _plausible(moment) else None


def _plausible(moment: datetime) -> bool:
    """Whether a video can have been taken then, by the clock of this machine, which may be a day behind."""
    return moment.year >= FIRST_YEAR and moment.timestamp() < time.time() + 86_400
