"""The command `oddframe compare`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from oddframe.account import count_of
from oddframe.cli.console import JsonOption, print_json, print_table, say


def compare(
    one: Annotated[Path, typer.Argument(help="Folder that `score --out` wrote.")],
    other: Annotated[Path, typer.Argument(help="Another one, of the same videos.")],
    out: Annotated[Path, typer.Option(help="The page that is written.", dir_okay=False)] = Path("compare.html"),
    as_json: JsonOption = False,
) -> None:
    """Compare what two detectors, or two thresholds, make of the same videos, on one page."""
    from oddframe.report.units import times_text
    from oddframe.workflow.compare import compare as compare_scores

    found = compare_scores(one, other, out)
    both, first, second = found.counts
    if as_json:
        print_json(
            {
                "both": both, "only_one": first, "only_other": second, "videos": len(found.pairs),
                "alone": list(found.alone), "page": str(out),
                "events": [
                    {
                        "video": pair.video, "start_s": pair.start_s, "end_s": pair.end_s,
                        "one": [event.id for event in pair.one], "other": [event.id for event in pair.other],
                    }
                    for pair in found.events
                ],
            }
        )  # fmt: skip
        return
    rows = [
        [
            pair.video, f"{pair.start_s:.1f}", f"{pair.end_s:.1f}",
            *(
                ", ".join(times_text(run.units(event.score)) for event in events) or "-"
                for run, events in ((found.one, pair.one), (found.other, pair.other))
            ),
        ]
        for pair in found.events
    ]  # fmt: skip
    if rows:
        columns = ["video", "start s", "end s", str(one), str(other)]
        print_table(columns, rows, columns[1:])
    say(f"{count_of(len(found.events), 'event')} in {count_of(len(found.pairs), 'video')}, in units of the threshold:")
    say(f"both {both}, only {one} {first}, only {other} {second}")
    for run in (found.one, found.other):
        threshold = f"threshold {run.calibration.threshold:.6g}, {run.calibration.sentence()}"
        say(f"{run.name}: {run.model}, bundle {run.bundle} (what was learned), {threshold}")
    for name in found.alone:
        say(f"note    {name} was scored by one of them alone")
    say(f"page    {out}")
