"""What the protocol alone is worth: one set of scores under every protocol, as a table and a picture.

    python benchmarks/protocol_table.py SCORES NAME:PATH PICTURE.png

SCORES are what `oddframe evaluate RUN --data NAME:PATH --out SCORES` left. No model runs.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from matplotlib.figure import Figure

from oddframe.scoring.origin import score_folder
from oddframe.workflow.evaluate import EvaluateOptions, evaluate_stored

BASELINE = "frame_difference"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scores", type=Path)
    parser.add_argument("data")
    parser.add_argument("picture", type=Path)
    arguments = parser.parse_args()
    folder = score_folder(arguments.scores)
    if folder is None:
        parser.error(f"{arguments.scores}: no score files there")
    evaluation = evaluate_stored(folder, arguments.data, EvaluateOptions(every=True))
    by_protocol: dict[str, dict[str, float]] = {}
    for row in evaluation.rows:
        if row.baseline and row.system != BASELINE:
            continue
        kind = BASELINE if row.baseline else "own"
        by_protocol.setdefault(row.result.protocol, {})[kind] = row.result.micro_auc
    order = sorted(by_protocol, key=lambda name: by_protocol[name]["own"])

    print("| protocol | micro AUC | frame difference |\n|---|---:|---:|")
    for name in reversed(order):
        found = by_protocol[name]
        print(f"| `{name}` | {found['own']:.4f} | {found.get(BASELINE, float('nan')):.4f} |")

    figure = Figure(figsize=(8, 0.3 * len(order) + 1.2), layout="constrained")
    axes = figure.subplots()
    for kind, marker, colour, title in (
        ("own", "o", "#b5341f", evaluation.rows[0].system),
        (BASELINE, "|", "#555555", "frame difference"),
    ):
        places = [place for place, name in enumerate(order) if kind in by_protocol[name]]
        values = [by_protocol[order[place]][kind] for place in places]
        axes.plot(values, places, marker, color=colour, label=title, markersize=7)
    axes.set_yticks(range(len(order)), order, fontsize=8)
    axes.set_xlabel("micro AUC of the same scores")
    axes.grid(axis="x", alpha=0.3)
    axes.legend(loc="lower right")
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    figure.savefig(arguments.picture, dpi=120)


if __name__ == "__main__":
    main()
