"""SDMAE's forward pass against the same network written the straightforward way, in one run.

    python benchmarks/sdmae_forward.py

The straightforward way: attention as two einsums and a softmax that keeps the whole matrix of scores, and tokens picked
and put back sample by sample. Same weights, same results (checked), interleaved rounds, medians. 320x640, patch 16,
batch 8, fp32, teacher and student.
"""

from __future__ import annotations

import statistics
import time

import torch
from torch import Tensor

from oddframe.models.sdmae import SDMAE, Attention

BATCH, ROUNDS = 8, 7


def explicit_attention(self: Attention, x_BNC: Tensor, grid: tuple[int, int]) -> Tensor:
    cls, tokens = x_BNC[:, :1], x_BNC[:, 1:]
    image = tokens.transpose(1, 2).unflatten(2, grid)

    def project(conv: torch.nn.Module, linear: torch.nn.Module) -> Tensor:
        convolved = conv(image).flatten(2).transpose(1, 2)
        return linear(torch.cat((cls, convolved), 1)).unflatten(2, (self.heads, -1)).transpose(1, 2)

    q, k, v = (
        project(self.conv_proj_q, self.proj_q),
        project(self.conv_proj_k, self.proj_k),
        project(self.conv_proj_v, self.proj_v),
    )
    scores = torch.einsum("bhnc,bhmc->bhnm", q, k) * self.scale
    out = torch.einsum("bhnm,bhmc->bhnc", scores.softmax(-1), v)
    return self.proj(out.transpose(1, 2).flatten(2))


class Straightforward(SDMAE):
    """Gathers sample by sample; its attention is replaced by the explicit one."""

    def encode(self, x_B9HW: Tensor, noise_BL: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        rows, columns = self.config.grid
        kept_columns = round(columns * (1 - self.config.mask_ratio))
        kept = rows * kept_columns
        x_BLC = self.patch_embed(x_B9HW)
        visible, masks, restores = [], [], []
        for sample, noise in zip(x_BLC, noise_BL, strict=True):
            shuffle = noise.argsort(stable=True)
            restores.append(shuffle.argsort())
            visible.append(torch.stack([sample[i] for i in shuffle[:kept]]))
            masks.append((restores[-1] >= kept).to(sample.dtype))
        x_BNC = torch.cat((self.cls_token.expand(len(x_BLC), -1, -1), torch.stack(visible)), 1)
        for block in self.blocks:
            x_BNC = block(x_BNC, (rows, kept_columns))
        return self.norm(x_BNC), torch.stack(masks), torch.stack(restores)


def main() -> None:
    torch.manual_seed(0)
    ours = SDMAE.from_preset("paper").eval()
    plain = Straightforward.from_preset("paper").eval()
    plain.load_state_dict(ours.state_dict())
    for module in plain.modules():
        if isinstance(module, Attention):
            module.forward = explicit_attention.__get__(module)
    x, noise = torch.rand(BATCH, 9, 320, 640) * 2 - 1, ours.noise(torch.arange(BATCH))
    times: dict[str, list[float]] = {"ours": [], "plain": []}
    with torch.inference_mode():
        got, wanted = ours(x, noise), plain(x, noise)
        torch.testing.assert_close(got.teacher, wanted.teacher, rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(got.student, wanted.student, rtol=1e-4, atol=1e-4)
        for _ in range(ROUNDS):
            for name, model in (("ours", ours), ("plain", plain)):
                start = time.perf_counter()
                model(x, noise)
                times[name].append(time.perf_counter() - start)
    median = {name: statistics.median(values) for name, values in times.items()}
    ratio = statistics.median(p / o for o, p in zip(times["ours"], times["plain"], strict=True))
    print(f"frames/s   ours {BATCH / median['ours']:.1f}   straightforward {BATCH / median['plain']:.1f}")
    print(f"ratio      {ratio:.2f} (median of {ROUNDS} interleaved rounds, {torch.get_num_threads()} threads)")


if __name__ == "__main__":
    main()
