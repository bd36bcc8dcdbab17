"""Routes of events: lists, one event, marks and zones."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Annotated, Any, Literal
from urllib.parse import quote

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from oddframe.errors import VideoError
from oddframe.server.answers import Plain
from oddframe.server.library import Library
from oddframe.server.media import Media
from oddframe.server.rows import EventCounts, Rows, source_key
from oddframe.store.marking import LONGEST_NOTE
from oddframe.store.reading import EventQuery, StoredEvent
from oddframe.store.sources import Explanation
from oddframe.store.zones import MOST_CORNERS, StoredZone

MOST_MARKED = 10_000  # events of one request
Id = Annotated[str, Field(min_length=1, max_length=64)]
Share = Annotated[float, Field(ge=0, le=1)]


class MarkRequest(BaseModel):
    """What somebody says of events; `of_utc`: an undo is of the marks of this moment alone."""

    ids: Annotated[list[Id], Field(min_length=1, max_length=MOST_MARKED)]
    what: Literal["normal", "abnormal", "unsure", "undo"]
    note: Annotated[str, Field(max_length=LONGEST_NOTE)] = ""
    of_utc: str | None = None


class ZoneRequest(BaseModel):
    """A place to ignore, in what the camera or the detector of an event sees."""

    event: Id
    corners: Annotated[list[tuple[Share, Share]], Field(min_length=3, max_length=MOST_CORNERS)]
    note: Annotated[str, Field(max_length=LONGEST_NOTE)] = ""


class EventFilter(BaseModel):
    """The filters of a list of events; see `oddframe.store.reading.EventQuery`."""

    source: str | None = None
    kind: str | None = None
    mark: Literal["none", "any", "normal", "abnormal", "unsure"] | None = None
    bundle: str | None = None
    since: str | None = None
    until: str | None = None
    order: Literal["rank", "time"] = "rank"
    limit: Annotated[int, Field(ge=1, le=500)] = 50
    after: str | None = None

    def query(self, mark: str | None = None) -> EventQuery:
        """The same as a query of the store; `mark` takes the place of the own one."""
        name = None if self.source is None else source_key(self.source)[1]
        return EventQuery(
            camera=name if isinstance(name, str) else None, video=name if isinstance(name, int) else None,
            bundle=self.bundle, kind=self.kind, mark=mark or self.mark, since=moment(self.since),
            until=moment(self.until), order=self.order,
        )  # fmt: skip


def moment(text: str | None) -> float | None:
    """Seconds since 1970 of a number of them, or of a moment in ISO 8601.

    Raises:
        HTTPException: it is neither.
    """
    if text is None:
        return None
    try:
        return float(text)
    except ValueError:
        pass
    try:
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError, OSError):
        raise HTTPException(400, f"{text!r} is no moment; write 2026-01-31T08:00Z") from None


def event_routes(library: Library, media: Media, rows: Rows) -> APIRouter:
    """The routes of events."""
    api, store = APIRouter(prefix="/api"), library.store
    counts = EventCounts(store)

    @api.get("/events")
    def events(wanted: Annotated[EventFilter, Query()]) -> Any:
        query = wanted.query()
        found = store.events(query, wanted.limit + 1, wanted.after)
        more, found = len(found) > wanted.limit, found[: wanted.limit]
        count = counts.of(query)
        unreviewed = 0 if wanted.mark not in (None, "none") else counts.of(wanted.query("none"))
        return Plain({
            "events": [rows.of(event) for event in found], "count": count, "unreviewed": unreviewed,
            "next": found[-1].id if more else None,
        })  # fmt: skip

    @api.get("/events/{name}")
    async def event(name: str) -> Any:
        found, known, told = await asyncio.to_thread(_known, library, rows, name)
        seen = await asyncio.get_running_loop().run_in_executor(media.details, _seen, media, found, known)
        return Plain({**told, **seen, "components": components(found, known)})

    @api.post("/marks")
    def mark(request: Request, wanted: MarkRequest) -> Any:
        of_utc = moment(wanted.of_utc)
        marked = store.mark(wanted.ids, wanted.what, request.state.who, wanted.note, of_utc)
        counts.forget()
        changed = store.events_named(list(dict.fromkeys(wanted.ids)))
        return Plain({"marked": marked, "events": [rows.of(event) for event in changed]})

    @api.get("/zones")
    def zones(source: str) -> Any:
        return zones_of_source(library, source)

    @api.post("/zones")
    def add_zone(request: Request, wanted: ZoneRequest) -> Any:
        found = store.event(wanted.event)
        if found.camera is None and found.bundle is None:
            raise HTTPException(400, "nothing says which camera or detector this event is of")
        corners = tuple((float(x), float(y)) for x, y in wanted.corners)
        bundle = found.bundle if found.camera is None else None
        zone = StoredZone(corners, request.state.who, found.camera, bundle, wanted.note)
        return {"number": store.add_zone(zone)}

    @api.delete("/zones/{number}")
    def end_zone(number: int) -> Any:
        store.end_zone(number)
        return {"number": number}

    return api


def _known(library: Library, rows: Rows, name: str) -> tuple[StoredEvent, Explanation, dict[str, Any]]:
    """What the store knows of an event and its detector, and what of it the page gets."""
    store = library.store
    found = store.event(name)
    zones = store.zones(camera=found.camera) if found.camera is not None else {}
    if found.camera is None and found.bundle is not None:
        zones = store.zones(bundle=found.bundle)
    told = {
        "event": rows.of(found), "marks": [mark.as_json() for mark in store.marks(name)],
        "zones": [zone_row(number, zone) for number, zone in zones.items()],
    }  # fmt: skip
    return found, store.explanation(name), told


def _seen(media: Media, event: StoredEvent, known: Explanation) -> dict[str, Any]:
    """What is to be seen of an event: its clip, or in one line why there is none, and moments that were normal."""
    here = f"/api/events/{quote(event.id, safe='')}"
    try:
        shape = media.shape(event)
    except VideoError as error:
        return {"clip": None, "no_clip": " ".join(str(error).split()), "heat": False, "normal": []}
    moments = media.normal(event, known.bundle)
    return {
        "clip": {
            "url": f"{here}/clip", "start_s": shape.start_s, "fps_hint": shape.fps, "width": shape.width,
            "height": shape.height,
        },
        "no_clip": None, "heat": media.has_heat(event),
        "normal": [
            {"thumb": f"{here}/normal/{place}", "text": f"{one.video}, {one.time:.0f} s"}
            for place, one in enumerate(moments)
        ],
    }  # fmt: skip


def components(event: StoredEvent, known: Explanation) -> list[dict[str, Any]]:
    """Each component in words, the most unusual first."""
    heights = sorted(event.why.items(), key=lambda item: -(item[1] if item[1] is not None else float("-inf")))
    rows = []
    for name, value in heights:
        normal = ""
        if name in known.levels:
            mean, deviation = known.levels[name]
            normal = f"normal video has {mean:.3g}, give or take {deviation:.2g}"
        rows.append({
            "name": name, "words": known.words.get(name, ""), "value": None if value is None else round(value, 2),
            "normal_text": normal,
        })  # fmt: skip
    return rows


def zones_of_source(library: Library, source: str) -> list[dict[str, Any]]:
    """The zones that hold in what a camera sees, or in the videos of a detector."""
    store = library.store
    kind, name = source_key(source)
    if kind == "camera":
        found = store.zones(camera=str(name))
    else:
        found = {
            number: zone for number, zone in store.zones().items()
            if zone.bundle is not None and store.count(EventQuery(video=name, bundle=zone.bundle))
        }  # fmt: skip
    return [{**zone_row(number, zone), "source": source} for number, zone in found.items()]


def zone_row(number: int, zone: StoredZone) -> dict[str, Any]:
    """A zone as plain values for JSON."""
    return {
        "number": number, "corners": [list(corner) for corner in zone.corners], "who": zone.who, "note": zone.note,
        "source": None if zone.camera is None else f"camera:{zone.camera}", "bundle": zone.bundle,
    }  # fmt: skip
