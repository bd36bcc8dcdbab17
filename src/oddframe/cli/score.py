"""The command `oddframe score`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from oddframe.account import count_of
from oddframe.cli.console import (
    AnyRateOption,
    BatchOption,
    CalibratedAlarmsOption,
    DeviceOption,
    FpsOption,
    GpusOption,
    JsonOption,
    PlayListsOption,
    PrecisionOption,
    QuantileOption,
    RayOption,
    RuntimeOption,
    ShardOption,
    StartOption,
    ThresholdOption,
    WorkersOption,
    default_folder,
    exit_with,
    folder_to_write,
    print_candidate,
    print_json,
    print_losses,
    print_notes,
    print_table,
    say,
)
from oddframe.cli.inputs import IgnoreOption, VideosArgument, bundle_to_read, places_of
from oddframe.cli.interrupt import keeping_files
from oddframe.errors import InputError, OddframeError, SpaceError, StoreError
from oddframe.progress import progress_bars

if TYPE_CHECKING:
    from oddframe.bundle import TrainedDetector
    from oddframe.store.place import StorePlace
    from oddframe.store.recording import RecordedScores
    from oddframe.workflow.scores import Scores


def score(
    run: Annotated[
        Path, typer.Argument(callback=bundle_to_read, help="Bundle written by `fit`, or detector written by `export`.")
    ],
    videos: VideosArgument,
    out: Annotated[
        Path | None,
        typer.Option(
            callback=folder_to_write,
            help="Folder for scores, events, overlays and report.",
            show_default="RUN-scores in this folder",
        ),
    ] = None,
    alarms_per_hour: CalibratedAlarmsOption = None,
    quantile: QuantileOption = None,
    threshold: ThresholdOption = None,
    overlay: Annotated[bool, typer.Option(help="Write overlay videos.")] = True,
    clips: Annotated[bool, typer.Option("--clips", help="Write a clip of each event; the report plays it.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Score videos again whose scores OUT already holds.")] = False,
    ignore: IgnoreOption = None,
    runtime: RuntimeOption = None,
    precision: PrecisionOption = None,
    device: DeviceOption = "auto",
    batch: BatchOption = None,
    workers: WorkersOption = 1,
    shard: ShardOption = None,
    ray: RayOption = None,
    gpus_per_job: GpusOption = 0.0,
    fps: FpsOption = None,
    start: StartOption = None,
    play_lists: PlayListsOption = False,
    any_rate: AnyRateOption = False,
    store: Annotated[
        str | None,
        typer.Option(
            metavar="STORE",
            help="Write the events into an event store as well: auto for events.db in OUT, a file, or "
            "postgresql://HOST/DATABASE.",
            show_default="no store",
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Score videos: when, where and how strongly something is not normal."""
    from oddframe.runtime.runtime import RuntimeOptions

    options = RuntimeOptions.parse(runtime, precision, device, batch, any_rate)
    out = out or default_folder(f"{run.resolve().name}-scores")
    from oddframe.runners.choose import choose_runner
    from oddframe.scoring.choose_runtime import choose_runtime
    from oddframe.video.rate import given_rate
    from oddframe.video.search import search_videos
    from oddframe.workflow.began import given_start
    from oddframe.workflow.outputs import OutputOptions
    from oddframe.workflow.run import load_run

    runner = choose_runner(workers, shard, ray, gpus_per_job)
    if runner.shared and store is not None:
        raise InputError("--shard writes score files alone; fill the store with the same command without --shard")
    trained = load_run(run).ignoring(places_of(ignore))
    calibration = trained.calibration(alarms_per_hour=alarms_per_hour, quantile=quantile, threshold=threshold)
    found = search_videos(videos)
    sources = given_start(given_rate(found.sources, fps), start)
    print_notes(found.notes())
    if options.runtime == "auto":
        options = choose_runtime(trained.bundle, options, sources, trained.rule_under(calibration), print_candidate)
    place = None if store is None else checked_place(store, out)
    with keeping_files(out / "scores", "scored"), progress_bars() as bars:
        scored = trained.score(
            sources,
            out,
            calibration=calibration,
            outputs=OutputOptions(overlay=overlay, clips=clips, force=force),
            options=options,
            workers=runner,
            progress=bars,
        )
    infos = [scores.info for scores in scored]
    if runner.shared:
        told_share(out, scored, as_json)
        exit_with(scored.skipped, infos)
        return
    events = scored.events()
    stored, refusal = (None, None) if place is None else record(place, trained.bundle, scored, out)
    if as_json:
        skipped = [{"video": source.name, "reason": reason} for source, reason in scored.skipped]
        accounts = {info.name: {**asdict(info.account), "damage": info.damage} for info in infos if info.account}
        told = {
            "threshold": calibration.threshold, "promise": calibration.sentence(), "doubts": scored.doubts(),
            "events": [asdict(e) for e in events], "findings": [asdict(finding) for finding in scored.findings()],
        }  # fmt: skip
        if used := scored.seconds_chosen():
            told["calibrations"] = {name: round(seconds, 3) for name, seconds in used.items()}
        if place is not None:
            told["store"] = {"place": place.shown, **(asdict(stored) if stored else {"fault": str(refusal)})}
        print_json({**told, "skipped": skipped, "notes": list(scored.notes), "accounts": accounts})
        if refusal is not None:
            raise refusal
        exit_with(scored.skipped, infos)
        return
    rows = [[e.video, f"{e.start_s:.1f}", f"{e.peak_s:.1f}", f"{e.end_s:.1f}", f"{e.score:.4g}"] for e in events]
    columns = ["video", "start s", "peak s", "end s", "score"]
    if any(event.reasons for event in events):
        rows = [[*row, event.reasons[0] if event.reasons else ""] for row, event in zip(rows, events, strict=True)]
    if rows:
        print_table([*columns, "why"][: len(rows[0])], rows, columns[1:])
    say(f"{count_of(len(events), 'event')} in {count_of(len(scored), 'video')}, threshold {calibration.threshold:.6g}")
    say(f"promise {calibration.sentence()}")
    for finding in scored.findings():
        say(f"camera  {finding.video}, {finding.start_s:.1f} to {finding.end_s:.1f} s: {finding.kind}, {finding.words}")
    if held := sum(bool(event.held) for event in events):
        say(f"camera  {count_of(held, 'event')} on hold, because the camera is at fault meanwhile")
    for doubt in scored.doubts():
        say(f"doubt   {doubt}")
    for note in scored.notes:
        say(f"note    {note}")
    print_losses(infos)
    say(f"report  {out / 'report.html'}")
    if place is not None and stored is not None:
        say(f"store   {place.shown}: {stored.sentence()}")
    if refusal is not None:
        raise refusal
    exit_with(scored.skipped, infos)


def told_share(out: Path, scored: Scores, as_json: bool) -> None:
    """Say what came of a share of the videos."""
    if as_json:
        skipped = [{"video": source.name, "reason": reason} for source, reason in scored.skipped]
        print_json({"scored": [one.video for one in scored], "skipped": skipped, "notes": list(scored.notes)})
        return
    say(f"{count_of(len(scored), 'video')} of this share scored; the files lie in {out / 'scores'}")
    say("events  once all shares are done, the same command without --shard makes events and report of them")


def checked_place(store: str, out: Path) -> StorePlace:
    """The place of an event store. One that is there is opened and closed, so that no work is in vain."""
    from oddframe.store.opening import open_store, require_libraries
    from oddframe.store.place import store_place

    place = store_place(store, out)
    require_libraries(place)
    if place.file is None or place.file.exists():
        open_store(place).close()
    return place


def record(
    place: StorePlace, trained: TrainedDetector, scores: Scores, out: Path
) -> tuple[RecordedScores | None, OddframeError | None]:
    """Write events into a store: what that changed, or why it failed. Scores and events lie in their files already."""
    from oddframe.store.opening import open_store

    try:
        with open_store(place) as store:
            return store.record_scores(trained, scores, out / "scores"), None
    except (StoreError, SpaceError) as error:
        kept = "the scores are written, and the same command fills the store without scoring again"
        return None, type(error)(f"{error}; {kept}")
