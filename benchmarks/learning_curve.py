"""Learning curves of runs as one picture: losses on held-out normal video over steps, a panel for each run and stage.

    python benchmarks/learning_curve.py RUN... OUT.svg

Reads `training.jsonl` of the runs; no test video has any part in it. Where a recipe pastes objects, they are pasted
into the held-out video too. Grey is the training loss, the mean of neighbouring records. OUT ends in .svg or .png.
"""

from __future__ import annotations

import json
import sys
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

SHOWN = {"loss": "#cc3333", "reconstruction": "#3366cc", "class": "#33994d"}


def draw(axes: Axes, title: str, records: list[dict[str, Any]]) -> None:
    steps = np.array([record["step"] for record in records])
    trained = np.array([record["losses"]["loss"] for record in records])
    width = 1 + len(trained) // 20
    axes.plot(
        steps[width - 1 :], np.convolve(trained, np.ones(width) / width, "valid"), "#999999", label="training loss"
    )
    for name, colour in SHOWN.items():
        held = [(record["step"], record[key]) for record in records if (key := f"heldout/{name}") in record]
        if held:
            axes.plot(*zip(*held, strict=True), marker=".", color=colour, label=f"held out: {name}")
    axes.set(title=title, xlabel="step", yscale="log")
    axes.legend(fontsize=7, loc="upper right")


def main() -> None:
    *runs, out = map(Path, sys.argv[1:])
    drawn = []
    for run in runs:
        records = [json.loads(line) for line in (run / "training.jsonl").read_text().splitlines()]
        drawn += [(f"{run.name}: {stage}", list(own)) for stage, own in groupby(records, key=lambda one: one["stage"])]
    figure = Figure(figsize=(4 * len(drawn), 3), layout="constrained")
    for number, (title, records) in enumerate(drawn):
        draw(figure.add_subplot(1, len(drawn), number + 1), title, records)
    figure.savefig(out, dpi=80, metadata={"Date": None} if out.suffix == ".svg" else None)


if __name__ == "__main__":
    main()
