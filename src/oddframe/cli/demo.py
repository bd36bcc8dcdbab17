"""The command `oddframe demo`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from oddframe.cli.console import JsonOption, print_json
from oddframe.progress import progress_bars


def demo(
    out: Annotated[Path, typer.Option(help="Folder for everything that the demo writes.")] = Path("demo"),
    seed: Annotated[
        int, typer.Option(min=0, help="Random seed. Another seed gives another street and other anomalies.")
    ] = 0,
    budget: Annotated[str, typer.Option(help="Training time.")] = "130s",
    as_json: JsonOption = False,
) -> None:
    """Show everything on a synthetic street: render it, train a detector, score test videos, write a report."""
    from oddframe.cli.evaluate import print_evaluation
    from oddframe.workflow.demo import demo as run_demo

    with progress_bars() as bars:
        result = run_demo(out, seed=seed, budget=budget, progress=bars, train_progress=not as_json)
    if as_json:
        print_json(result.to_dict())
        return
    print_evaluation(result.evaluation)
    found = sum(planted.found for planted in result.planted)
    print(f"\nplanted anomalies found: {found} of {len(result.planted)}; false events: {result.false_events}")
    for planted in result.planted:
        verdict = "found " if planted.found else "missed"
        print(f"  {verdict}  {planted.video}  {planted.kind}, frames {planted.start}-{planted.end}")
    print(f"\nframe-level micro AUC  {result.micro_auc:.4f}  (protocol honest, unseen videos)")
    for name, path in result.files.items():
        print(f"{name:<10} {path}")
