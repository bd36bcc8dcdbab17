"""The command `oddframe benchmark`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from oddframe.cli.console import COMPUTING, DeviceOption, JsonOption, default_folder, folder_to_write, print_json, say
from oddframe.cli.inputs import plan_to_read
from oddframe.cli.interrupt import interruptible
from oddframe.progress import progress_bars


def benchmark(
    plan: Annotated[
        Path,
        typer.Argument(
            callback=plan_to_read,
            help="YAML file with data, systems, seeds and protocols; see docs/how-to/benchmark.md.",
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            callback=folder_to_write,
            help="Folder for runs, scores, table and plots. Results that it already holds are reused.",
            show_default="PLAN-benchmark",
        ),
    ] = None,
    device: DeviceOption = "auto",
    workers: Annotated[
        int, typer.Option(min=1, help="Processes that decode the training videos.", rich_help_panel=COMPUTING)
    ] = 2,
    as_json: JsonOption = False,
) -> None:
    """Train and evaluate every combination of system, data set, seed and protocol. An interrupted run continues."""
    from oddframe.workflow.benchmark import benchmark as run_benchmark

    out = out or default_folder(f"{plan.stem}-benchmark")
    kept = f"finished runs, checkpoints and scores are kept in {out}; the same command continues with the rest"
    with interruptible(lambda: kept), progress_bars() as bars:
        table = run_benchmark(plan, out, device=device, workers=workers, progress=bars, train_progress=True)
    if as_json:
        print_json(table.to_dict())
    else:
        print(table.to_markdown())
        say(f"table  {out / 'table.md'}, .csv, .json; plots  {out / 'plots'}")
