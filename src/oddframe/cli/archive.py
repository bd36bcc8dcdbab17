"""The commands `oddframe archive`: plan, run, status and merge."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from oddframe.account import count_of
from oddframe.cli.console import (
    SKIPPED_STATUS,
    AnyRateOption,
    BatchOption,
    DeviceOption,
    FpsOption,
    GpusOption,
    JsonOption,
    PrecisionOption,
    RayOption,
    RuntimeOption,
    ShardOption,
    WorkersOption,
    print_json,
    print_notes,
    print_table,
    say,
)
from oddframe.cli.inputs import (
    IgnoreOption,
    above_zero,
    bundle_to_read,
    finite,
    places_of,
    share,
    videos_to_read,
)
from oddframe.cli.interrupt import interruptible
from oddframe.progress import progress_bars

if TYPE_CHECKING:
    from oddframe.archive.status import Status
    from oddframe.store.store import Store

app = typer.Typer(help="Score archives of any size on any number of machines.", no_args_is_help=True)

PlanArgument = Annotated[str, typer.Argument(metavar="PLAN", help="Folder or URL of a plan.")]
HOUR = 3600.0


@app.command()
def plan(
    run: Annotated[
        Path, typer.Argument(callback=bundle_to_read, help="Bundle written by `fit`, or detector written by `export`.")
    ],
    videos: Annotated[
        list[str],
        typer.Argument(callback=videos_to_read, help="Videos, folders of videos or frame folders, a CSV, or URLs."),
    ],
    out: Annotated[str, typer.Option(help="Folder or URL for the plan and for all that comes of it.")],
    part: Annotated[
        float, typer.Option(callback=above_zero, help="Minutes of a part; longer videos are cut into such parts.")
    ] = 60.0,
    ignore: IgnoreOption = None,
    measure: Annotated[bool, typer.Option(help="Score a sample to tell how long the work takes.")] = True,
    runtime: RuntimeOption = None,
    precision: PrecisionOption = None,
    device: DeviceOption = "auto",
    batch: BatchOption = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes that look at videos in parallel.")] = 1,
    fps: FpsOption = None,
    any_rate: AnyRateOption = False,
    as_json: JsonOption = False,
) -> None:
    """Look at all videos and make a plan: which jobs there are, and how long they take."""
    from oddframe.runtime.runtime import RuntimeOptions

    options = RuntimeOptions.parse(runtime, precision, device, batch, any_rate)
    from oddframe.archive.planning import PlanOptions, make_plan
    from oddframe.video.rate import given_rate
    from oddframe.video.search import search_videos
    from oddframe.workflow.notes import named
    from oddframe.workflow.run import load_run

    trained, found = load_run(run).ignoring(places_of(ignore)), search_videos(videos)
    print_notes([*found.notes(), *trained.masking_notes()])
    sources = given_rate(found.sources, fps)
    with progress_bars() as bars:
        made = make_plan(trained, sources, out, PlanOptions(part * 60, None, measure), options, workers, bars)
    jobs, estimate = len(made.jobs), made.estimate
    if as_json:
        print_json({
            "plan": out, "jobs": jobs, "videos": len(made.videos), "hours": made.seconds / HOUR,
            "skipped": made.skipped, "copies": made.copies, "whole": made.whole,
            "estimate": None if estimate is None else asdict(estimate),
        })  # fmt: skip
    else:
        say(f"plan    {out}: {count_of(jobs, 'job')}, {count_of(len(made.videos), 'video')}, {hours(made.seconds)}")
        if made.ignored:
            say(f"ignore  {', '.join(place.name for place in made.ignored)}")
        for name, other in made.copies.items():
            say(f"copy    {name} is {other}, which is scored once")
        for reason in dict.fromkeys(made.whole.values()):
            own = [name for name, other in made.whole.items() if other == reason]
            say(f"whole   {named(own)}: not cut, because {reason}")
        if estimate is not None:
            work, size = made.seconds / estimate.rate, made.seconds * estimate.bytes_per_second
            say(
                f"work    about {hours(work)} for one process ({estimate.rate:.3g} times as fast as the video plays), "
                f"{size / 1e9:.3g} GB of scores; measured on {estimate.sample_s:.0f} s"
            )
    told_skipped(made.skipped)


@app.command("run")
def run_jobs(
    where: PlanArgument,
    workers: WorkersOption = 1,
    shard: ShardOption = None,
    ray: RayOption = None,
    gpus_per_job: GpusOption = 0.0,
    as_json: JsonOption = False,
) -> None:
    """Do the jobs of a plan that are not done yet; the same command goes on after a stop."""
    from oddframe.archive.running import run_plan
    from oddframe.runners.choose import choose_runner

    runner = choose_runner(workers, shard, ray, gpus_per_job)
    with interruptible(lambda: "what is done is kept: the same command goes on"), progress_bars() as bars:
        done = run_plan(where, runner, bars)
    failed = {job.words: reason for job, reason in done.failed}
    if as_json:
        told = {"own": done.own, "before": done.before, "done": done.done, "hours": done.seconds / HOUR}
        print_json({**told, "failed": failed})
    else:
        say(
            f"{count_of(done.done, 'job')} done, {hours(done.seconds)} of video; {done.before} of {done.own} were done "
            "before"
        )
    for name, reason in failed.items():
        print_notes([f"failed {name}: {reason}"])
    if failed:
        raise typer.Exit(SKIPPED_STATUS)


@app.command()
def status(where: PlanArgument, as_json: JsonOption = False) -> None:
    """Say how far a plan is: hours done and left, machines, failures."""
    from oddframe.archive.status import read_status

    found = read_status(where)
    if as_json:
        print_json(found.as_json())
        return
    say(f"jobs    {found.done} of {found.jobs} done; {found.scored} of {count_of(found.videos, 'video')} scored")
    say(f"hours   {found.done_s / HOUR:.2f} done, {found.left_s / HOUR:.2f} left")
    rows = [
        [name, str(one.jobs), f"{one.seconds / HOUR:.2f}", f"{one.seconds / one.wall:.3g}" if one.wall else "-"]
        for name, one in found.machines.items()
    ]
    if rows:
        columns = ["machine", "jobs", "hours", "times real time, a process"]
        print_table(columns, rows, columns[1:])
    told_status(found)


@app.command()
def merge(
    where: PlanArgument,
    out: Annotated[
        Path | None, typer.Option(help="Folder for the merged files.", show_default="that of the plan")
    ] = None,
    pages: Annotated[bool, typer.Option(help="Write a page with pictures for each video that has events.")] = True,
    partial: Annotated[bool, typer.Option("--partial", help="Merge what is there, though jobs are not done.")] = False,
    store: Annotated[
        str | None,
        typer.Option(
            help="Write the events into an event store as well: auto for events.db in OUT, a file, or "
            "postgresql://HOST/DATABASE.",
            show_default="no store",
        ),
    ] = None,
    alarms_per_hour: Annotated[
        float | None,
        typer.Option(callback=above_zero, help="Set the threshold by the accepted false alarms per hour."),
    ] = None,
    quantile: Annotated[
        float | None,
        typer.Option(callback=share, help="Set the threshold to this quantile (0 to 1) of the held-out scores."),
    ] = None,
    threshold: Annotated[float | None, typer.Option(callback=finite, help="Set the threshold to this value.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Make one file of events, an index page with reports, and a manifest of what is scored."""
    from oddframe.archive.merging import MergeOptions, merge_plan
    from oddframe.archive.place import Place
    from oddframe.archive.plan import load_plan
    from oddframe.archive.work import run_of

    trained = run_of(load_plan(Place(where)))
    calibration = trained.calibration(alarms_per_hour=alarms_per_hour, quantile=quantile, threshold=threshold)
    place = store_to_write(store, out or Path(where))
    try:
        with progress_bars() as bars:
            merged = merge_plan(where, out, MergeOptions(calibration, pages, partial), place, bars)
    finally:
        if place is not None:
            place.close()
    if as_json:
        told: dict[str, Any] = {"out": str(merged.out), "videos": merged.videos, "events": merged.events}
        stored = None if merged.stored is None else asdict(merged.stored)
        print_json({**told, "store": stored, "status": merged.status.as_json()})
    else:
        found = f"{count_of(merged.events, 'event')} in {count_of(merged.videos, 'video')}"
        say(f"{found}, threshold {calibration.threshold:.6g}")
        say(f"events  {merged.out / 'events.jsonl'}")
        say(f"index   {merged.out / 'index.html'}")
        if merged.stored is not None:
            say(f"store   {merged.stored.sentence()}")
    told_status(merged.status)
    if merged.status.skipped or not merged.status.finished:
        raise typer.Exit(SKIPPED_STATUS)


def store_to_write(store: str | None, out: Path) -> Store | None:
    """The event store that is asked for, opened."""
    if store is None:
        return None
    from oddframe.store.opening import open_store, require_libraries
    from oddframe.store.place import store_place

    place = store_place(store, out)
    require_libraries(place)
    return open_store(place)


def hours(seconds: float) -> str:
    """A length of time in hours, or in minutes where it is short."""
    return f"{seconds / HOUR:.1f} hours" if seconds >= HOUR else f"{seconds / 60:.1f} minutes"


def told_skipped(skipped: dict[str, str]) -> None:
    """Print on standard error which videos have no job; with any, exit with status 3."""
    print_notes([f"skipped {name}: {reason}" for name, reason in skipped.items()])
    if skipped:
        raise typer.Exit(SKIPPED_STATUS)


def told_status(found: Status) -> None:
    """Print on standard error what is not as it should be."""
    print_notes([f"failed {name}: {reason}" for name, reason in found.failed.items()])
    print_notes([f"begun {count} times: {name}" for name, count in found.retried.items()])
    print_notes([f"skipped {name}: {reason}" for name, reason in found.skipped.items()])
