"""The command `oddframe runs`."""

from __future__ import annotations

import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from oddframe.account import count_of
from oddframe.cli.console import SKIPPED_STATUS, JsonOption, print_json, print_table, say
from oddframe.disk import amount

if TYPE_CHECKING:
    from oddframe.workflow.runs import RunSummary


def runs(
    folders: Annotated[
        list[Path] | None, typer.Argument(help="Folders that hold bundles, or bundles.", show_default="this folder")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """List bundles with date, data, promise, held-out loss and size, and where their recipes differ.

    Folders are searched four levels deep. A damaged bundle is named, and the exit status is 3.
    """
    from oddframe.workflow.runs import differences, list_runs

    found, damaged = list_runs(folders or [Path()])
    differ = differences(found)
    if as_json:
        told = [{"path": str(path), "reason": reason} for path, reason in damaged.items()]
        print_json({"runs": [one.as_json() for one in found], "differences": differ, "damaged": told})
    else:
        columns = ["bundle", "recipe", "made", "learned from", "held out", "alarms/h", "held-out loss", "size"]
        print_table(columns, [_row(one) for one in found], ["held out", "alarms/h", "size"])
        if differ:
            say()
            names = [str(one.path) for one in found]
            print_table(["key of the recipe", *names], [[key, *map(str, row)] for key, row in differ.items()])
    for reason in damaged.values():
        say(f"damaged {reason}", file=sys.stderr)
    if damaged:
        raise typer.Exit(SKIPPED_STATUS)


def _row(one: RunSummary) -> list[str]:
    made = datetime.fromtimestamp(one.made_utc).strftime("%Y-%m-%d %H:%M")
    frames = "" if one.frames is None else f", {count_of(one.frames, 'frame')}"
    alarms = "-" if one.alarms_per_hour is None else f"{one.alarms_per_hour:.3g}"
    alarms += f" ({', '.join(one.calibrations)})" if one.calibrations else ""
    loss = ", ".join(f"{name} {value:.4g}" for name, value in one.heldout_loss.items())
    learned = f"{count_of(one.videos, 'video')}{frames}"
    return [
        str(one.path),
        one.recipe,
        made,
        learned,
        f"{one.heldout_seconds:.0f} s",
        alarms,
        loss or "-",
        amount(one.bytes),
    ]
