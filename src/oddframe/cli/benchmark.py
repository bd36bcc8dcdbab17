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
            help="YAML file with data, systems, seeds, protocols and claims (docs/how-to/benchmark.md), or a built-in "
            "plan such as ablations/sdmae.yaml (docs/how-to/ablations.md).",
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
    budget: Annotated[
        str | None,
        typer.Option(
            metavar="BUDGET", help="Length of every training, in place of that of the plan: 300steps, 5epochs."
        ),
    ] = None,
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change the recipes of all systems; repeatable."),
    ] = None,
    device: DeviceOption = "auto",
    workers: Annotated[
        int, typer.Option(min=1, help="Processes that decode the training videos.", rich_help_panel=COMPUTING)
    ] = 2,
    as_json: JsonOption = False,
) -> None:
    """Train and evaluate every combination of system, data set, seed and protocol. An interrupted run continues."""
    from oddframe.benchmark.plan import load_plan
    from oddframe.workflow.benchmark import benchmark as run_benchmark

    read = load_plan(plan, changes or (), budget)
    out = out or default_folder(f"{plan.stem}-benchmark")
    kept = f"finished runs, checkpoints and scores are kept in {out}; the same command continues with the rest"
    with interruptible(lambda: kept), progress_bars() as bars:
        table = run_benchmark(read, out, device=device, workers=workers, progress=bars, train_progress=True)
    if as_json:
        print_json(table.to_dict())
    else:
        print(table.to_markdown())
        say(f"table  {out / 'table.md'}, .csv, .json; plots  {out / 'plots'}")
