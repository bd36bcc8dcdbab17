"""The command `oddframe score`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from oddframe.cli.console import (
    BatchOption,
    DeviceOption,
    JsonOption,
    PrecisionOption,
    RuntimeOption,
    WorkersOption,
    exit_with,
    print_candidate,
    print_json,
    print_table,
)
from oddframe.progress import progress_bars


def score(
    run: Annotated[Path, typer.Argument(help="Bundle written by `fit`, or detector written by `export`.")],
    videos: Annotated[list[Path], typer.Argument(help="Videos, folders of videos or frame folders, or a CSV.")],
    out: Annotated[Path, typer.Option(help="Folder for scores, events, overlays and report.")],
    alarms_per_hour: Annotated[
        float | None,
        typer.Option(
            help="Set the threshold by the accepted false alarms per hour.", show_default="the calibrated threshold"
        ),
    ] = None,
    quantile: Annotated[
        float | None, typer.Option(help="Set the threshold to this quantile (0 to 1) of the held-out scores.")
    ] = None,
    threshold: Annotated[float | None, typer.Option(help="Set the threshold to this value.")] = None,
    overlay: Annotated[bool, typer.Option(help="Write overlay videos.")] = True,
    force: Annotated[bool, typer.Option("--force", help="Score videos again whose scores OUT already holds.")] = False,
    runtime: RuntimeOption = None,
    precision: PrecisionOption = None,
    device: DeviceOption = "auto",
    batch: BatchOption = None,
    workers: WorkersOption = 1,
    as_json: JsonOption = False,
) -> None:
    """Score videos: when, where and how strongly something is not normal."""
    from oddframe.runtime.runtime import RuntimeOptions
    from oddframe.scoring.choose_runtime import choose_runtime
    from oddframe.video.sources import find_videos
    from oddframe.workflow.outputs import OutputOptions
    from oddframe.workflow.run import load_run

    options = RuntimeOptions.parse(runtime, precision, device, batch)
    trained = load_run(run)
    calibration = trained.calibration(alarms_per_hour=alarms_per_hour, quantile=quantile, threshold=threshold)
    sources = find_videos(videos)
    if options.runtime == "auto":
        options = choose_runtime(trained.bundle, options, sources, trained.rule, print_candidate)
    with progress_bars() as bars:
        scored = trained.score(
            sources,
            out,
            calibration=calibration,
            outputs=OutputOptions(overlay=overlay, force=force),
            options=options,
            workers=workers,
            progress=bars,
        )
    events = scored.events()
    if as_json:
        skipped = [{"video": source.name, "reason": reason} for source, reason in scored.skipped]
        print_json({"threshold": calibration.threshold, "events": [asdict(e) for e in events], "skipped": skipped})
        exit_with(scored.skipped)
        return
    rows = [[e.video, f"{e.start_s:.1f}", f"{e.peak_s:.1f}", f"{e.end_s:.1f}", f"{e.score:.4g}"] for e in events]
    if rows:
        print_table(["video", "start s", "peak s", "end s", "score"], rows, ["start s", "peak s", "end s", "score"])
    print(f"{len(events)} events in {len(scored)} videos, threshold {calibration.threshold:.6g}")
    agreement = scored.against_promise()
    if agreement is not None and agreement.verdict in ("more", "fewer"):
        print(f"promise {agreement.sentence}")
    for scores in scored:
        for damage in scores.info.damage:
            print(f"damaged {scores.video}: {damage}")
    print(f"report  {out / 'report.html'}")
    exit_with(scored.skipped)
