"""oddframe evaluate."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from oddframe.cli.console import DeviceOption, JsonOption, PrecisionOption, print_json, print_table, progress_bars

if TYPE_CHECKING:
    from oddframe.workflow.evaluate import Evaluation


def evaluate(
    run: Annotated[Path, typer.Argument(help="Bundle that `fit` left.")],
    data: Annotated[
        str, typer.Option(help="Labelled test set, NAME:PATH: folder:PATH, ucsd-ped1:PATH, ucsd-ped2:PATH.")
    ],
    protocol: Annotated[list[str] | None, typer.Option(help="Protocol; may be given more than once.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder to keep scores and a report in (reused next time).")] = None,
    device: DeviceOption = "auto",
    precision: PrecisionOption = "fp32",
    as_json: JsonOption = False,
) -> None:
    """Measure a run on a labelled test set; every figure carries its protocol, a baseline stands beside it."""
    from oddframe.runtime.torch import parse_precision
    from oddframe.workflow import load_run
    from oddframe.workflow.evaluate import evaluate_run

    with progress_bars() as bars:
        evaluation = evaluate_run(
            load_run(run),
            data,
            protocol or (),
            out=out,
            device=device,
            precision=parse_precision(precision),
            progress=bars,
        )
    if as_json:
        print_json(evaluation.to_dict())
    else:
        print_evaluation(evaluation)


def print_evaluation(evaluation: Evaluation) -> None:
    """The table: a line per protocol and system."""
    rows = []
    for row in evaluation.rows:
        r = row.result
        rule = f"{r.one_class} {len(r.one_class_videos)}" if r.one_class_videos else "-"
        figures = [f"{value:.4f}" for value in (r.micro_auc, r.macro_auc, r.average_precision, r.eer)]
        rows.append([r.protocol, row.system, *figures, rule, "yes" if r.causal else "no"])
    columns = ["protocol", "system", "micro AUC", "macro AUC", "AP", "EER", "one-class videos", "causal"]
    print_table(columns, rows, ["micro AUC", "macro AUC", "AP", "EER"])
    first = evaluation.rows[0].result
    print(f"{evaluation.data}: {first.videos} videos, {first.frames} frames, {first.positives} anomalous")
    for note in evaluation.notes:
        print(f"note: {note}")
