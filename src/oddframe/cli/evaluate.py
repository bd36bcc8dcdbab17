"""The command `oddframe evaluate`."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from oddframe.account import count_of
from oddframe.cli.console import SKIPPED_STATUS, JsonOption, figure, folder_to_write, print_json, print_table, say
from oddframe.cli.inputs import (
    above_zero,
    bundle_to_read,
    device_name,
    file_to_read,
    places_of,
    set_to_read,
    video_if_given,
)
from oddframe.cli.interrupt import interruptible, keeping_files
from oddframe.errors import InputError
from oddframe.progress import progress_bars

if TYPE_CHECKING:
    from oddframe.workflow.details import Details
    from oddframe.workflow.evaluate import Evaluation
    from oddframe.workflow.evaluate_bags import BagEvaluation

Kind = Literal["frames", "bags", "scores"]
KINDS: dict[Kind, str] = {
    "frames": "a run that scores frames",
    "bags": "a run trained on labelled videos (dakd, mil)",
    "scores": "a folder of stored scores",
}
"""The kinds of RUN. `evaluate` finds out the kind by itself."""

OPTION_KINDS: dict[str, tuple[Kind, ...]] = {
    "protocol": ("frames", "scores"),
    "all_protocols": ("frames", "scores"),
    "normal": ("frames", "scores"),
    "out": ("frames",),
    "runtime": ("frames",),
    "precision": ("frames",),
    "device": ("frames",),
    "workers": ("frames",),
    "fps": ("frames",),
    "start": ("frames",),
    "any_rate": ("frames",),
    "ignore": ("frames",),
    "features": ("bags",),
    "rule": ("bags",),
    "leave_out": ("bags",),
}
"""Options that apply to some kinds of RUN only. For other kinds they are an error."""

FRAMES, BAGS = "Options for a run that scores frames", "Options for a run trained on labelled videos (dakd, mil)"
PROTOCOLS = "Options for a run that scores frames, and for stored scores"


def evaluate(
    context: typer.Context,
    run: Annotated[
        Path,
        typer.Argument(
            metavar="RUN",
            callback=bundle_to_read,
            help="Run to evaluate, written by `fit` or `export`; or a folder of stored scores, written by "
            "`score --out` or `evaluate --out`.",
        ),
    ],
    data: Annotated[
        str,
        typer.Option(
            callback=set_to_read,
            help="Labelled test set as NAME:PATH. NAME is folder, ucsd-ped1, ucsd-ped2, avenue-3867, avenue-3712, "
            "shanghaitech or ubnormal; for dakd and mil ucf-crime, xd-violence, shanghaitech-weak, or a CSV.",
        ),
    ],
    details: Annotated[
        bool,
        typer.Option(
            "--details",
            help="Also report confidence intervals, events and delay; where the set has masks, also pixel-level AUC, "
            "RBDC and TBDC.",
        ),
    ] = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print the table in Markdown.")] = False,
    as_json: JsonOption = False,
    protocol: Annotated[
        list[str] | None,
        typer.Option(help="Name of a protocol (see `oddframe protocols`); repeatable.", rich_help_panel=PROTOCOLS),
    ] = None,
    all_protocols: Annotated[
        bool,
        typer.Option(
            "--all-protocols",
            help="Also evaluate the same component scores under the protocols of other systems.",
            rich_help_panel=PROTOCOLS,
        ),
    ] = False,
    baselines: Annotated[
        bool,
        typer.Option(
            help="Evaluate the baselines too: frame difference, optical flow, clock, and median background, whose "
            "videos are decoded once for it; for dakd and mil pixel change, file facts, and linear regressions.",
        ),
    ] = True,
    normal: Annotated[
        str | None,
        typer.Option(
            callback=video_if_given,
            help="Normal video of the same camera, whose median is the background of a baseline.",
            show_default="the running median of each test video",
            rich_help_panel=PROTOCOLS,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            callback=folder_to_write,
            help="Folder for the scores. Videos whose scores it already holds are not scored again.",
            rich_help_panel=FRAMES,
        ),
    ] = None,
    runtime: Annotated[
        str | None,
        typer.Option(
            help="torch, onnx, openvino, or auto: the fastest one whose scores agree with torch's.",
            show_default="torch",
            rich_help_panel=FRAMES,
        ),
    ] = None,
    precision: Annotated[
        str | None,
        typer.Option(
            help="fp32 or bf16; int8 for a detector exported in int8.", show_default="fp32", rich_help_panel=FRAMES
        ),
    ] = None,
    device: Annotated[
        str,
        typer.Option(
            metavar="DEVICE",
            callback=device_name,
            help="auto, cpu, cuda, or cuda:1 for the second GPU.",
            rich_help_panel=FRAMES,
        ),
    ] = "auto",
    workers: Annotated[
        int,
        typer.Option(min=1, help="Processes that score videos in parallel.", rich_help_panel=FRAMES),
    ] = 1,
    fps: Annotated[
        float | None,
        typer.Option(
            callback=above_zero,
            help="Frames per second of frame folders and raw streams, which have no time stamps.",
            rich_help_panel=FRAMES,
        ),
    ] = None,
    start: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="When the video was taken, as 2026-01-31T18:00:00+01:00, where the clock chooses among calibrations.",
            show_default="what its name or its header says",
            rich_help_panel=FRAMES,
        ),
    ] = None,
    any_rate: Annotated[
        bool,
        typer.Option(
            "--any-rate",
            help="Score videos of another frame rate as if it were the one that RUN learned at.",
            rich_help_panel=FRAMES,
        ),
    ] = False,
    ignore: Annotated[
        Path | None,
        typer.Option(
            "--ignore",
            metavar="FILE",
            callback=file_to_read,
            help="Places of the picture to leave out: a YAML file of names and corners, or an image with white places.",
            show_default="none",
            rich_help_panel=FRAMES,
        ),
    ] = None,
    features: Annotated[
        list[str] | None,
        typer.Option(
            help="Features of the test videos: a feature store, or NAME=LAYOUT:PATH; repeatable.", rich_help_panel=BAGS
        ),
    ] = None,
    rule: Annotated[
        str,
        typer.Option(
            help="Rule that turns the annotation into frame labels: exclusive, rtfm, sultani, seominseok.",
            rich_help_panel=BAGS,
        ),
    ] = "exclusive",
    leave_out: Annotated[
        bool,
        typer.Option("--leave-out", help="Leave out test videos that have no features.", rich_help_panel=BAGS),
    ] = False,
) -> None:
    """Evaluate a run, or stored scores, on a labelled test set. Every figure is reported with its protocol.

    The kind of RUN decides which options apply. Other options are an error.
    """
    from oddframe.datasets.weak import parse_rule
    from oddframe.models.registry import entry
    from oddframe.runtime.exported import is_trained
    from oddframe.runtime.runtime import RuntimeOptions

    if markdown and as_json:
        raise InputError("--json and --markdown are two forms of the same table; give one of them")
    if normal is not None and not baselines:
        raise InputError("--normal is for a baseline, and --no-baselines leaves all of them out; give one of them")
    how, read_as = RuntimeOptions.parse(runtime, precision, device, any_rate=any_rate), parse_rule(rule)
    from oddframe.scoring.origin import score_folder
    from oddframe.workflow.evaluate import EvaluateOptions, evaluate_run, evaluate_stored
    from oddframe.workflow.evaluate_bags import BagOptions, evaluate_bags
    from oddframe.workflow.run import load_run

    options = EvaluateOptions(protocol or (), all_protocols, details, fps, baselines, normal, start)
    folder = None if is_trained(run) else score_folder(run)
    if folder is not None:
        refuse_others(context, run, "scores")
        with progress_bars() as bars:
            stored = evaluate_stored(folder, data, options, bars)
        print_any(stored, as_json, markdown)
        return
    trained = load_run(run)
    if entry(trained.bundle.recipe.model).kind == "bags":
        refuse_others(context, run, "bags")
        with progress_bars() as bars:
            found = evaluate_bags(
                trained, data, features or (), BagOptions(read_as, leave_out, details, baselines), progress=bars
            )
        print_any(found, as_json, markdown)
        return
    refuse_others(context, run, "frames")
    unkept = "nothing is kept: with --out FOLDER, videos that are scored are kept for the next time"
    keeping = interruptible(lambda: unkept) if out is None else keeping_files(out / "scores", "scored")
    trained = trained.ignoring(places_of(ignore))
    with keeping, progress_bars() as bars:
        evaluation = evaluate_run(trained, data, options, out=out, runtime=how, workers=workers, progress=bars)
    print_any(evaluation, as_json, markdown)


def refuse_others(context: typer.Context, run: Path, kind: Kind) -> None:
    """Check that every given option applies to this kind of RUN.

    Raises:
        InputError: an option does not apply. The message says what it is for.
    """
    for parameter in context.command.params:
        name = parameter.name or ""
        source = context.get_parameter_source(name)
        given = source is not None and source.name != "DEFAULT"
        if given and kind not in OPTION_KINDS.get(name, (kind,)):
            meant = " and ".join(KINDS[other] for other in OPTION_KINDS[name])
            raise InputError(f"{run}: is {KINDS[kind]}; {parameter.opts[0]} is for {meant}, leave it out")


def print_any(evaluation: Evaluation | BagEvaluation, as_json: bool, markdown: bool) -> None:
    """Print an evaluation as JSON, in Markdown or as plain tables."""
    from oddframe.workflow.evaluate import Evaluation

    if as_json:
        print_json(evaluation.to_dict())
    elif isinstance(evaluation, Evaluation):
        print_evaluation(evaluation, markdown)
    else:
        print_bags(evaluation, markdown)
    if isinstance(evaluation, Evaluation) and evaluation.incomplete:
        say(f"incomplete: {', '.join(evaluation.incomplete)}; the notes say what is lost", file=sys.stderr)
        raise typer.Exit(SKIPPED_STATUS)


def print_figures(columns: list[str], rows: list[list[str]], numbers: list[str], markdown: bool) -> None:
    """Print a table, plain or in Markdown."""
    from oddframe.benchmark.table import markdown_table

    if markdown:
        print(markdown_table(columns, rows, numbers))
    else:
        print_table(columns, rows, numbers)


def print_evaluation(evaluation: Evaluation, markdown: bool = False) -> None:
    """Print the table of an evaluation, with one row per protocol and system; first, where a baseline is ahead."""
    for sentence in evaluation.ahead:
        say(sentence)
    if evaluation.ahead and markdown:
        say()
    rows = []
    for row in evaluation.rows:
        r = row.result
        rule = f"{r.one_class} {len(r.one_class_videos)}" if r.one_class_videos else "-"
        figures = [figure(value) for value in (r.micro_auc, r.macro_auc, r.average_precision, r.eer)]
        system = f"{row.system} (baseline)" if row.baseline else row.system
        rows.append([r.protocol, system, *figures, rule, r.causality])
    columns = ["protocol", "system", "micro AUC", "macro AUC", "AP", "EER", "one-class videos", "causal"]
    print_figures(columns, rows, ["micro AUC", "macro AUC", "AP", "EER"], markdown)
    first = evaluation.rows[0].result
    say(
        f"{evaluation.data}: {count_of(first.videos, 'video')}, {count_of(first.frames, 'frame')}, "
        f"{first.positives} anomalous"
    )
    for note in evaluation.notes:
        say(f"note: {note}")
    if evaluation.details is not None:
        print_details(evaluation.details)


def print_details(details: Details) -> None:
    """Print the metrics beyond the frame-level AUC, one line each."""
    say()
    say(f"under {details.protocol}")
    say(f"micro AUC        {details.micro_auc}")
    say(f"latency-aware AP {figure(details.latency_ap)}")
    if details.events is not None:
        e = details.events
        right = f"{e.events}, {e.precision:.0%} of them correct" if e.events else "none reaches the threshold"
        found = f"{e.recall:.0%} of {e.intervals} anomalies found" if e.intervals else "no anomaly is labelled"
        say(f"events           {right}; {found}")
        delay = f"{e.delay_median:.2f} s (median), {e.delay_mean:.2f} s (mean)"
        say(f"delay            {'- (no anomaly is found)' if math.isnan(e.delay_mean) else delay}")
        say(f"false alarms     {figure(e.false_alarms_per_hour, '.1f')} per hour of normal frames")
    if details.promise is not None:
        say(f"alarms           {details.promise.sentence()}")
    if details.place is not None:
        p = details.place
        say(
            f"pixels           AUC {figure(p.pixel_auc)}; at 40 %: AUC {figure(p.pixel_level_auc)}, "
            f"EER {figure(p.pixel_level_eer)}"
        )
        say(f"regions          RBDC {figure(p.rbdc)}, TBDC {figure(p.tbdc)}")


def print_bags(evaluation: BagEvaluation, markdown: bool = False) -> None:
    """Print the table of a weakly supervised run, with one row per component, baseline and reference, and one line per
    class; first, where a baseline is ahead."""
    if evaluation.ahead:
        say(evaluation.ahead)
        if markdown:
            say()
    rows = []
    for name, r in evaluation.rows.items():
        figures = [r.auc, r.average_precision, r.average_precision_trapezoid, r.anomalous_auc, r.video_auc]
        system = f"{name} (baseline)" if name in evaluation.baselines else name
        rows.append([system, *(figure(value) for value in (*figures, r.false_alarm_rate))])
    columns = ["system", "AUC", "AP", "AP (trapezoid)", "AUC anomalous videos", "AUC videos", "false alarms"]
    print_figures(columns, rows, columns[1:], markdown)
    first = next(iter(evaluation.rows.values()))
    frames = count_of(first.frames, "frame") + ("" if first.positives is None else f", {first.positives} anomalous")
    say(f"{evaluation.data}: {count_of(first.videos, 'video')}, {first.anomalous_videos} with an anomaly, {frames}")
    say(f"annotation read as {first.rule}; false alarms: normal frames at {first.threshold:g} or above")
    if first.left_out:
        say(f"left out, without features: {count_of(len(first.left_out), 'video')}, the first is {first.left_out[0]}")
    for name, of_class in first.classes.items():
        say(
            f"class {name}: {count_of(of_class.videos, 'video')}, AUC {figure(of_class.auc)}, "
            f"alone {figure(of_class.auc_alone)}"
        )
    for name, interval in evaluation.intervals.items():
        say(f"AUC of {name}: {interval}")
    for note in evaluation.notes:
        say(f"note: {note}")
