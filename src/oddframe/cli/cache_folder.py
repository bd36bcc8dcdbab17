"""The commands `oddframe cache`: what lies in the cache folder, and emptying it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from oddframe.account import count_of
from oddframe.cli.console import JsonOption, print_json, print_table, say
from oddframe.disk import amount
from oddframe.places import default_cache_root

app = typer.Typer(help="Show what the cache folder holds, and empty it.", no_args_is_help=True)


@app.command()
def info(as_json: JsonOption = False) -> None:
    """Show what lies in the cache folder, by kind. The variable ODDFRAME_CACHE chooses another folder."""
    from oddframe.workflow.cached import KINDS, cache_entries

    found = cache_entries()
    kinds = {
        name: (sum(one.kind == name for one in found), sum(one.bytes for one in found if one.kind == name))
        for name in KINDS
    }
    if as_json:
        rows = [{"kind": name, "entries": count, "bytes": size} for name, (count, size) in kinds.items()]
        print_json({"folder": str(default_cache_root()), "bytes": sum(one.bytes for one in found), "kinds": rows})
        return
    rows_shown = [[name, KINDS[name].what, f"{count:,}", amount(size)] for name, (count, size) in kinds.items()]
    print_table(["kind", "what it is", "entries", "size"], rows_shown, ["entries", "size"])
    say(f"folder  {default_cache_root()}")
    say(f"size    {amount(sum(one.bytes for one in found))}")


@app.command()
def clean(
    kind: Annotated[
        list[str] | None,
        typer.Option(metavar="KIND", help="Only this kind, such as frames; repeatable.", show_default="all kinds"),
    ] = None,
    unused_days: Annotated[
        float, typer.Option(min=0, help="Keep what was used in this many last days.", metavar="DAYS")
    ] = 0.0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be removed, and remove nothing.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Remove what the cache folder holds. All of it is made again when it is needed."""
    from oddframe.workflow.cached import clean_cache

    gone = clean_cache(kind or (), unused_days, dry_run)
    size = sum(one.bytes for one in gone)
    if as_json:
        rows = [{**asdict(one), "path": str(one.path)} for one in gone]
        print_json({"removed": [] if dry_run else rows, "would_remove": rows if dry_run else [], "bytes": size})
        return
    does = "would be removed" if dry_run else "removed"
    say(f"{count_of(len(gone), 'entry', 'entries')} of {amount(size)} {does}")
