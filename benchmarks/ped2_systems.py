"""Recipes on UCSD Ped2 under the same budget and seed, every protocol, beside the frame-difference baseline.

    python benchmarks/ped2_systems.py PED2 OUT --budget 10m [--seed 0] RECIPE ...

PED2 holds `training/videos` and `testing` (videos and labels, see docs/reference/evaluation.md); OUT takes a
bundle and the scores of each recipe, and finished ones are not trained again. Printed as Markdown: micro and macro AUC.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from oddframe.bundle import META
from oddframe.settings import TrainingOptions
from oddframe.workflow.evaluate import evaluate_run
from oddframe.workflow.fit import fit
from oddframe.workflow.run import load_run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("ped2", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("recipes", nargs="+")
    parser.add_argument("--budget", required=True)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    print("| recipe | steps of samples | protocol | micro AUC | macro AUC | baseline micro | baseline macro |")
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
                changes=[f"training.seed={arguments.seed}"],
            )
        steps = f"{run.history['records'][-1]['step']:,} of {run.bundle.recipe.training.batch_size}"
        rows = evaluate_run(run, f"folder:{arguments.ped2 / 'testing'}", out=arguments.out / f"{recipe}-scores").rows
        for own, plain in zip(rows[::2], rows[1::2], strict=True):
            figures = [own.result.micro_auc, own.result.macro_auc, plain.result.micro_auc, plain.result.macro_auc]
            cells = [recipe, steps, f"`{own.result.protocol}`", *(f"{figure:.4f}" for figure in figures)]
            print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
