"""The demo over several seeds: every seed is another street, other people, other planted anomalies, another training.

python benchmarks/demo_seeds.py [SEED ...]
"""

from __future__ import annotations

import platform
import statistics
import sys
import tempfile
import time
from pathlib import Path

from oddframe.workflow.demo import demo


def main() -> None:
    seeds = [int(seed) for seed in sys.argv[1:]] or [0, 1, 2, 3, 4]
    print(f"{time.strftime('%Y-%m-%d')}  {platform.machine()}, protocol honest, unseen videos")
    print("seed  micro AUC  difference  flow    found  planted  false events  seconds")
    figures = []
    for seed in seeds:
        start = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            result = demo(Path(folder) / "demo", seed=seed)
        beside = {row.system: row.result.micro_auc for row in result.evaluation.rows if row.baseline}
        found = sum(planted.found for planted in result.planted)
        figures.append(result.micro_auc)
        print(
            f"{seed:>4}  {result.micro_auc:>9.4f}  {beside['frame_difference']:>10.4f}  {beside['optical_flow']:.4f}  "
            f"{found:>5}  {len(result.planted):>7}  "
            f"{result.false_events:>12}  {time.perf_counter() - start:>7.0f}",
            flush=True,
        )
    spread = f", standard deviation {statistics.stdev(figures):.4f}" if len(figures) > 1 else ""
    print(f"mean {statistics.mean(figures):.4f}{spread}, lowest {min(figures):.4f}")


if __name__ == "__main__":
    main()
