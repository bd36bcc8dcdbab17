"""Recipes on UCSD Ped2 under the same budget and seed, every protocol, beside frame difference and optical flow.

    python benchmarks/ped2_systems.py PED2 OUT --budget 10m [--seed 0] [--set NAME=VALUE ...] RECIPE ...

PED2 holds `training/videos` and `testing` (videos and labels, see docs/reference/evaluation.md); OUT takes a
bundle and the scores of each recipe, and finished ones are not trained again. `--set` changes every recipe. Printed as
Markdown, for every protocol: what the score is made of, and micro / macro AUC of the system and of both baselines.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from oddframe.bundle import META
from oddframe.evaluation.protocol import Result
from oddframe.settings import TrainingOptions
from oddframe.workflow.evaluate import Evaluation, evaluate_run
from oddframe.workflow.fit import fit
from oddframe.workflow.run import Run, load_run

BESIDE = ("frame_difference", "optical_flow")


def aucs(result: Result) -> str:
    return f"{result.micro_auc:.4f} / {result.macro_auc:.4f}"


def show(recipe: str, run: Run, evaluation: Evaluation) -> None:
    """A line of the table for every protocol."""
    steps = f"{run.history['records'][-1]['step']:,} of {run.bundle.recipe.training.batch_size}"
    for own in evaluation.rows:
        if own.baseline:
            continue
        name = own.result.protocol
        parts = ", ".join(f"{weight:g} {part}" for part, weight in own.result.combination.weights.items())
        plain = {row.system: row.result for row in evaluation.rows if row.baseline and row.result.protocol == name}
        figures = [own.result, *(plain[baseline] for baseline in BESIDE)]
        print(f"| {' | '.join([recipe, steps, f'`{name}`', parts, *map(aucs, figures)])} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("ped2", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("recipes", nargs="+")
    parser.add_argument("--budget", required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--set", action="append", default=[], dest="changes")
    arguments = parser.parse_args()
    print("| recipe | steps of samples | protocol | score | micro / macro AUC | frame difference | optical flow |")
    print("|---|---|---|---|---|---|---|")
    for recipe in arguments.recipes:
        folder = arguments.out / recipe
        if (folder / META).exists():
            run = load_run(folder)
        else:
            run = fit(
                arguments.ped2 / "training" / "videos",
                recipe=recipe,
                out=folder,
                training=TrainingOptions(budget=arguments.budget),
                changes=[f"training.seed={arguments.seed}", *arguments.changes],
            )
        data = f"folder:{arguments.ped2 / 'testing'}"
        show(recipe, run, evaluate_run(run, data, out=arguments.out / f"{recipe}-scores"))


if __name__ == "__main__":
    main()
