"""What the parts of a watched camera tell each other: frames that arrive, and notices for people and programs.

follower thread  -> Begun, Arrived, Ended ->  scoring  -> Notice ->  sinks, clips, metrics
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from oddframe.types import VideoInfo
from oddframe.video.decode import Frame

Change = Literal["opened", "updated", "closed"]
Why = Literal["lost", "dropped", "end", "stopped"]


@dataclass(frozen=True)
class Begun:
    """A stretch of consecutive frames begins. Nothing before it belongs to the same video.

    Attributes:
        info: of the stream. Its `name` is that of the camera, its `key` names this stretch, and no other one ever.
        utc: seconds since 1970 at which its first frame arrived.
        skipped: pictures that were passed over between a drop and the key frame at which this stretch begins.
    """

    info: VideoInfo
    utc: float
    skipped: int = 0


@dataclass(frozen=True)
class Arrived:
    """A frame, at the size and in the colour that the detector looks at.

    Attributes:
        frame: numbered from 0 in its stretch, with the media time of its stretch.
        utc: seconds since 1970 at which its last packet arrived.
        at: the same by `time.monotonic`, for latencies.
    """

    frame: Frame
    utc: float
    at: float


@dataclass(frozen=True)
class Ended:
    """The stretch is over.

    Attributes:
        why: "lost": end of file, time-out or error of a live source, which are the same thing; "dropped": the machine
            was too slow, and frames that waited were dropped; "end": a file is over; "stopped": we were asked to stop.
        words: what happened, for people, without credentials.
        dropped: frames that were dropped.
        utc: seconds since 1970.
    """

    why: Why
    words: str
    utc: float
    dropped: int = 0


Message = Begun | Arrived | Ended


@dataclass(frozen=True)
class Notice:
    """What people and programs are told: a step in the life of an event. Sinks take these.

    Attributes:
        change: an event is opened once, updated any number of times, and closed once.
        kind: "anomaly", "gap" (nothing was seen), or the word for a fault of the camera: "moved", "covered",
            "blurred", "dark", "bright", "frozen", "drift".
        id: 16 hexadecimal digits that name the event, in all of its notices.
        camera: name of the camera.
        bundle: id of the bundle.
        start_utc, peak_utc, end_utc: seconds since 1970; `end_utc` is the latest moment that is known to belong to it.
        start_s, peak_s, end_s: seconds of the media clock since the stretch began.
        score, threshold: at the peak; None for other kinds than "anomaly".
        box: (left, top, right, bottom) in pixels, or None.
        width, height: of the displayed picture in pixels; None where they are not known.
        why: component -> standard deviations above normal.
        text: what happens, in a sentence.
        held: a fault of the camera, or a rule of the configuration, for which nobody is told; empty otherwise.
        files: "clip", "thumbnail", "heat" -> path below the output folder, as soon as the file is there.
    """

    change: Change
    kind: str
    id: str
    camera: str
    bundle: str
    start_utc: float
    peak_utc: float
    end_utc: float
    start_s: float
    peak_s: float
    end_s: float
    score: float | None = None
    threshold: float | None = None
    box: tuple[int, int, int, int] | None = None
    width: int | None = None
    height: int | None = None
    why: Mapping[str, float] = field(default_factory=dict)
    text: str = ""
    held: str = ""
    files: Mapping[str, str] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Plain values for JSON. Times of day are ISO 8601 in UTC, to the millisecond."""
        row = asdict(self)
        for name in ("start_utc", "peak_utc", "end_utc"):
            row[name] = iso(row[name])
        for name in ("start_s", "peak_s", "end_s"):
            row[name] = round(row[name], 3)
        row["score"] = None if self.score is None else float(f"{self.score:.7g}")
        row["why"] = {name: round(value, 2) for name, value in self.why.items()}
        return row


def iso(utc: float) -> str:
    """Seconds since 1970 as ISO 8601 in UTC, to the millisecond: 2026-01-31T12:00:00.000Z."""
    return datetime.fromtimestamp(utc, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
