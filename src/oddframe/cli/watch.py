"""The command `oddframe watch`."""

from __future__ import annotations

import shlex
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from oddframe.account import count_of
from oddframe.cli.console import (
    SKIPPED_STATUS,
    AnyRateOption,
    CalibratedAlarmsOption,
    DeviceOption,
    JsonOption,
    PrecisionOption,
    QuantileOption,
    RuntimeOption,
    ThresholdOption,
    folder_to_write,
    print_json,
    print_table,
    say,
)
from oddframe.cli.inputs import IgnoreOption, above_zero, bundle_if_given, file_to_read, places_of
from oddframe.cli.interrupt import STOPPED_STATUS
from oddframe.errors import InputError

if TYPE_CHECKING:
    from oddframe.live.teller import CameraCount
    from oddframe.workflow.watch import WatchResult
    from oddframe.workflow.watch_plan import WatchPlan


TELLING = "Whom events are told"


def watch(
    run: Annotated[
        Path | None,
        typer.Argument(
            callback=bundle_if_given,
            help="Bundle written by `fit`, or detector written by `export`.",
            show_default=False,
        ),
    ] = None,
    sources: Annotated[
        list[str] | None,
        typer.Argument(
            help="rtsp://HOST, http://HOST, usb:0, /dev/video0, video files, or test: for a test picture.",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(callback=folder_to_write, help="Folder for scores, events, clips and the log.")
    ] = None,
    config: Annotated[
        Path | None, typer.Option(callback=file_to_read, help="Cameras and what happens on an event, as YAML.")
    ] = None,
    check: Annotated[
        Path | None, typer.Option(callback=file_to_read, help="Only check this configuration, and end.")
    ] = None,
    example: Annotated[bool, typer.Option("--example", help="Print a commented configuration, and end.")] = False,
    seconds: Annotated[float | None, typer.Option(callback=above_zero, help="End after this many seconds.")] = None,
    as_live: Annotated[bool, typer.Option("--as-live", help="Play files at the pace of their time stamps.")] = False,
    name: Annotated[list[str] | None, typer.Option(help="Name of a camera; once for each source, in order.")] = None,
    alarms_per_hour: CalibratedAlarmsOption = None,
    quantile: QuantileOption = None,
    threshold: ThresholdOption = None,
    runtime: RuntimeOption = None,
    precision: PrecisionOption = None,
    device: DeviceOption = "auto",
    any_rate: AnyRateOption = False,
    metrics: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT", help="Address at which Prometheus finds the metrics.", rich_help_panel=TELLING
        ),
    ] = None,
    webhook: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="Post every event to this URL; ODDFRAME_WEBHOOK_SECRET signs it.",
            rich_help_panel=TELLING,
        ),
    ] = None,
    mqtt: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Publish every event at this broker: mqtt://HOST.", rich_help_panel=TELLING),
    ] = None,
    command: Annotated[
        str | None,
        typer.Option(
            "--exec",
            metavar="COMMAND",
            help="Run this command for every event, with JSON on its standard input.",
            rich_help_panel=TELLING,
        ),
    ] = None,
    store: Annotated[
        str | None,
        typer.Option(
            metavar="STORE",
            help="Write every event into an event store: auto for events.db in OUT, a file, or "
            "postgresql://HOST/DATABASE.",
            rich_help_panel=TELLING,
        ),
    ] = None,
    ignore: IgnoreOption = None,
    record: Annotated[bool, typer.Option("--record", help="Keep all of the video in OUT.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Watch cameras, and tell what is not normal while it happens."""
    if example:
        from oddframe.live.config import EXAMPLE

        print(EXAMPLE.read_text(encoding="utf-8"), end="")
        return
    if run is None and config is None and check is None:
        raise InputError("nothing to watch is given; write oddframe watch RUN SOURCE, or --config FILE")
    from oddframe.live.teller import clock_line
    from oddframe.runtime.runtime import RuntimeOptions
    from oddframe.workflow.watch import Console, watch_plan
    from oddframe.workflow.watch_plan import WatchOptions, make_plan

    options = WatchOptions(
        name or (), as_live, alarms_per_hour, quantile, threshold,
        RuntimeOptions.parse(runtime, precision, device, any_rate=any_rate), metrics, webhook, mqtt, command, record,
        store=store, ignore=places_of(ignore),
    )  # fmt: skip
    plan = make_plan(run, sources or (), out, check or config, options)
    if check is not None:
        cameras = ", ".join(f"{camera.name} ({camera.address.shown})" for camera in plan.cameras)
        say(f"{check}: right; it watches {cameras}")
        return

    def tell(line: str) -> None:
        say(clock_line(line), file=sys.stderr if as_json else sys.stdout)
        (sys.stderr if as_json else sys.stdout).flush()

    watched = watch_plan(plan, Console(tell, tell if sys.stderr.isatty() and not as_json else None), None, seconds)
    if as_json:
        print_json(as_values(watched))
    else:
        summarise(watched, plan)
    if watched.signal:
        raise typer.Exit(STOPPED_STATUS + watched.signal)
    if not watched.whole:
        raise typer.Exit(SKIPPED_STATUS)


def as_values(watched: WatchResult) -> dict[str, object]:
    """What was seen, as plain values for JSON."""
    return {
        "cameras": {name: one.as_json() for name, one in watched.cameras.items()},
        "sinks": {name: asdict(counts) for name, counts in watched.sinks.items()},
        "out": None if watched.out is None else str(watched.out),
        "signal": watched.signal,
        "unfinished": list(watched.unfinished),
    }


def summarise(watched: WatchResult, plan: WatchPlan) -> None:
    """Print what was seen."""
    columns = ["camera", "frames", "dropped", "losses", "events", "held", "latency ms", "state"]
    print_table(columns, [row(name, one) for name, one in watched.cameras.items()], columns[1:-1])
    if any(one.latency_ms is None and one.frames for one in watched.cameras.values()):
        say("latency: of live sources alone; a file is read as fast as it can be scored")
    for camera in plan.cameras:
        count = watched.cameras[camera.name]
        if count.calibrations:
            held = ", ".join(f"{name} held for {seconds:.0f} s" for name, seconds in count.calibrations.items())
            say(f"{camera.name}: calibrations {held}")
        if count.against_promise:
            say(f"{camera.name}: {count.against_promise}")
        if count.fault or count.lost:
            say(f"{camera.name}: {count.fault or count.words}", file=sys.stderr)
    for name, counts in watched.sinks.items():
        if counts.queued or counts.failed or counts.dropped:
            lost = f"{counts.failed} failed, {counts.dropped} were not taken"
            say(f"{name}: {count_of(counts.queued, 'notice')} in the queue, {lost}", file=sys.stderr)
    if watched.out is not None:
        say(f"output  {watched.out}")
        say(f"next    oddframe review {shlex.quote(str(watched.out))}")


def row(name: str, one: CameraCount) -> list[str]:
    """A camera as a row of the table."""
    late = "-" if one.latency_ms is None else f"{one.latency_ms[0]:.0f}"
    state = "failed" if one.fault else "lost" if one.lost else "done"
    numbers = (one.frames, one.dropped, one.losses, one.events, one.held)
    return [name, *(f"{number:,}" for number in numbers), late, state]
