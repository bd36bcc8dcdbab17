"""The command `oddframe calibrate`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from oddframe.cli.console import (
    AlarmsOption,
    DeviceOption,
    FpsOption,
    PlayListsOption,
    QuantileOption,
    StartOption,
    exit_with,
    folder_to_write,
    print_notes,
    say,
)
from oddframe.cli.inputs import bundle_to_read, file_to_read, videos_to_read
from oddframe.progress import progress_bars

if TYPE_CHECKING:
    from oddframe.scoring.schedule import Schedule


def calibrate(
    run: Annotated[Path, typer.Argument(callback=bundle_to_read, help="Bundle to calibrate.")],
    videos: Annotated[
        list[str],
        typer.Argument(callback=videos_to_read, help="Normal video that the run was not trained on; - reads a list."),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            callback=folder_to_write,
            help="Folder for a new bundle, which is RUN with the new threshold.",
            show_default=False,
        ),
    ] = None,
    in_place: Annotated[
        bool, typer.Option("--in-place", help="Instead of writing a new bundle, change RUN: all of its files or none.")
    ] = False,
    alarms_per_hour: AlarmsOption = None,
    quantile: QuantileOption = None,
    schedule: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Several calibrations, such as day and night: a YAML file that says which one holds when; none makes "
            "one alone.",
            show_default="what RUN has",
        ),
    ] = None,
    fps: FpsOption = None,
    start: StartOption = None,
    play_lists: PlayListsOption = False,
    device: DeviceOption = "auto",
) -> None:
    """Find the threshold again on normal video: for another camera, or for an imported checkpoint.

    Video that RUN learned from is refused, whatever its name is. With --schedule every part of the day, or every
    level of brightness, gets a calibration of its own.
    """
    from oddframe.runtime.runtime import RuntimeOptions
    from oddframe.settings import ThresholdOptions
    from oddframe.video.rate import given_rate
    from oddframe.video.search import search_videos
    from oddframe.workflow.began import given_start
    from oddframe.workflow.run import load_run

    chosen: Schedule | Literal["none"] | None = None
    if schedule is not None:
        from oddframe.scoring.schedule import load_schedule

        chosen = "none" if schedule == "none" else load_schedule(file_to_read(Path(schedule)) or Path(schedule))
    trained = load_run(run)
    found = search_videos(videos)
    print_notes(found.notes())
    with progress_bars() as bars:
        calibrated, skipped = trained.calibrate_on(
            given_start(given_rate(found.sources, fps), start),
            out,
            in_place=in_place,
            threshold=ThresholdOptions(alarms_per_hour, quantile),
            schedule=chosen,
            options=RuntimeOptions(device=device),
            progress=bars,
        )
    calibration = calibrated.calibration()
    kept = ", as before: an id names what was learned, not the threshold"
    same = calibrated.bundle.id == trained.bundle.id
    say(f"bundle     {calibrated.path}  ({calibrated.bundle.id}{kept if same else ''})")
    say(f"threshold  {calibration.threshold:.6g}, from {calibration.seconds / 60:.1f} minutes of normal video")
    for name, part in calibration.parts.items():
        say(f"{name:<10} {part.threshold:.6g}, which is 1 in its units; it promises {part.sentence()}")
    if calibration.schedule is not None:
        say(f"chosen     {calibration.schedule.words}")
    if calibration.note:
        say(f"note       {calibration.note}")
    exit_with(skipped)
