"""The one reader of the names of time zones."""

from __future__ import annotations

from zoneinfo import ZoneInfo, available_timezones


def time_zone(name: str) -> ZoneInfo:
    """The time zone of a name such as "Europe/Berlin".

    Raises:
        ValueError: it is none, or this machine knows no time zones at all, as small containers do not.
    """
    try:
        return ZoneInfo(name)
    except Exception:  # it can be a path, a folder, or no name at all
        if not available_timezones():
            raise ValueError("this machine knows no time zones; install them: pip install tzdata") from None
        raise ValueError(f"{name!r} is no time zone; write a name such as Europe/Berlin") from None
