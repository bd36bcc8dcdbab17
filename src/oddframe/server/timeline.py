"""Routes of sources and of time: the curve of scores of a day or a video, with its events, gaps and faults."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.exceptions import HTTPException

from oddframe.errors import InputError
from oddframe.server.answers import Plain
from oddframe.server.library import SEEN_S, Library
from oddframe.server.rows import source_key
from oddframe.server.score_files import FINE_S, Curve, ScoreFiles, binned
from oddframe.store.reading import StoredEvent, iso_utc
from oddframe.store.sources import StoredSource

MOST_EVENTS = 5000  # of a timeline
LONGEST_FILE_S = 700.0  # of a camera; see `oddframe.live.scores`
_DAY_S = 86_400.0


def timeline_routes(library: Library, files: ScoreFiles) -> APIRouter:
    """The routes of sources and of time."""
    api, store = APIRouter(prefix="/api"), library.store

    @api.get("/sources")
    def sources() -> Any:
        return Plain([source_row(one) for one in store.sources()])

    @api.get("/timeline")
    def timeline(
        source: str,
        start: Annotated[float | None, Query(alias="from")] = None,
        end: Annotated[float | None, Query(alias="to")] = None,
        bins: Annotated[int, Query(ge=1, le=5000)] = 500,
    ) -> Any:
        kind, name = source_key(source)
        own = store.source(kind, name)
        if kind == "camera":
            now = time.time()
            first, last = (now - _DAY_S if start is None else start), (now if end is None else end)
        else:
            first, last = (own.first_s or 0.0 if start is None else start), (own.last_s or 0.0 if end is None else end)
            last = last if end is not None or last > first else first + 1.0
        if not last > first:
            raise HTTPException(400, "a timeline ends after it begins")
        step = (last - first) / bins
        if kind == "camera":
            curves = _of_camera(files, str(name), first, last, step < 2 * FINE_S)
        else:
            score_file = store.score_file_of(own.number)
            curves = _of_video(files, own, score_file, step < 2 * FINE_S)
        found = store.between(kind, own.number, first, last, MOST_EVENTS)
        return Plain({
            "from": first, "to": last, "clock": "utc" if kind == "camera" else "media",
            "scores": binned(curves, first, last, bins), "threshold": store.threshold_of(kind, own.number),
            "events": [event_row(event) for event in found if event.kind == "anomaly"],
            "gaps": [stretch_row(event) for event in found if event.kind == "gap"],
            "faults": [stretch_row(event) for event in found if event.kind not in ("anomaly", "gap")],
        })  # fmt: skip

    @api.get("/days")
    def days(source: str, offset_min: Annotated[int, Query(ge=-1440, le=1440)] = 0) -> Any:
        kind, name = source_key(source)
        if kind != "camera":
            return []
        store.source(kind, name)
        found = set(store.days(str(name), 60.0 * offset_min))
        found |= {int((begin + 60 * offset_min) // _DAY_S) for begin, _ in files.of_camera(str(name))}
        return [(datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=day)).date().isoformat() for day in sorted(found)]

    return api


def source_row(one: StoredSource) -> dict[str, Any]:
    """A camera or a video as plain values for JSON."""
    state, words, utc = state_of(one)
    return {
        "source": one.id, "name": one.name, "kind": one.kind, "events": one.events, "unreviewed": one.unreviewed,
        "state": state, "words": words, "state_utc": None if utc is None else iso_utc(utc),
        "last_event": one.last_event,
    }  # fmt: skip


def state_of(one: StoredSource) -> tuple[str | None, str | None, float | None]:
    """The state of a camera, why, and since when. Of a watch that gives no sign of life, nothing is believed."""
    if one.state is None or one.seen_utc is None:
        return None, None, None
    since = time.time() - one.seen_utc
    if one.state != "stopped" and since > SEEN_S:
        return "unknown", "nothing was heard of its watch since then", one.seen_utc
    if one.state != "stopped" and since < -SEEN_S:
        return "unknown", "its last sign of life lies in the future: a clock was set back, or is wrong", one.seen_utc
    return one.state, one.words, one.state_utc


def event_row(event: StoredEvent) -> dict[str, Any]:
    """An event of a timeline."""
    start, end = _moments(event)
    return {
        "id": event.id, "kind": event.kind, "start": start, "end": end, "mark": event.mark, "score": event.score,
        "open": event.open,
    }  # fmt: skip


def stretch_row(event: StoredEvent) -> dict[str, Any]:
    """A gap, or a fault of the camera."""
    start, end = _moments(event)
    return {"id": event.id, "kind": event.kind, "start": start, "end": end, "text": event.text, "open": event.open}


def _moments(event: StoredEvent) -> tuple[float, float]:
    if event.start_utc is None or event.end_utc is None:
        return event.start_s, event.end_s
    return event.start_utc, event.end_utc


def _of_camera(files: ScoreFiles, camera: str, first: float, last: float, fine: bool) -> Iterator[Curve]:
    """The curves of a camera by the clock."""
    for begin, file in files.of_camera(camera):
        if begin < last and begin + LONGEST_FILE_S > first:
            curve = _read(files, file, fine)
            if curve is not None and len(curve.time):
                yield Curve(curve.time - curve.time[0] + begin, curve.score)


def _of_video(files: ScoreFiles, own: StoredSource, score_file: str | None, fine: bool) -> Iterator[Curve]:
    """The curve of a video by its own clock."""
    file = files.video_file(own.name, score_file)
    curve = None if file is None else _read(files, file, fine)
    if curve is not None:
        yield curve


def _read(files: ScoreFiles, file: Path, fine: bool) -> Curve | None:
    """A curve; None where the file cannot be read, as one that was removed meanwhile."""
    try:
        return files.curve(file, fine)
    except (InputError, OSError):
        return None
