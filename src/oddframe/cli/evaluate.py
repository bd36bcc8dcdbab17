"""oddframe evaluate."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from oddframe.cli.console import (
    DeviceOption,
    JsonOption,
    PrecisionOption,
    RuntimeOption,
    WorkersOption,
    print_json,
    print_table,
)
from oddframe.progress import progress_bars

if TYPE_CHECKING:
    from oddframe.workflow.details import Details
    from oddframe.workflow.evaluate import Evaluation
    from oddframe.workflow.evaluate_bags import BagEvaluation


def evaluate(
    scores: Annotated[
        Path,
        typer.Argument(
            help="Bundle that `fit` left, or stored scores: the folder that `score --out` or `evaluate --out` wrote."
        ),
    ],
    data: Annotated[
        str,
        typer.Option(
            help="Labelled test set, NAME:PATH: folder, ucsd-ped1, ucsd-ped2, avenue-3867, avenue-3712, shanghaitech, "
            "ubnormal; for dakd and mil ucf-crime, xd-violence, shanghaitech-weak, or a CSV."
        ),
    ],
    features: Annotated[
        list[str] | None,
        typer.Option(help="For dakd and mil: features of the test videos, a store or NAME=LAYOUT:PATH; repeatable."),
    ] = None,
    rule: Annotated[
        str, typer.Option(help="For dakd and mil, how the annotation is read: exclusive, rtfm, sultani, seominseok.")
    ] = "exclusive",
    leave_out: Annotated[
        bool, typer.Option("--leave-out", help="For dakd and mil: go on without test videos that have no features.")
    ] = False,
    protocol: Annotated[
        list[str] | None, typer.Option(help="Protocol, see `oddframe protocols`; may be given more than once.")
    ] = None,
    all_protocols: Annotated[
        bool,
        typer.Option("--all-protocols", help="Also what the protocols of other systems make of the same components."),
    ] = False,
    details: Annotated[
        bool,
        typer.Option("--details", help="Also confidence, events and delay, and with masks pixels, RBDC and TBDC."),
    ] = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print the table in Markdown.")] = False,
    out: Annotated[Path | None, typer.Option(help="Folder to keep scores and a report in (reused next time).")] = None,
    runtime: RuntimeOption = None,
    precision: PrecisionOption = None,
    device: DeviceOption = "auto",
    workers: WorkersOption = 1,
    as_json: JsonOption = False,
) -> None:
    """Measure a run, or stored scores, on a labelled test set; every figure carries its protocol."""
    from oddframe.datasets.weak import parse_rule
    from oddframe.runtime.exported import is_trained
    from oddframe.runtime.runtime import RuntimeOptions
    from oddframe.scoring.open_scorer import bag_signature
    from oddframe.scoring.origin import score_folder
    from oddframe.workflow.evaluate import evaluate_run, evaluate_stored
    from oddframe.workflow.evaluate_bags import evaluate_bags
    from oddframe.workflow.run import load_run

    options = RuntimeOptions.parse(runtime, precision, device)
    folder = None if is_trained(scores) else score_folder(scores)
    if folder is not None:
        print_any(
            evaluate_stored(folder, data, protocol or (), every=all_protocols, details=details), as_json, markdown
        )
        return
    trained = load_run(scores)
    if bag_signature(trained.bundle) is not None and not trained.bundle.settled:
        with progress_bars() as bars:
            found = evaluate_bags(
                trained,
                data,
                features or (),
                rule=parse_rule(rule),
                leave_out=leave_out,
                details=details,
                progress=bars,
            )
        if as_json:
            print_json(found.to_dict())
        else:
            print_bags(found)
        return
    with progress_bars() as bars:
        evaluation = evaluate_run(
            trained,
            data,
            protocol or (),
            every=all_protocols,
            details=details,
            out=out,
            options=options,
            workers=workers,
            progress=bars,
        )
    print_any(evaluation, as_json, markdown)


def print_any(evaluation: Evaluation, as_json: bool, markdown: bool) -> None:
    """An evaluation in the form asked for."""
    if as_json:
        print_json(evaluation.to_dict())
    else:
        print_evaluation(evaluation, markdown)


def print_evaluation(evaluation: Evaluation, markdown: bool = False) -> None:
    """The table: a line per protocol and system."""
    from oddframe.benchmark.table import markdown_table

    rows = []
    for row in evaluation.rows:
        r = row.result
        rule = f"{r.one_class} {len(r.one_class_videos)}" if r.one_class_videos else "-"
        figures = [f"{value:.4f}" for value in (r.micro_auc, r.macro_auc, r.average_precision, r.eer)]
        rows.append([r.protocol, row.system, *figures, rule, r.causality])
    columns = ["protocol", "system", "micro AUC", "macro AUC", "AP", "EER", "one-class videos", "causal"]
    numbers = ["micro AUC", "macro AUC", "AP", "EER"]
    if markdown:
        print(markdown_table(columns, rows, numbers))
    else:
        print_table(columns, rows, numbers)
    first = evaluation.rows[0].result
    print(f"{evaluation.data}: {first.videos} videos, {first.frames} frames, {first.positives} anomalous")
    for note in evaluation.notes:
        print(f"note: {note}")
    if evaluation.details is not None:
        print_details(evaluation.details)


def print_details(details: Details) -> None:
    """A line for each kind of thing that the AUC of frames does not say."""
    print(f"\nunder {details.protocol}")
    print(f"micro AUC        {details.micro_auc}")
    print(f"latency-aware AP {details.latency_ap:.4f}")
    if details.events is not None:
        e = details.events
        found = f"{e.recall:.0%} of {e.intervals} anomalies found"
        print(f"events           {e.events}, {e.precision:.0%} of them right; {found}")
        print(f"delay            {e.delay_median:.2f} s (median), {e.delay_mean:.2f} s (mean)")
        print(f"false alarms     {e.false_alarms_per_hour:.1f} per hour of normal frames")
    if details.place is not None:
        p = details.place
        print(
            f"pixels           AUC {p.pixel_auc:.4f}; at 40 %: AUC {p.pixel_level_auc:.4f}, EER {p.pixel_level_eer:.4f}"
        )
        print(f"regions          RBDC {p.rbdc:.4f}, TBDC {p.tbdc:.4f}")


def print_bags(evaluation: BagEvaluation) -> None:
    """The table of a weakly supervised run: a line per component and reference, then one per class."""
    rows = []
    for name, r in evaluation.rows.items():
        figures = [r.auc, r.average_precision, r.average_precision_trapezoid, r.anomalous_auc, r.video_auc]
        rows.append([name, *(f"{value:.4f}" for value in (*figures, r.false_alarm_rate))])
    columns = ["system", "AUC", "AP", "AP (trapezoid)", "AUC anomalous videos", "AUC videos", "false alarms"]
    print_table(columns, rows, columns[1:])
    first = next(iter(evaluation.rows.values()))
    frames = f"{first.frames} frames" + ("" if first.positives is None else f", {first.positives} anomalous")
    print(f"{evaluation.data}: {first.videos} videos, {first.anomalous_videos} with an anomaly, {frames}")
    print(f"annotation read as {first.rule}; false alarms: normal frames at {first.threshold:g} or above")
    if first.left_out:
        print(f"left out, without features: {len(first.left_out)} videos, first {first.left_out[0]}")
    for name, of_class in first.classes.items():
        print(f"class {name}: {of_class.videos} videos, AUC {of_class.auc:.4f}, alone {of_class.auc_alone:.4f}")
    for name, interval in evaluation.intervals.items():
        print(f"AUC of {name}: {interval}")
    for note in evaluation.notes:
        print(f"note: {note}")
