"""The command `oddframe evaluate`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from oddframe.cli.console import JsonOption, print_json, print_table
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
    "out": ("frames",),
    "runtime": ("frames",),
    "precision": ("frames",),
    "device": ("frames",),
    "workers": ("frames",),
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
            help="Run to evaluate, written by `fit` or `export`; or a folder of stored scores, written by "
            "`score --out` or `evaluate --out`.",
        ),
    ],
    data: Annotated[
        str,
        typer.Option(
            help="Labelled test set as NAME:PATH. NAME is folder, ucsd-ped1, ucsd-ped2, avenue-3867, avenue-3712, "
            "shanghaitech or ubnormal; for dakd and mil ucf-crime, xd-violence, shanghaitech-weak, or a CSV."
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
    out: Annotated[
        Path | None,
        typer.Option(
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
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, ...", rich_help_panel=FRAMES)] = "auto",
    workers: Annotated[
        int,
        typer.Option(min=1, help="Processes that score videos in parallel.", rich_help_panel=FRAMES),
    ] = 1,
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
    from oddframe.scoring.origin import score_folder
    from oddframe.workflow.evaluate import EvaluateOptions, evaluate_run, evaluate_stored
    from oddframe.workflow.evaluate_bags import evaluate_bags
    from oddframe.workflow.run import load_run

    if markdown and as_json:
        raise InputError("--json and --markdown are two forms of the same table; give one of them")
    options = EvaluateOptions(protocol or (), all_protocols, details)
    folder = None if is_trained(run) else score_folder(run)
    if folder is not None:
        refuse_others(context, run, "scores")
        print_any(evaluate_stored(folder, data, options), as_json, markdown)
        return
    trained = load_run(run)
    if entry(trained.bundle.recipe.model).kind == "bags":
        refuse_others(context, run, "bags")
        read_as = parse_rule(rule)
        with progress_bars() as bars:
            found = evaluate_bags(
                trained, data, features or (), rule=read_as, leave_out=leave_out, details=details, progress=bars
            )
        print_any(found, as_json, markdown)
        return
    refuse_others(context, run, "frames")
    how = RuntimeOptions.parse(runtime, precision, device)
    with progress_bars() as bars:
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


def print_figures(columns: list[str], rows: list[list[str]], numbers: list[str], markdown: bool) -> None:
    """Print a table, plain or in Markdown."""
    from oddframe.benchmark.table import markdown_table

    if markdown:
        print(markdown_table(columns, rows, numbers))
    else:
        print_table(columns, rows, numbers)


def print_evaluation(evaluation: Evaluation, markdown: bool = False) -> None:
    """Print the table of an evaluation, with one row per protocol and system."""
    rows = []
    for row in evaluation.rows:
        r = row.result
        rule = f"{r.one_class} {len(r.one_class_videos)}" if r.one_class_videos else "-"
        figures = [f"{value:.4f}" for value in (r.micro_auc, r.macro_auc, r.average_precision, r.eer)]
        rows.append([r.protocol, row.system, *figures, rule, r.causality])
    columns = ["protocol", "system", "micro AUC", "macro AUC", "AP", "EER", "one-class videos", "causal"]
    print_figures(columns, rows, ["micro AUC", "macro AUC", "AP", "EER"], markdown)
    first = evaluation.rows[0].result
    print(f"{evaluation.data}: {first.videos} videos, {first.frames} frames, {first.positives} anomalous")
    for note in evaluation.notes:
        print(f"note: {note}")
    if evaluation.details is not None:
        print_details(evaluation.details)


def print_details(details: Details) -> None:
    """Print the metrics beyond the frame-level AUC, one line each."""
    print(f"\nunder {details.protocol}")
    print(f"micro AUC        {details.micro_auc}")
    print(f"latency-aware AP {details.latency_ap:.4f}")
    if details.events is not None:
        e = details.events
        found = f"{e.recall:.0%} of {e.intervals} anomalies found"
        print(f"events           {e.events}, {e.precision:.0%} of them correct; {found}")
        print(f"delay            {e.delay_median:.2f} s (median), {e.delay_mean:.2f} s (mean)")
        print(f"false alarms     {e.false_alarms_per_hour:.1f} per hour of normal frames")
    if details.place is not None:
        p = details.place
        print(
            f"pixels           AUC {p.pixel_auc:.4f}; at 40 %: AUC {p.pixel_level_auc:.4f}, EER {p.pixel_level_eer:.4f}"
        )
        print(f"regions          RBDC {p.rbdc:.4f}, TBDC {p.tbdc:.4f}")


def print_bags(evaluation: BagEvaluation, markdown: bool = False) -> None:
    """Print the table of a weakly supervised run: one row per component and reference, then one line per class."""
    rows = []
    for name, r in evaluation.rows.items():
        figures = [r.auc, r.average_precision, r.average_precision_trapezoid, r.anomalous_auc, r.video_auc]
        rows.append([name, *(f"{value:.4f}" for value in (*figures, r.false_alarm_rate))])
    columns = ["system", "AUC", "AP", "AP (trapezoid)", "AUC anomalous videos", "AUC videos", "false alarms"]
    print_figures(columns, rows, columns[1:], markdown)
    first = next(iter(evaluation.rows.values()))
    frames = f"{first.frames} frames" + ("" if first.positives is None else f", {first.positives} anomalous")
    print(f"{evaluation.data}: {first.videos} videos, {first.anomalous_videos} with an anomaly, {frames}")
    print(f"annotation read as {first.rule}; false alarms: normal frames at {first.threshold:g} or above")
    if first.left_out:
        print(f"left out, without features: {len(first.left_out)} videos, the first is {first.left_out[0]}")
    for name, of_class in first.classes.items():
        print(f"class {name}: {of_class.videos} videos, AUC {of_class.auc:.4f}, alone {of_class.auc_alone:.4f}")
    for name, interval in evaluation.intervals.items():
        print(f"AUC of {name}: {interval}")
    for note in evaluation.notes:
        print(f"note: {note}")
