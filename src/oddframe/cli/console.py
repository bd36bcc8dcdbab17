"""Options and output that the commands share: common options, JSON, tables, skipped videos."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from oddframe.scoring.choose_runtime import Candidate
    from oddframe.workflow.scores import Skipped

SKIPPED_STATUS = 3

AlarmsOption = Annotated[
    float | None, typer.Option(help="Accepted false alarms per hour of normal video.", show_default="1")
]
QuantileOption = Annotated[
    float | None,
    typer.Option(help="Take this quantile (0 to 1) of the held-out scores as threshold, instead of --alarms-per-hour."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.")]
DeviceOption = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, ...")]
RuntimeOption = Annotated[
    str | None,
    typer.Option(
        help="torch, onnx, openvino, or auto: the fastest one whose scores agree with torch's.", show_default="torch"
    ),
]
PrecisionOption = Annotated[
    str | None, typer.Option(help="fp32 or bf16; int8 for a detector exported in int8.", show_default="fp32")
]
BatchOption = Annotated[int | None, typer.Option(help="Frames per forward pass. It changes the speed only.")]
WorkersOption = Annotated[int, typer.Option(min=1, help="Processes that score videos in parallel.")]


def print_json(value: Any) -> None:
    """Print one JSON document on standard output."""
    print(json.dumps(value, indent=2, allow_nan=False))


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]], numbers: Sequence[str] = ()) -> None:
    """Print a table on standard output. Columns named in `numbers` are aligned to the right."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, justify="right" if column in numbers else "left", overflow="fold")
    for row in rows:
        table.add_row(*row)
    wide = None if sys.stdout.isatty() else 200
    Console(width=wide, highlight=False, markup=False).print(table)


def print_candidate(candidate: Candidate) -> None:
    """Print a line on standard error about a runtime that was tried."""
    verdict = "agrees" if candidate.fault is None else candidate.fault
    print(f"{candidate.runtime} {candidate.precision}: {candidate.speed:.1f} frames/s, {verdict}", file=sys.stderr)


def exit_with(skipped: Sequence[Skipped]) -> None:
    """Print the skipped videos on standard error and exit with status 3, if there are any."""
    for source, reason in skipped:
        print(f"skipped {source.name}: {reason}", file=sys.stderr)
    if skipped:
        raise typer.Exit(SKIPPED_STATUS)
