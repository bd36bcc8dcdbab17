"""TAM's forward and backward pass against its four terms written out, in one run.

    OMP_NUM_THREADS=1 python benchmarks/tam_speed.py [--rounds 5]

Written out: for every backbone the products with its own keys and with those of every other backbone, each by itself,
and the two positional terms by gathers from a product with all 2k rows of the table. Same weights; interleaved rounds,
medians of processor time. Three backbones of [60, 32, 512], d = 1024, 8 heads, k = 25, float32; the largest
difference in float64.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from copy import deepcopy

import torch
from torch import Tensor

from oddframe.models.layers.temporal import TAM, TAMAttention

BAGS, SEGMENTS, WIDTH, BACKBONES = 60, 32, 512, 3


def four_terms(m: TAM, z: list[Tensor]) -> Tensor:
    a = m.attention

    def heads(x: Tensor) -> Tensor:
        return x.unflatten(-1, (a.heads, -1)).transpose(-3, -2)

    parts = [[heads(part) for part in content(x).chunk(3, -1)] for content, x in zip(m.content, z, strict=True)]
    assert m.table is not None and m.position_key is not None and m.position_query is not None
    key_r, query_r = heads(m.position_key(m.table)), heads(m.position_query(m.table))
    place = torch.arange(z[0].shape[1])
    gamma = (place[:, None] - place + a.max_distance).clamp(0, 2 * a.max_distance - 1)
    total = torch.zeros(())
    for t, (q, k, v) in enumerate(parts):
        logits = q @ k.mT
        for u, (_, other, _) in enumerate(parts):
            if u != t:
                logits = logits + q @ other.mT
        index = gamma.expand(*logits.shape)
        logits = logits + (q @ key_r.mT).gather(-1, index)
        logits = logits + (k @ query_r.mT).gather(-1, index).mT
        total = total + ((logits * m.scale).softmax(-1) @ v).transpose(1, 2).flatten(2)
    return total / len(z)


def seconds(job: Callable[[], object]) -> float:
    began = time.process_time()
    job()
    return time.process_time() - began


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    torch.manual_seed(0)
    m = TAM(BACKBONES, WIDTH, TAMAttention())
    z = [torch.randn(BAGS, SEGMENTS, WIDTH) for _ in range(BACKBONES)]
    with torch.no_grad():
        double, wide = deepcopy(m).double(), [x.double() for x in z]
        print(f"largest difference in float64: {(double(wide) - four_terms(double, wide)).abs().max():.1e}")
        print(f"largest difference in float32: {(m(z) - four_terms(m, z)).abs().max():.1e}")

    @torch.no_grad()
    def forward(run: Callable[[], Tensor]) -> None:
        run()

    def both(run: Callable[[], Tensor]) -> None:
        m.zero_grad()
        run().square().mean().backward()

    ways = {"module": lambda: m(z), "four terms": lambda: four_terms(m, z)}
    print("| | module, s | four terms, s | ratio |\n|---|---|---|---|")
    for name, job in (("forward", forward), ("forward and backward", both)):
        times: dict[str, list[float]] = {way: [] for way in ways}
        for round_ in range(rounds + 1):
            for way, run in ways.items():
                taken = seconds(lambda job=job, run=run: job(run))
                if round_:  # the first warms up
                    times[way].append(taken)
        fast, slow = (statistics.median(values) for values in times.values())
        print(f"| {name} | {fast:.3f} | {slow:.3f} | {slow / fast:.2f} |")
    print(f"{torch.get_num_threads()} threads, {rounds} rounds")


if __name__ == "__main__":
    main()
