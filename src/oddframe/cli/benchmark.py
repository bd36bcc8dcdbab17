"""The command `oddframe benchmark`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from oddframe.cli.console import DeviceOption, JsonOption, print_json
from oddframe.progress import progress_bars


def benchmark(
    plan: Annotated[
        Path, typer.Argument(help="YAML file with data, systems, seeds and protocols; see docs/benchmark.md.")
    ],
    out: Annotated[
        Path, typer.Option(help="Folder for runs, scores, table and plots. Results that it already holds are reused.")
    ],
    device: DeviceOption = "auto",
    workers: Annotated[int, typer.Option(min=1, help="Processes that decode the training videos.")] = 2,
    as_json: JsonOption = False,
) -> None:
    """Train and evaluate every combination of system, data set, seed and protocol. An interrupted run continues."""
    from oddframe.workflow.benchmark import benchmark as run_benchmark

    with progress_bars() as bars:
        table = run_benchmark(plan, out, device=device, workers=workers, progress=bars, train_progress=True)
    if as_json:
        print_json(table.to_dict())
    else:
        print(table.to_markdown())
        print(f"table  {out / 'table.md'}, .csv, .json; plots  {out / 'plots'}")
