"""The command `oddframe demo`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from oddframe.cli.console import JsonOption, folder_to_write, print_json, say
from oddframe.cli.interrupt import interruptible
from oddframe.progress import progress_bars


def demo(
    out: Annotated[
        Path, typer.Option(callback=folder_to_write, help="Folder for everything that the demo writes.")
    ] = Path("demo"),
    seed: Annotated[
        int, typer.Option(min=0, help="Random seed. Another seed gives another street and other anomalies.")
    ] = 0,
    recipe: Annotated[
        str, typer.Option(help="Detector; oddframe recipes lists them. The default is shown all kinds of anomalies.")
    ] = "camera",
    budget: Annotated[
        str | None, typer.Option(help="Training time of a detector that is trained.", show_default="130s")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Show everything on a synthetic street: render it, train a detector, score test videos, write a report."""
    from oddframe.cli.evaluate import print_evaluation
    from oddframe.recipes import load_recipe
    from oddframe.settings import TrainingOptions

    load_recipe(recipe), TrainingOptions(budget=budget)  # a fault is told before torch is loaded
    from oddframe.workflow.demo import demo as run_demo

    again = f"the demo starts anew: remove {out}, or choose another --out"
    with interruptible(lambda: again), progress_bars() as bars:
        result = run_demo(out, seed=seed, recipe=recipe, budget=budget, progress=bars, train_progress=not as_json)
    if as_json:
        print_json(result.to_dict())
        return
    print_evaluation(result.evaluation)
    found = sum(planted.found for planted in result.planted)
    say()
    say(
        f"planted anomalies touched by the box of an event: {found} of {len(result.planted)}; "
        f"events that touch none: {result.false_events}"
    )
    for planted in result.planted:
        verdict = "found " if planted.found else "missed"
        say(f"  {verdict}  {planted.video}  {planted.kind}, frames {planted.start}-{planted.end}")
    say()
    say(f"frame-level micro AUC  {result.micro_auc:.4f}  (protocol honest, unseen videos)")
    for name, path in result.files.items():
        say(f"{name:<10} {path}")
