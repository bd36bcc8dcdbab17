"""The command `oddframe learn`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from oddframe.cli.console import (
    JsonOption,
    QuantileOption,
    folder_to_write,
    print_json,
    print_notes,
    print_table,
    say,
)
from oddframe.cli.inputs import above_zero, bundle_to_read

if TYPE_CHECKING:
    from oddframe.workflow.learn import LearnResult, LearnStep


def learn(
    run: Annotated[Path, typer.Argument(callback=bundle_to_read, help="Bundle whose events were marked.")],
    out: Annotated[Path, typer.Option(callback=folder_to_write, help="Folder for the new bundle; RUN stays as it is.")],
    store: Annotated[
        str, typer.Option(metavar="STORE", help="Event store with the marks: a file, a folder, or a PostgreSQL URL.")
    ] = ".",
    steps: Annotated[
        str, typer.Option(help="Steps that are taken: some of recalibrate,zones,memory,classifier.")
    ] = "recalibrate,zones,memory,classifier",
    weak_labels: Annotated[
        Path | None,
        typer.Option(help="Also write a CSV of video,label for `oddframe fit --model dakd`.", show_default=False),
    ] = None,
    alarms_per_hour: Annotated[
        float | None,
        typer.Option(callback=above_zero, help="Accepted false alarms per hour.", show_default="what RUN promises"),
    ] = None,
    quantile: QuantileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a better bundle from marks: events that people have called normal or abnormal.

    What each step changes is counted on the later third of the marks, which the figures' detector has not learned from.
    """
    from oddframe.settings import ThresholdOptions
    from oddframe.workflow.learn import LearnOptions
    from oddframe.workflow.learn import learn as learn_from_marks

    wanted = tuple(name.strip() for name in steps.split(",") if name.strip())
    options = LearnOptions(wanted, ThresholdOptions(alarms_per_hour, quantile), weak_labels)
    result = learn_from_marks(run, store, out, options)
    if as_json:
        print_json(result.as_json())
        return
    _tell(result)


def _tell(result: LearnResult) -> None:
    found = result.as_json()
    print_notes(result.gone)
    say(f"bundle     {found['out']}  ({found['id']}, made from {found['parent']})")
    say(f"marks      {found['normal']} normal, {found['abnormal']} abnormal")
    say(f"split      {found['split']}")
    for step in result.steps:
        say(f"{step.name:<13}{step.did}")
    if result.steps and result.steps[0].marks_held_out:
        columns = ["on later marks", "normal that raise an alarm", "abnormal that are found"]
        rows = [["before", *_counts(result.steps[0], after=False)]]
        print_table(columns, rows + [[step.name, *_counts(step, after=True)] for step in result.steps], columns[1:])
    if found["too_few"]:
        say(f"figures    {found['too_few']}")
    say(f"threshold  {found['threshold']:.6g}")
    say(f"promise    {found['promise']}")
    if found["note"]:
        say(f"note       {found['note']}")
    say(f"next       oddframe bundles use {found['out']}")


def _counts(step: LearnStep, after: bool) -> list[str]:
    counts = step.after if after else step.before
    pairs = ("alarms_on_them", "normal_marks"), ("found_of_them", "abnormal_marks")
    return ["-" if counts[whole] is None else f"{counts[part]} of {counts[whole]}" for part, whole in pairs]
