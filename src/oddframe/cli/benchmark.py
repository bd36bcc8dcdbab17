"""oddframe benchmark."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from oddframe.cli.console import DeviceOption, JsonOption, print_json
from oddframe.progress import progress_bars


def benchmark(
    plan: Annotated[Path, typer.Argument(help="YAML file: data, systems, seeds, protocols; see docs/benchmark.md.")],
    out: Annotated[Path, typer.Option(help="Folder for runs, scores, table and plots; what it holds is reused.")],
    device: DeviceOption = "auto",
    workers: Annotated[int, typer.Option(min=1, help="Processes that decode the training videos.")] = 2,
    as_json: JsonOption = False,
) -> None:
    """Train and evaluate systems x data sets x seeds x protocols; goes on where it was interrupted."""
    from oddframe.workflow.benchmark import benchmark as carry_out

    with progress_bars() as bars:
        table = carry_out(plan, out, device=device, workers=workers, progress=bars, train_progress=True)
    if as_json:
        print_json(table.to_dict())
    else:
        print(table.to_markdown())
        print(f"table  {out / 'table.md'}, .csv, .json; plots  {out / 'plots'}")
