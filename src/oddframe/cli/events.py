"""The commands `oddframe events`: what the event store holds, and what people say of it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from oddframe.account import count_of
from oddframe.cli.console import JsonOption, file_to_write, print_json, print_table, say
from oddframe.errors import InputError
from oddframe.spelling import visible

if TYPE_CHECKING:
    from oddframe.store.reading import EventQuery, StoredEvent

app = typer.Typer(help="List, show, mark and export the events of an event store.", no_args_is_help=True)

WIDE, BETWEEN = 80, 2  # letters of a row of a table, and between two columns
SHORTEST, LONGEST = 8, 24  # letters of the name of a camera or a video in it
COLUMNS = ("event", "where", "start", "what", "times", "mark")


def moment(text: str | None) -> str | None:
    """A moment in ISO 8601, as given.

    Raises:
        InputError: it is none.
    """
    if text is not None:
        seconds(text)
    return text


def seconds(text: str) -> float:
    """Seconds since 1970 of a moment in ISO 8601; without a zone it is one of this machine.

    Raises:
        InputError: it is none.
    """
    try:
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError, OSError):
        raise InputError(f"{text!r} is no moment; write 2026-01-31, 2026-01-31T08:00 or 2026-01-31T08:00Z") from None


StoreOption = Annotated[
    str,
    typer.Option(
        "--store", metavar="STORE", help="File of SQLite, a folder that holds events.db, or postgresql://HOST/DATABASE."
    ),
]
CameraFilter = Annotated[str | None, typer.Option("--camera", help="Only events of this camera.")]
VideoFilter = Annotated[str | None, typer.Option("--video", help="Only events of the video of this name.")]
BundleFilter = Annotated[str | None, typer.Option("--bundle", help="Only events that this bundle found, by its id.")]
KindFilter = Annotated[
    str | None, typer.Option("--kind", help="anomaly, gap, or a fault of the camera such as moved or covered.")
]
MarkFilter = Annotated[str | None, typer.Option("--mark", help="none, any, normal, abnormal or unsure.")]
SinceFilter = Annotated[
    str | None, typer.Option("--since", callback=moment, help="Only live events that last until this moment or longer.")
]
UntilFilter = Annotated[
    str | None, typer.Option("--until", callback=moment, help="Only live events that begin before this moment.")
]


def query_of(
    camera: str | None, video: str | None, bundle: str | None, kind: str | None, mark: str | None, since: str | None,
    until: str | None,
) -> EventQuery:  # fmt: skip
    """The filters of a command line as a query."""
    from oddframe.extras import imported

    imported("sqlalchemy", "review")
    from oddframe.store.reading import EventQuery

    first, last = (None if text is None else seconds(text) for text in (since, until))
    return EventQuery(camera, video, bundle, kind, mark, first, last)


@app.command("list")
def list_events(
    store: StoreOption = ".",
    camera: CameraFilter = None,
    video: VideoFilter = None,
    bundle: BundleFilter = None,
    kind: KindFilter = None,
    mark: MarkFilter = None,
    since: SinceFilter = None,
    until: UntilFilter = None,
    order: Annotated[
        str, typer.Option(help="rank: unreviewed first, the farthest above the threshold on top; or time.")
    ] = "rank",
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="Events at most.")] = 50,
    after: Annotated[str | None, typer.Option(help="Go on after the event of this id.")] = None,
    as_json: JsonOption = False,
) -> None:
    """List events: unreviewed ones first, and those first that lie farthest above their threshold."""
    from dataclasses import replace

    query = query_of(camera, video, bundle, kind, mark, since, until)
    from oddframe.store.opening import open_store

    query = replace(query, order=order)  # type: ignore[arg-type]  # checked when it is made
    with open_store(store, create=False) as opened:
        found, count = opened.events(query, limit, after), opened.count(query)
    if as_json:
        print_json({"count": count, "events": [event.as_json() for event in found]})
        return
    if found:
        print_table(COLUMNS, rows_of(found), ["start", "times"])
        say("times: the score in units of the threshold; with a sign, how far above it")
    say(f"{len(found)} of {count_of(count, 'event')}")
    if found and len(found) == limit < count:
        say(f"next    --after {found[-1].id}")


def rows_of(events: Sequence[StoredEvent]) -> list[list[str]]:
    """Events as rows of a table of 80 letters; names are cut at their beginning where they do not fit."""
    rows = [row_of(event) for event in events]
    widths = [max(map(len, column)) for column in zip(COLUMNS, *rows, strict=True)]
    room = WIDE - BETWEEN * (len(COLUMNS) - 1) - sum(widths) + widths[1]
    most = min(LONGEST, max(SHORTEST, room))
    return [[name, short(where, most), *rest] for name, where, *rest in rows]


def row_of(event: StoredEvent) -> list[str]:
    """What `COLUMNS` say of an event. A live event starts at a time of day, another one at a second of its video."""
    from oddframe.report.units import times_text

    start = f"{event.start_s:.1f} s"
    if event.start_utc is not None:
        start = datetime.fromtimestamp(event.start_utc, UTC).strftime("%Y-%m-%d %H:%MZ")
    what = " ".join([event.kind, *(["held"] if event.held else []), *([] if event.found else ["gone"])])
    above = "" if event.above is None else f"{event.above:+.3g}"  # of a version that is not known
    times = above if event.times is None else times_text(event.times)
    mark = "open" if event.open else event.mark or ""
    return [event.id, visible(event.camera or event.video or ""), start, visible(what), times, mark]


def short(text: str, most: int) -> str:
    """The last letters of a text that does not fit."""
    return text if len(text) <= most else f"...{text[3 - most :]}"


@app.command()
def show(
    event: Annotated[str, typer.Argument(help="Id of the event.")],
    store: StoreOption = ".",
    as_json: JsonOption = False,
) -> None:
    """Show all that the store knows of an event, and every mark that it ever got."""
    from oddframe.store.opening import open_store

    with open_store(store, create=False) as opened:
        found, marks = opened.event(event), opened.marks(event)
    told = found.as_json()
    if as_json:
        print_json({**told, "marks": [mark.as_json() for mark in marks]})
        return
    for name, value in told.items():
        if name == "why":
            value = ", ".join(
                f"{part} {'?' if height is None else format(height, '+.1f')}" for part, height in value.items()
            )
        elif name in ("reasons", "box"):
            value = ", ".join(map(str, value or ()))
        if value not in (None, "") and name not in ("marked_by", "marked_utc", "note"):
            say(f"{name:<12} {value}")
    for mark in marks:
        row = mark.as_json()
        say(f"{row['at_utc']}  {mark.what:<9} {mark.who}{f': {mark.note}' if mark.note else ''}")


@app.command()
def mark(
    what: Annotated[str, typer.Argument(help="normal, abnormal, unsure, or undo.")],
    events: Annotated[list[str], typer.Argument(help="Ids of events.")],
    store: StoreOption = ".",
    who: Annotated[str | None, typer.Option(help="Who says so.", show_default="the user")] = None,
    note: Annotated[str, typer.Option(help="For people.", show_default=False)] = "",
    as_json: JsonOption = False,
) -> None:
    """Say what events are: all of them or none. The last mark of an event counts, and `undo` takes it back."""
    from oddframe.store.opening import open_store

    with open_store(store, create=False) as opened:
        marked = opened.mark(events, what, who, note)
    if as_json:
        print_json({"marked": marked})
    else:
        say(f"{count_of(marked, 'event')} marked {what}" if what != "undo" else f"{count_of(marked, 'mark')} undone")


@app.command()
def export(
    store: StoreOption = ".",
    form: Annotated[str, typer.Option("--format", help="jsonl, csv, or coco (boxes).")] = "jsonl",
    out: Annotated[
        Path | None,
        typer.Option(dir_okay=False, callback=file_to_write, help="File to write.", show_default="standard output"),
    ] = None,
    camera: CameraFilter = None,
    video: VideoFilter = None,
    bundle: BundleFilter = None,
    kind: KindFilter = None,
    mark: MarkFilter = None,
    since: SinceFilter = None,
    until: UntilFilter = None,
) -> None:
    """Write events with their marks as JSON lines, CSV or COCO, in the order of time."""
    from dataclasses import replace

    from oddframe.atomic import replacing

    query = query_of(camera, video, bundle, kind, mark, since, until)
    from oddframe.store.export import FORMATS, export_events
    from oddframe.store.opening import open_store

    if form not in FORMATS:
        raise InputError(f"events cannot be exported as {form!r}; there are: {', '.join(FORMATS)}")
    with open_store(store, create=False) as opened:
        found = opened.every(replace(query, order="time"))
        if out is None:
            left_out = export_events(found, form, sys.stdout)
        else:
            with replacing(out) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
                left_out = export_events(found, form, file)
    if left_out:
        say(f"left out, without a box: {count_of(left_out, 'event')}", file=sys.stderr)


@app.command()
def migrate(store: StoreOption = ".") -> None:
    """Bring a store of an older oddframe up to date. A file of SQLite is copied first; copy PostgreSQL with pg_dump."""
    from oddframe.store.opening import open_store

    with open_store(store, create=False, migrate=True) as opened:
        say(f"{opened.shown} is up to date")
