"""SDMAE's scores against the same network written the straightforward way (`plain_sdmae.py`), in one run.

    python benchmarks/sdmae_forward.py

Same weights, same scores (checked), interleaved rounds, medians. 320x640, patch 16, batch 8, fp32, teacher and student.
"""

from __future__ import annotations

import statistics
import time

import torch
from plain_sdmae import PlainSDMAE

from oddframe.models.detector import Batch
from oddframe.models.sdmae import SDMAE

BATCH, ROUNDS = 8, 7


def main() -> None:
    torch.manual_seed(0)
    ours = SDMAE.from_preset("paper").eval()
    plain = PlainSDMAE.like(ours)
    frames = torch.randint(0, 256, (BATCH, 3, 320, 640, 3), dtype=torch.uint8)
    batch = Batch(frames, frames[:, 1:2].contiguous(), torch.arange(BATCH))
    noise = ours.noise(batch.key)
    forwards = {"ours": lambda: ours.score(batch), "plain": lambda: plain(frames, batch.target[:, 0], noise)}
    times: dict[str, list[float]] = {"ours": [], "plain": []}
    with torch.inference_mode():
        torch.testing.assert_close(ours.score(batch).map, forwards["plain"]()[-1], rtol=1e-4, atol=1e-4)
        for _ in range(ROUNDS):
            for name, forward in forwards.items():
                start = time.perf_counter()
                forward()
                times[name].append(time.perf_counter() - start)
    median = {name: statistics.median(values) for name, values in times.items()}
    ratio = statistics.median(p / o for o, p in zip(times["ours"], times["plain"], strict=True))
    print(f"frames/s   ours {BATCH / median['ours']:.1f}   straightforward {BATCH / median['plain']:.1f}")
    print(f"ratio      {ratio:.2f} (median of {ROUNDS} interleaved rounds, {torch.get_num_threads()} threads)")


if __name__ == "__main__":
    main()
