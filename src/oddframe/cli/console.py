"""Options and output that the commands share: common options, JSON, tables, skipped videos."""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer

from oddframe.atomic import too_long
from oddframe.cli.inputs import above_zero, device_name, finite, refuse_address, share
from oddframe.cli.layout import paragraph, table, terminal_width, wide
from oddframe.errors import InputError
from oddframe.progress import silent
from oddframe.spelling import visible

if TYPE_CHECKING:
    from oddframe.scoring.choose_runtime import Candidate
    from oddframe.types import VideoInfo
    from oddframe.workflow.scores import Skipped

SKIPPED_STATUS = 3


def allow_play_lists(asked: bool) -> bool:
    """Allow play lists in this process and in those that it starts, if asked."""
    if asked:
        from oddframe.video.opening import PLAY_LISTS

        os.environ[PLAY_LISTS] = "1"
    return asked


THRESHOLD, READING, COMPUTING = "Threshold", "How video is read", "Device and speed"
"""Groups of options in the help of the commands."""

AlarmsOption = Annotated[
    float | None,
    typer.Option(
        callback=above_zero,
        help="Accepted false alarms per hour of normal video.",
        show_default="1",
        rich_help_panel=THRESHOLD,
    ),
]
QuantileOption = Annotated[
    float | None,
    typer.Option(
        callback=share,
        help="Take this quantile (0 to 1) of the held-out scores as threshold, instead of --alarms-per-hour.",
        rich_help_panel=THRESHOLD,
    ),
]
ThresholdOption = Annotated[
    float | None,
    typer.Option(callback=finite, help="Set the threshold to this value.", rich_help_panel=THRESHOLD),
]
CalibratedAlarmsOption = Annotated[
    float | None,
    typer.Option(
        callback=above_zero,
        help="Set the threshold by the accepted false alarms per hour.",
        show_default="the calibrated threshold",
        rich_help_panel=THRESHOLD,
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.")]
DeviceOption = Annotated[
    str,
    typer.Option(
        metavar="DEVICE",
        callback=device_name,
        help="auto, cpu, cuda, or cuda:1 for the second GPU.",
        rich_help_panel=COMPUTING,
    ),
]
RuntimeOption = Annotated[
    str | None,
    typer.Option(
        metavar="RUNTIME",
        help="torch, onnx, openvino, or auto: the fastest one whose scores agree with torch's.",
        show_default="torch",
        rich_help_panel=COMPUTING,
    ),
]
PrecisionOption = Annotated[
    str | None,
    typer.Option(
        metavar="PRECISION",
        help="fp32 or bf16; int8 for a detector exported in int8.",
        show_default="fp32",
        rich_help_panel=COMPUTING,
    ),
]
BatchOption = Annotated[
    int | None,
    typer.Option(
        callback=above_zero,
        help="Frames per forward pass. It changes the speed only.",
        rich_help_panel=COMPUTING,
    ),
]
WorkersOption = Annotated[
    int, typer.Option(min=1, help="Processes that score videos in parallel.", rich_help_panel=COMPUTING)
]
FpsOption = Annotated[
    float | None,
    typer.Option(
        callback=above_zero,
        help="Frames per second of frame folders and raw streams, which have no time stamps.",
        rich_help_panel=READING,
    ),
]
StartOption = Annotated[
    str | None,
    typer.Option(
        metavar="TIME",
        help="When the video was taken, as 2026-01-31T18:00:00+01:00, where the clock chooses among calibrations.",
        show_default="what its name or its header says",
        rich_help_panel=READING,
    ),
]
AnyRateOption = Annotated[
    bool,
    typer.Option(
        "--any-rate",
        help="Score videos of another frame rate as if it were the one that RUN learned at.",
        rich_help_panel=READING,
    ),
]
PlayListsOption = Annotated[
    bool,
    typer.Option(
        "--play-lists",
        callback=allow_play_lists,
        help="Read play lists, which play other files of this machine.",
        rich_help_panel=READING,
    ),
]
ShardOption = Annotated[
    str | None,
    typer.Option(
        help="Do this share of the work alone, such as 2/8; auto takes it from SLURM, auto/8 from an indexed job of "
        "Kubernetes.",
        show_default="all of it",
        rich_help_panel=COMPUTING,
    ),
]
RayOption = Annotated[
    str | None,
    typer.Option(
        "--ray",
        metavar="ADDRESS",
        help="Let a Ray cluster do the work: HOST:PORT, or auto for that of this machine.",
        show_default="this machine",
        rich_help_panel=COMPUTING,
    ),
]
GpusOption = Annotated[
    float,
    typer.Option(
        "--gpus-per-job",
        min=0.0,
        help="GPUs of a job of --ray; 0.25 lets four jobs share one.",
        rich_help_panel=COMPUTING,
    ),
]


def folder_to_write(out: Path | None) -> Path | None:
    """See, before any work, that a folder to write to is one or can become one.

    Raises:
        InputError: it is a file, lies below a file, may not be written to, or has a name that the file system refuses.
    """
    if out is None:
        return None
    refuse_address(out, "the output is written to a folder of this machine")
    try:
        above = next(path for path in (out, *out.absolute().parents) if os.path.lexists(path))
        if not above.is_dir():
            raise InputError(f"{out}: {above} is not a folder; choose another place")
        if too_long(above, str(out.absolute().relative_to(above.absolute()))):
            raise InputError(f"{out}: this name is too long; choose a shorter one")
        if not os.access(above, os.W_OK | os.X_OK):
            raise InputError(f"{out}: {above} may not be written to; allow it (chmod, chown), or choose another place")
    except OSError as error:
        raise InputError(f"{out}: cannot be a folder ({error.strerror}); choose another place") from error
    return out


def file_to_write(out: Path | None) -> Path | None:
    """See, before any work, that a file of text to write takes the place of nothing but text.

    Raises:
        InputError: something else is there, such as a video or an event store.
    """
    if out is not None and out.is_file():
        with out.open("rb") as file:
            if b"\0" in file.read(4096):
                raise InputError(f"{out}: what is there is no text, and would be lost; choose another --out")
    return out


def default_folder(name: str) -> Path:
    """A folder in the current one for what a command writes that was given no --out.

    Raises:
        InputError: as of `folder_to_write`.
    """
    return folder_to_write(Path(name)) or Path(name)


def say(line: str = "", file: TextIO | None = None) -> None:
    """Print a line, on a terminal in as many as it takes to break no word.

    Here, and in what else prints, names lose their power over terminals (see `oddframe.spelling`).
    """
    shown, target = visible(line), file or sys.stdout
    if target.isatty() and wide(shown) > terminal_width():
        words = shown.lstrip()
        shown = "\n".join(paragraph(words, terminal_width(), shown[: len(shown) - len(words)]))
    print(shown, file=target)


def print_json(value: Any) -> None:
    """Print one JSON document on standard output."""
    print(json.dumps(value, indent=2, allow_nan=False))


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]], numbers: Sequence[str] = ()) -> None:
    """Print a table on standard output, as wide as the terminal at most; in a file or a pipe, a row is one line.

    Columns named in `numbers` are aligned to the right.
    """
    width = terminal_width() if sys.stdout.isatty() else None
    print("\n".join(table(columns, [list(map(visible, row)) for row in rows], numbers, width)))


def figure(value: float, form: str = ".4f") -> str:
    """A figure as text; "-" where it is undefined, for example an AUC of frames of one class."""
    return "-" if math.isnan(value) else format(value, form)


def print_candidate(candidate: Candidate) -> None:
    """Print a line on standard error about a runtime that was tried; nothing with `--quiet`."""
    if silent():
        return
    verdict = "agrees" if candidate.fault is None else candidate.fault
    say(f"{candidate.runtime} {candidate.precision}: {candidate.speed:.1f} frames/s, {verdict}", file=sys.stderr)


def print_notes(notes: Sequence[str]) -> None:
    """Print what the user should know on standard error, a line each; nothing with `--quiet`."""
    for note in () if silent() else notes:
        say(note, file=sys.stderr)


def print_losses(infos: Sequence[VideoInfo]) -> None:
    """Print what was lost of each video, and what else there is to know of it."""
    for info in infos:
        for damage in info.damage:
            say(f"damaged {info.name}: {damage}")
        for remark in info.account.remarks() if info.account else ():
            say(f"note {info.name}: {remark}")
        for note in info.notes:
            say(f"note {info.name}: {note}")


def exit_with(skipped: Sequence[Skipped], infos: Sequence[VideoInfo] = ()) -> None:
    """Print on standard error which videos were skipped and which are incomplete; with any, exit with status 3."""
    for source, reason in skipped:
        say(f"skipped {source.name}: {reason}", file=sys.stderr)
    incomplete = [(info.name, info.account) for info in infos if info.account and info.account.incomplete]
    for name, account in incomplete:
        say(f"incomplete {name}: {account.lost_share:.1%} of its frames are lost or not sound", file=sys.stderr)
    if skipped or incomplete:
        raise typer.Exit(SKIPPED_STATUS)
