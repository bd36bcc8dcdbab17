"""The command line of oddframe.

Each command is one small file, and the signature of its function is its interface. Heavy libraries are imported inside
the functions, so that `--help` answers at once. `main` alone turns exceptions into lines and exit statuses, which
docs/reference/errors.md explains.
"""

from __future__ import annotations

import os
import sys
import traceback
from contextlib import suppress
from functools import cache
from io import TextIOWrapper
from typing import Annotated, Any, NoReturn

import typer

from oddframe.cli import (
    adapt,
    archive,
    bench,
    benchmark,
    bundles,
    cache_folder,
    calibrate,
    compare,
    completion,
    data,
    demo,
    evaluate,
    events,
    export,
    features,
    fit,
    import_checkpoint,
    learn,
    listing,
    new,
    review,
    runs,
    score,
    watch,
)  # fmt: skip
from oddframe.cli.completion import answer_shell
from oddframe.cli.console import print_json
from oddframe.cli.faults import CLOSED_STATUS, ending
from oddframe.cli.help import write_plain_help
from oddframe.cli.inputs import command_words
from oddframe.cli.interrupt import STOPPED_STATUS, Commands, Stopped, exit_status, leave_at_once, stoppable
from oddframe.cli.telling import FLAGS, told_of
from oddframe.cli.versions import version_lines, versions
from oddframe.errors import InputError
from oddframe.spelling import visible

STATUSES = (
    "Exit status: 0 done; 1 a fault of oddframe; 2 wrong input, or a machine that cannot do it (disk, memory, "
    "permissions, missing libraries); 3 done, but some videos were skipped or are incomplete; 130 stopped by Ctrl-C; "
    "143 stopped by SIGTERM."
)

app = typer.Typer(
    cls=Commands,
    help="Video anomaly detection: learn what is normal from ordinary video, then find what is not, when and where.",
    epilog=STATUSES,
    invoke_without_command=True,  # for `--version` alone; see `whole`
    add_completion=False,  # two options that would make every command import pydantic; see `completion`
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
START, IMPROVE, MEASURE, LOOK = "Detect", "Improve a detector", "Measure", "Look up and manage"
app.command(rich_help_panel=START)(demo.demo)
app.command(rich_help_panel=START)(fit.fit)
app.command(rich_help_panel=START)(score.score)
app.command(rich_help_panel=START)(watch.watch)
app.command(rich_help_panel=START)(review.review)
app.add_typer(events.app, name="events", rich_help_panel=START)
app.command(rich_help_panel=START)(features.features)
app.add_typer(archive.app, name="archive", rich_help_panel=START)
app.command(rich_help_panel=IMPROVE)(learn.learn)
app.command(rich_help_panel=IMPROVE)(calibrate.calibrate)
app.command(rich_help_panel=IMPROVE)(adapt.adapt)
app.command(rich_help_panel=IMPROVE)(export.export)
app.command("import-checkpoint", rich_help_panel=IMPROVE)(import_checkpoint.import_checkpoint)
app.add_typer(new.app, name="new", rich_help_panel=IMPROVE)
app.command(rich_help_panel=MEASURE)(evaluate.evaluate)
app.command(rich_help_panel=MEASURE)(compare.compare)
app.command(rich_help_panel=MEASURE)(bench.bench)
app.command(rich_help_panel=MEASURE)(benchmark.benchmark)
app.add_typer(data.app, name="data", rich_help_panel=MEASURE)
app.command(rich_help_panel=LOOK)(listing.models)
app.command(rich_help_panel=LOOK)(listing.recipes)
app.command(rich_help_panel=LOOK)(listing.protocols)
app.command(rich_help_panel=LOOK)(runs.runs)
app.add_typer(bundles.app, name="bundles", rich_help_panel=LOOK)
app.add_typer(cache_folder.app, name="cache", rich_help_panel=LOOK)
app.command(rich_help_panel=LOOK)(completion.completion)


@app.callback()
def whole(
    context: typer.Context,
    version: Annotated[
        bool,
        typer.Option("--version", help="Print what a report of a bug needs: versions of oddframe and its libraries."),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="With --version: print one JSON document.")] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", help="Show no progress and no notes; results, skipped videos and errors remain.")
    ] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", help="Also print versions, folders, time, memory and the log of libraries.")
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="After an error, print the traceback as well; so does ODDFRAME_DEBUG=1.")
    ] = False,
) -> None:
    """Options of all commands. `main` takes --quiet, --verbose and --debug from the words, wherever they stand."""
    if version and as_json:
        print_json(versions())
    elif version:
        print("\n".join(version_lines()))
    elif context.invoked_subcommand is None:
        raise InputError("no command is given; `oddframe --help` lists them")
    if version:
        raise typer.Exit


def main() -> None:
    """Run the command line, and leave with its exit status. Any exception becomes one line on standard error."""
    prepare_streams()
    words, flags = split_flags(sys.argv[1:])
    debug = "--debug" in flags or os.environ.get("ODDFRAME_DEBUG", "0") not in ("", "0")
    try:
        with stoppable(), told_of(words, flags):
            status, line = run(words), ""
            sys.stdout.flush()
            if status > STOPPED_STATUS:  # `watch` was stopped, and has closed everything
                leave_at_once(status)
    except (Stopped, KeyboardInterrupt) as stopped:
        status, line = exit_status(stopped), str(stopped) or "interrupted"
    except SystemExit as end:
        if not isinstance(end.__context__, BrokenPipeError):  # typer leaves so where the reader of a pipe is gone
            raise
        status, line = CLOSED_STATUS, ""
    except BaseException as error:  # libraries written in Rust raise panics that are no `Exception`
        status, line = ending(error, words)
        if debug:
            traceback.print_exception(error)
    leave(status, line)


def prepare_streams() -> None:
    """Make standard output and standard error take any text.

    One that is closed goes nowhere: otherwise the next file that is opened would take its place, and its text.
    Names that are not UTF-8 are escaped.
    """
    sys.stdout = sys.stdout or open(os.devnull, "w")  # noqa: SIM115  # both stay open as long as the process
    sys.stderr = sys.stderr or open(os.devnull, "w")  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


@cache
def commands() -> Any:
    """All commands as click has them, made once. For them typer reads every signature, which takes longer than a short
    command itself.
    """
    made = typer.main.get_command(app)
    write_plain_help(made)
    return made


def run(words: list[str]) -> int:
    """Run a command, and return its exit status.

    Exceptions come through as they are; typer's own `main` would turn some of them into "Aborted.".
    """
    command = commands()
    answer_shell(command)
    given = command_words.set(words)
    try:
        with command.make_context("oddframe", words or ["--help"]) as context:
            command.invoke(context)
    except typer.Exit as end:
        return end.exit_code
    finally:
        command_words.reset(given)
    return 0


def split_flags(words: list[str]) -> tuple[list[str], frozenset[str]]:
    """The words of a command line without the flags that may stand anywhere, and the flags that were given."""
    end = words.index("--") if "--" in words else len(words)
    kept = [word for word in words[:end] if word not in FLAGS]
    return kept + words[end:], FLAGS & set(words[:end])


def leave(status: int, line: str) -> NoReturn:
    """End the process. What standard output does not take any more is given up, instead of failing once more."""
    try:
        if line:
            print(f"oddframe: {visible(' '.join(line.split()))}", file=sys.stderr)
        sys.stdout.flush()
    except OSError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError):
                os.dup2(nowhere, stream.fileno())
    sys.exit(status)
