"""Every small recipe on the synthetic street, all kinds of anomaly, beside the frame-difference baseline.

    python benchmarks/street_systems.py OUT [RECIPE ...] [--seeds 0 1 2] [--budget 2m]

A seed is a street of its own: 8 normal videos to train on, 8 unseen ones with planted anomalies, 24 s each. Protocol
`honest`; the baseline is smoothed alike. Printed per seed, then mean and standard deviation over seeds. OUT keeps the
streets and bundles; begun again, it goes on where it was.
"""

from __future__ import annotations

import argparse
import statistics
from pathlib import Path

from oddframe.data.world import render_world
from oddframe.recipes import recipe_names
from oddframe.workflow import fit
from oddframe.workflow.evaluate import evaluate_run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("recipes", nargs="*", default=[name for name in recipe_names() if name.endswith("-small")])
    parser.add_argument("--seeds", nargs="*", type=int, default=[0, 1, 2])
    parser.add_argument("--budget", help="the recipe's own without it")
    arguments = parser.parse_args()
    print("recipe               seed  micro AUC  baseline  above it  training s   steps")
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in arguments.recipes}
    for seed in arguments.seeds:
        folder = arguments.out / str(seed)
        street = folder / "street"
        if not street.exists():
            render_world(street, videos=8, test_videos=8, seconds=24, seed=seed)
        for recipe in arguments.recipes:
            run = fit(
                street / "training" / "videos",
                recipe=recipe,
                out=folder / recipe,
                changes=[f"training.seed={seed}"],
                budget=arguments.budget,
                resume=True,
            )
            seconds = sum(sum(parts.values()) for parts in run.bundle.history["seconds"].values())
            rows = evaluate_run(run, f"folder:{street / 'testing'}", ["honest"]).rows
            own, baseline = (row.result.micro_auc for row in rows)
            found[recipe].append((own, baseline))
            steps = run.bundle.history["records"][-1]["step"]
            figures = f"{own:>9.4f}  {baseline:>8.4f}  {own - baseline:>+8.4f}  {seconds:>10.0f}  {steps:>6}"
            print(f"{recipe:<20} {seed:>4}  {figures}", flush=True)
    print()
    for recipe, pairs in found.items():
        aucs, above = [own for own, _ in pairs], [own - baseline for own, baseline in pairs]
        spread = f" +- {statistics.stdev(aucs):.4f}" if len(aucs) > 1 else ""
        means = f"mean {statistics.mean(aucs):.4f}{spread}, {statistics.mean(above):+.4f} above the baseline"
        print(f"{recipe:<20} {means}, at the least {min(above):+.4f}")


if __name__ == "__main__":
    main()
